# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Postfix needs to go on: accounts that main.cf names, and files of certificates that it would name again.

Facts: postconf(5), and Postfix' sources (global/mail_params.c). Each program ends at its start where one of these
accounts is missing, which 'postconf' does not look at; a reload is refused then, and a start fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import main_cf, master_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MAIN_CF,
    MASTER_CF,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import (
    NamedFile,
    cannot_go_on,
    written_by,
)

_DAEMON = "Postfix"
# by parameter: database of getent(1), and what it holds
_ACCOUNTS = {
    "mail_owner": ("passwd", "user"),
    "default_privs": ("passwd", "user"),
    "setgid_group": ("group", "group"),
}
_TLS_FILES = tuple(f"smtpd_tls_{kind}_file" for kind in ("cert", "key", "eccert", "eckey", "dcert", "dkey"))
_CHAIN = "smtpd_tls_chain_files"


def refuse_unmet(host: Host, parameters: Mapping[str, str], changes: Sequence[FileChange]) -> None:
    """Raise Problem where Postfix could not go on.

    Args:
        host: the machine.
        parameters: every parameter of main.cf with its effective value.
        changes: what the call writes and removes.
    """
    for name, (database, kind) in _ACCOUNTS.items():
        value = parameters.get(name, "")
        if value and host.query(["getent", database, value]).code != 0:
            raise cannot_go_on(
                _DAEMON,
                f"the {kind} {value}, which {name} names, does not exist",
                f"create it, or set {name} to another one",
                _place(host, name),
            )
    _refuse_lost_files(host, changes)


def _place(host: Host, parameter: str) -> str:
    found = main_cf.assignments(host.read_text(MAIN_CF)).get(parameter)
    return f"{MAIN_CF}:{found.line}" if found else MAIN_CF


def _refuse_lost_files(host: Host, changes: Sequence[FileChange]) -> None:
    """Raise Problem where Postfix would be told again to show a certificate whose file is gone by now."""
    planned = {one.path: (one.content or b"").decode("utf-8", "surrogateescape") for one in changes}
    before = {one.path for one in _named(host.read_text)}
    for one in _named(lambda path: planned[path] if path in planned else host.read_text(path)):
        if one.path not in before and one.path not in written_by(changes) and host.state(one.path) is None:
            raise cannot_go_on(
                _DAEMON,
                f"it would get back the settings of before, and {one.path}, which they name, is not there any more",
                "put that file back; another certificate and key that belong together will do as well",
                one.place,
            )


def _named(read: Callable[[str], str]) -> Iterator[NamedFile]:
    """Files of certificates and keys that servers are told to use."""
    settings = [(name, one.value, f"{MAIN_CF}:{one.line}") for name, one in main_cf.assignments(read(MAIN_CF)).items()]
    for service in master_cf.services(read(MASTER_CF)):
        settings += [(name, one.value, f"{MASTER_CF}:{one.line}") for name, one in service.overrides.items()]
    for name, value, place in settings:
        if name == _CHAIN or name in _TLS_FILES:
            yield from (NamedFile(word, place) for word in words(value) if word.startswith("/"))
