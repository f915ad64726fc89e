# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether Postfix' servers see the restrictions of main.cf (master(5))."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import MASTER_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.services import (
    SMTP_PORT,
    is_loopback,
    socket_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words

_LEVELS = ("may", "encrypt")


def refuse_dangling(services: Sequence[Service], gone: Collection[str]) -> None:
    """A service that names a table which is gone takes no mail any more.

    Raises:
        Problem: there is one.
    """
    for service in services:
        for name, override in service.overrides.items():
            if any(one.partition(":")[2] in gone for one in words(override.value)):
                raise Problem(
                    f"{MASTER_CF} line {override.line} refers to a table of this collection that is to be removed",
                    f"remove the table, and the word before it, from '-o {name}' there, then run again",
                    option=f"{MASTER_CF}:{override.line}",
                )


def refuse_unreached(
    services: Sequence[Service],
    expanded: Callable[[str], str],
    wanted: Mapping[str, Sequence[str]],
    *,
    certificates: bool,
) -> None:
    """Every server for strangers must see the restrictions and offer TLS.

    Args:
        services: those of master.cf.
        expanded: answers a parameter's value with the parameters it names put in.
        wanted: our restrictions, by the list that they stand in.
        certificates: whether clients are asked for certificates.

    Raises:
        Problem: that is not so.
    """
    if not any(map(_is_for_strangers, services)):
        raise Problem(
            f"{MASTER_CF} has no server on port 25, so no partner's mail comes in here",
            "leave inbound out on this host",
            option="inbound",
        )
    for service in services:
        if _is_for_strangers(service):
            _refuse_hidden(service, wanted)
            _refuse_without_tls(service, expanded)
            ask = service.overrides.get("smtpd_tls_ask_ccert")
            if certificates and ask and ask.value != "yes":
                _hidden(service, "smtpd_tls_ask_ccert", ask.value, ask.line)


def _is_for_strangers(service: Service) -> bool:
    """Whether it is the server on port 25, or the one that postscreen(8) hands clients on to."""
    if service.command != "smtpd":
        return False
    place = socket_of(service.name) if service.type == "inet" else None
    return service.type == "pass" or (place is not None and place.port == SMTP_PORT and not is_loopback(place.address))


def _refuse_hidden(service: Service, wanted: Mapping[str, Sequence[str]]) -> None:
    for name, ours in wanted.items():
        override = service.overrides.get(name)
        if override and not _names_all(words(override.value), [one for one in ours if ":" in one]):
            _hidden(service, name, override.value, override.line)


def _names_all(value: Sequence[str], tables: Sequence[str]) -> bool:
    return all(one in value for one in tables)


def _hidden(service: Service, name: str, value: str, line: int) -> None:
    raise Problem(
        f"{MASTER_CF} line {line} sets '-o {name}={value}' for the service {service.name}, so the new setting has no"
        " effect on the mail that it takes",
        "remove that -o setting, or move its value to main.cf, then run again",
        option=f"{MASTER_CF}:{line}",
    )


def _refuse_without_tls(service: Service, expanded: Callable[[str], str]) -> None:
    def effective(name: str) -> str:
        override = service.overrides.get(name)
        return override.value if override else expanded(name)

    obsolete = ("smtpd_use_tls", "smtpd_enforce_tls", "smtpd_tls_wrappermode")
    if effective("smtpd_tls_security_level") in _LEVELS or "yes" in map(effective, obsolete):
        return
    raise Problem(
        f"the service {service.name} offers no TLS, so the partner could not send anything here",
        "give it a certificate with mail_vserver_tls (protocol=smtp), then run again",
        option="inbound",
    )
