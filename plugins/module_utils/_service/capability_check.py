# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a daemon supports the options that are used: the one check for all modules.

Only options that not every daemon supports are looked at. What a daemon supports it says itself, as the names of these
options (Provider.options); what it supports only under conditions, or with other values, its plan refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import supporting

# What each option asks for, in words that complete "postfix does not support ...".
OPTIONS = {
    # mail_vserver_tls
    "name": "more than one virtual server of a protocol",
    "alternative_certificate": "a second certificate",
    "sni": "certificates for single host names",
    "auth_tls": "a choice of SASL mechanisms",
    "auth_clear": "a choice of SASL mechanisms",
    # mail_domain_security
    "servername": "a choice of the name that a peer is told (SNI)",
    "require_128_bit": "a least length of the keys of other servers",
    "inbound": "requirements for the incoming mail of a domain",
    "mta_sts": "MTA-STS policies of other domains",
    "preflight": "a forecast of what new requirements would cut off",
}


@dataclass(frozen=True)
class Use:
    """One use of an option.

    Attributes:
        option: its name, a key of OPTIONS.
        subject: the object that it is used for, for the message; empty where it is for all.
        protocol: the protocol that the daemon serves there, or sends by.
    """

    option: str
    subject: str = ""
    protocol: str = "smtp"


def used_by_vservers(vservers: Iterable[Vserver], default: str) -> Iterator[Use]:
    """The options that virtual servers use.

    Args:
        vservers: what is desired.
        default: name of the virtual server that every daemon has by itself.
    """
    for vserver in (one for one in vservers if one.present):
        for option, used in (
            ("name", vserver.name != default),
            ("alternative_certificate", bool(vserver.alternative_certificate)),
            ("sni", bool(vserver.sni)),
            ("auth_tls", vserver.auth_tls is not None),
            ("auth_clear", bool(vserver.auth_clear)),
        ):
            if used:
                yield Use(option, vserver.title, vserver.protocol)


def used_by_domains(policies: Sequence[DomainPolicy], *, mta_sts: bool | None, preflight_fails: bool) -> Iterator[Use]:
    """The options that policies for remote domains use.

    Args:
        policies: what is desired.
        mta_sts: whether the MTA-STS policies of other domains are to be followed.
        preflight_fails: whether the run must fail where a destination would be cut off.
    """
    yield from (Use("servername", one.title) for one in policies if one.present and one.servername)
    yield from (Use("require_128_bit", one.title) for one in policies if one.present and one.require_128_bit)
    yield from (Use("inbound", one.title) for one in policies if one.present and one.inbound)
    if mta_sts:
        yield Use("mta_sts")
    if preflight_fails:
        yield Use("preflight")


def refuse_unsupported(provider: Provider, uses: Iterable[Use]) -> None:
    """Raise Problem where an option is used that the daemon does not support."""
    supported = provider.supported_options()
    for use in uses:
        if use.option not in supported:
            others = [one.name for one in supporting(use.option, use.protocol) if one.name != provider.name]
            raise Problem(
                f"{provider.name} does not support {OPTIONS[use.option]}",
                ", or use ".join(["leave the option out", *([" or ".join(others)] if others else [])]),
                subject=use.subject,
                option=use.option,
            )
