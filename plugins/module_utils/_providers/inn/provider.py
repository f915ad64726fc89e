# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""INN, serving nntp to readers.

Facts: inn.conf(5), readers.conf(5) and nnrpd(8) of INN 2.7. Port 119 is innd's, which starts an nnrpd for each reader;
that one reads inn.conf, readers.conf and the certificate anew, so a change needs neither reload nor restart. On any
other port systemd listens for us, and starts nnrpd in the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import bring_up, is_active
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
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.file_plan import (
    InnFiles,
    home_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.inn_conf import (
    Effective,
    effective,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.key_lines import KeyLines
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.paths import (
    CONFIG_DIRECTORY,
    KEY_PERMISSIONS,
    NNRPD,
    PACKAGES,
    SASL_DIRECTORY,
    SASL_FILE,
    TOOLS,
    UNIT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.readers_conf import (
    AuthGroup,
    Files,
    auth_groups,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.socket_units import Listener
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings

_DEFAULT = "default"
_KNOWN = (2, 7)
_LOOPBACK, _ELSEWHERE = "127.0.0.1", "127.0.0.2"


class Inn(Provider):
    """The adapter for INN. The default virtual server is INN's own; any other one is nnrpd with files of its own."""

    name = "inn"
    protocols = frozenset({"nntp"})
    processes = frozenset({"innd", "nnrpd"})
    packages = PACKAGES
    options = frozenset({"name", "auth_tls", "auth_clear"})
    unit = UNIT
    config_roots = (CONFIG_DIRECTORY,)

    def __init__(self, host: Host, store: Store) -> None:
        super().__init__(host, store)
        self._version: tuple[int, ...] | None = None

    @classmethod
    def installed(cls, host: Host) -> bool:
        return host.state(NNRPD) is not None

    # ---- reading

    def capabilities(self) -> Capabilities:
        if self._version is None:
            printed = self.host.query([f"{TOOLS}/innconfval", "-v"]).out
            self._version = tuple(int(part) for part in re.findall(r"\d+", printed)[:3])
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
        default = self._as_vserver(_DEFAULT, settings, settings.readers, SASL_DIRECTORY, listeners)
        found = {default.key: default}
        for name in sorted({one.vserver for one in listeners} - {_DEFAULT}):
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
            # its own one listens wherever innd does
            addresses=next((one.addresses for one in own.values()), ()) if name != _DEFAULT else (),
            port=settings.port if name == _DEFAULT else own[False].port if False in own else 0,
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
            return ""  # INN has a name for it whether it is there or not
        ours = self.store.name_of_deployed(self.name, path) if settings.values["tlskeyfile"] == path else None
        return ours or path

    # ---- planning

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        originals = SavedSettings(self.host, self.store, self.name)
        settings = effective(self.host)
        files = InnFiles(self.host, originals, settings, self.capabilities().library)
        changes: list[FileChange] = []
        warnings: list[str] = []
        for vserver in desired:
            certificate = self.store.deployed_path(self.name, vserver.certificate) if vserver.certificate else ""
            if vserver.present:
                self._refuse_sockets(vserver, settings)
                self._way_in(vserver.name, vserver.addresses, settings, files.base.groups, vserver.title)
                if vserver.name == _DEFAULT and vserver.require_secure_channel:
                    warnings += _warnings(self._groups(settings, settings.readers))
            plan = files.default if vserver.name == _DEFAULT else files.further
            changes += plan(vserver, certificate)
            changes += self._listeners(vserver, settings)
        return Plan(changes=(*changes, originals.change()), warnings=tuple(dict.fromkeys(warnings)))

    def _listeners(self, vserver: Vserver, settings: Effective) -> Iterator[FileChange]:
        """The units of the sockets beyond INN's own."""
        further = vserver.name != _DEFAULT
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

    @staticmethod
    def _refuse_sockets(vserver: Vserver, settings: Effective) -> None:
        """Raise Problem where a socket is asked for that innd cannot let go, or already has."""
        if vserver.name == _DEFAULT:
            if vserver.port not in (None, settings.port):
                raise Problem(
                    f"innd listens on port {settings.port}, for other servers as well as for readers",
                    "leave the option out",
                    subject=vserver.title,
                    option="port",
                )
        elif vserver.port == settings.port and (not settings.address or settings.address in vserver.addresses):
            raise Problem(
                f"innd itself listens on port {vserver.port} of {settings.address or 'every address'}",
                "give another port, or 0 for none; or bind innd to one address (bindaddress in inn.conf)",
                subject=vserver.title,
                option="port",
            )

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        settings = effective(self.host)
        readers = settings.readers if vserver.name == _DEFAULT else f"{home_of(vserver.name)}/readers.conf"
        groups = self._groups(settings, readers)
        address, source = self._way_in(vserver.name, vserver.addresses, settings, groups, vserver.title)
        port = settings.port if vserver.name == _DEFAULT else vserver.port
        found = [Endpoint(address, port, "nntp", implicit_tls=False, source=source)] if port else []
        if vserver.implicit_tls_port:
            found.append(Endpoint(address, vserver.implicit_tls_port, "nntp", implicit_tls=True, source=source))
        return found

    def _way_in(
        self, name: str, addresses: Sequence[str], settings: Effective, groups: Sequence[AuthGroup], title: str
    ) -> tuple[str, str]:
        """An address of the server's, and one of this host's from which readers.conf lets clients in.

        Other than its own address tells more, but INN, unlike others, does not take a session within one address for
        a secure one.
        """
        own = self._addresses()
        if name == _DEFAULT and settings.address:
            addresses = (settings.address,)
        if addresses:
            ways = [(one, source) for one in addresses for source in (_ELSEWHERE, one, _LOOPBACK, "::1")]
        else:
            ways = [(_LOOPBACK, _ELSEWHERE), *((one, one) for one in own), (_LOOPBACK, _LOOPBACK)]
        names: dict[str, set[str]] = {}
        for server, client in ways:
            if (":" in server) != (":" in client):
                continue
            for one in (server, client):
                names.setdefault(one, {one, *self._names(one)})
            if any(group.admits(names[client], names[server]) for group in groups):
                return server, client
        raise Problem(
            f"{settings.readers} lets in none of this host's own addresses, so that nothing could be proven",
            f"add {_ELSEWHERE} to the hosts of an auth group",
            subject=title,
            option=settings.readers,
        )

    def _addresses(self) -> list[str]:
        """The addresses under which others know this host, IPv4 first."""
        interfaces = json.loads(self.host.query(["ip", "-j", "address"]).out or "[]")
        found = [one for interface in interfaces for one in interface.get("addr_info", ())]
        return sorted((one["local"] for one in found if one.get("scope") == "global"), key=lambda one: ":" in one)

    def _names(self, address: str) -> list[str]:
        """The host names of an address."""
        return self.host.query(["getent", "hosts", address]).out.split()[1:]

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[CONFIG_DIRECTORY]
        further = [f"{name}/" for name in self._further_in(mirror)]
        for place in ("", *further):
            settings, readers = f"{mirror}/{place}inn.conf", f"{mirror}/{place}readers.conf"
            for argv in ([f"{TOOLS}/innconfval", "-C"], [f"{TOOLS}/inncheck", f"readers.conf={readers}"]):
                done = run(argv, environment={"INNCONF": settings})
                # innconfval only warns of a key that stands there twice
                if done.code != 0 or done.err.strip():
                    complaint = done.complaint.replace(mirror, CONFIG_DIRECTORY) or "it does not say why"
                    raise Problem(
                        f"INN refuses the configuration ({complaint})",
                        f"mend the files below {CONFIG_DIRECTORY} until 'innconfval -C' and inncheck are content,"
                        " then run again",
                        option=f"{CONFIG_DIRECTORY}/{place}".rstrip("/"),
                    )

    def _further_in(self, directory: str) -> list[str]:
        prefix = home_of("").rpartition("/")[2]
        names = [name for name in self.host.names_in(directory) if name.startswith(prefix)]
        return [name for name in names if self.host.state(f"{directory}/{name}/inn.conf")]

    def activate(self, run: Callable[..., Completed]) -> None:
        inn_units.activate(self.host, run)
        if self.running():
            return
        bring_up(run, UNIT, "INN", self.running)


def _warnings(groups: Sequence[AuthGroup]) -> list[str]:
    """What the administrator should know of when clear text is going to be refused."""
    return [
        f"{group.place}: programs on this host, such as inews, can no longer read or post in clear text"
        for group in groups
        if group.reachable and group.local and not group.encrypted
    ]
