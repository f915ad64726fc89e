# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exim's virtual servers as its configuration in force shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import NamedCertificate, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import (
    expressions,
    listeners,
    vserver_listeners,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.effective import Effective
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.gnutls import (
    allows_only_tls13,
    holds_to,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import MODERN, first_strength

Authenticators = Mapping[str, Mapping[str, str]]  # options by the authenticator's name


class VirtualServers:
    """What Exim serves at present.

    Args:
        effective: the configuration in force.
        store: the host's certificate store.
        daemon: the provider's name.
        authenticators: the administrator's own, for those who log in here; asked for only where they matter.
    """

    def __init__(
        self, effective: Effective, store: Store, daemon: str, authenticators: Callable[[], Authenticators]
    ) -> None:
        self._effective = effective
        self._store = store
        self._daemon = daemon
        self._authenticators = authenticators

    def read(self, protocols: Iterable[str]) -> dict[tuple[str, str], Vserver]:
        """The virtual servers of some protocols, by protocol and name: ours, and what listens besides."""
        effective = self._effective
        tables = expressions.Tables.from_macros(effective.macros)
        ours = vserver_listeners.of_ours(effective, tables)
        found = [self._ours(tables, ident, ours[ident]) for ident in tables.certificates]
        taken = {port for one in ours.values() for port in one.ports}
        for protocol in (PROTOCOLS[name] for name in protocols):
            standard = {protocol.port, protocol.implicit_tls_port} & (effective.ports - taken)
            if standard and f"{protocol.name}/default" not in ours:
                found.append(self._foreign(protocol.name, standard))
        return {one.key: one for one in found}

    def _ours(self, tables: expressions.Tables, ident: str, listener: listeners.Listener) -> Vserver:
        """A virtual server that this collection has made."""
        effective = self._effective
        protocol, _slash, name = ident.partition("/")
        files, ciphers = tables.certificates[ident], tables.ciphers.get(ident, "")
        if not (effective.ours("tls_certificate") and effective.ours("tls_privatekey")):
            files = effective.options["tls_certificate"]
        if not effective.ours("tls_require_ciphers"):
            ciphers = effective.options["tls_require_ciphers"]
        certificate, alternative = self._certificates(files)
        prefix = ident + "/"
        return Vserver(
            protocol=protocol,
            name=name,
            certificate=certificate,
            alternative_certificate=alternative,
            sni=tuple(
                NamedCertificate(key[len(prefix) :], *self._certificates(file))
                for key, file in sorted(tables.named.items())
                if key.startswith(prefix)
            ),
            require_secure_channel=ident in tables.demanding and effective.ours("acl_smtp_mail"),
            strength=_strength_of(ciphers),
            addresses=listener.addresses,
            port=listener.port,
            implicit_tls_port=listener.implicit_port,
            auth_clear=() if effective.ours("auth_advertise_hosts") else self._offered_in_clear(),
        )

    def _foreign(self, protocol: str, ports: set[int]) -> Vserver:
        """A virtual server that this collection has not touched yet."""
        implicit = ports & self._effective.implicit_ports
        certificate, alternative = self._certificates(self._effective.former("tls_certificate"))
        return Vserver(
            protocol=protocol,
            certificate=certificate,
            alternative_certificate=alternative,
            strength=_strength_of(self._effective.former("tls_require_ciphers")),
            port=min(ports - implicit, default=0),
            implicit_tls_port=min(implicit, default=0),
            auth_clear=self._offered_in_clear(),
        )

    def _certificates(self, files: str) -> tuple[str, str]:
        """The certificates in a list of files; an empty name where there is no second one."""
        if "$" in files:  # an expansion of the administrator's
            return files, ""
        paths = [*listeners.words(files), "", ""]
        one, other = (self._store.behind(self._daemon, path) for path in paths[:2])
        return one, other

    def _offered_in_clear(self) -> tuple[str, ...]:
        """Mechanisms that anyone is offered without TLS, as far as that can be told."""
        if "*" not in listeners.words(self._effective.former("auth_advertise_hosts")):
            return ()
        found = self._authenticators().values()
        return tuple(sorted(one["public_name"].upper() for one in found if not one["server_advertise_condition"]))


def _strength_of(ciphers: str) -> str:
    return first_strength(lambda one: holds_to(one, ciphers)) or (MODERN if allows_only_tls13(ciphers) else "")
