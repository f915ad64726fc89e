# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.registry import DIALOGUES


def test_every_protocol_has_a_dialogue():
    assert list(PROTOCOLS) == list(DIALOGUES)
