# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of others because of which smtp(8) never asks a server for TLS, so that mail that needs it stays.

Facts: postconf(5).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import main_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.foreign_tables import (
    is_of_patterns,
    table_rows,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MAIN_CF,
    MASTER_CF,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    expand,
    words,
)

BY_SERVER = "smtp_discard_ehlo_keyword_address_maps"
KEYWORDS = "smtp_discard_ehlo_keywords"
_NO_EHLO = "smtp_never_send_ehlo"
_AT_ONCE = "smtp_tls_wrappermode"
_STARTTLS = "starttls"


class NoStarttls:
    """What keeps the usual services from STARTTLS.

    Args:
        host: the machine.
        expanded: answers a parameter's value as it is, with the parameters it names put in.
        settings: main.cf as it will be.
        services: those that send mail for which TLS is demanded.
    """

    def __init__(
        self, host: Host, expanded: Callable[[str], str], settings: Settings, services: Iterable[Service]
    ) -> None:
        self._host = host
        self._expanded = expanded
        self._settings = settings
        self._views = [service.overrides for service in services]
        self._lines = main_cf.assignments(settings.text)

    def _values(self, name: str) -> Iterator[tuple[str, str]]:
        """Each value of a parameter that counts, and where it stands."""
        if any(name not in one for one in self._views):
            line = self._lines[name].line if name in self._lines else 0
            yield self._expanded(name), f"{MAIN_CF} line {line}" if line else f"{name} in {MAIN_CF}"
        for overrides in self._views:
            if name in overrides:
                own = overrides[name]
                yield expand(own.value, self._settings.value), f"{MASTER_CF} line {own.line}"

    def refuse(self, policies: Sequence[DomainPolicy]) -> list[str]:
        """Warnings of single servers.

        Args:
            policies: all that are declared.

        Raises:
            Problem: a service never starts TLS, so that nothing could be sent any more.
        """
        demanding = [one for one in policies if one.encrypted and not one.implicit_tls]
        if not demanding:
            return []
        for name in (KEYWORDS, _NO_EHLO):
            for value, place in self._values(name):
                if value == "yes" or (name == KEYWORDS and _STARTTLS in words(value.lower())):
                    raise Problem(
                        f"{place} sets {name} to {value}, so Postfix never starts TLS, and mail that needs it waits",
                        "remove that setting, or leave starttls out of it, then run again",
                        option=place,
                    )
        for value, place in self._values(_AT_ONCE):
            sent = next((one for one in demanding if one.relay_host), None)
            if value == "yes" and sent:
                raise Problem(
                    f"{place} sets {_AT_ONCE} to yes, so Postfix begins with TLS at {sent.relay_host} port"
                    f" {sent.relay_port}, too, where the entry says STARTTLS",
                    f"move {_AT_ONCE} to a service of its own in {MASTER_CF} (-o), or set implicit_tls, then run again",
                    subject=sent.title,
                    option="relay_port",
                )
        return [warning for value, place in self._values(BY_SERVER) for warning in self._by_server(value, place)]

    def _by_server(self, value: str, place: str) -> Iterator[str]:
        """What tables by server leave out."""
        for table in words(value):
            rows = table_rows(self._host, table)
            if rows is None:
                yield f"{table} ({BY_SERVER}, {place}) cannot be listed; it may keep Postfix from TLS with some servers"
            for row in rows or ():
                if _STARTTLS not in words(row.value.lower()):
                    continue
                where = f"{place} with {table}" if row.place == table else row.place
                if _is_wide(row.key, patterns=is_of_patterns(table)):
                    raise Problem(
                        f"{where} ({BY_SERVER}) keeps Postfix from starting TLS, so mail that needs it waits",
                        "leave starttls out of that row, then run again",
                        option=where,
                    )
                yield f"{where} ({BY_SERVER}) has Postfix not start TLS with {row.key}: mail that needs it stays there"


def _is_wide(key: str, *, patterns: bool) -> bool:
    """Whether a key stands for more than single servers or networks."""
    try:
        return ipaddress.ip_network(key.strip("[]"), strict=False).prefixlen == 0
    except ValueError:
        return patterns or key == "*"
