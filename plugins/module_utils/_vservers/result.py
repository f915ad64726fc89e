# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual servers in the module's result: what changes, why, and who can no longer connect."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.compare import differences
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.planning import DaemonPlan


def rows(plan: DaemonPlan, renewed: Collection[str]) -> list[dict[str, Any]]:
    """The entries of the result for one daemon's virtual servers.

    Args:
        plan: the daemon, and what is to be done to it.
        renewed: certificates of which the daemon gets a new copy.
    """
    reasons = _reasons(plan, renewed)
    return [_row(plan, vserver, reasons[vserver]) for vserver in plan.vservers]


def unknown_row(vserver: Vserver, provider: str, reason: str) -> dict[str, Any]:
    """The entry for a virtual server whose daemon cannot be asked yet how it is."""
    shown = {"protocol": vserver.protocol, "name": vserver.name, "provider": provider, "changed": True}
    return {**shown, "reason": reason, "before": None, "after": None, "oldest_clients": [], "cut_off": []}


def _row(plan: DaemonPlan, vserver: Vserver, reason: str) -> dict[str, Any]:
    old = plan.before.get(vserver.key)
    return {
        "protocol": vserver.protocol,
        "name": vserver.name,
        "provider": plan.provider.name,
        "changed": bool(reason),
        "reason": reason or ("as desired" if vserver.present else "absent, as desired"),
        "before": old.as_result() if old else None,
        "after": _after(vserver, old),
        "oldest_clients": list(STRENGTHS[vserver.strength].oldest_clients) if vserver.present else [],
        "cut_off": [*_cut_off(vserver), *plan.lost.get(vserver.key, ())] if vserver.present else [],
    }


def _reasons(plan: DaemonPlan, renewed: Collection[str]) -> dict[Vserver, str]:
    """Why each virtual server changes; empty where it does not."""
    if plan.stale:
        return dict.fromkeys(plan.vservers, f"the running daemon has not read its files: {plan.stale}")
    changed = plan.targets
    found = {vserver: "; ".join(_reason(plan, vserver, renewed)) for vserver in plan.vservers}
    if changed and not any(found.values()):
        return dict.fromkeys(plan.vservers, f"settings differ in {', '.join(sorted(changed))}")
    return found


def _reason(plan: DaemonPlan, vserver: Vserver, renewed: Collection[str]) -> list[str]:
    old = plan.before.get(vserver.key)
    if not vserver.present:
        return ["present -> absent"] if plan.targets and old else []
    found = differences(old, vserver)
    if found:
        found += [f"shut out: {one}" for one in plan.lost.get(vserver.key, ())]
        found += plan.given_up.get(vserver.key, ())
    return found or [f"certificate: {name} has been renewed" for name in vserver.certificates if name in renewed]


def _after(vserver: Vserver, old: Vserver | None) -> dict[str, Any] | None:
    """As it will be. What is left to the daemon stays as it was found."""
    if not vserver.present:
        return None
    shown = vserver.as_result()
    found = old.as_result() if old else {}
    return {key: found.get(key) if value is None else value for key, value in shown.items()}


def _cut_off(vserver: Vserver) -> list[str]:
    """Clients that the desired virtual server excludes, in words."""
    strength = STRENGTHS[vserver.strength]
    protocol = PROTOCOLS[vserver.protocol]
    lost = [f"clients without TLS {strength.minimum}"]
    if strength.ciphers and not any(suite.startswith("AES") for suite in strength.ciphers):
        lost[0] += ", or without cipher suites with forward secrecy and authenticated encryption"
    if vserver.require_secure_channel:
        lost.append("clients without TLS at all")
    elif protocol.strangers:
        lost[0] += "; most of them send in clear text instead"
    elif not vserver.auth_clear:
        lost.append("logins of clients without TLS")
    if vserver.auth_tls is not None:
        lost.append(f"logins with mechanisms other than {', '.join(vserver.auth_tls) or 'none'}")
    return lost
