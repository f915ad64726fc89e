# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""INN, serving nntp to readers.

Facts: inn.conf(5), readers.conf(5) and nnrpd(8) of INN 2.7. Port 119 is innd's, which starts an nnrpd for each reader;
that one reads inn.conf, readers.conf and the certificate anew, so a change needs neither reload nor restart. On any
other port systemd listens for us, and starts nnrpd in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import bring_up, is_active
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.unit_drop_in import read_again
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Plan,
    Provider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn import (
    mechanisms as inn_mechanisms,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn import socket_units as inn_units
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.admitted_addresses import (
    admitted_addresses,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.auth_groups import AuthGroup
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.checks import (
    DEFAULT,
    refuse_sockets,
    warnings_about,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.daemon import InnDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.file_plan import (
    InnFiles,
    home_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.inn_conf import (
    Effective,
    effective,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.key_lines import KeyLines
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.lost_lines import watch
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.paths import (
    CONFIG_DIRECTORY,
    KEY_PERMISSIONS,
    SASL_DIRECTORY,
    SASL_FILE,
    TOOLS,
    UNIT,
    USER,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.readers_conf import (
    Files,
    auth_groups,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.socket_activation import (
    activate as activate_sockets,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.socket_activation import (
    is_ours,
    running_sockets,
    unopened,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.socket_units import Listener
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings

_KNOWN = (2, 7)


def _meaning(complaint: str) -> str:
    """A complaint without its file and line."""
    return re.sub(r"\S*:\d+:", "", complaint)


class Inn(InnDaemon, Provider):
    """The adapter for INN. The default virtual server is INN's own; any other one is nnrpd with files of its own."""

    config_roots = (ConfigRoot(CONFIG_DIRECTORY, USER),)

    def __init__(self, host: Host, store: Store) -> None:
        super().__init__(host, store)
        self._version: tuple[int, ...] | None = None

    # ---- reading

    def capabilities(self) -> Capabilities:
        if self._version is None:
            printed = self.host.query([f"{TOOLS}/innconfval", "-v"], user=USER).out
            self._version = tuple(int(part) for part in re.findall(r"\d{1,9}", printed)[:3])
        if self._version[:2] < _KNOWN:
            raise Problem(f"INN {'.'.join(map(str, self._version))} is too old", "upgrade to INN 2.7 or newer")
        return Capabilities(
            self._version,
            known=self._version[:2] == _KNOWN,
            library=openssl_library(),
            key_permissions=KEY_PERMISSIONS,
        )

    def running(self) -> bool:
        return is_active(self.host, UNIT)

    def read(self) -> dict[tuple[str, str], Vserver]:
        listeners = inn_units.present(self.host)
        settings = effective(self.host)
        default = self._as_vserver(DEFAULT, settings, settings.readers, SASL_DIRECTORY, listeners)
        found = {default.key: default}
        for name in sorted({one.vserver for one in listeners} - {DEFAULT}):
            home = home_of(name)
            settings = effective(self.host, f"{home}/inn.conf")
            further = self._as_vserver(name, settings, f"{home}/readers.conf", home, listeners)
            found[further.key] = further
        return found

    def _as_vserver(
        self, name: str, settings: Effective, readers: str, sasl: str, listeners: Sequence[Listener]
    ) -> Vserver:
        """What is in effect, as the model says it."""
        own = {one.tls: one for one in listeners if one.vserver == name}
        reachable = [group for group in self._groups(settings, readers) if group.reachable]
        mechanisms = self._mechanisms(f"{sasl}/{SASL_FILE}")
        logins_in_clear = any(group.logins and not group.encrypted for group in reachable)
        return Vserver(
            protocol="nntp",
            name=name,
            certificate=self._certificate(settings),
            require_secure_channel=all(group.encrypted for group in reachable),
            strength=settings.strength(self.capabilities().library),
            # the default one listens wherever innd does
            addresses=next((one.addresses for one in own.values()), ()) if name != DEFAULT else (),
            port=settings.port if name == DEFAULT else own[False].port if False in own else 0,
            implicit_tls_port=own[True].port if True in own else 0,
            auth_clear=inn_mechanisms.in_clear(mechanisms, logins_in_clear=logins_in_clear),
            auth_tls=tuple(sorted(mechanisms)),
        )

    def _groups(self, settings: Effective, readers: str) -> list[AuthGroup]:
        return auth_groups(self.host.read_text(readers), readers, Files(self.host.read_text, settings.home))

    def _mechanisms(self, path: str) -> frozenset[str]:
        """The SASL mechanisms that are offered inside TLS."""
        there = KeyLines(self.host.read_text(path), path).value("mech_list")
        return frozenset(there.upper().split()) if there else inn_mechanisms.installed(self.host)

    def _certificate(self, settings: Effective) -> str:
        path = settings.values["tlscertfile"]
        if self.host.state(path) is None:
            return ""  # the setting has a default, whether that file exists or not
        ours = self.store.name_of_deployed(self.name, path) if settings.values["tlskeyfile"] == path else None
        return ours or path

    # ---- planning

    def never_below(self, vserver: Vserver, found: Vserver | None) -> Vserver:
        return self._files(SavedSettings(self.host, self.store, self.name), effective(self.host)).kept(vserver)

    def _files(self, originals: SavedSettings, settings: Effective) -> InnFiles:
        return InnFiles(self.host, originals, settings, self.capabilities().library)

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        originals = SavedSettings(self.host, self.store, self.name)
        settings = effective(self.host)
        files = self._files(originals, settings)
        changes: list[FileChange] = []
        warnings: list[str] = []
        for vserver in desired:
            certificate = self.store.deployed_path(self.name, vserver.certificate) if vserver.certificate else ""
            if vserver.present:
                refuse_sockets(vserver, settings)
                self._way_in(vserver, settings, files.unchanged.groups)
                if vserver.name == DEFAULT and vserver.require_secure_channel:
                    warnings += warnings_about(self._groups(settings, settings.readers))
            plan = files.default if vserver.name == DEFAULT else files.further
            warnings += files.warnings(vserver)
            changes += plan(vserver, certificate)
            changes += self._listeners(vserver, settings)
            if vserver.name == DEFAULT:
                changes += watch(self.host, certificate if vserver.present else "")
        return Plan(changes=(*changes, originals.change()), warnings=tuple(dict.fromkeys(warnings)))

    def _listeners(self, vserver: Vserver, settings: Effective) -> Iterator[FileChange]:
        """The units of the sockets besides INN's own."""
        further = vserver.name != DEFAULT
        wanted = []
        if vserver.present and vserver.implicit_tls_port:
            wanted.append(Listener(vserver.name, True, vserver.addresses, vserver.implicit_tls_port))
        if vserver.present and further and vserver.port:
            wanted.append(Listener(vserver.name, False, vserver.addresses, vserver.port))
        home = home_of(vserver.name)
        for one in wanted:
            if further:
                yield from one.rendered(f"{home}/inn.conf", home, f"{home}/readers.conf", settings.flags)
            else:
                yield from one.rendered("", "", settings.readers, settings.flags)
        kept = {one.unit for one in wanted}
        for tls in (True, False):
            listener = Listener(vserver.name, tls, (), 0)
            if listener.unit not in kept:
                yield from inn_units.removed(listener)
        yield inn_units.at_boot(vserver.name, wanted)

    # ---- proving

    def holds(self, socket: Listening) -> bool:
        return super().holds(socket) or is_ours(self.host, socket)

    def unopened(self) -> list[tuple[str, int]]:
        settings = effective(self.host)
        return unopened(self.host, settings.address, settings.port)

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        settings = effective(self.host)
        readers = settings.readers if vserver.name == DEFAULT else f"{home_of(vserver.name)}/readers.conf"
        groups = self._groups(settings, readers)
        address, source = self._way_in(vserver, settings, groups)
        port = settings.port if vserver.name == DEFAULT else vserver.port
        return [
            Endpoint(one, number, "nntp", implicit_tls=implicit, source=source)
            for number, implicit in ((port, False), (vserver.implicit_tls_port, True))
            for one in dict.fromkeys([address, *vserver.addresses])
            if number
        ]

    def _way_in(self, vserver: Vserver, settings: Effective, groups: Sequence[AuthGroup]) -> tuple[str, str]:
        """Addresses of the server and of a client on this host with which it can be proven."""
        bound = (settings.address,) if vserver.name == DEFAULT and settings.address else vserver.addresses
        return admitted_addresses(self.host, bound, settings, groups, vserver.title)

    # ---- acting

    @property
    def units(self) -> tuple[str, ...]:
        return (UNIT, *sorted(running_sockets(self.host)))

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[CONFIG_DIRECTORY]
        known = {_meaning(line) for line in self._complaints(run, CONFIG_DIRECTORY)}
        for place in ("", *(f"/{name}" for name in self._further_in(mirror))):
            found = self._complaints(run, mirror + place)
            # innd runs with what it complained of before, such as keys that older versions had
            new = [line for line in found if _meaning(line) not in known]
            if new:
                raise Problem(
                    f"INN refuses the configuration ({' / '.join(new).replace(mirror, CONFIG_DIRECTORY)})",
                    f"fix the files below {CONFIG_DIRECTORY} until 'innconfval -C' and inncheck accept"
                    " them, then run again",
                    option=f"{CONFIG_DIRECTORY}{place}",
                )

    @staticmethod
    def _complaints(run: Callable[..., Completed], directory: str) -> list[str]:
        """What INN's programs say of the files in a directory."""
        settings, readers = f"{directory}/inn.conf", f"{directory}/readers.conf"
        found = []
        for argv in ([f"{TOOLS}/innconfval", "-C"], [f"{TOOLS}/inncheck", f"readers.conf={readers}"]):
            done = run(argv, environment={"INNCONF": settings})
            # innconfval only warns of a key that is set twice
            if done.code != 0 or done.err.strip():
                lines = [line.strip() for line in (done.err or done.out).splitlines()]
                found += list(filter(None, lines)) or [f"{argv[0]} does not say why"]
        return found

    def _further_in(self, directory: str) -> list[str]:
        prefix = home_of("").rpartition("/")[2]
        names = [name for name in self.host.names_in(directory) if name.startswith(prefix)]
        return [name for name in names if self.host.state(f"{directory}/{name}/inn.conf")]

    def activate(self, run: Callable[..., Completed]) -> None:
        read_again(run, self.host, UNIT)
        activate_sockets(self.host, run)
        if self.running():
            return
        bring_up(run, UNIT, "INN", self.running)
