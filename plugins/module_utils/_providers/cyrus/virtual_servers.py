# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cyrus' virtual servers as the options of their services show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.effective import Effective
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.listeners import (
    Listener,
    Listeners,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.standing import (
    GROUPS,
    is_modern,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    MODERN,
    Strength,
    first_strength,
)


def strength_settings(strength: Strength) -> dict[str, str]:
    """A strength in Cyrus' words."""
    settings = {
        "tls_versions": "tls1_3" if strength.minimum == "1.3" else "tls1_2 tls1_3",
        # no more than one can be named
        "tls_eccurve": next((one for one in GROUPS if one not in strength.barred), GROUPS[0]),
        "tls_prefer_server_ciphers": "no",
    }
    if strength.ciphers:
        settings["tls_ciphers"] = ":".join(strength.ciphers)
    return settings


def _strength_of(options: Mapping[str, str]) -> str:
    def has(one: Strength) -> bool:
        # the administrator may allow fewer suites, and another group
        fewer = set(options.get("tls_ciphers", "").split(":")) <= set(one.ciphers)
        able = {"tls_ciphers": fewer, "tls_eccurve": options.get("tls_eccurve") in GROUPS}
        return all(
            options.get(name) == value or able.get(name, False) for name, value in strength_settings(one).items()
        )

    return first_strength(has) or (MODERN if is_modern(options.get("tls_versions", "")) else "")


class VirtualServers:
    """What Cyrus serves at present.

    Args:
        effective: the options in force.
        store: the host's certificate store.
        daemon: the provider's name.
    """

    def __init__(self, effective: Effective, store: Store, daemon: str) -> None:
        self._effective = effective
        self._store = store
        self._daemon = daemon

    def read(self, listeners: Listeners, protocols: Iterable[str]) -> dict[tuple[str, str], Vserver]:
        """The virtual servers of some protocols, by protocol and name."""
        return {
            (protocol, name): self._as_vserver(protocol, name, listeners.of(protocol, name))
            for protocol in protocols
            for name in listeners.names(protocol)
        }

    def _as_vserver(self, protocol: str, name: str, listeners: Sequence[Listener]) -> Vserver:
        """The services of a virtual server as the model says it."""
        seen = [self._one(protocol, name, listener) for listener in listeners]
        clear = [one.port for one in listeners if not one.implicit_tls]
        implicit = [one.port for one in listeners if one.implicit_tls]
        first = seen[0]
        return replace(
            first,
            # services that differ were not made by this collection
            certificate=first.certificate if all(one.certificate == first.certificate for one in seen) else "",
            require_secure_channel=all(one.require_secure_channel for one in seen),
            strength=first.strength if all(one.strength == first.strength for one in seen) else "",
            addresses=() if name == "default" else tuple(sorted({one.host for one in listeners if one.host})),
            port=clear[0] if clear else 0,
            implicit_tls_port=implicit[0] if implicit else 0,
            auth_clear=tuple(sorted({word for one in seen for word in one.auth_clear})),
            auth_tls=first.auth_tls if all(one.auth_tls == first.auth_tls for one in seen) else None,
        )

    def _one(self, protocol: str, name: str, listener: Listener) -> Vserver:
        """One service as the model says it."""
        service, effective = listener.service, self._effective
        options = effective.options(service)
        certificate, alternative = self._certificates(options)
        mechanisms = effective.mechanisms(service)
        in_clear: tuple[str, ...] = ()
        if not listener.implicit_tls and not effective.is_on(service, "tls_required"):
            in_clear = effective.offered_in_clear(service)
        return Vserver(
            protocol,
            name,
            certificate=certificate,
            alternative_certificate=alternative,
            require_secure_channel=not in_clear
            and not effective.is_on(service, "allowplaintext")
            # nntpd answers LIST, HEAD, STAT, CHECK and IHAVE in clear text, whatever is configured
            and not (protocol == "nntp" and not listener.implicit_tls)
            and not (protocol == "nntp" and effective.is_on(service, "allowanonymouslogin")),
            strength=_strength_of(options),
            auth_clear=in_clear,
            auth_tls=None if mechanisms is None else tuple(sorted(mechanisms)),
        )

    def _certificates(self, options: Mapping[str, str]) -> tuple[str, str]:
        """Names of the certificates, or paths of foreign ones; empty where there is none."""
        if options.get("tls_server_key", "").lower() in ("", "disabled"):
            return "", ""
        paths = [*options.get("tls_server_cert", "").split(","), ""]
        one, other = (self._store.behind(self._daemon, path) for path in paths[:2])
        return one, other
