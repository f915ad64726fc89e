# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._table import table


def test_columns_are_as_wide_as_their_widest_cell():
    assert table(("host", "days"), [("mx1.example.test", 8), ("mx2", None)]) == [
        "host              days",
        "mx1.example.test  8",
        "mx2               None",
    ]


def test_no_rows():
    assert table(("host", "days"), []) == ["host  days"]


def test_a_terminal_obeys_no_cell():
    heading, line = table(["who", "what"], [["CN=\x1b[2Jx\n\u202e", 1]])
    assert line == r"CN=\x1b[2Jx\x0a\u202e  1"
    assert heading.startswith("who ")
