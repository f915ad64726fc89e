# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which dialogue each protocol speaks.

A new protocol is a function here with its line in DIALOGUES, and a line in the table of protocols.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import Dialogue

# Each dialogue is imported in a function: a call speaks one protocol or two.


def _smtp() -> Dialogue:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.smtp import Smtp

    return Smtp()


def _imap() -> Dialogue:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.imap import Imap

    return Imap()


def _pop3() -> Dialogue:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.pop3 import Pop3

    return Pop3()


def _nntp() -> Dialogue:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.nntp import Nntp

    return Nntp()


def _ldap() -> Dialogue:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.ldap import Ldap

    return Ldap()


def _http() -> Dialogue:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.http import Http

    return Http()


DIALOGUES: dict[str, Callable[[], Dialogue]] = {
    "smtp": _smtp,
    "submission": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "nntp": _nntp,
    "ldap": _ldap,
    "http": _http,
}


@cache
def dialogue_of(protocol: str) -> Dialogue:
    """The dialogue of a protocol; its code is loaded when it is first asked for."""
    return DIALOGUES[protocol]()
