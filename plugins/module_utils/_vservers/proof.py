# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof that daemons do what their files say: by their effective settings, and on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.probe import PATIENCE, expected, prove
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.compare import differences
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.planning import DaemonPlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.provider_selection import Found


def confirm(plans: Iterable[DaemonPlan], store: Store) -> None:
    """Raise Problem unless the daemons' effective settings, and then the wire, are as desired."""
    plans = list(plans)
    for one in plans:
        refuse_overridden(one, one.provider.read(), store)
    for one in plans:
        _prove_on_wire(one, store.leaf, PATIENCE)


def refuse_overridden(plan: DaemonPlan, found: Found, store: Store) -> None:
    """Raise Problem where a daemon's files are right, but its effective settings are not.

    Args:
        plan: the daemon, with its desired virtual servers.
        found: its virtual servers by its effective settings.
        store: tells which certificates are ours.
    """
    for vserver in plan.vservers:
        wrong = _still_wrong(vserver, found.get(vserver.key), store)
        if wrong:
            raise Problem(
                f"the settings are in its files, but {plan.provider.name} does not use them ({'; '.join(wrong)})",
                "look for a file that sets the same options and is read later, such as local.conf, and remove them"
                " there",
                subject=vserver.title,
            )


def _still_wrong(vserver: Vserver, found: Vserver | None, store: Store) -> list[str]:
    if vserver.present:
        return differences(found, vserver)
    left = [name for name in (found.certificates if found else ()) if name in store.names()]
    return [f"it still shows the certificate {name}" for name in left]


def _prove_on_wire(plan: DaemonPlan, leaf_of: Callable[[str], bytes], patience: float) -> None:
    """Raise Problem unless the wire shows every virtual server of a daemon as desired."""
    for vserver in plan.vservers:
        if vserver.present:
            for endpoint, expectation in expected(plan.provider, vserver, leaf_of):
                prove(endpoint, expectation, vserver.title, patience)


def not_in_effect(plan: DaemonPlan, store: Store) -> str:
    """What shows that a daemon with the right files has not read them yet; empty where it has."""
    try:
        _prove_on_wire(plan, store.leaf, patience=0.0)
    except Problem as exc:
        return exc.found
    return ""
