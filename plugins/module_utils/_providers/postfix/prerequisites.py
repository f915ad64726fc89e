# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the levels and accounts of outgoing mail need in main.cf besides the tables: roots, SASL, DNSSEC, digests."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import (
    RESOLV_CONF,
    SYSTEM_TRUST_STORE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.login_obstacles import (
    INSIDE_TLS,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import MAIN_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import resolver as _resolver

_DANE = frozenset({"dane", "dane-only"})
_VERIFYING = frozenset({"verify", "secure"})


def settle(
    settings: Settings, expanded: Callable[[str], str], levels: Collection[str], *, accounts: bool, ca_file: str
) -> None:
    """Set what is needed, and restore what is no longer needed.

    Args:
        settings: main.cf.
        expanded: answers a parameter's value with the parameters it names put in.
        levels: all levels that are asked for, by us.
        accounts: whether there are accounts.
        ca_file: the roots to verify peers against; empty to keep Postfix' own.

    Raises:
        Problem: a foreign setting conflicts with it.
    """
    wanted: dict[str, str] = {}
    if accounts:
        wanted["smtp_sasl_auth_enable"] = "yes"
        # the default forbids PLAIN and LOGIN inside TLS too; in clear text they stay forbidden
        inside = words(settings.expanded(INSIDE_TLS))
        if "noplaintext" in inside or INSIDE_TLS in settings.noted:
            wanted[INSIDE_TLS] = "noanonymous"
    roots = _roots(settings, levels, ca_file)
    if roots:
        wanted["smtp_tls_CAfile"] = roots
    if _DANE & set(levels):
        wanted["smtp_dns_support_level"] = "dnssec"  # without it the level dane silently becomes may
        if "dns" not in words(settings.expanded("smtp_host_lookup")):
            raise Problem(
                "smtp_host_lookup does not include dns, so Postfix looks up no TLSA records",
                f"remove smtp_host_lookup from {MAIN_CF}, or choose another level",
                option=MAIN_CF,
            )
    if "fingerprint" in levels:
        digest = "smtp_tls_fingerprint_digest"
        if settings.written(digest) and expanded(digest) != "sha256":
            raise Problem(
                f"{digest} is {expanded(digest)}, while fingerprints are given as SHA-256",
                f"remove {digest} from {MAIN_CF}, and recompute the fingerprints in other tables",
                option=MAIN_CF,
            )
        if expanded(digest) != "sha256" or digest in settings.noted:
            wanted[digest] = "sha256"
    for name in (
        "smtp_sasl_auth_enable",
        INSIDE_TLS,
        "smtp_tls_CAfile",
        "smtp_dns_support_level",
        "smtp_tls_fingerprint_digest",
    ):
        if name in wanted:
            settings.set(name, wanted[name])
        elif name in settings.noted:
            settings.put_back(name)


def _roots(settings: Settings, levels: Collection[str], ca_file: str) -> str:
    """The roots that main.cf must name; empty to leave that as it is."""
    if ca_file or not levels:
        return ca_file
    if "smtp_tls_CAfile" in settings.noted:
        return settings.value("smtp_tls_CAfile")
    verifies = bool(_VERIFYING & set(levels))
    return SYSTEM_TRUST_STORE if verifies and not settings.expanded("smtp_tls_CAfile") else ""


def resolv_conf(host: Host, settings: Settings) -> str:
    """The file that names smtp(8)'s resolvers: the copy that it reads where it is chrooted."""
    in_chroot = os.path.join(settings.expanded("queue_directory"), RESOLV_CONF.lstrip("/"))
    return in_chroot if host.state(in_chroot) else RESOLV_CONF


def resolver_warnings(host: Host, settings: Settings, levels: Collection[str]) -> list[str]:
    """Whether smtp(8)'s resolver validates, so that the levels with DANE mean something.

    Args:
        host: the machine.
        settings: main.cf.
        levels: the levels asked for.

    Returns:
        What the administrator should know.

    Raises:
        Problem: nobody validates DNSSEC for this host. Postfix would then treat ``dane`` as ``may``, and nothing could
            be delivered with ``dane-only``.
    """
    if not _DANE & set(levels):
        return []
    path = resolv_conf(host, settings)
    kind, _colon, name = (settings.expanded("dnssec_probe") or "ns:.").partition(":")
    return _resolver.require_dnssec(host.read_text(path), path, "Postfix", name=name, kind=kind)
