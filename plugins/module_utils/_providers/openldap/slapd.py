# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""slapd brought from one state to another, running or stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import Command
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import bring_up
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import ldif
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import UNIT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.state import SlapdReader

PATIENCE = 10.0  # seconds that slapd may take to answer once it has been started
_PAUSE = 0.1


class Slapd(SlapdReader):
    """The slapd of one host, as it is changed."""

    def restart(self, run: Callable[..., Completed]) -> None:
        """Restart it. Raises Problem where it does not come up."""
        bring_up(run, UNIT, "OpenLDAP", self._comes_up, why=lambda: "it does not answer")

    def _comes_up(self) -> bool:
        """Whether it answers, now or soon."""
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE)
        return True

    def move(
        self, run: Callable[..., Completed], before: config.Settings, after: config.Settings, *, restart: bool
    ) -> None:
        """Bring the running slapd from one state to another, and have it read its certificate again.

        It cannot give up a certificate while it runs, so it is stopped for that; and it is restarted where it would go
        on demanding what is not demanded any more.

        Args:
            run: runs a program with an effect.
            before: the settings as they are.
            after: the settings as they are to be.
            restart: whether it has to be restarted for other reasons.

        Raises:
            Problem: it refuses; as much as possible of what it had before is in force.
        """
        if any(before.get(name) and not after.get(name) for name in (config.CERTIFICATE, config.KEY)):
            self.move_stopped(run, before, after)
            return
        for step in (ldif.tls_step(before, after), ldif.channel_step(before, after)):
            done = self._modify(run, step)
            if done.code != 0:
                # with GnuTLS a refused change leaves no TLS at all until another one is accepted
                self._modify(run, ldif.tls_step(before, before))
                raise Problem(
                    f"slapd refuses the settings ({done.complaint})",
                    f"look at 'journalctl -u {UNIT}' on the host",
                    subject="OpenLDAP",
                    option="cn=config",
                )
        if restart or config.loosens(before, after):
            self.restart(run)

    def _modify(self, run: Callable[..., Completed], change: str) -> Completed:
        return run(self.argv("ldapmodify"), stdin=change.encode()) if change else Completed(0, "", "")

    def move_stopped(self, run: Callable[..., Completed], before: config.Settings, after: config.Settings) -> None:
        """Stop slapd, change its settings, and start it. Raises Problem where one of these fails."""
        run(["systemctl", "stop", UNIT])
        try:
            self.change_stopped(run, before, after)
        finally:
            self.restart(run)

    def change_stopped(self, run: Callable[..., Completed], before: config.Settings, after: config.Settings) -> None:
        """Change the settings of slapd, which does not run. Raises Problem where that fails."""
        change = ldif.for_stopped(before, after)
        user = self.account[0]  # whoever writes the files owns them
        done = run(self._change_stopped, stdin=change.encode(), user=user) if change else Completed(0, "", "")
        if done.code != 0:
            raise Problem(
                f"the settings of slapd cannot be changed while it is stopped ({done.complaint})",
                f"make sure that all files in {self.directory} belong to {user or 'root'}",
                subject="OpenLDAP",
                option=self.directory,
            )

    def command_to(self, settings: config.Settings) -> Command:
        """What gives it these settings while it is stopped, whatever it has now; it has no session."""
        return Command(self._as_its_user(self._change_stopped), ldif.whole(settings))

    def conditions_of(self, settings: config.Settings) -> tuple[Command, ...]:
        """What must hold for it to start with these settings; where it does not, it is better not stopped."""
        paths = self.start_requirements().files(settings)
        return tuple(Command(self._as_its_user(["test", "-r", path])) for path in paths)

    def _as_its_user(self, argv: Sequence[str]) -> tuple[str, ...]:
        user = self.account[0]
        return ("runuser", "-u", user, "--", *argv) if user else tuple(argv)

    @property
    def _change_stopped(self) -> list[str]:
        return ["slapmodify", "-n0", "-F", self.directory]
