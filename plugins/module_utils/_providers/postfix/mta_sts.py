# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MTA-STS (RFC 8461) for mail that Postfix sends: a daemon that knows the policies of others is asked for each domain.

The daemon is postfix-mta-sts-resolver, which answers as a TLS policy table does (socketmap_table(5)). It is asked last:
what is declared of a domain goes before what the domain says of itself.
"""

from __future__ import annotations

import re

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import how_to_install
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    LEVEL,
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MTA_STS_PACKAGE,
    MTA_STS_PORT,
    MTA_STS_RESOLVER,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words

TABLES = "smtp_tls_policy_maps"
# A name that cannot have a policy (RFC 6761), so that nobody has to be asked for the answer.
_NOBODY = b"nobody.invalid\n"
_DANE = ("dane", "dane-only")


def is_asked(settings: Settings) -> bool:
    """Whether the resolver is asked at present."""
    return MTA_STS_RESOLVER in words(settings.value(TABLES))


def is_ours(settings: Settings) -> bool:
    """Whether it is asked because of us, or would be."""
    return MTA_STS_RESOLVER not in words(settings.before(TABLES))


def decide(host: Host, settings: Settings, wanted: bool | None) -> bool:
    """Whether it is for us to have the resolver asked.

    Args:
        host: the machine.
        settings: main.cf, with the level of all other mail as it will be.
        wanted: what is asked for; None to leave it as it is.

    Raises:
        Problem: the resolver does not answer, or would take the place of DANE.
    """
    ours = is_ours(settings)
    if not (is_asked(settings) and ours if wanted is None else wanted):
        return False
    level = settings.value(LEVEL)
    if level in _DANE:
        # RFC 8461 section 2: a policy must not take the place of TLSA records, which is what Postfix would do with it
        raise Problem(
            f"all other mail has the level {level}, and Postfix would follow a domain's MTA-STS policy instead of its"
            " TLSA records",
            "leave mta_sts out, or set dane for single domains and another level for '*'",
            option="mta_sts",
        )
    done = host.query(["postmap", "-q", "-", MTA_STS_RESOLVER], stdin=_NOBODY) if wanted else None
    if done and re.search("fatal|error", done.err):  # that the name is not known is told by the exit code alone
        raise Problem(
            f"no MTA-STS policy resolver answers at 127.0.0.1 port {MTA_STS_PORT} ({done.complaint})",
            f"install one ({how_to_install(MTA_STS_PACKAGE)}) and start it, or leave mta_sts out",
            option="mta_sts",
        )
    return ours
