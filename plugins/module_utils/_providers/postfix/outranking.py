# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of others because of which smtp(8) would demand less than our policies say, or nothing at all.

They are refused, each with its place: what an administrator has written down is not overruled in silence, and a policy
that does not hold is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import main_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.foreign_tables import (
    table_rows,
    tables_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.next_hops import ThisHost
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MAIN_CF,
    MASTER_CF,
    TLS_POLICY,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.policies import (
    TABLES,
    Policy,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    expand,
    words,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.domain_levels import weaker

_PER_SITE = "smtp_tls_per_site"
_KEYWORDS = "smtp_discard_ehlo_keywords"
_NO_EHLO = "smtp_never_send_ehlo"


class Outranking:
    """What goes before our policies.

    Args:
        host: the machine.
        expanded: answers a parameter's value as it is, with the parameters it names put in.
        settings: main.cf as it will be.
    """

    def __init__(self, host: Host, expanded: Callable[[str], str], settings: Settings) -> None:
        self._host = host
        self._expanded = expanded
        self._settings = settings
        self._lines = main_cf.assignments(settings.text)

    def _place(self, name: str) -> str:
        line = self._lines[name].line if name in self._lines else 0
        return f"{MAIN_CF} line {line}" if line else f"{name} in {MAIN_CF}"

    # ---- STARTTLS

    def refuse_no_starttls(self, services: Iterable[Service]) -> None:
        """Raise Problem where a service never asks for TLS, so that nothing could be sent any more.

        Args:
            services: those that send mail for which TLS is demanded.
        """
        views = [service.overrides for service in services]
        for name in (_KEYWORDS, _NO_EHLO):
            found = [(self._expanded(name), self._place(name))] if any(name not in one for one in views) else []
            for overrides in views:
                if name in overrides:
                    own = overrides[name]
                    found.append((expand(own.value, self._settings.value), f"{MASTER_CF} line {own.line}"))
            for value, place in found:
                if value == "yes" or (name == _KEYWORDS and "starttls" in words(value.lower())):
                    raise Problem(
                        f"{place} sets {name} to {value}, so Postfix never starts TLS, and mail that needs it stays",
                        "remove that setting, or leave starttls out of it, then run again",
                        option=place,
                    )

    # ---- other tables

    def refuse_forgotten(self) -> None:
        """Raise Problem where Postfix would no longer look into the older kind of table."""
        if self._expanded(_PER_SITE) and not words(self._settings.before(TABLES)):
            raise Problem(
                f"{self._place(_PER_SITE)} has {_PER_SITE}, which Postfix ignores once there is a TLS policy table, so"
                " what it demands of others would no longer be demanded",
                f"give its rows to a table in {TABLES}, or declare its domains, and remove {_PER_SITE}",
                option=MAIN_CF,
            )

    def weaker_rows(self, policies: Sequence[DomainPolicy], ours: Collection[str]) -> list[str]:
        """Warnings of tables that cannot be listed.

        Args:
            policies: those that hold for more than one name.
            ours: the keys of our own table, which is asked first.

        Raises:
            Problem: a row of somebody else demands less than one of the policies for mail that the policy is about.
        """
        wide = [one for one in policies if one.encrypted and (one.subdomains or one.domain == EVERYTHING)]
        if not wide:
            return []
        this_host = ThisHost(self._host, self._expanded)
        unknown = []
        for table in tables_in(self._expanded(TABLES)):
            if table.endswith(":" + TLS_POLICY):
                continue
            rows = table_rows(self._host, table)
            if rows is None:
                unknown.append(table)
            for row in rows or ():
                level = Policy.parse(row.value).level
                key = row.key.lower()
                over = next((one for one in wide if _is_about(one, key) and weaker(level, one.tls)), None)
                if over and key not in ours and not this_host.is_at(key):
                    raise Problem(
                        f"{row.place} demands only {level} for {row.key}, and goes before this entry's {over.tls}",
                        "remove that row, or declare that domain with an entry of its own, which goes before both",
                        subject=over.title,
                        option="tls",
                    )
        if not unknown:
            return []
        return [f"{', '.join(unknown)} cannot be listed, and what it says of a next hop goes before {wide[0].title}"]


def _is_about(policy: DomainPolicy, key: str) -> bool:
    """Whether a key of a foreign table stands for mail that a policy is about."""
    return policy.domain == EVERYTHING or key.endswith("." + policy.domain)
