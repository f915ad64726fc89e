# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Exim's administrator should know before something is changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import (
    expressions,
    listeners,
    vserver_listeners,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.effective import Effective
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import weaker_than
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.gnutls import barred
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS

_CIPHERS = "tls_require_ciphers"


def warnings_about(effective: Effective, desired: Sequence[Vserver]) -> Iterator[str]:
    """Warnings of what is accepted from now on, and was not before.

    Args:
        effective: the configuration in force.
        desired: the virtual servers of the call.
    """
    yield from _ciphers(effective.former(_CIPHERS), desired)
    yield from _logins(effective, desired)


def _ciphers(own: str, desired: Sequence[Vserver]) -> Iterator[str]:
    """Warnings of algorithms that the administrator bars, and a strength that is asked for by name allows."""
    for one in desired:
        if one.present and own and "strength" not in one.left_out:
            more = ["whatever it bars"] if "$" in own else barred(STRENGTHS[one.strength], own)
            yield from weaker_than(one, more, f"{_CIPHERS} ({own})")


def refuse_unknown_strength(vserver: Vserver, own: str) -> None:
    """Raise Problem where nobody can tell what the administrator's own priority string bars."""
    if "strength" in vserver.left_out and re.search(r"[$\s]", own):
        raise Problem(
            f"your own {_CIPHERS} ({own}) is worked out for each connection, so that nobody can tell what it bars",
            "give a strength, which takes its place; or write it as a priority string without '$' and blanks",
            subject=vserver.title,
            option="strength",
        )


def _logins(effective: Effective, desired: Sequence[Vserver]) -> Iterator[str]:
    """Warnings of clients that are offered logins from now on, on ports that Exim has already."""
    admitted = effective.former("auth_advertise_hosts")
    if "$" in admitted or "*" in listeners.words(admitted):
        return
    ours = expressions.Tables.from_macros(effective.macros).certificates
    there = set(listeners.ports(effective.former("daemon_smtp_ports")))
    for one in desired:
        protocol = PROTOCOLS[one.protocol]
        known = there & {protocol.port, protocol.implicit_tls_port, one.port, one.implicit_tls_port}
        is_new = vserver_listeners.identifier(one) not in ours
        if one.present and one.protocol == "submission" and known - {0} and is_new:
            yield (
                f"{one.title} becomes weaker than before: every client is offered logins inside TLS, not only those in"
                f" auth_advertise_hosts ({admitted or 'none'})"
            )
