# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Cyrus says of its own options: cyr_info(8), for one service of cyrus.conf at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import sasl
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.paths import IMAPD_CONF, USER
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import place_in

_NUMBER = re.compile(r"[0-9]{1,9}")
TRUE = ("yes", "on", "1", "t", "true")


def mechanisms_in(listed: str) -> frozenset[str] | None:
    """The mechanisms in a list; None where it is empty."""
    return frozenset(listed.upper().replace(",", " ").split()) if listed else None


class Effective:
    """The options in force on one host; each service is asked for once.

    Args:
        host: the machine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._of_service: dict[str, dict[str, str]] = {}

    def forget(self) -> None:
        """Ask again from now on."""
        self._of_service.clear()

    def options(self, service: str) -> Mapping[str, str]:
        """The options of a service as Cyrus itself understands them.

        Raises:
            Problem: Cyrus refuses its present configuration.
        """
        if service not in self._of_service:
            done = self._host.query(["cyrus", "info", "-n", service, "conf-all"], user=USER)
            if done.code != 0:
                raise Problem(
                    f"Cyrus refuses its own configuration ({done.complaint})",
                    f"fix {IMAPD_CONF} until 'cyrus info -n {service} conf-all' accepts it, then run again",
                    option=place_in(done.complaint) or IMAPD_CONF,
                )
            pairs = (line.partition(":") for line in done.out.splitlines())
            self._of_service[service] = {name: value.strip() for name, colon, value in pairs if colon}
        return self._of_service[service]

    def is_on(self, service: str, name: str) -> bool:
        """Whether a switch is on."""
        return self.options(service).get(name, "").lower() in TRUE

    def mechanisms(self, service: str) -> frozenset[str] | None:
        """The mechanisms that are to be offered; None where nobody says, and all that are installed are."""
        options = self.options(service)  # of the SASL library's options, both names are shown as they were written
        listed = options.get(f"{service}_sasl_mech_list", options.get("sasl_mech_list", ""))
        return mechanisms_in(listed)

    def offered_in_clear(self, service: str) -> tuple[str, ...]:
        """The mechanisms that are offered before TLS."""
        mechanisms = self.mechanisms(service)
        plain_text = self.is_on(service, "allowplaintext")
        layer = self.options(service).get("sasl_minimum_layer", "")
        found = sasl.offered_in_clear(
            sasl.installed() if mechanisms is None else mechanisms,
            plain_text=plain_text,
            anonymous=self.is_on(service, "allowanonymouslogin"),
            layer=int(layer) if _NUMBER.fullmatch(layer) else 0,
        )
        if plain_text and not found & sasl.PLAIN_TEXT:
            found |= {"PLAIN"}  # the protocols' own commands take a password as well
        return tuple(sorted(found))
