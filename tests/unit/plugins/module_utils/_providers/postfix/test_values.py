# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    expand,
    names_in,
    same,
    words,
)

PROTOCOLS = "smtpd_tls_mandatory_protocols"


@pytest.mark.parametrize(
    "value",
    [
        ">=TLSv1.2",
        ">=tlsv1.2",  # posttls-finger -p takes it, of 3.7 as of 3.10
        "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1",
        "!SSLv2,!SSLv3,!TLSv1,!TLSv1.1",
        "!TLSv1.1 !TLSv1",
        ">=TLSv1.2, <=TLSv1.3",
        "TLSv1.2 TLSv1.3",
        "TLSv1.2:TLSv1.3",
        "TLSv1.3, TLSv1.2, !SSLv3",
        ">=TLSv1.1 !TLSv1.1",
    ],
)
def test_protocol_lists_that_mean_1_2_and_later(value):
    assert same(PROTOCOLS, value, ">=TLSv1.2")
    assert same(PROTOCOLS, ">=TLSv1.2", value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ">=TLSv1",
        ">=TLSv1.1",
        ">=TLSv1.3",
        "TLSv1.2",  # switches 1.3 off
        "TLSv1.1 TLSv1.2",
        "!SSLv2, !SSLv3",
        "!SSLv2, !SSLv3, !TLSv1",
        ">=TLSv1.2, <=TLSv1.2",
        ">=TLSv1.2 !TLSv1.3",
        "SSLv3",
        "<=SSLv3",
        ">=TLSv1.0",  # Postfix does not know it and speaks no TLS at all
        ">=TLSv1.2, <=0303",
        ">= TLSv1.2",
        "$smtpd_tls_protocols",
    ],
)
def test_protocol_lists_that_mean_something_else(value):
    assert not same(PROTOCOLS, value, ">=TLSv1.2")


def test_no_restriction_has_many_notations():
    for value in (">=TLSv1", "!SSLv2", "!SSLv2, !SSLv3", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", ">=SSLv3"):
        assert same(PROTOCOLS, value, "")


def test_a_list_that_is_not_understood_means_itself():
    assert same(PROTOCOLS, "$smtpd_tls_protocols", " $smtpd_tls_protocols ")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("X25519,prime256v1", "X25519 prime256v1", True),
        ("permit_sasl_authenticated, reject", "permit_sasl_authenticated,reject", True),
        ("a b", "b a", False),
        ("may", "encrypt", False),
        ("", "  ", True),
    ],
)
def test_other_values_are_lists_of_words(one, other, expected):
    assert same("tls_eecdh_auto_curves", one, other) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        (" a, b\tc ,,d", ["a", "b", "c", "d"]),
        ("hash:/a, inline:{ {a=b c}, d=e }, hash:/f", ["hash:/a", "inline:{ {a=b c}, d=e }", "hash:/f"]),
        ("check_policy_service { inet:h:1, timeout=1 } x", ["check_policy_service", "{ inet:h:1, timeout=1 }", "x"]),
        ("a} b", ["a}", "b"]),
        ("a\xa0b", ["a\xa0b"]),
    ],
)
def test_words_of_a_list(value, expected):
    assert words(value) == expected


@given(st.text(st.sampled_from("a1:/, \t\n{}")))
def test_no_character_of_a_word_is_lost(value):
    assert "".join(words(value)).replace(" ", "").replace(",", "").replace("\t", "").replace("\n", "") == "".join(
        character for character in value if character not in ", \t\n"
    )


# ---- references

HELD = {
    "a": "A",
    "b": "$a/b",
    "empty": "",
    "to_empty": "$empty",
    "level": "3.6",
    "ring": "$bell",
    "bell": "${ring}",
}


def _held(name):
    return HELD.get(name, "")


# what "postconf -x" of Postfix 3.7 and 3.10 prints for each
EXPANDED = [
    ("plain", "plain"),
    ("$a", "A"),
    ("${a}", "A"),
    ("$(a)", "A"),
    ("x$a-y", "xA-y"),
    ("$b", "A/b"),
    ("${ a }", "A"),
    ("$nobody", ""),
    ("costs $$a", "costs $a"),
    ("${a?yes}", "yes"),
    ("${a?$b}", "A/b"),
    ("${empty?yes}", ""),
    ("${to_empty?yes}", "yes"),
    ("${a:no}", ""),
    ("${empty:no}", "no"),
    ("${nobody:$a}", "A"),
    ("${a?{yes}:{no}}", "yes"),
    ("${empty?{yes}:{no}}", "no"),
    ("${empty?{yes}:{$b}}", "A/b"),
    ("${a?{ yes }:{ no }}", "yes"),
    ("${a?yes:no}", "yes:no"),
    ("${{$a} == {A} ? {same} : {other}}", "same"),
    ("${{$level} >= {3.6} ? {new} : {old}}", "new"),
    ("${{9} < {10} ? {number} : {text}}", "number"),
    ("${{$level} <level {3.10} ? {old} : {new}}", "old"),
    ("${{3.10} >=level {3.9} ? {new} : {old}}", "new"),
    ("${{$level} ==level {3.6.0} ? {same} : {other}}", "same"),
    ("${{2} <level {3.6}?{old}:{new}}", "old"),
    ("${{3.6} <= {3.10} ? {y} : {n}}", "n"),
    ("${{$a} != {A} ? {other}}", ""),
    ("${a?{${b?{deep}:{no}}}:{no}}", "deep"),
]


@pytest.mark.parametrize(("value", "expected"), EXPANDED)
def test_references_are_put_in_as_postfix_does(value, expected):
    assert expand(value, _held) == expected


@pytest.mark.parametrize("value", ["$ring", "${bell?$ring}", "$(bell)"])
def test_a_circle_of_references_is_refused(value):
    with pytest.raises(Problem, match="refers to itself"):
        expand(value, _held)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", ()),
        ("$a and ${b}, $(c)", ("a", "b", "c")),
        ("$$a", ()),
        ("${a?{$b}:{$c}}", ("a", "b", "c")),
        ("${{$a} == {$b} ? {$c} : {$d}}", ("a", "b", "c", "d")),
        ("${a:$b}", ("a", "b")),
        ("$a $a", ("a",)),
    ],
)
def test_the_parameters_that_a_value_names(value, expected):
    assert names_in(value) == expected


@given(st.text(st.sampled_from("$${}()?:ab =<")))
def test_no_value_is_too_strange_to_be_read(value):
    assert all(set(name) <= {"a", "b"} for name in names_in(value))
    assert expand(value, _held).count("A") <= len(value)
