# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.key_lines import KeyLines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: 1\n#k:  old\nb: 2\n", "a: 1\n#k:  old\nk: v\nb: 2\n", id="behind its sample"),
        pytest.param("a: 1\nb: 2\n", "a: 1\nk: v\nb: 2\n", id="before the last line"),
        pytest.param("a: 1", "k: v\na: 1", id="a last line without its end"),
        pytest.param("a: 1\n# k:", "a: 1\nk: v\n# k:", id="a sample without its end"),
        pytest.param("", "k: v\n", id="nothing there"),
        pytest.param("k: old\n", "k: v\n", id="another value"),
        pytest.param("k:\tv \n", "k:\tv \n", id="the value in another form"),
        pytest.param("k: old", "k: v", id="another value without its end"),
        pytest.param("k: [ a\n  b ]\nc: 3\n", "k: v\nc: 3\n", id="a value of several lines"),
        pytest.param("c: [ k: ]\n", "k: v\nc: [ k: ]\n", id="not a key but a value"),
    ],
)
def test_a_key_is_set(text, expected):
    lines = KeyLines(text, "/etc/news/inn.conf")
    lines.set({"k": "v"})
    assert lines.text == expected


def test_values():
    lines = KeyLines('a: "x y"\nb: [ 1\n 2 ]\nc:\n', "/etc/news/inn.conf")
    assert [lines.value(key) for key in "abcd"] == ["x y", "[ 1\n 2 ]", "", ""]


def test_a_key_that_stands_there_twice():
    lines = KeyLines("k: 1\n\nv: [ a\n b ]\nk: 2\n", "/etc/news/inn.conf")
    with pytest.raises(Problem, match="k is set more than once") as caught:
        lines.set({"k": "3"})
    assert caught.value.option == "/etc/news/inn.conf:1,5"


_LINES = st.lists(
    st.sampled_from(["a: 1\n", "#k: sample\n", "\n", "# words\n", "b: [ x\n  y ]\n", "k: old\n", "c: \xe4\n"]),
    max_size=6,
).map("".join)


@given(text=_LINES, cut=st.booleans(), values=st.lists(st.sampled_from(["v", '"w"', "[ x ]"]), max_size=3))
def test_whatever_was_set_can_be_put_back(text, cut, values):
    if text.count("k: old") > 1:
        return
    text = text[:-1] if cut else text
    lines = KeyLines(text, "f")
    before = lines.raw("k")
    for value in values:
        lines.set({"k": value})
        assert KeyLines(lines.text, "f").value("k") == value.strip('"')
    lines.put("k", before)
    assert lines.text == text
