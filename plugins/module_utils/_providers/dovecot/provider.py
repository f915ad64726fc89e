# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot, serving imap and pop3, in both of its languages: 2.3 and 2.4.

Facts: doc.dovecot.org (SSL configuration, Settings), doveconf(1), and the upgrade guide from 2.3 to 2.4.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import bring_up, is_active
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, SaslSocket, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import (
    AccountBackend,
    AccountDatabase,
    PasswordCheck,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Capabilities, Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    doveconf as dovecot_settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import (
    LANGUAGES,
    Language,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.drop_in import (
    DEFAULT,
    HEAD,
    DropIn,
    not_plain,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.listeners import missing
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.overrides import (
    Asked,
    Overrides,
    conflict,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.parser import Files
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.passwd_file import (
    DovecotAccounts,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import (
    BACKENDS,
    CONFIG_DIRECTORY,
    DROP_IN,
    MAIN,
    PACKAGES,
    UNIT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    STRENGTHS,
    Strength,
    strength_that,
)

_TRIES = 8  # to open a socket
_PAUSE = 0.5  # seconds between them


def _path(protocol: str, name: str) -> str:
    """Path of a virtual server's file."""
    # a later block overrules an earlier one, and an underscore comes after a full stop
    return DROP_IN.format(protocol if name == DEFAULT else f"{protocol}_{name}")


class Dovecot(AccountBackend):
    """The adapter for Dovecot. Each virtual server has a file of its own in conf.d; no other file is touched."""

    name = "dovecot"
    protocols = frozenset({"imap", "pop3"})
    processes = frozenset({"dovecot", "imap-login", "pop3-login"})
    packages = PACKAGES
    options = frozenset({"name", "alternative_certificate", "sni", "auth_tls", "auth_clear"})
    backends = BACKENDS
    config_roots = (CONFIG_DIRECTORY,)

    def __init__(self, host: Host, store: Store) -> None:
        super().__init__(host, store)
        self._version: tuple[int, ...] | None = None

    @classmethod
    def installed(cls, host: Host) -> bool:
        return host.which("dovecot") is not None

    # ---- reading

    def capabilities(self) -> Capabilities:
        if self._version is None:
            printed = self.host.query(["dovecot", "--version"]).out
            self._version = tuple(int(part) for part in re.findall(r"\d+", printed.split("(")[0])[:3])
        if self._version[:2] < min(LANGUAGES):
            raise Problem(f"Dovecot {'.'.join(map(str, self._version))} is too old", "upgrade to Dovecot 2.3 or newer")
        return Capabilities(
            self._version,
            known=self._version[:2] in LANGUAGES,
            library=openssl_library(),
        )

    @property
    def language(self) -> Language:
        """The language of the installed version; a newer one than any known is taken to speak the newest."""
        version = self.capabilities().version[:2]
        return LANGUAGES[max(known for known in LANGUAGES if known <= version)]

    def running(self) -> bool:
        return is_active(self.host, UNIT)

    def _effective(self, *names: str, protocol: str = "", address: str = "") -> dict[str, Any]:
        """Settings as Dovecot itself understands them, for one protocol at one of its addresses."""
        filters = [f"{key}={value}" for key, value in (("protocol", protocol), ("local", address)) if value]
        argv = ["doveconf", *(word for one in filters for word in ("-f", one)), *names]
        done = self.host.query(argv)
        if done.code != 0:
            raise Problem(
                f"Dovecot refuses its own configuration ({done.complaint})",
                f"mend the files below {CONFIG_DIRECTORY} until 'doveconf -n' is content, then run again",
                option=conflict(done.complaint, option=CONFIG_DIRECTORY),
            )
        return dovecot_settings.parse(done.out)

    def _served(self) -> set[str]:
        """The protocols that Dovecot is told to serve and can."""
        protocols = self._effective("protocols")["protocols"]
        if isinstance(protocols, Mapping):  # 2.4
            return {name for name, value in protocols.items() if value == "yes"}
        return set(protocols.split())

    def _names_to_read(self) -> list[str]:
        language = self.language
        return [
            "ssl",
            "ssl_min_protocol",
            "ssl_cipher_list",
            "ssl_curve_list",
            "auth_mechanisms",
            language.server_preference[0],
            language.clear_text[0],
            *dict.fromkeys((language.effective_certificate[0], language.effective_alternative[0])),
        ]

    @property
    def _drop_in(self) -> DropIn:
        return DropIn(self.name, self.store, self.language)

    def read(self) -> dict[tuple[str, str], Vserver]:
        found = {}
        for protocol in sorted(self.protocols & self._served()):
            for name in (DEFAULT, *self._names_of_ours(protocol)):
                text = self.host.read_text(_path(protocol, name))
                vserver = self._drop_in.parse(protocol, name, text)
                names = [*self._names_to_read(), *([f"service/{protocol}-login"] if name == DEFAULT else [])]
                address = next(iter(vserver.addresses), "")
                if name == DEFAULT or self.language.effective_by_address:
                    settings = self._effective(*names, protocol=protocol, address=address)
                else:
                    own = dovecot_settings.parse(text).get(f"local {address}", {}).get(f"protocol {protocol}", {})
                    settings = {**self._effective("auth_mechanisms", protocol=protocol), **own}
                found[vserver.key] = self._as_vserver(vserver, settings)
        return found

    def _names_of_ours(self, protocol: str) -> list[str]:
        """Names of the virtual servers that have a file of ours, but for the default one."""
        prefix, suffix = os.path.basename(DROP_IN).format(protocol + "_").split(".", 1)
        files = (file.split(".") for file in self.host.names_in(os.path.dirname(DROP_IN)))
        return [
            ".".join(words[:-1])[len(prefix) :]
            for words in files
            if words[-1] == suffix and ".".join(words[:-1]).startswith(prefix)
        ]

    def _as_vserver(self, ours: Vserver, settings: dict[str, Any]) -> Vserver:
        """Effective settings as the model says them.

        Args:
            ours: what stands in our own file.
            settings: what Dovecot says.
        """
        language = self.language
        mechanisms = tuple(sorted(settings.get("auth_mechanisms", "").upper().split()))
        required = settings.get("ssl") == "required"
        offered = (
            mechanisms if settings.get(language.clear_text[0]) == language.clear_text[2] else not_plain(mechanisms)
        )
        found = replace(
            ours,
            certificate=self._file(settings, language.effective_certificate, language.certificate),
            alternative_certificate=self._file(
                settings, language.effective_alternative, language.alternative_certificate
            ),
            require_secure_channel=required,
            strength=strength_that(
                lambda one: all(settings.get(name) == value for name, value in self._strength(one).items())
            ),
            auth_clear=() if required else offered,
            auth_tls=mechanisms or None,
        )
        if ours.name != DEFAULT:
            return found
        login = settings.get(f"service {ours.protocol}-login", {})
        listener = login.get(f"inet_listener {ours.protocol}s", {})
        implicit = listener.get("ssl") == "yes" and settings.get("ssl") != "no"
        return replace(
            found,
            # a port that the administrator has closed is no business of ours
            port=int(login.get(f"inet_listener {ours.protocol}", {}).get("port") or 0),
            implicit_tls_port=int(listener.get("port") or 0) if implicit else 0,
        )

    def _file(self, settings: dict[str, Any], keys: Sequence[str], setting: str) -> str:
        """Name of the certificate in effect, path of a foreign one, or empty.

        Args:
            settings: as doveconf(1) shows them, or as a file of ours has them.
            keys: where doveconf(1) shows it.
            setting: what a file calls it.
        """
        if setting in settings:
            keys = (setting,)
        file: Any = settings
        for key in keys:
            file = file.get(key, {}) if isinstance(file, dict) else {}
        return self._drop_in.name_of(file) if isinstance(file, str) and file.lstrip("<") else ""

    # ---- planning

    def _strength(self, strength: Strength) -> dict[str, str]:
        """A strength in Dovecot's words."""
        preference, client = self.language.server_preference
        settings = {
            "ssl_min_protocol": f"TLSv{strength.minimum}",
            "ssl_curve_list": ":".join(strength.groups(self.capabilities().library)),
            preference: client,
        }
        if strength.ciphers:
            settings["ssl_cipher_list"] = ":".join(strength.ciphers)
        return settings

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        served = self._served()
        found = self.read()
        final = {**found, **{one.key: one for one in desired}}
        changes, gone = [], []
        others = [self._drop_in.parse(*key, self.host.read_text(_path(*key))) for key in found]
        others = [*desired, *(one for one in others if one.key not in {each.key for each in desired})]
        for vserver in desired:
            if vserver.present:
                self._refuse_impossible(vserver, final, found, served)
                self._refuse_mechanisms(vserver, others)
        for vserver in sorted(final.values(), key=lambda one: (one.protocol, one.name != DEFAULT, one.name)):
            path = _path(*vserver.key)
            if not vserver.present:
                gone.append(FileChange(path, None))
            elif vserver in desired:
                content = self._rendered(vserver, final.get((vserver.protocol, DEFAULT)), found)
                changes.append(FileChange(path, content.encode(), "root", "root", 0o644))
        planned = {one.path: None if one.content is None else one.content.decode() for one in (*changes, *gone)}
        self._refuse_overrides(desired, final, planned)
        return Plan(changes=(*changes, *gone))

    def _refuse_overrides(
        self,
        desired: Sequence[Vserver],
        final: Mapping[tuple[str, str], Vserver],
        planned: Mapping[str, str | None],
    ) -> None:
        """Raise Problem where settings of the administrator's own would override what is desired."""
        entries = Files(self.host, planned).entries(MAIN)
        ours = DROP_IN.partition("{")[0]
        overrides = Overrides(entries, self.language, lambda path: path.startswith(ours), self._addresses_of)
        for vserver in (one for one in desired if one.present):
            others = [one for one in final.values() if one.present and one.key != vserver.key]
            elsewhere = {each for one in others if one.protocol == vserver.protocol for each in one.addresses}
            overrides.refuse(Asked(vserver, _path(*vserver.key), elsewhere, partial(self._names_of, vserver)))

    def _names_of(self, vserver: Vserver) -> list[str]:
        """The host names that a virtual server's own certificate is for, without those that stand for others."""
        path = self.store.live_path(vserver.certificate)
        printed = self.host.query(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", path]).out
        return [one for one in re.findall(r"DNS:([^\s,]+)", printed) if "*" not in one]

    def _addresses_of(self, host_name: str) -> list[str]:
        """The addresses of a host name that stands in a block of the administrator's."""
        lines = self.host.query(["getent", "ahosts", host_name]).out.splitlines()
        return [line.split()[0] for line in lines if line.strip()]

    def _rendered(self, vserver: Vserver, default: Vserver | None, found: Mapping[tuple[str, str], Vserver]) -> str:
        strength = self._strength(STRENGTHS[vserver.strength])
        return self._drop_in.render(vserver, strength, self._shared(vserver, default, found))

    @staticmethod
    def _shared(vserver: Vserver, default: Vserver | None, found: Mapping[tuple[str, str], Vserver]) -> set[int]:
        """Ports at which Dovecot's own listeners serve every address."""
        there = found.get((vserver.protocol, DEFAULT))
        if default is None or there is None:
            return set()
        port = there.port if default.port is None or not default.present else default.port
        implicit = default.implicit_tls_port if default.present else there.implicit_tls_port
        return {port or 0, implicit} - {0}

    def _refuse_impossible(
        self,
        vserver: Vserver,
        final: Mapping[tuple[str, str], Vserver],
        found: Mapping[tuple[str, str], Vserver],
        served: set[str],
    ) -> None:
        """Raise Problem where Dovecot cannot serve a virtual server as it is desired."""
        if vserver.protocol not in served:
            raise Problem(
                f"Dovecot does not serve {vserver.protocol} on this host",
                f"install the package {PACKAGES[vserver.protocol]}, or add {vserver.protocol} to Dovecot's"
                " protocols setting",
                subject=vserver.title,
                option="protocol",
            )
        if vserver.name != DEFAULT and not vserver.addresses:
            raise Problem(
                "Dovecot tells virtual servers of one protocol apart by their addresses, and this one has none",
                "give it addresses of its own",
                subject=vserver.title,
                option="addresses",
            )
        others = [one for one in final.values() if one.present and one.protocol == vserver.protocol]
        if (
            self.language is LANGUAGES[2, 3]
            and len(others) > 1
            and any(one.sni for one in others if one.name == DEFAULT)
        ):
            raise Problem(
                "Dovecot 2.3 gives up connections where both an address and a name have certificates of their own",
                "leave sni out for the default virtual server, or have no other one of this protocol",
                subject=vserver.title,
                option="sni",
            )
        default = final.get((vserver.protocol, DEFAULT))
        registered = PROTOCOLS[vserver.protocol]
        for port, own, option in (
            (registered.port, vserver.port, "port"),
            (registered.implicit_tls_port, vserver.implicit_tls_port, "implicit_tls_port"),
        ):
            if vserver.name != DEFAULT and own == 0 and port in self._shared(vserver, default, found):
                raise Problem(
                    f"port {port} cannot be closed at some addresses: Dovecot's own listener serves all of them",
                    "leave the option out, or close that port for the default virtual server too",
                    subject=vserver.title,
                    option=option,
                )

    @staticmethod
    def _refuse_mechanisms(vserver: Vserver, others: Sequence[Vserver]) -> None:
        for other in others:
            if other.present and None not in (other.auth_tls, vserver.auth_tls) and other.auth_tls != vserver.auth_tls:
                raise Problem(
                    f"Dovecot offers the same mechanisms everywhere, and {other.title} has others"
                    f" ({', '.join(other.auth_tls or ())})",
                    "name the same ones for all virtual servers that Dovecot serves, in one call",
                    subject=vserver.title,
                    option="auth_tls",
                )
        if vserver.require_secure_channel or (vserver.auth_tls is None and not vserver.auth_clear):
            return
        offered = vserver.auth_tls or ()
        if vserver.auth_clear not in (offered, not_plain(offered)):
            raise Problem(
                f"Dovecot offers before TLS either all of its mechanisms or all of them but PLAIN and LOGIN"
                f" ({', '.join(not_plain(offered)) or 'none'})",
                "name in auth_clear just these, and all mechanisms in auth_tls; or require the secure channel",
                subject=vserver.title,
                option="auth_clear",
            )

    def offer(self, socket: SaslSocket) -> Sequence[FileChange] | None:
        path = DROP_IN.format("auth")
        listener = f"unix_listener {socket.path}"
        service = self._effective("service/auth").get("service auth", {})
        if listener in service and self.host.state(path) is None:
            return ()  # the administrator has arranged it already
        content = HEAD.format("password checks for the submission server") + dovecot_settings.render(
            {"service auth": {listener: {"mode": "0660", "user": socket.user, "group": socket.group}}}
        )
        return (FileChange(path, content.encode(), "root", "root", 0o644),)

    def withdraw(self, socket: SaslSocket) -> Sequence[FileChange]:
        return (FileChange(DROP_IN.format("auth"), None),)

    def account_database(self, check: PasswordCheck) -> AccountDatabase | None:
        if check.backend != self.name:
            return None
        return DovecotAccounts(self.host, self.name, self.language, self._effective)

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        port = vserver.port
        if port is None:
            login = self._effective(f"service/{vserver.protocol}-login")[f"service {vserver.protocol}-login"]
            # an administrator may have closed the port for clear text: then nothing is to be proven there
            port = int(login.get(f"inet_listener {vserver.protocol}", {}).get("port") or 0)
        return [
            Endpoint(address, number, vserver.protocol, implicit_tls=implicit)
            for address in vserver.addresses or (self._local_address(),)
            for number, implicit in ((port, False), (vserver.implicit_tls_port, True))
            if number
        ]

    def _local_address(self) -> str:
        """An address that Dovecot listens on."""
        listen = str(self._effective("listen")["listen"]).replace(",", " ").split()
        if not listen or "*" in listen:
            return "127.0.0.1"
        return "::1" if listen[0] == "::" else listen[0]

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[CONFIG_DIRECTORY]
        done = run(["doveconf", "-c", MAIN.replace(CONFIG_DIRECTORY, mirror), "-x", "-n"])
        if done.code != 0:
            complaint = done.complaint.replace(mirror, CONFIG_DIRECTORY)
            raise Problem(
                f"Dovecot refuses the configuration ({complaint})",
                f"mend the files below {CONFIG_DIRECTORY} until 'doveconf -x -n' is content, then run again",
                option=conflict(complaint, option=CONFIG_DIRECTORY),
            )

    def activate(self, run: Callable[..., Completed]) -> None:
        if self.running():
            done = run(["systemctl", "reload", UNIT])
            if done.code == 0 and self.running():
                self._open_all(run)
                return
        bring_up(run, UNIT, "Dovecot", self.running)

    def _open_all(self, run: Callable[..., Completed]) -> None:
        """Have it open what could not be opened at first.

        A port that was closed may still be held by a process of before that is about to end. Dovecot goes on without
        it, and tries again when it is told to reload. What stays closed is for the proof to judge.
        """
        listen = str(self._effective("listen")["listen"])
        services = [f"{protocol}-login" for protocol in sorted(self.protocols & self._served())]
        told = [self._effective(f"service/{one}")[f"service {one}"] for one in services]
        for _time in range(_TRIES):
            if not missing(self.host, listen, told, self.language.listen):
                return
            time.sleep(_PAUSE)
            run(["systemctl", "reload", UNIT])
