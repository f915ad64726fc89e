# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import (
    COMMAND,
    escaped,
    harmless,
    one_line,
    printable,
)


def test_text_from_outside_is_one_line():
    assert printable("a\nb\x1b[1m") == "a\\x0ab\\x1b[1m"
    assert len(printable("x" * 5000)) == 201


EVIL = ["\x1b[2J", "\r", "\n", "\0", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028", "\ufeff", "\ud800", "\U000e0041"]


@pytest.mark.parametrize("text", EVIL, ids=ascii)
def test_what_a_terminal_would_obey_is_escaped(text):
    shown = escaped(f"a{text}b")
    assert shown.isprintable()
    assert shown.startswith("a\\")
    shown.encode("utf-8")  # can be printed


@given(st.text())
def test_everything_can_be_shown(text):
    shown = escaped(text)
    assert not COMMAND.search(shown)
    assert escaped(shown) == shown
    if not COMMAND.search(text):
        assert shown == text


@given(st.text(max_size=3000), st.integers(min_value=10, max_value=1000))
def test_a_line_is_bounded_and_keeps_both_ends(text, most):
    shown, whole = one_line(text, most), escaped(text)
    assert len(shown) <= most
    assert shown == whole or (
        shown[: most // 2] == whole[: most // 2] and shown[-(most // 4) :] == whole[-(most // 4) :]
    )


def test_data_keeps_its_form():
    given = {"a\x1b": ["x\x1b", 1, None, True, b"\xff"], "diff": {"before": "a\n\tb\x1b"}, "msg": "a\nb"}
    assert harmless(given, ["diff"]) == {
        "a\\x1b": ["x\\x1b", 1, None, True, "\\udcff"],
        "diff": {"before": "a\n\tb\\x1b"},
        "msg": "a\\x0ab",
    }
