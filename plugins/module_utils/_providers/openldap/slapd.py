# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""slapd itself: what it says about its configuration, and how it is brought to another one.

Root speaks to it over ldapi, where the kernel says who is asking (SASL EXTERNAL); Debian lets root manage cn=config.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import FAMILY, how_to_install
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import bring_up, is_active
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import (
    defaults_file as files,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import (
    CLIENT_PACKAGE,
    CONFIG_DIRECTORY,
    DEFAULTS_FILE,
    SASL_FILE,
    UNIT,
)

PATIENCE = 10.0  # seconds that slapd may take to answer once it has been started
_PAUSE = 0.1
_VERIFY_CLIENT, _ARGUMENTS = "olcTLSVerifyClient", "olcArgsFile"
_QUESTION = "(|(objectClass=olcGlobal)(objectClass=olcFrontendConfig))"
_NO_CLIENT_CERTIFICATES = ("", "never", "0", "false", "no", "off")
_WAY_IN = (
    f"let slapd listen on ldapi:/// too (SLAPD_SERVICES in {DEFAULTS_FILE}), and let root manage cn=config from there"
    f" (olcAccess of olcDatabase={{0}}config), as {FAMILY} has it; a slapd.conf must be converted first"
    " (slaptest -f -F)"
)


@dataclass(frozen=True)
class State:
    """What slapd says of itself.

    Attributes:
        settings: those attributes of cn=config that we deal with.
        factors: the least strengths in force for all that it serves.
        frontend_factors: those of them that stand in the frontend's entry.
        requires: words of olcRequires in force for all that it serves.
        disallows: words of olcDisallows.
        client_certificates: whether it asks clients for certificates.
        mechanisms: all SASL mechanisms that it offers to someone.
        mechanisms_chosen: whether the SASL library is told which mechanisms to offer.
    """

    settings: config.Settings
    factors: Mapping[str, int]
    frontend_factors: Mapping[str, int]
    requires: frozenset[str]
    disallows: frozenset[str]
    client_certificates: bool
    mechanisms: frozenset[str]
    mechanisms_chosen: bool


class Daemon:
    """The slapd of one host.

    Args:
        host: the machine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    # ---- files

    def _told(self, name: str) -> str:
        return files.assigned(self._host.read_text(DEFAULTS_FILE), name)

    @property
    def account(self) -> tuple[str, str]:
        """User and group that it runs as; empty for root."""
        return self._told("SLAPD_USER"), self._told("SLAPD_GROUP")

    @property
    def directory(self) -> str:
        """Where cn=config is kept."""
        return self._told("SLAPD_CONF") or CONFIG_DIRECTORY

    def listeners(self) -> list[files.Listener]:
        """Where it is told to listen."""
        return [files.listener(url) for url in self._told("SLAPD_SERVICES").split() or ["ldap:///"]]

    # ---- asking

    def running(self) -> bool:
        """Whether its unit is active."""
        return is_active(self._host, UNIT)

    def _argv(self, tool: str, *arguments: str) -> list[str]:
        urls = [one.url for one in self.listeners() if one.scheme == "ldapi"]
        return [tool, "-Q", "-Y", "EXTERNAL", "-H", urls[0] if urls else "ldapi:///", *arguments]

    def _search(self, base: str, scope: str, question: str, *attributes: str) -> Completed:
        return self._host.query(
            self._argv("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", base, "-s", scope, question, *attributes)
        )

    def answers(self) -> bool:
        """Whether root gets at its configuration."""
        done = self._search("cn=config", "base", "(objectClass=olcGlobal)", "cn")
        return done.code == 0 and bool(config.entries(done.out))

    def state(self) -> State:
        """What it says of itself.

        Raises:
            Problem: root does not get at its configuration.
        """
        if self._host.which("ldapsearch") is None:
            raise Problem("the program ldapsearch is not installed", f"install it ({how_to_install(CLIENT_PACKAGE)})")
        attributes = (*config.MANAGED, _VERIFY_CLIENT)
        done = self._search("cn=config", "sub", _QUESTION, *attributes)
        found = {one["dn"][0]: one for one in config.entries(done.out)}
        if done.code != 0 or "cn=config" not in found:
            complaint = done.complaint if done.code != 0 else "it shows no cn=config"
            raise Problem(f"root cannot read slapd's configuration ({complaint})", _WAY_IN, option="cn=config")
        root = found.pop("cn=config")
        frontend = next(iter(found.values()), {})
        factors, here = config.factors(frontend), config.factors(root)
        offered = self._search("", "base", "(objectClass=*)", "supportedSASLMechanisms")
        mechanisms = [one.get("supportedSASLMechanisms", ()) for one in config.entries(offered.out)]
        return State(
            settings={name: values for name, values in root.items() if name in config.MANAGED},
            factors={name: max(here.get(name, 0), factors.get(name, 0)) for name in {**here, **factors}},
            frontend_factors=factors,
            requires=frozenset(config.words(root, config.REQUIRES) | config.words(frontend, config.REQUIRES)),
            disallows=frozenset(config.words(root, config.DISALLOWS)),
            client_certificates=root.get(_VERIFY_CLIENT, ("",))[0].lower() not in _NO_CLIENT_CERTIFICATES,
            mechanisms=frozenset(word.upper() for some in mechanisms for word in some),
            mechanisms_chosen=files.mechanisms(self._host.read_text(SASL_FILE)) is not None,
        )

    def settings_at_rest(self) -> config.Settings:
        """Those attributes of cn=config that we deal with, as they lie on the disk.

        Raises:
            Problem: they cannot be read.
        """
        done = self._host.query(
            ["slapcat", "-n0", "-F", self.directory, "-o", "ldif-wrap=no", "-a", "(objectClass=olcGlobal)"]
        )
        found = config.entries(done.out)
        if done.code != 0 or not found:
            raise Problem(
                f"slapd's configuration in {self.directory} cannot be read ({done.complaint})",
                "mend it until 'slapcat -n0' is content, or put it back from a backup",
                option=self.directory,
            )
        return {name: values for name, values in found[0].items() if name in config.MANAGED}

    def listens_as_told(self) -> bool:
        """Whether it was started with the listeners that it is told to have now."""
        done = self._search("cn=config", "base", "(objectClass=olcGlobal)", _ARGUMENTS)
        paths = [path for one in config.entries(done.out) for path in one.get(_ARGUMENTS, ())]
        running = files.running_services(self._host.read_text(paths[0])) if paths else None
        return running is None or set(map(unquote, running)) == {unquote(one.url) for one in self.listeners()}

    # ---- acting

    def restart(self, run: Callable[..., Completed]) -> None:
        """Start it anew. Raises Problem where it does not come up."""
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
        """Have the running slapd go from one state to another, and read its certificate again.

        It cannot let go of a certificate while it runs, so it is stopped for that; and it is restarted where it would
        go on demanding what it is no longer to demand.

        Args:
            run: runs a program with an effect.
            before: the settings as they are.
            after: the settings as they shall be.
            restart: whether it has to be restarted for other reasons.

        Raises:
            Problem: it refuses; what it had before is in force as far as it can be.
        """
        if any(before.get(name) and not after.get(name) for name in (config.CERTIFICATE, config.KEY)):
            self.move_at_rest(run, before, after)
            return
        for ldif in (config.tls_step(before, after), config.channel_step(before, after)):
            done = self._modify(run, ldif)
            if done.code != 0:
                # with GnuTLS a refused change leaves no TLS at all until one is taken
                self._modify(run, config.tls_step(before, before))
                raise Problem(
                    f"slapd refuses the settings ({done.complaint})",
                    f"look at 'journalctl -u {UNIT}' on the host",
                    subject="OpenLDAP",
                    option="cn=config",
                )
        if restart or config.loosens(before, after):
            self.restart(run)

    def _modify(self, run: Callable[..., Completed], ldif: str) -> Completed:
        return run(self._argv("ldapmodify"), stdin=ldif.encode()) if ldif else Completed(0, "", "")

    def move_at_rest(self, run: Callable[..., Completed], before: config.Settings, after: config.Settings) -> None:
        """Stop slapd, change its settings, and start it. Raises Problem where one of these fails."""
        ldif = config.at_rest(before, after)
        user = self.account[0]
        argv = ["slapmodify", "-n0", "-F", self.directory]
        if user:  # whoever writes the files owns them
            argv = ["runuser", "-u", user, "--", *argv]
        run(["systemctl", "stop", UNIT])
        done = run(argv, stdin=ldif.encode()) if ldif else Completed(0, "", "")
        self.restart(run)
        if done.code != 0:
            raise Problem(
                f"the settings of slapd cannot be changed while it is stopped ({done.complaint})",
                f"look whether all files in {self.directory} belong to {user or 'root'}",
                subject="OpenLDAP",
                option=self.directory,
            )
