# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which service must send mail that needs an account of ours, so that this account is the one that is used."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    smtp_clients as clients,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.foreign_tables import (
    table_rows,
    tables_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.login_obstacles import (
    LoginObstacles,
    Obstacle,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
    relay_of,
    transport_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import MASTER_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import (
    RELAYS_BY_SENDER,
    TRANSPORTS_BY_SENDER,
    Route,
)


class LoginServices:
    """The services for accounts of ours.

    Args:
        host: the machine.
        settings: main.cf as it will be.
        services: the services of master.cf that are an smtp(8), by name.
    """

    def __init__(self, host: Host, settings: Settings, services: Mapping[str, Service]) -> None:
        self._host = host
        self._settings = settings
        self._services = services
        self._obstacles = LoginObstacles(host, settings)

    def service_of(self, policy: DomainPolicy, route: Route | None) -> str:
        """The service that must send a domain's mail; empty where the usual one can.

        Args:
            policy: the policy.
            route: the way that the mail takes where the policy names none.

        Raises:
            Problem: no service can.
        """
        usual = transport_of(policy)
        if not policy.account or usual == clients.CLEAR_AUTH:
            return usual
        next_hop = relay_of(policy) or (route.usual.next_hop if route else "")
        sender = usual or (route.usual.transport if route and not policy.relay_host else clients.PLAIN)
        service = self._services.get(sender)
        overrides = service.overrides if service else {}

        def own(name: str) -> str | None:
            return overrides[name].value if name in overrides else None

        of_senders = self._senders_sent_elsewhere() if policy.domain == EVERYTHING else frozenset[str]()
        found = self._obstacles.obstacles(own, next_hop, sent_here=lambda key: key not in of_senders)
        if not found:
            return usual
        if of_senders or (route and not policy.relay_host and (route.by_sender or route.unknown)):
            raise self._refused(policy, found[0], service)
        return clients.OWN_ACCOUNT.get(usual or clients.PLAIN, clients.AUTH)

    @staticmethod
    def _refused(policy: DomainPolicy, obstacle: Obstacle, service: Service | None) -> Problem:
        override = service.overrides.get(obstacle.name) if service else None
        place = f"{MASTER_CF} line {override.line}" if override else obstacle.name
        return Problem(
            f"its account would not be used for all of its mail: {obstacle.what}, which goes before it, and a service"
            " of its own would change the way that mail of some senders takes",
            f"remove that setting ({place}), or give an entry with relay_host to each domain that needs the account",
            subject=policy.title,
            option="username",
        )

    def _senders_sent_elsewhere(self) -> frozenset[str]:
        """Senders, as tables have them, whose mail takes another way whatever its recipients."""
        found: set[str] = set()
        for name in (RELAYS_BY_SENDER, TRANSPORTS_BY_SENDER):
            for table in tables_in(self._settings.expanded(name)):
                found.update(row.key.lower() for row in table_rows(self._host, table) or ())
        return frozenset(found)
