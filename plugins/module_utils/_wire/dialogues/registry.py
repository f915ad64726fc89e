# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which dialogue each protocol speaks. A new protocol is one line here, and one in the table of protocols."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import Dialogue
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.http import Http
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.imap import Imap
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.ldap import Ldap
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.nntp import Nntp
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.pop3 import Pop3
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.smtp import Smtp

DIALOGUES: dict[str, Dialogue] = {
    "smtp": Smtp(),
    "submission": Smtp(),
    "imap": Imap(),
    "pop3": Pop3(),
    "nntp": Nntp(),
    "ldap": Ldap(),
    "http": Http(),
}
