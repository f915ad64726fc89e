# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""slapd's settings and files as they are to be, and as they were before."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.checks import (
    mechanisms_for,
    refuse_frontend,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.cn_config import (
    ANONYMOUS,
    EXTERNAL,
    SIMPLE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.defaults_file import (
    assigned,
    line_of,
    with_line,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.listeners import (
    Listener,
    services,
    with_ports,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import (
    DEFAULTS_FILE,
    SASL_FILE,
    UNIT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.sasl_conf import (
    with_mechanisms,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.state import State
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings

_SERVICES = "SLAPD_SERVICES"
SETTING = "cn=config "  # the names of saved attributes begin with this


class ConfigPlan:
    """slapd's configuration while a plan is made.

    Args:
        host: the machine.
        state: what slapd says of itself.
        listeners: where it is told to listen.
        originals: what was there before us; brought up to date.

    Attributes:
        settings: those of cn=config as they are to be.
        changes: the files that change.
    """

    def __init__(self, host: Host, state: State, listeners: Sequence[Listener], originals: SavedSettings) -> None:
        self._host = host
        self._state = state
        self._listeners = listeners
        self._originals = originals
        self.settings: dict[str, tuple[str, ...]] = dict(state.settings)
        self.changes: list[FileChange] = []

    @property
    def own(self) -> config.Settings:
        """The administrator's own settings, as they are without us."""
        return {**self._state.settings, **self._saved()}

    def services(self) -> list[str]:
        """The URLs at which slapd is told to listen, where we have changed them."""
        text = self._host.read_text(DEFAULTS_FILE)
        for change in self.changes:
            if change.path == DEFAULTS_FILE:
                text = (change.content or b"").decode("utf-8", "surrogateescape")
        return [one.url for one in services(assigned(text, _SERVICES))] if _SERVICES in self._originals else []

    # ---- secured

    def secure(self, vserver: Vserver, certificate: str, library: TlsLibrary) -> None:
        """Add what the virtual server needs.

        Args:
            vserver: what is desired.
            certificate: path of its certificate and key.
            library: the TLS library that slapd uses.

        Raises:
            Problem: slapd cannot do what is asked.
        """
        now, own = self._state.settings, self.own
        saved = self._saved()
        mechanisms = mechanisms_for(vserver, self._state)
        refuse_frontend(vserver, self._state)
        wanted = {
            config.CERTIFICATE: (certificate,),
            config.KEY: (certificate,),
            **config.settings_within(self._host, vserver, library, own),
            **config.channel(
                own,
                required=vserver.require_secure_channel,
                simple_in_clear=SIMPLE in vserver.auth_clear,
                sasl_in_clear=bool(set(vserver.auth_clear) - {SIMPLE}),
            ),
        }
        if vserver.auth_tls is None:  # what an earlier declaration chose is chosen no more
            wanted.update({name: saved[name] for name in (config.REQUIRES, config.DISALLOWS) if name in saved})
            self._offer_as_before()
        else:
            simple, anonymous = SIMPLE in vserver.auth_tls, ANONYMOUS in vserver.auth_tls
            wanted.update(config.logins(own, simple=simple, anonymous=anonymous))
            self._offer(mechanisms)
        for name in config.changed(now, {**now, **wanted}):
            self._originals.note(SETTING + name, list(now.get(name, ())))
        self._listen(vserver)
        self.settings.update(wanted)

    def _offer(self, mechanisms: set[str]) -> None:
        if mechanisms == self._state.mechanisms - {EXTERNAL}:
            return
        before = self._host.read(SASL_FILE)
        self._originals.note(SASL_FILE, None if before is None else before.decode("utf-8", "surrogateescape"))
        # without EXTERNAL root could not change cn=config any more
        listed = [EXTERNAL, *sorted(mechanisms - {EXTERNAL})]
        self._write(SASL_FILE, with_mechanisms(self._host.read_text(SASL_FILE), listed))

    def _offer_as_before(self) -> None:
        if SASL_FILE in self._originals:
            self._write(SASL_FILE, self._originals.take_text(SASL_FILE))

    def _listen(self, vserver: Vserver) -> None:
        text = self._host.read_text(DEFAULTS_FILE)
        own = self._originals.text(_SERVICES) if _SERVICES in self._originals else line_of(text, _SERVICES)
        before = services(assigned(own or "", _SERVICES))
        urls = with_ports(before, vserver.port, vserver.implicit_tls_port)
        if set(urls) == {one.url for one in self._listeners}:
            return
        if set(urls) == {one.url for one in before}:
            self._write(DEFAULTS_FILE, with_line(text, _SERVICES, self._originals.take_text(_SERVICES)))
            return
        self._originals.note(_SERVICES, own)
        self._write(DEFAULTS_FILE, with_line(text, _SERVICES, f'{_SERVICES}="{" ".join(urls)}"'))

    def _write(self, path: str, text: str | None) -> None:
        self.changes.append(FileChange(path, None if text is None else text.encode("utf-8", "surrogateescape")))

    # ---- as before

    def take_back(self, *, ours: bool, slapmodify: str) -> None:
        """Put everything back as it was before we first changed it.

        Args:
            ours: whether the certificate that slapd shows is a copy of ours, which will be gone.
            slapmodify: the command with which the administrator changes cn=config while slapd is stopped.

        Raises:
            Problem: nobody knows how it was.
        """
        saved = dict(self._saved())
        if ours and config.CERTIFICATE not in saved:  # what was saved is lost
            self._refuse_lost(slapmodify)
            saved = {**dict.fromkeys(config.TLS, ()), **saved}
        self._originals.forget(self._originals.keys(SETTING))
        self.settings.update(saved)
        if _SERVICES in self._originals:
            line = self._originals.take_text(_SERVICES)
            self._write(DEFAULTS_FILE, with_line(self._host.read_text(DEFAULTS_FILE), _SERVICES, line))
        if SASL_FILE in self._originals:
            self._write(SASL_FILE, self._originals.take_text(SASL_FILE))

    def _refuse_lost(self, slapmodify: str) -> None:
        """Raise Problem where more than the certificate can be ours, which without TLS would keep every client out."""
        now = self._state.settings
        secure = [one.url for one in self._listeners if one.scheme == "ldaps"]
        if not secure and not any(now.get(name) for name in config.MANAGED if name not in config.TLS):
            return
        ldif = ["dn: cn=config", "changetype: modify"]
        for name in config.MANAGED:
            ldif += [f"delete: {name}", "-"] if now.get(name) else []
        lines = "' '".join(ldif)
        # a slapd that runs refuses a part of it, and has root locked out by then
        how = f"'systemctl stop {UNIT}', \"printf '%s\\n' '{lines}' | {slapmodify}\", 'systemctl start {UNIT}'"
        if secure:
            how = f"take {' '.join(secure)} out of {_SERVICES} in {DEFAULTS_FILE}; {how}"
        self._originals.refuse_lost(now[config.CERTIFICATE][0], "cn=config", how)

    def _saved(self) -> config.Settings:
        """The attributes that we have changed, as they were before."""
        names = self._originals.keys(SETTING)
        return {name[len(SETTING) :]: self._originals.texts(name) for name in names}
