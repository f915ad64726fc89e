# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How every service runs: parse the options, plan, apply, prove, report.

A service says how to parse and how to plan. The rest is here, once: the transaction, check mode, diff, warnings and
the module's result.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import (
    Participant,
    Transaction,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.trusted_paths import check_directory
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Down,
    Mending,
    Provider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import ServicePlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site

# What check mode can say of an object whose daemon cannot be asked yet.
WHY_NO_MORE = "{} would be brought back first; what else would change can be seen only then"

Thing = TypeVar("Thing")  # what a service is about, such as virtual servers


@dataclass(frozen=True)
class Report:
    """What a call did, or would do in check mode.

    Attributes:
        result: the module's result.
        warnings: what the administrator should know.
    """

    result: dict[str, Any]
    warnings: Sequence[str] = ()


class Service(ABC, Generic[Thing]):
    """Something that this collection sets up on a host.

    Args:
        site: the host.

    Attributes:
        key: key of the module's result that holds the rows; None for a module with one object, whose row it returns.
        noun: what messages call several of its objects.
    """

    key: ClassVar[str | None]
    noun: ClassVar[str]

    def __init__(self, site: Site) -> None:
        self.site = site

    @abstractmethod
    def parse(self, element: Mapping[str, Any]) -> Thing:
        """One object of the module's options. Looks at nothing else.

        Raises:
            Problem: the options contradict each other.
        """

    def look(self, things: Sequence[Thing]) -> None:
        """Open what others have made, which may take long, before the host's lock is taken. Changes nothing.

        Raises:
            Problem: it cannot be done, whatever the host's state.
        """

    @abstractmethod
    def plan(self, things: Sequence[Thing]) -> ServicePlan:
        """What has to be done for these objects. Changes nothing.

        Raises:
            Problem: it cannot be done.
        """

    def title(self, row: Mapping[str, Any]) -> str:
        """How the summary names the object of a row."""
        return str(row["name"])

    def summary(self, plan: ServicePlan) -> str:
        """Why something changes, or that nothing has to, in one sentence."""
        changed = [f"{self.title(row)}: {row['reason']}" for row in plan.rows if row["changed"]]
        if changed:
            return "; ".join(changed)
        if plan.shown_files():
            return f"files differ: {', '.join(plan.shown_files())}"
        return f"all {len(plan.rows)} {self.noun} are as desired"

    def concerns(self, thing: Thing, provider: Provider) -> bool:
        """Whether an object may need a daemon, which does not run."""
        return True

    def foreseen(self, thing: Thing, provider: Provider) -> dict[str, Any]:
        """The row of an object for which no more can be foreseen than that a daemon would be brought back first."""
        return {"name": getattr(thing, "name", ""), "changed": True, "reason": WHY_NO_MORE.format(provider.name)}

    def participant(self, name: str) -> Participant | None:
        """The daemon that a run which was killed had disturbed; None where it is gone."""
        return self.site.providers.get(name)


def carry_out(service: Service[Thing], things: Sequence[Thing], transaction: Transaction) -> Report:
    """Bring back what files of ours keep from starting, then plan, apply, prove and report.

    Raises:
        Problem: it cannot be done, or the host does not show it; the host is as it was, but for what was brought back.
    """
    mended: dict[str, Mending] = {}
    foreseen: list[dict[str, Any]] = []
    while True:
        try:
            plan = ServicePlan() if foreseen and not things else service.plan(things)
            report = _carry_out(service, plan, transaction)
            break
        except Down as exc:
            provider, mending = exc.provider, exc.provider.mending()
            if mending is None or (provider.name in mended and not transaction.check_mode):
                raise
            if transaction.check_mode:
                rest = [] if provider.name in mended else [one for one in things if not service.concerns(one, provider)]
                foreseen += [service.foreseen(one, provider) for one in things if one not in rest]
                things = rest
            else:
                transaction.apply(mending.changes, [provider])
            mended[provider.name] = mending
        except Problem as exc:
            if not mended or transaction.check_mode:
                raise
            words = "; ".join(_mended(name, one) for name, one in mended.items())
            raise Problem(
                f"{exc.found}; before that, {words}", exc.remedy, subject=exc.subject, option=exc.option
            ) from exc
    if not mended:
        return report
    return _with_mended(service, report, mended, foreseen, check_mode=transaction.check_mode)


def _mended(name: str, mending: Mending, *, foreseen: bool = False) -> str:
    """What was done to bring a daemon back, as a clause."""
    done = "would be put right, and it would be started" if foreseen else "were put right, and it was started"
    return f"{name} did not run because of files or settings of this collection's ({mending.why}); these {done}"


def _with_mended(
    service: Service[Thing],
    report: Report,
    mended: Mapping[str, Mending],
    foreseen: Sequence[dict[str, Any]],
    *,
    check_mode: bool,
) -> Report:
    """The report of a call that has brought daemons back, or would."""
    clauses = [_mended(name, one, foreseen=check_mode) for name, one in mended.items()]
    files = [change.path for one in mended.values() for change in one.changes]
    result = report.result
    rows = {} if service.key is None else {service.key: [*foreseen, *result[service.key]]}
    activated = {"activated": [*mended, *(one for one in result.get("activated", ()) if one not in mended)]}
    more = {
        "changed": True,
        "reason": "; ".join([*clauses, *([result["reason"]] if result["changed"] else [])]),
        "files": [*files, *(path for path in result["files"] if path not in files)],
        "diff": [*(one for some in mended.values() for one in some.diff), *result["diff"]],
    }
    return Report({**result, **rows, **more, **activated}, [*clauses, *report.warnings])


def _carry_out(service: Service[Thing], plan: ServicePlan, transaction: Transaction) -> Report:
    result = {
        **(plan.rows[0] if service.key is None else {service.key: plan.rows}),
        "changed": plan.changed,
        "reason": service.summary(plan),
        "files": plan.shown_files(),
        "diff": plan.shown_diff(service.site.host),
        **plan.facts,
    }
    warnings = list(plan.warnings)
    if plan.changes or plan.participants:
        transaction.apply(plan.changes, plan.participants, plan.prove)
    if plan.afterwards:
        note = plan.afterwards()
        result.update(note.facts)
        warnings += note.warnings
    return Report(result, warnings)


def run_service(
    module: AnsibleModule, service: Service[Thing], elements: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """All that a module does.

    Args:
        module: the module; it gets the warnings.
        service: what it sets up.
        elements: the objects of its options.

    Returns:
        The module's result.

    Raises:
        Problem: it cannot be done; the host is as it was.
    """
    things = [service.parse(element) for element in elements]
    check_directory(service.site.store.root, "store" if "store" in module.params else "")
    service.look(things)
    with Transaction(
        service.site.host, service.participant, check_mode=module.check_mode, warn=module.warn
    ) as transaction:
        report = carry_out(service, things, transaction)
    for warning in report.warnings:
        module.warn(warning)
    return report.result
