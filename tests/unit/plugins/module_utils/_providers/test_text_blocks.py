# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import (
    MarkedBlock,
    heading,
)

BLOCK = MarkedBlock("# BEGIN", "# END", " (joined)")
TEXTS = st.lists(st.sampled_from(["a\n", "\n", "# a\n", "a", "\udce9\n"]), max_size=5).map("".join)


def test_headings():
    assert heading() == "# Kept by the Ansible collection postmaster.secure_channel; changes made here are lost.\n"
    assert heading("x").startswith("# x: kept by the Ansible collection ")


@given(TEXTS, TEXTS.filter(lambda text: not text or text.endswith("\n")), st.data())
def test_a_block_comes_out_byte_for_byte(text, lines, data):
    starts = [0, *(at + 1 for at, char in enumerate(text) if char == "\n"), len(text)]
    changed = BLOCK.inserted(text, data.draw(st.sampled_from(starts)), lines)
    assert BLOCK.within(changed) == lines
    assert BLOCK.removed(changed) == text


def test_what_is_added_later_stays_a_line_of_its_own():
    changed = BLOCK.inserted("a", 1, "b\n")
    assert changed == "a\n# BEGIN (joined)\nb\n# END\n"
    assert BLOCK.removed(changed) == "a"
    assert BLOCK.removed(changed + "c\n") == "a\nc\n"


def test_notes():
    assert BLOCK.note(BLOCK.inserted("", 0, "", " (new)")) == " (new)"
    assert BLOCK.note(BLOCK.inserted("a", 1, "", " (new)")) == " (joined)"
    assert BLOCK.note("a") is None


@pytest.mark.parametrize("end", ["", "# END", "# END\n"])
def test_a_block_whose_end_is_damaged(end):
    text = f"a\n# BEGIN\nb\n{end}"
    assert BLOCK.removed(text) == ("a\n" if end else text)
    assert replace(BLOCK, runs_on=True).removed(text) == "a\n"


def test_several_blocks():
    text = BLOCK.inserted(BLOCK.inserted("a\nb", 2, "x\n"), 0, "y\n")
    text = BLOCK.inserted(text, len(text), "z\n")
    assert BLOCK.removed(text) == "a\nb"
