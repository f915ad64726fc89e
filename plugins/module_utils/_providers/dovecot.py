# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot, serving imap and pop3, in both of its languages: 2.3 and 2.4.

Facts: doc.dovecot.org (SSL configuration, Settings), doveconf(1), and the upgrade guide from 2.3 to 2.4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, SaslSocket, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers import (
    _dovecot_settings as dovecot_settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._base import (
    Capabilities,
    Plan,
    Provider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strength import STRENGTHS, Strength

CONFIG_DIRECTORY = "/etc/dovecot"
# Read after Debian's own files; local.conf comes later still, which is why effective values are read back.
DROP_IN = CONFIG_DIRECTORY + "/conf.d/99-postmaster-{}.conf"
UNIT = "dovecot.service"
_HEAD = "# {}: kept by the Ansible collection postmaster.secure_channel; changes made here are lost.\n"


@dataclass(frozen=True)
class Language:
    """What one line of Dovecot releases calls a setting.

    Attributes:
        certificate: file with the certificate and its chain.
        key: file with the private key.
        file: how a setting that takes a file's content names the file.
        server_preference: setting and value that let the client choose the cipher.
        clear_text: setting and value that refuse passwords in clear text.
        effective_certificate: where doveconf shows the certificate in effect.
    """

    certificate: str
    key: str
    file: str
    server_preference: tuple[str, str]
    clear_text: tuple[str, str]
    effective_certificate: tuple[str, ...]


LANGUAGES: dict[tuple[int, int], Language] = {
    (2, 3): Language(
        "ssl_cert",
        "ssl_key",
        "<{}",
        ("ssl_prefer_server_ciphers", "no"),
        ("disable_plaintext_auth", "yes"),
        ("ssl_cert",),
    ),
    (2, 4): Language(
        "ssl_server_cert_file",
        "ssl_server_key_file",
        "{}",
        ("ssl_server_prefer_ciphers", "client"),
        ("auth_allow_cleartext", "no"),
        ("ssl_server", "cert_file"),
    ),
}


class Dovecot(Provider):
    """The adapter for Dovecot. Each protocol has a file of its own in conf.d; no other file is touched."""

    name = "dovecot"
    protocols = frozenset({"imap", "pop3"})
    processes = frozenset({"dovecot", "imap-login", "pop3-login"})
    packages = {"imap": "dovecot-imapd", "pop3": "dovecot-pop3d"}
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
        return Capabilities(self._version, known=self._version[:2] in LANGUAGES, library=openssl_library())

    @property
    def language(self) -> Language:
        """The language of the installed version; a newer one than any known is taken to speak the newest."""
        version = self.capabilities().version[:2]
        return LANGUAGES[max(known for known in LANGUAGES if known <= version)]

    def running(self) -> bool:
        return self.host.query(["systemctl", "is-active", "--quiet", UNIT]).code == 0

    def _effective(self, *names: str, protocol: str = "") -> dict[str, Any]:
        """Settings as Dovecot itself understands them, for one protocol."""
        argv = ["doveconf", *(("-f", f"protocol={protocol}") if protocol else ()), *names]
        done = self.host.query(argv)
        if done.code != 0:
            raise Problem(
                f"Dovecot refuses its own configuration ({done.complaint})",
                f"mend the files below {CONFIG_DIRECTORY} until 'doveconf -n' is content, then run again",
                option=CONFIG_DIRECTORY,
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
            language.server_preference[0],
            language.clear_text[0],
            language.effective_certificate[0],
        ]

    def read(self) -> dict[tuple[str, str], Vserver]:
        found = {}
        for protocol in sorted(self.protocols & self._served()):
            service = f"service/{protocol}-login"
            settings = self._effective(*self._names_to_read(), service, protocol=protocol)
            found[protocol, "default"] = self._as_vserver(protocol, settings)
        return found

    def _as_vserver(self, protocol: str, settings: dict[str, Any]) -> Vserver:
        """Effective settings as the model says them."""
        language = self.language
        file: Any = settings
        for key in language.effective_certificate:
            file = file.get(key, {}) if isinstance(file, dict) else {}
        path = file.lstrip("<") if isinstance(file, str) else ""
        login = settings.get(f"service {protocol}-login", {})
        listener = login.get(f"inet_listener {protocol}s", {})
        implicit = listener.get("ssl") == "yes" and settings.get("ssl") != "no"
        return Vserver(
            protocol=protocol,
            certificate=self.store.name_of_deployed(self.name, path) or path,
            require_secure_channel=settings.get("ssl") == "required",
            strength=next(
                (
                    strength.name
                    for strength in STRENGTHS.values()
                    if all(settings.get(name) == value for name, value in self._strength(strength).items())
                ),
                "",
            ),
            implicit_tls_port=int(listener.get("port") or 0) if implicit else 0,
        )

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
        changes = []
        served = self._served()
        for vserver in desired:
            if vserver.name != "default":
                raise Problem(
                    f"the name {vserver.name!r} is not known:"
                    " Dovecot serves one virtual server of each protocol so far",
                    "leave the option out, or set it to default",
                    subject=vserver.title,
                    option="name",
                )
            if vserver.protocol not in served:
                raise Problem(
                    f"Dovecot does not serve {vserver.protocol} on this host",
                    f"install the package dovecot-{vserver.protocol}d, or add {vserver.protocol} to Dovecot's"
                    " protocols setting",
                    subject=vserver.title,
                    option="protocol",
                )
            path = DROP_IN.format(vserver.protocol)
            changes.append(FileChange(path, self._rendered(vserver).encode(), "root", "root", 0o644))
        return Plan(changes=tuple(changes))

    def _rendered(self, vserver: Vserver) -> str:
        """The drop-in of one virtual server."""
        language = self.language
        file = language.file.format(self.store.deployed_path(self.name, vserver.certificate))
        clear_text, refused = language.clear_text
        protocol = {
            "ssl": "required" if vserver.require_secure_channel else "yes",
            language.certificate: file,
            language.key: file,
            **self._strength(STRENGTHS[vserver.strength]),
            # a password in clear text is refused in any case; 'required' refuses everything else as well
            clear_text: refused,
        }
        listener = {"port": str(vserver.implicit_tls_port), "ssl": "yes"}
        return _HEAD.format(f"{vserver.protocol}/{vserver.name}") + dovecot_settings.render(
            {
                f"protocol {vserver.protocol}": protocol,
                f"service {vserver.protocol}-login": {f"inet_listener {vserver.protocol}s": listener},
            }
        )

    def offer(self, socket: SaslSocket) -> Sequence[FileChange] | None:
        path = DROP_IN.format("auth")
        listener = f"unix_listener {socket.path}"
        service = self._effective("service/auth").get("service auth", {})
        if listener in service and self.host.state(path) is None:
            return ()  # the administrator has arranged it already
        content = _HEAD.format("password checks for the submission server") + dovecot_settings.render(
            {"service auth": {listener: {"mode": "0660", "user": socket.user, "group": socket.group}}}
        )
        return (FileChange(path, content.encode(), "root", "root", 0o644),)

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        address = self._local_address()
        login = self._effective(f"service/{vserver.protocol}-login")[f"service {vserver.protocol}-login"]
        # an administrator may have closed the port for clear text: then nothing is to be proven there
        port = int(login.get(f"inet_listener {vserver.protocol}", {}).get("port") or 0)
        found = [Endpoint(address, port, vserver.protocol, implicit_tls=False)] if port else []
        if vserver.implicit_tls_port:
            found.append(Endpoint(address, vserver.implicit_tls_port, vserver.protocol, implicit_tls=True))
        return found

    def _local_address(self) -> str:
        """An address that Dovecot listens on."""
        listen = str(self._effective("listen")["listen"]).replace(",", " ").split()
        if not listen or "*" in listen:
            return "127.0.0.1"
        return "::1" if listen[0] == "::" else listen[0]

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[CONFIG_DIRECTORY]
        done = run(["doveconf", "-c", f"{mirror}/dovecot.conf", "-x", "-n"])
        if done.code != 0:
            complaint = done.complaint.replace(mirror, CONFIG_DIRECTORY)
            raise Problem(
                f"Dovecot refuses the configuration ({complaint})",
                f"mend the files below {CONFIG_DIRECTORY} until 'doveconf -x -n' is content, then run again",
                option=CONFIG_DIRECTORY,
            )

    def activate(self, run: Callable[..., Completed]) -> None:
        if self.running():
            done = run(["systemctl", "reload", UNIT])
            if done.code == 0 and self.running():
                return
        run(["systemctl", "reset-failed", UNIT])
        done = run(["systemctl", "restart", UNIT])
        if done.code != 0 or not self.running():
            raise Problem(
                f"Dovecot does not come up ({done.complaint or 'it ended at once'})",
                f"look at 'journalctl -u {UNIT}' on the host",
                subject="Dovecot",
            )
