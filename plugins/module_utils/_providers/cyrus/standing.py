# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Cyrus' options say without ours: the administrator's demands, which stay unless the declaration says else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import kept
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import imapd_conf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.effective import (
    TRUE,
    mechanisms_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.paths import IMAPD_CONF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import (
    OwnLists,
    strength_within,
    warnings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import MODERN, Strength

_CIPHERS, _GROUP = "tls_ciphers", "tls_eccurve"
# The groups that may be named there; RFC 8446 section 9.1 has every client know the first.
GROUPS = ("prime256v1", "secp384r1")


def is_modern(versions: str) -> bool:
    """Whether a value of tls_versions allows TLS 1.3 alone."""
    return versions.replace(",", " ").split() == ["tls1_3"]


class Standing:
    """The administrator's own options.

    Args:
        host: the machine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._options: dict[str, str] = {}
        waiting, seen = [IMAPD_CONF], set()
        while waiting:
            path = waiting.pop(0)
            if path in seen:
                continue
            seen.add(path)
            text = imapd_conf.with_ours(host.read_text(path), {})
            waiting += imapd_conf.included(text)
            for one in imapd_conf.options(text):
                self._options.setdefault(one.name, one.value)

    def options_of(self, service: str) -> dict[str, str]:
        """The options of one service alone, without its name before them; none for no service."""
        prefix = f"{service.lower()}_"
        own = {name: value for name, value in self._options.items() if service and name.startswith(prefix)}
        return {name[len(prefix) :]: value for name, value in own.items()}

    def mechanisms(self, service: str) -> frozenset[str] | None:
        """The mechanisms that are to be offered; None where nobody says, and all that are installed are."""
        (listed,) = self._values("sasl_mech_list", [service])
        return mechanisms_in(listed)

    def _values(self, option: str, services: Collection[str]) -> list[str]:
        """Values of an option for some services; empty where nothing is set."""
        general = self._options.get(option, "")
        return [self._options.get(f"{one.lower()}_{option}", general) for one in services] or [general]

    def _is_on(self, option: str, services: Collection[str]) -> bool:
        return any(one.lower() in TRUE for one in self._values(option, services))

    def kept(self, vserver: Vserver, services: Collection[str]) -> Vserver:
        """A virtual server for which options that the declaration leaves out do not weaken what stands.

        Args:
            vserver: what is desired.
            services: names of the administrator's services whose demands count.
        """
        modern = any(map(is_modern, self._values("tls_versions", services)))
        required = self._is_on("tls_required", services) and not self._is_on("allowplaintext", services)
        return kept(vserver, replace(vserver, require_secure_channel=required, strength=MODERN if modern else ""))

    def strength(self, vserver: Vserver, services: Collection[str]) -> Strength:
        """A virtual server's strength, without suites and groups that are barred and nobody has asked for."""
        return strength_within(self._host, vserver, self._lists(services))

    def warnings(self, vserver: Vserver, services: Collection[str]) -> list[str]:
        """Warnings of suites and groups that are allowed from now on, as was asked for."""
        return warnings(self._host, vserver, self._lists(services), f"{_CIPHERS} or {_GROUP}", GROUPS)

    def _lists(self, services: Collection[str]) -> OwnLists:
        return OwnLists(self._values(_CIPHERS, services), self._values(_GROUP, services))
