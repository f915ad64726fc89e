# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file in conf.d that makes one virtual server of Dovecot, and back.

The default one's settings stand in a block of its protocol. Those of another one, which has addresses of its own, stand
in a block for each of them, ``local ADDRESS``; on the registered port Dovecot's own listener serves these as well.
Certificates for names (SNI) stand in ``local_name`` blocks, which for another one lie within its ``local`` blocks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import NamedCertificate, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    doveconf as dovecot_settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import Language
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.listeners import port_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading

DEFAULT = "default"
_SENDS_PASSWORD = frozenset({"PLAIN", "LOGIN"})


def not_plain(mechanisms: Sequence[str]) -> tuple[str, ...]:
    """Those of the mechanisms that do not send the password as it is."""
    return tuple(one for one in mechanisms if one not in _SENDS_PASSWORD)


@dataclass(frozen=True)
class DropIn:
    """The translation, for one host.

    Attributes:
        daemon: the provider's name.
        store: the host's certificate store.
        language: what the installed version speaks.
    """

    daemon: str
    store: Store
    language: Language

    # ---- to Dovecot

    def render(self, vserver: Vserver, strength: Mapping[str, str], shared: Collection[int]) -> str:
        """The whole file.

        Args:
            vserver: the virtual server.
            strength: settings of its strength.
            shared: ports at which Dovecot's own listeners serve every address.
        """
        protocol = f"protocol {vserver.protocol}"
        settings = self._settings(vserver, strength)
        # without one of their own, these names would get the second certificate of all others, which is not for them
        named = {f"local_name {one.name}": {protocol: self._pairs(one)} for one in self._ordered(vserver.sni)}
        # otherwise every reload would end all open sessions, and each new certificate takes one
        found: dict[str, Any] = {"shutdown_clients": "no"}
        if vserver.auth_tls is not None:
            found["auth_mechanisms"] = " ".join(one.lower() for one in vserver.auth_tls)
        if vserver.name == DEFAULT:
            found.update({protocol: settings, **named})
        else:
            for address in vserver.addresses:
                found[f"local {address}"] = {protocol: settings, **named}
        listeners = self._listeners(vserver, shared)
        if listeners:
            found[f"service {vserver.protocol}-login"] = listeners
        return heading(f"{vserver.protocol}/{vserver.name}") + dovecot_settings.render(found)

    def _ordered(self, sni: Sequence[NamedCertificate]) -> list[NamedCertificate]:
        """So that a single name counts more than a wildcard that covers it."""
        return sorted(sni, key=lambda one: (one.name.startswith("*") is not self.language.later_counts, one.name))

    def _settings(self, vserver: Vserver, strength: Mapping[str, str]) -> dict[str, str]:
        clear_text, refused, taken = self.language.clear_text
        plain = set(vserver.auth_clear) - set(not_plain(vserver.auth_clear))
        found = {
            "ssl": "required" if vserver.require_secure_channel else "yes",
            **self._pair(vserver.certificate, alternative=False),
            **strength,
            # a password in clear text is refused in any case; 'required' refuses everything else as well
            clear_text: taken if plain else refused,
        }
        if vserver.alternative_certificate:
            found.update(self._pair(vserver.alternative_certificate, alternative=True))
        elif vserver.name != DEFAULT:  # the default one may have one, which would count here too
            found.update(self._no_second())
        return found

    def _pairs(self, named: NamedCertificate) -> dict[str, str]:
        second = named.alternative_certificate
        return {
            **self._pair(named.certificate, alternative=False),
            **(self._pair(second, alternative=True) if second else self._no_second()),
        }

    def _no_second(self) -> dict[str, str]:
        return {self.language.alternative_certificate: "", self.language.alternative_key: ""}

    def _pair(self, certificate: str, *, alternative: bool) -> dict[str, str]:
        language = self.language
        file = language.file.format(self.store.deployed_path(self.daemon, certificate))
        if alternative:
            return {language.alternative_certificate: file, language.alternative_key: file}
        return {language.certificate: file, language.key: file}

    def _listeners(self, vserver: Vserver, shared: Collection[int]) -> dict[str, dict[str, str]]:
        protocol = PROTOCOLS[vserver.protocol]
        if vserver.name == DEFAULT:
            found = {f"inet_listener {protocol.name}s": {"port": str(vserver.implicit_tls_port), "ssl": "yes"}}
            if vserver.port is not None:
                found[f"inet_listener {protocol.name}"] = {"port": str(vserver.port)}
            return found
        separator = " " if self.language.listen == "address" else ", "
        addresses = {self.language.listen: separator.join(vserver.addresses)}
        found = {}
        if vserver.port not in shared:
            found[f"inet_listener {vserver.name}"] = {**addresses, "port": str(vserver.port)}
        if vserver.implicit_tls_port not in shared:
            tls = {**addresses, "port": str(vserver.implicit_tls_port), "ssl": "yes"}
            found[f"inet_listener {vserver.name}-tls"] = tls
        return found

    # ---- from Dovecot

    def parse(self, protocol: str, name: str, text: str) -> Vserver:
        """What a file of ours says of addresses, ports and names; all else is asked of Dovecot itself.

        Args:
            protocol: the virtual server's protocol.
            name: its name.
            text: content of its file; empty where it has none.
        """
        settings = dovecot_settings.parse(text)
        addresses = tuple(sorted(key.partition(" ")[2] for key in settings if key.startswith("local ")))
        blocks = settings[f"local {addresses[0]}"] if addresses else settings
        named = []
        for key, block in blocks.items():
            host_name = key.partition(" ")[2] if key.startswith("local_name ") else ""
            if host_name:
                pair = block[f"protocol {protocol}"]
                second = pair.get(self.language.alternative_certificate, "")
                main = self.name_of(pair[self.language.certificate])
                named.append(NamedCertificate(host_name, main, self.name_of(second) if second else ""))
        listeners = settings.get(f"service {protocol}-login", {})
        known = PROTOCOLS[protocol]
        return Vserver(
            protocol,
            name,
            sni=tuple(sorted(named, key=lambda one: one.name)),
            addresses=addresses,
            port=_port(listeners, name, known.port),
            implicit_tls_port=_port(listeners, f"{name}-tls", known.implicit_tls_port),
            auth_tls=tuple(sorted(settings["auth_mechanisms"].upper().split()))
            if "auth_mechanisms" in settings
            else None,
        )

    def name_of(self, file: str) -> str:
        """The certificate behind the value of a setting, or the path of a foreign one."""
        path = file.lstrip("<")
        return self.store.behind(self.daemon, path)


def _port(listeners: Mapping[str, Any], name: str, registered: int) -> int:
    """The port of a listener of ours; without one it is Dovecot's own listener."""
    block = listeners.get(f"inet_listener {name}")
    return port_of(block) if block else registered
