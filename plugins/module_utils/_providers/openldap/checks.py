# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What slapd cannot do, said before anything is changed."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import FAMILY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.cn_config import (
    ANONYMOUS,
    EXTERNAL,
    SIMPLE,
    clear_text_mechanisms,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import (
    SASL_PLUGIN_PACKAGES,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.state import State


def mechanisms_for(vserver: Vserver, state: State) -> set[str]:
    """The SASL mechanisms to offer.

    Raises:
        Problem: slapd cannot offer logins in this way.
    """
    if ANONYMOUS in vserver.auth_clear:
        raise Problem(
            f"{ANONYMOUS} is not a login: without TLS it is accepted or refused like everything else in clear text",
            "leave it out; require_secure_channel says whether clear text is refused, and auth_tls whether anonymous"
            " use is possible at all",
            option="auth_clear",
        )
    offered = set(state.mechanisms) - {EXTERNAL}
    wanted = offered if vserver.auth_tls is None else set(vserver.auth_tls) - {SIMPLE, ANONYMOUS, EXTERNAL}
    asked = vserver.auth_tls is not None and EXTERNAL in vserver.auth_tls
    if vserver.auth_tls is not None and asked != state.client_certificates:
        raise Problem(
            f"{EXTERNAL} means client certificates, and slapd {'does not ask' if asked else 'asks'} for them",
            f"{'leave it out' if asked else 'add it'}, or change olcTLSVerifyClient in cn=config",
            option="auth_tls",
        )
    if not wanted <= offered and not state.mechanisms_chosen:
        raise Problem(
            f"slapd does not have the SASL mechanisms {', '.join(sorted(wanted - offered))}"
            f" (it has: {', '.join(sorted(offered)) or 'none'})",
            f"install the package that brings them ({FAMILY}: {SASL_PLUGIN_PACKAGES}), or leave them out",
            option="auth_tls",
        )
    possible = clear_text_mechanisms(wanted, {})
    in_clear = set(vserver.auth_clear) - {SIMPLE}
    if in_clear and in_clear != possible:
        raise Problem(
            "slapd cannot choose among the SASL mechanisms that it accepts before TLS"
            f" (it can accept none of them, or {', '.join(sorted(possible)) or 'none'})",
            "give all of these or none; auth_tls chooses among them",
            option="auth_clear",
        )
    return wanted


def refuse_frontend(vserver: Vserver, state: State) -> None:
    """Raise Problem where settings of the administrator's in the frontend would refuse what is to be accepted."""
    if vserver.require_secure_channel:
        return
    hindering = [
        f"{name}={number}" for name, number in state.frontend_factors.items() if number and name in ("ssf", "tls")
    ]
    if hindering:
        raise Problem(
            f"{' '.join(hindering)} refuses clear text there",
            "remove it there, or set require_secure_channel to true",
            option="olcSecurity of olcDatabase={-1}frontend,cn=config",
        )
