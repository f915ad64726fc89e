# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable


def test_text_from_outside_is_one_line():
    assert printable("a\nb\x1b[1m") == "a\\x0ab\\x1b[1m"
    assert len(printable("x" * 5000)) == 201
