# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of others in which smtp(8) finds less for a next hop than our policies say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import main_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.foreign_tables import (
    TableRow,
    is_of_patterns,
    table_rows,
    tables_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.next_hops import ThisHost
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_strength import (
    falls_short,
    in_effect,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MAIN_CF,
    TLS_POLICY,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.patterns import may_end_in
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.policies import (
    TABLES,
    Policy,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words

_PER_SITE = "smtp_tls_per_site"
_ANY = "*"  # the key of a table that answers everything
_ASKED_OF_ALL_THE_WORLD = "socketmap:"  # MTA-STS, which only adds to what is demanded


class OtherTables:
    """Tables that go before our policies.

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
        for word in words(self._expanded(TABLES)):
            for table in list(tables_in(word)) or [word]:
                if table.endswith(":" + TLS_POLICY):
                    continue
                rows = table_rows(self._host, table)
                if rows is None and table.startswith(_ASKED_OF_ALL_THE_WORLD):
                    unknown.append(table)
                elif rows is None:
                    raise Problem(
                        f"{self._place(TABLES)} names {table}, which cannot be listed, and what it says of a next hop"
                        f" goes before this entry's {wide[0].tls}",
                        f"make it with 'postmap {table}' if it is missing, have its rows in a table of another type,"
                        " such as hash, or take it out",
                        subject=wide[0].title,
                        option="tls",
                    )
                for row in rows or ():
                    self._refuse_weaker(table, row, wide, ours, this_host)
        if not unknown:
            return []
        return [f"{', '.join(unknown)} cannot be listed, and what it says of a next hop goes before {wide[0].title}"]

    def _refuse_weaker(
        self, table: str, row: TableRow, wide: Sequence[DomainPolicy], ours: Collection[str], this_host: ThisHost
    ) -> None:
        policy, key = in_effect(Policy.parse(row.value), self._settings.expanded), row.key.lower()
        over = next((one for one in wide if _is_about(one, key, table) and falls_short(policy, one)), None)
        if over and key not in ours and not this_host.is_at(key):
            place = f"{self._place(TABLES)} with {table}" if row.place == table else row.place
            raise Problem(
                f"{place} demands only {falls_short(policy, over)} for {row.key}, and goes before this entry's"
                f" {over.tls}",
                "remove that row, or declare that domain with an entry of its own, which goes before both"
                if "." in key and not is_of_patterns(table)
                else "remove that row",
                subject=over.title,
                option="tls",
            )


def _is_about(policy: DomainPolicy, key: str, table: str) -> bool:
    """Whether a key of a foreign table stands for mail that a policy is about."""
    if policy.domain == EVERYTHING or key == _ANY:
        return True
    below = "." + policy.domain
    return may_end_in(key, below) if is_of_patterns(table) else key.endswith(below)
