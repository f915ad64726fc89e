# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of mail_relay_account as accounts. Nothing here looks at the host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import RelayAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name

ANY_SENDER = ("*",)
_WHEN = "update_password"


def parse(element: Mapping[str, Any]) -> RelayAccount:
    """One object of the module as an account.

    Raises:
        Problem: an option has a value that it cannot have.
    """
    name, password = element["name"], element["password"]
    subject = f"account {name}"
    if not name or re.search(r"[\s,\"\x00-\x1f\x7f]", name) or name.startswith("#"):
        raise Problem(
            "the name is empty, begins with #, or contains white space, a comma, a quotation mark or a control"
            " character",
            "choose another name",
            subject=subject,
            option="name",
        )
    if password is not None and re.search(r"[\r\n\0]", password):
        raise Problem(
            "the password contains a line break or a NUL", "choose another one", subject=subject, option="password"
        )
    realm = element["realm"] or ""
    if re.search(r"[\s@:\x00-\x1f\x7f]", realm) or realm.startswith("-"):
        raise Problem("the realm is not a single word", "give a domain", subject=subject, option="realm")
    return RelayAccount(
        name=name,
        password=password,
        always=element[_WHEN] == "always",
        realm=realm,
        allowed_senders=_senders(element["allowed_senders"], subject),
        present=element["state"] == "present",
    )


def _senders(given: Sequence[str] | None, subject: str) -> tuple[str, ...] | None:
    if given is None:
        return None
    found = {one if one == "*" else _sender(one, subject) for one in given}
    if not found or ("*" in found and len(found) > 1):
        raise Problem(
            "the list is empty" if not found else "* already includes every other sender in the list",
            "name domains or addresses, or give * alone for any sender",
            subject=subject,
            option="allowed_senders",
        )
    return tuple(sorted(found))


def _sender(given: str, subject: str) -> str:
    local, at, domain = given.rpartition("@")
    if at and (not local or re.search(r"[\s,#\"\x00-\x1f\x7f]", local)):
        raise Problem(
            f"{given!r} is neither a domain nor an address",
            "give a domain, an address, or * for any sender",
            subject=subject,
            option="allowed_senders",
        )
    try:
        return local.lower() + at + ascii_name(domain, "allowed_senders")
    except Problem as exc:
        raise exc.about(subject=subject) from exc
