# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a declaration as a whole lacks or contradicts, seen before anything is changed on any host.

No message has a secret in it. What cannot be known yet is left to the roles and modules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._inventory import LINEAGE, declared_names

ACME = "acme"
DECLARATIONS = (
    *("certificates_list", "vservers_list", "verify_vservers", "relay_accounts_list", "relay_accounts_purge"),
    *("domain_security_list", "domain_security_domains", "domain_security_purge", "domain_security_mta_sts"),
)
_ALIKE = 0.6
_TRUE = (True, "true", "True", "yes", 1)

Entry = Mapping[str, Any]
Value = Callable[[str], Any]


def nothing_declared(names: Collection[str], value: Value) -> Iterator[str]:
    """A sentence if nothing at all is declared for a host.

    Args:
        names: names of all variables that the host has.
        value: the value of a variable, None where it has none.
    """
    if any(value(name) for name in DECLARATIONS if name in names):
        return
    near = [name for name in sorted(names) if get_close_matches(name, DECLARATIONS, n=1, cutoff=_ALIKE)]
    near = [name for name in near if name not in DECLARATIONS and not name.startswith(("ansible_", "__"))]
    hint = f"; is {printable(near[0])} one of these?" if near else ""
    yield (
        "nothing is declared for this host: none of certificates_list, vservers_list, relay_accounts_list and"
        f" domain_security_list has an entry{hint}; declare what it is to have, or leave it out with"
        " secure_channel_hosts or --limit"
    )


def two_names(names: Collection[str], value: Value) -> Iterator[str]:
    """A sentence if a list is given under its old name and its new one.

    Args:
        names: names of all variables that the host has.
        value: the value of a variable, None where it has none.
    """
    new, old = "domain_security_list", "domain_security_domains"
    if new in names and old in names and value(new) and value(old) and value(new) != value(old):
        yield f"{new}: {old}, its former name, has other entries; put all into one"


def certificate_faults(entries: Sequence[Entry], value: Value) -> Iterator[str]:
    """A sentence for each entry of certificates_list that cannot succeed.

    Args:
        entries: the entries.
        value: the value of a variable, None where it has none.
    """
    kinds = {entry.get("source") for entry in entries if entry.get("state") != "absent"}
    if ACME in kinds and not value("certificates_acme_directory"):
        yield "certificates_acme_directory: it is missing; give the URL of the CA's directory, for source acme"
    if ACME in kinds and value("certificates_acme_terms_agreed") not in _TRUE:
        yield "certificates_acme_terms_agreed: it must be true for source acme; set it once you accept the CA's terms"
    for number, entry in enumerate(entries):
        where = f"certificates_list[{number}]"
        if entry.get("source") == ACME:
            challenge = entry.get("acme_challenge") or value("certificates_acme_challenge")
            yield from (f"{where}: {fault}" for fault in _acme_faults(entry, challenge, value))
        files = [name for name in ("src", "key_src") if entry.get(name)]
        if files and entry.get("source") != LINEAGE:
            yield f"{where}: {' and '.join(files)} needs source lineage; other sources have no such files"
        if entry.get("source") == LINEAGE and not (entry.get("src") and entry.get("key_src")):
            yield f"{where}: source lineage needs src and key_src, the files that the other tool keeps"


def _acme_faults(entry: Entry, challenge: Any, value: Value) -> Iterator[str]:
    names = declared_names(entry)
    for name in _single_labels(names):
        yield (
            f"{name} is not a full host name, and no public CA signs it; give the host its full name in the inventory,"
            " or the certificate one as common_name"
        )
    if challenge == "http-01" and any(name.startswith("*") for name in names):
        yield "a wildcard needs acme_challenge dns-01"
    if challenge == "dns-01" and not value("certificates_acme_dns_tasks"):
        yield "acme_challenge dns-01 needs certificates_acme_dns_tasks, a file of tasks that publish records"


def short_names(certificates: Sequence[Entry], vservers: Sequence[Entry]) -> Iterator[str]:
    """A sentence for each name that clients elsewhere cannot use, since it has no domain."""
    for number, entry in enumerate(certificates):
        if entry.get("source") != ACME:
            for name in _single_labels(declared_names(entry)):
                yield (
                    f"certificates_list[{number}]: {name} is not a full host name; clients that connect to the full"
                    " name of the host refuse this certificate"
                )
    for number, entry in enumerate(vservers):
        own = [str(entry.get("name"))] if entry.get("protocol") == "http" and entry.get("name") else []
        for name in _single_labels([*own, *map(str, entry.get("server_names") or ())]):
            if name != "default":
                yield f"vservers_list[{number}]: {name} is not a full host name; only hosts in its domain can use it"


def _single_labels(names: Sequence[str]) -> list[str]:
    return [name for name in names if "." not in name.rstrip(".")]


def option_faults(entries: Sequence[Entry], where: str, parse: Callable[[Entry], object]) -> Iterator[str]:
    """A sentence for each entry of a list that its module would refuse on any host.

    Args:
        entries: the entries, without secrets.
        where: name of the list.
        parse: the module's own parser.
    """
    for number, entry in enumerate(entries):
        try:
            parse(entry)
        except Problem as exc:
            option = f".{exc.option}" if exc.option else ""
            yield f"{where}[{number}]{option}: {exc.found}; {exc.remedy}"
