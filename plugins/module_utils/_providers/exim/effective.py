# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Exim says of its own configuration: exim4(8), option ``-bP``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import (
    expressions,
    listeners,
)

# options of an authenticator that do not make it one for those who log in here
_NOT_OF_A_SERVER = {
    "server_advertise_condition",
    "server_debug_print",
    "server_mail_auth_condition",
    "server_prompts",
    "server_set_id",
}


@dataclass(frozen=True)
class Effective:
    """What Exim itself says of a configuration.

    Attributes:
        options: main options by name.
        macros: macros by name.
    """

    options: dict[str, str]
    macros: dict[str, str]

    @classmethod
    def shown(cls, ask: Callable[..., str]) -> Effective:
        """What Exim answers.

        Args:
            ask: runs exim4(8) with these words, and gives what it prints.
        """
        shown = ask("-bP", "disable_ipv6", *expressions.OPTIONS).splitlines()
        pairs = (line.partition("=") for line in shown)
        options = {name.strip(): value.strip() for name, _equals, value in pairs}
        # one that is true or false is shown as its name, with no_ before it where it is false
        options["disable_ipv6"] = "yes" if "disable_ipv6" in shown else ""
        macros = (line.partition("=") for line in ask("-bP", "macros").splitlines())
        return cls(
            {option: options.get(option, "") for option in ("disable_ipv6", *expressions.OPTIONS)},
            {name: value.strip() for name, _equals, value in macros if not name.startswith("_")},
        )

    def former(self, option: str) -> str:
        """An option as it was before it became ours."""
        return self.macros.get(expressions.former_macro(option), self.options[option])

    @property
    def expected(self) -> dict[str, str]:
        """What the options of ours must be, by our macros."""
        if expressions.VSERVER not in self.macros:
            return {}
        values = expressions.option_values(named=bool(self.macros.get("POSTMASTER_NAMED")))
        return {option: expressions.resolved(value, self.macros) for option, value in values.items()}

    def ours(self, option: str) -> bool:
        """Whether an option is ours, and nothing else took its place."""
        return self.expected.get(option) == self.options[option]

    @property
    def implicit_ports(self) -> set[int]:
        """Ports on which TLS starts at once."""
        return set(listeners.ports(self.options["tls_on_connect_ports"]))

    @property
    def sockets(self) -> set[tuple[str, int]]:
        """Addresses and ports that the daemon is told to listen on; ``0.0.0.0`` and ``::`` are every one."""
        ports = listeners.ports(self.options["daemon_smtp_ports"])
        found = listeners.pairs(listeners.interfaces(self.options["local_interfaces"]), ports)
        if self.options["disable_ipv6"]:
            found = {(address, port) for address, port in found if ":" not in address}
        return {("::" if address == "::0" else address, port) for address, port in found}

    @property
    def ports(self) -> set[int]:
        """Ports that the daemon listens on, at any address."""
        return {port for _address, port in self.sockets}


def servers(shown: str) -> dict[str, dict[str, str]]:
    """The options of the administrator's authenticators for those who log in here, by their names.

    Args:
        shown: what ``exim4 -bP authenticators`` prints.
    """
    found: dict[str, dict[str, str]] = {}
    options: dict[str, str] = {}
    for line in shown.splitlines():
        heading = re.fullmatch(r"(\S+) authenticator:", line)
        if heading:
            options = found.setdefault(heading[1], {"public_name": "", "server_advertise_condition": ""})
        else:
            name, _equals, value = line.partition("=")
            options[name.strip()] = value.strip()
    return {
        name: one for name, one in found.items() if not name.startswith(expressions.AUTHENTICATOR) and _is_server(one)
    }


def _is_server(options: Mapping[str, str]) -> bool:
    """Whether an authenticator is for those who log in here, and not only for this host when it logs in elsewhere."""
    if options.get("driver") == "cyrus_sasl":
        return True
    return any(value for name, value in options.items() if name.startswith("server_") and name not in _NOT_OF_A_SERVER)
