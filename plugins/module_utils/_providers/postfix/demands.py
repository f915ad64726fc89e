# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server has demanded of its clients, and demands no longer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import more_groups
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    allows_no_more,
    expand,
    words,
)

PROTOCOLS = ("smtpd_tls_protocols", "smtpd_tls_mandatory_protocols")
_INSIDE = "smtpd_sasl_tls_security_options"
_LEVEL, _OBSOLETE_LEVEL, _WRAPPER = "smtpd_tls_security_level", "smtpd_enforce_tls", "smtpd_tls_wrappermode"
_NEWEST = ">=TLSv1.3"
_CERTIFICATE = "smtpd_tls_req_ccert"
DEFAULT_CIPHERS = "aNULL:-aNULL:"
CIPHERS = "tls_high_cipherlist"
GROUPS, FINITE_FIELDS = "tls_eecdh_auto_curves", "tls_ffdhe_auto_groups"
# Postfix' default, of which newer versions may have more; smtpd_tls_eecdh_grade counts for nothing since 3.6
_DEFAULT_GROUPS = frozenset({"X25519", "X448", "prime256v1", "secp384r1", "secp521r1"})
_LOGIN, _LOGIN_IN_TLS = "smtpd_sasl_auth_enable", "smtpd_tls_auth_only"
PARAMETERS = (
    *PROTOCOLS,
    CIPHERS,
    GROUPS,
    FINITE_FIELDS,
    _LOGIN,
    _LOGIN_IN_TLS,
    _INSIDE,
    _LEVEL,
    _OBSOLETE_LEVEL,
    _WRAPPER,
    _CERTIFICATE,
)


def expanded(parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters that demand something, with those that they name put in."""
    return {name: expand(parameters.get(name, ""), lambda one: parameters.get(one, "")) for name in PARAMETERS}


def encrypts(parameters: Mapping[str, str]) -> bool:
    """Whether a server takes mail in TLS alone."""
    level = parameters.get(_LEVEL, "")
    obsolete = not level and parameters.get(_OBSOLETE_LEVEL) == "yes"
    return level == "encrypt" or obsolete or parameters.get(_WRAPPER) == "yes"


def wants_certificate(parameters: Mapping[str, str]) -> bool:
    """Whether a server takes nothing from clients that have no certificate, which counts only where TLS is required."""
    return parameters.get(_CERTIFICATE) == "yes" and encrypts(parameters)


def versions(parameters: Mapping[str, str]) -> str:
    """The versions of TLS that count for a server: for TLS that must be there are others than for TLS that may."""
    return parameters.get(PROTOCOLS[encrypts(parameters)], "")


def groups(parameters: Mapping[str, str]) -> str:
    """The administrator's own list of groups for the key exchange; empty for Postfix' default.

    Args:
        parameters: as the service sees them, with those that they name put in.
    """
    listed = words(parameters.get(GROUPS, "").replace(":", " "))
    if not listed:
        return " ".join(words(parameters.get(FINITE_FIELDS, "")))
    return "" if set(listed) >= _DEFAULT_GROUPS else " ".join(listed)


def standing(services: Sequence[Mapping[str, str]]) -> tuple[bool, bool]:
    """Whether any of some servers takes no mail in clear text, and whether any takes only the newest version of TLS.

    Args:
        services: the parameters as each of them sees them.
    """
    seen = [expanded(one) for one in services]
    required = any(encrypts({**one, _WRAPPER: "no"}) for one in seen)
    return required, any(allows_no_more(versions(one), _NEWEST) for one in seen)


def given_up(own: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    """What is demanded no longer, in words; that TLS itself is not is said elsewhere.

    Args:
        own: the parameters as the service sees them without us, with the parameters that they name put in.
        wanted: what is to be set.
    """
    now = {**own, **wanted}
    if wants_certificate(own) and not wants_certificate(now):
        yield f"clients need no certificate any more, since {_CERTIFICATE} counts only where TLS is required"
    if allows_no_more(versions(own), versions(own)) and not allows_no_more(versions(now), versions(own)):
        yield f"more versions of TLS are accepted ({versions(now)}) than before ({versions(own)})"
    listed, more = (set(one.get(CIPHERS, "").split(":")) for one in (own, now))
    if not own.get(CIPHERS, "").startswith(DEFAULT_CIPHERS) and listed < more:
        yield f"more cipher suites are accepted ({', '.join(sorted(more - listed))}) than {CIPHERS} listed"
    barred = more_groups(groups(own), now.get(GROUPS, ""))
    if barred:
        yield f"more groups are accepted for the key exchange ({', '.join(barred)}) than {GROUPS} listed"
    if "noplaintext" in words(own.get(_INSIDE, "")) and "noplaintext" not in words(now.get(_INSIDE, "")):
        yield f"mechanisms that send the password itself are offered inside TLS, which {_INSIDE} forbade"


def logins_in_clear_end(own: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether clients could log in without TLS, and cannot any more."""
    could = own.get(_LOGIN) == "yes" and own.get(_LOGIN_IN_TLS) != "yes" and not encrypts(own)
    return could and wanted.get(_LOGIN_IN_TLS) == "yes"
