# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils import _strings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import HOST, LOGIN, PASSWORD, Kind
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import COMMAND

KINDS = {name: kind for name, kind in vars(_strings).items() if isinstance(kind, Kind)}
ONE_LINE = {name: kind for name, kind in KINDS.items() if not kind.block}


def refusal(kind, text):
    """Why a text is not of a kind; empty where it is."""
    try:
        kind.check(text)
    except Problem as exc:
        return exc.found
    return ""


def fits(kind, text):
    return not refusal(kind, text)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_bounded(name):
    kind = KINDS[name]
    character = next(one for one in "a1A" if fits(kind, one))
    assert fits(kind, character * kind.most)
    assert not fits(kind, character * (kind.most + 1))
    assert bool(kind.characters) is bool(kind.allowed)


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\0", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"], ids=ascii
)
@pytest.mark.parametrize("name", ONE_LINE)
def test_nothing_ends_a_line(name, character):
    with pytest.raises(Problem) as caught:
        KINDS[name].check(f"a{character}b", subject="thing a", option="x")
    assert caught.value.subject == "thing a"
    assert not COMMAND.search(caught.value.message)


@given(st.sampled_from(sorted(ONE_LINE)), st.text(max_size=50))
def test_what_fits_can_be_written_as_one_line(name, text):
    kind = KINDS[name]
    if fits(kind, text):
        assert len(text.splitlines()) <= 1
        assert text.encode("utf-8").decode("utf-8") == text


@given(st.text(min_size=4, max_size=2000))
def test_a_secret_is_never_shown(text):
    for kind in KINDS.values():
        found = refusal(kind, text) if kind.secret else ""
        assert text not in found
        assert "there is '" not in found


@pytest.mark.parametrize(
    "text", ['"', "'", "$x", "%{u}", "#", "\\", " a b ", "a:b", "äöü", "x" * 250, "{a}", "^", "`id`"]
)
def test_a_password_may_have_any_sign_that_can_be_typed(text):
    PASSWORD.check(text)
    LOGIN.check(text)


@pytest.mark.parametrize(
    "text", ["mx.example.org", "*.example.org", "bücher.example", "[2001:db8::1]", "例え。テスト", "a_b.test."]
)
def test_host_names_of_all_scripts(text):
    HOST.check(text)


@pytest.mark.parametrize(
    "text", ["a/b", "a$b", "a%b", "a,b", "a;b", "a{b", 'a"b', "a'b", "a\\b", "a#b", "a|b", "a<b", "a=b"]
)
def test_no_host_name(text):
    with pytest.raises(Problem, match="hyphens"):
        HOST.check(text)
