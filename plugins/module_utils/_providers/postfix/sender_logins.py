# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may log in at Postfix' servers, and as which sender (SASL_README, access(5), postconf(5)).

smtpd(8) can hold every login to the addresses that it owns, but then also this host's own users, who own none. So the
rule is asked for by name of login: one table says which logins it applies to, the other who owns which sender.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import PasswordCheck
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import (
    lines_of,
    within_a_line,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import master_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.inbound import without_ours
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import compiled
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    LIMITED_LOGINS,
    MASTER_CF,
    SASL_CONFIGURATIONS,
    SENDER_OWNERS,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.services import (
    SUBMISSION,
    Socket,
    by_socket,
    key_of,
    socket_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.sasldb import database_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading

ANY = ("*",)

_FOR = "# for "
_SMTP_PORT = 25
_RULE = "reject_authenticated_sender_login_mismatch"
_RESTRICTIONS, _OWNER_MAPS = "smtpd_sender_restrictions", "smtpd_sender_login_maps"
_NOTES = "limits "  # keys of the notes of what stood in master.cf before


class Logins:
    """The services of smtpd(8) at which one can log in.

    Args:
        host: the machine.
        parameters: Postfix' effective parameters.
        expanded: answers a parameter's value with the parameters it names put in.
        saved: former settings of master.cf.
    """

    def __init__(
        self, host: Host, parameters: Mapping[str, str], expanded: Callable[[str], str], saved: SavedSettings
    ) -> None:
        self._host = host
        self._parameters = parameters
        self._expanded = expanded
        self._saved = saved
        self._master = host.read_text(MASTER_CF)

    def _value(self, service: master_cf.Service, name: str) -> str:
        found = service.overrides.get(name)
        return found.value if found else self._parameters.get(name, "")

    def _services(self) -> dict[Socket, master_cf.Service]:
        return {
            place: service
            for place, service in by_socket(self._master).items()
            if service.command == "smtpd" and self._value(service, "smtpd_sasl_auth_enable") == "yes"
        }

    # ---- where they have passwords checked

    def password_check(self) -> PasswordCheck:
        """Whom the submission servers ask.

        Raises:
            Problem: there is none, they ask different ones, or accounts cannot be made there.
        """
        ports = (SUBMISSION.port, SUBMISSION.implicit_tls_port)
        found = {
            self._check_of(service)
            for place, service in self._services().items()
            if place.port in ports or (key_of(service) or ("",))[0] == SUBMISSION.name
        }
        if not found:
            raise Problem(
                "no submission server on this host accepts logins",
                "set one up with mail_vserver_tls and protocol=submission, then run again",
            )
        if len(found) > 1:
            places = ", ".join(sorted(one.place for one in found))
            raise Problem(
                f"the submission servers on this host check passwords in different places ({places})",
                "configure the same one for all of them",
                option=MASTER_CF,
            )
        return found.pop()

    def _check_of(self, service: master_cf.Service) -> PasswordCheck:
        kind, path = self._value(service, "smtpd_sasl_type"), self._value(service, "smtpd_sasl_path")
        owner = self._parameters["mail_owner"]
        queue = self._parameters["queue_directory"]
        if kind == "dovecot":
            if path.startswith("inet:"):
                raise Problem(
                    f"the submission server has another host check passwords ({path})",
                    "create the accounts there",
                    option=MASTER_CF,
                )
            place = os.path.join(queue, path.removeprefix("unix:"))
            if self._host.state(place) is None:
                raise Problem(
                    f"{place}, the socket at which the submission server has passwords checked, does not exist",
                    "have Dovecot listen on it: mail_vserver_tls with protocol=submission sets that up",
                    option=MASTER_CF,
                )
            return PasswordCheck("dovecot", place, user=owner, group=owner)
        if kind != "cyrus":
            raise Problem(
                f"accounts cannot be created for a submission server with smtpd_sasl_type {kind}",
                "use Dovecot or a Cyrus SASL database",
                option=MASTER_CF,
            )
        root = queue if self._chrooted(service) else "/"
        realm = self._value(service, "smtpd_sasl_local_domain") or self._parameters["myhostname"]
        realm = self._expanded(realm[1:]) if realm.startswith("$") else realm
        return PasswordCheck("sasldb", database_of(self._options(path), root), realm, owner, owner)

    def _chrooted(self, service: master_cf.Service) -> bool:
        if service.chroot != "-":
            return service.chroot == "y"
        level = self._parameters.get("compatibility_level", "0").split(".")[0]
        return level.isdecimal() and not level.strip("0")

    def _options(self, name: str) -> str:
        """The options of the Cyrus SASL library for the servers, as the first file that is there has them."""
        directories = (self._parameters.get("cyrus_sasl_config_path") or SASL_CONFIGURATIONS).split(":")
        texts = (self._host.read_text(os.path.join(one, f"{name}.conf")) for one in directories)
        return next((text for text in texts if text), "")

    # ---- as which senders

    def limits(self) -> dict[str, tuple[str, ...]]:
        """Senders by account, from the comments of our table of owners."""
        found: dict[str, list[str]] = {}
        accounts: list[str] = []
        for line in self._host.read_text(SENDER_OWNERS).split("\n"):
            if line.startswith(_FOR):
                accounts = line[len(_FOR) :].split()
            elif line and not line.startswith("#"):
                for account in accounts:
                    found.setdefault(account, []).append(line.partition(" ")[0].removeprefix("@"))
        return {account: tuple(sorted(senders)) for account, senders in found.items()}

    def changes(
        self, limits: Mapping[str, tuple[str, ...]], logins: Mapping[str, tuple[str, ...]]
    ) -> Sequence[FileChange]:
        """Both tables and master.cf as they must be."""
        kind = self._parameters["default_database_type"]
        if not limits:
            return (
                FileChange(MASTER_CF, self._without_rule().encode("utf-8", "surrogateescape")),
                self._table(SENDER_OWNERS, None, kind),
                self._table(LIMITED_LOGINS, None, kind),
                self._saved.change(),
            )
        owners: dict[str, list[str]] = {}
        for account in sorted(limits):
            for sender in limits[account]:
                owners.setdefault(sender if "@" in sender else f"@{sender}", []).append(account)
        owned = [
            f"{_FOR}{within_a_line(' '.join(accounts), sender)}\n"
            f"{within_a_line(sender, sender)} {', '.join(each for one in accounts for each in logins[one])}\n"
            for sender, accounts in sorted(owners.items())
        ]
        limited = lines_of(
            (f"{login} {_RULE}" for account in sorted(limits) for login in logins[account]), LIMITED_LOGINS
        )
        return (
            self._table(SENDER_OWNERS, "".join(owned), kind),
            self._table(LIMITED_LOGINS, limited, kind),
            FileChange(MASTER_CF, self._with_rule(kind).encode("utf-8", "surrogateescape")),
            self._saved.change(),
        )

    @staticmethod
    def _table(path: str, rows: str | None, kind: str) -> FileChange:
        content = None if rows is None else (heading() + rows).encode("utf-8", "surrogateescape")
        return FileChange(path, content, "root", "root", 0o600, compiled=compiled(kind))

    def _with_rule(self, kind: str) -> str:
        """master.cf in which every service with logins obeys the tables; a rule of somebody else's counts as well."""
        text = self._master
        rule, owners = f"check_sasl_access,{kind}:{LIMITED_LOGINS}", f"{kind}:{SENDER_OWNERS}"
        for place in self._services():
            service = by_socket(text)[place]  # earlier changes have moved it
            restrictions, maps = self._restrictions(service), self._value(service, _OWNER_MAPS)
            wanted = {}
            if words(restrictions)[:2] != words(rule):
                wanted[_RESTRICTIONS] = f"{rule},{restrictions}".rstrip(",")
            if owners not in words(maps):
                wanted[_OWNER_MAPS] = f"{maps},{owners}".lstrip(",")
            for name in wanted:
                self._saved.note(_note(place, name), master_cf.written(text, service, name))
            text = master_cf.override(text, service, wanted) if wanted else text
        return text

    def _restrictions(self, service: master_cf.Service) -> str:
        """The service's own restrictions, or those of main.cf without what is demanded of partners, who never log in.

        On port 25 that stays, since they come in there.
        """
        value = self._value(service, _RESTRICTIONS)
        place = socket_of(service.name)
        if _RESTRICTIONS in service.overrides or (place and place.port == _SMTP_PORT):
            return value
        theirs = without_ours(words(value))
        return value if theirs == words(value) else ", ".join(theirs)

    def _without_rule(self) -> str:
        text = self._master
        for place in by_socket(text):
            names = [name for name in (_RESTRICTIONS, _OWNER_MAPS) if self._saved.keys(_note(place, name))]
            saved = {name: self._saved.take_text(_note(place, name)) for name in names}
            if saved:
                text = master_cf.restore(text, by_socket(text)[place], saved)
        self._saved.forget(self._saved.keys(_NOTES))  # of services that are gone
        return text


def _note(place: Socket, name: str) -> str:
    return f"{_NOTES}{place.address or '*'}:{place.port} {name}"
