# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domain security of a Postfix: its tables, main.cf and master.cf, put together to a plan."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    master_cf,
    prerequisites,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    mta_sts as mta_sts_resolver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    smtp_clients as clients,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.inbound import (
    Inbound,
    with_reasons,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.kept_meanings import (
    keep_meanings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.named_hops import NamedHops
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.new_requirements import (
    new_requirements,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    LEVEL,
    Settings,
    level_in_effect,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_strength import (
    demands_as_much,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outranking import Outranking
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MAIN_CF,
    MASTER_CF,
    SASL_ACCOUNTS,
    TLS_POLICY,
    TRANSPORT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.tls_policy import (
    DomainTables,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.paths import (
    PLUGIN,
    PLUGIN_PACKAGE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import DomainPlan


class Sending:
    """How a Postfix sends mail.

    Args:
        host: the machine.
        parameters: every parameter of main.cf with its effective value.
        expanded: a parameter's effective value in which Postfix has put in the parameters that it names.
        saved: the settings as they were before this collection first changed them.
    """

    def __init__(
        self, host: Host, parameters: Mapping[str, str], expanded: Callable[[str], str], saved: SavedSettings
    ) -> None:
        self._host = host
        self._parameters = parameters
        self._expanded = expanded
        self._saved = saved

    def plan(self, policies: Sequence[DomainPolicy], *, purge: bool, ca_file: str, mta_sts: bool | None) -> DomainPlan:
        """See DomainProvider.plan_domains."""
        if any(policy.account for policy in policies if policy.present) and not glob.glob(PLUGIN.format("plain") + "*"):
            raise Problem(
                "the SASL plug-ins that Postfix needs to log in to other hosts are not installed",
                f"install the package {PLUGIN_PACKAGE}",
                option="username",
            )
        master = self._host.read_text(MASTER_CF)
        services = clients.clients(master)
        settings = Settings(self._host.read_text(MAIN_CF), self._parameters, self._saved)
        named = NamedHops(
            self._host, self._expanded, settings.value, self._parameters, master_cf.services(master), TRANSPORT
        )
        tables = DomainTables(self._host, self._expanded, settings, services, named)
        outcomes = tables.plan(policies, purge=purge)
        declared = {policy.tls for policy in policies if policy.present}
        everything = {settings.kept(LEVEL)} if LEVEL in settings.noted else set()
        asks_mta_sts = mta_sts_resolver.decide(self._host, settings, mta_sts)
        # a policy of others that is enforced becomes the level secure
        of_others = {"secure"} if asks_mta_sts else set()
        levels = {*tables.levels().values(), *everything, *declared, *of_others}
        prerequisites.settle(
            settings, self._expanded, levels, accounts=bool(tables.rows[SASL_ACCOUNTS]), ca_file=ca_file
        )
        tables.name_in_main_cf(asks_mta_sts)
        inbound = Inbound(self._host, settings, self._expanded, master)
        outcomes = with_reasons(outcomes, inbound.plan(policies, purge=purge))
        keep_meanings(settings, master)
        relied_on = {
            name: settings.value(name) for name in settings.noted if name not in ("relayhost", "default_transport")
        }
        used = [one for name, one in services.items() if name in tables.used_services]
        clients.refuse_hidden(used, relied_on, demands_as_much)
        with_ours = clients.with_services(master, tables.services_of_ours(), tables.accounts_table)
        present = [policy for policy in policies if policy.present]
        outranking = Outranking(self._host, self._expanded, settings, tables.rows[TLS_POLICY])
        outranked = outranking.refuse(present, services, used, named, tables.ways)
        changes = [*tables.changes(), *inbound.changes()]
        return DomainPlan(
            changes=(
                *(change for change in changes if change.content is not None),
                FileChange(MASTER_CF, with_ours.encode("utf-8", "surrogateescape")),
                FileChange(MAIN_CF, settings.text.encode("utf-8", "surrogateescape")),
                *(change for change in changes if change.content is None),
                self._saved.change(),
            ),
            outcomes=outcomes,
            levels=tables.levels(),
            default_level=level_in_effect(settings.value(LEVEL), settings.value),
            mta_sts=mta_sts_resolver.is_asked(settings),
            warnings=[*tables.warnings, *outranked, *prerequisites.resolver_warnings(self._host, settings, declared)],
            demands=new_requirements(self._host, self._expanded, settings, tables, services),
        )
