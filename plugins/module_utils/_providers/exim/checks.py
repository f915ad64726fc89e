# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Exim's administrator should know before something is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import (
    expressions,
    listeners,
    vserver_listeners,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.effective import Effective


def warnings_about(effective: Effective, desired: Sequence[Vserver]) -> Iterator[str]:
    """Warnings of clients that are offered logins from now on, on ports that Exim has already.

    Args:
        effective: the configuration in force.
        desired: the virtual servers of the call.
    """
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
