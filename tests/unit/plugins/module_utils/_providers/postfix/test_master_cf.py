# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import (
    add,
    override,
    remove,
    services,
)
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MASTER_CF,
    RecordedHost,
)

NAMES = ["smtpd_tls_security_level", "x", "mynetworks"]
HEADS = [
    "smtp      inet  n       -       y       -       -       smtpd",
    "587 inet n - y - - smtpd",
    "192.0.2.1:submission inet n - - - - smtpd",
    "[::1]:smtps\tinet\tn\t-\ty\t-\t-\tsmtpd -v",
    "smtpd     pass  -       -       y       -       -       smtpd",
    "relay     unix  -       -       y       -       -       smtp",
    "maildrop  unix  -       n       n       -       -       pipe flags=DRXhu user=vmail argv=/usr/bin/maildrop",
]
NOISE = ["# comment", "#  -o x=commented", "  # within", "", "  ", "# a\f-o x=1", "#\xa0", "\t#-o x=y"]
PLAIN = st.text(st.sampled_from("ab/:$,=\x85\xa0é"), max_size=6)
SPACED = st.lists(st.text(st.sampled_from("ab/:$,="), min_size=1, max_size=4), min_size=2, max_size=3).map(" ".join)
BRACED = st.sampled_from(["${x}", "{a b}", "${mua_x?{a}:{b, c}}", "{ inet:h:1, timeout=1 }", ""])
STYLES = ["-o {n}={v}", "-o\n{s}{n}={v}", "-o{n}={v}", "-o {{{n}={v}}}", "-o {{ {n} = {v} }}", "-o\n# why\n{s}{n}={v}"]
LONG = "-o {{\n# within\n{s}{n} = {v}\n{s}}}"


@st.composite
def entries(draw):
    """An entry's text, and its -o values as Postfix sees them."""
    text, expected = draw(st.sampled_from(HEADS)), {}
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3)):
        value = draw(st.one_of(PLAIN, SPACED, BRACED))
        styles = [*STYLES, LONG] if value else STYLES
        if " " in value and not value.startswith(("{", "${")):
            styles = [one for one in styles if "{{" in one]
        space = draw(st.sampled_from([" ", "\t", "    "]))
        separator = draw(st.sampled_from([" ", "\n  ", "\n\t", "\n# behind\n\n  "]))
        text += separator + draw(st.sampled_from(styles)).format(n=name, v=value, s=space)
        expected[name] = value
    return text, expected


@st.composite
def files(draw):
    """A whole master.cf, and the -o values of its entries."""
    text, expected = "", []
    end = draw(st.sampled_from(["\n", "\r\n"]))
    for noise, (entry, values) in draw(
        st.lists(st.tuples(st.sampled_from([*NOISE, None]), entries()), min_size=1, max_size=3)
    ):
        text += "" if noise is None else noise + "\n"
        text += entry + "\n"
        expected.append(values)
    text = text.replace("\n", end)
    return (text if draw(st.booleans()) else text.removesuffix(end)), expected


def values_of(text):
    return [{name: one.value for name, one in service.overrides.items()} for service in services(text)]


def noise_in(text):
    """The comments and blank lines, which nobody may touch."""
    lines = [line.strip(" \t\r") for line in text.removesuffix("\n").split("\n")]
    return [line for line in lines if line[:1] in ("", "#")]


SETTINGS = st.dictionaries(st.sampled_from(NAMES), st.one_of(PLAIN, SPACED), min_size=1)


@given(files())
def test_what_postfix_sees_is_what_is_read(file):
    text, expected = file
    assert values_of(text) == expected


@given(files(), SETTINGS, st.data())
def test_only_the_named_settings_of_one_entry_change(file, settings, data):
    text, expected = file
    number = data.draw(st.integers(0, len(expected) - 1))
    changed = override(text, services(text)[number], settings)
    expected[number] = {**expected[number], **settings}
    assert values_of(changed) == expected
    assert noise_in(changed) == noise_in(text)
    assert override(changed, services(changed)[number], settings) == changed


@given(files(), st.data())
def test_nothing_to_set_changes_nothing(file, data):
    text, expected = file
    service = data.draw(st.sampled_from(services(text)))
    assert override(text, service, {}) == text
    assert len(services(text)) == len(expected)


@given(files(), SETTINGS)
def test_what_is_added_can_be_removed(file, settings):
    text, expected = file
    whole = text if text.endswith("\n") else text + "\n"
    added = add(text, "465", "ours", settings)
    assert added.startswith(whole)
    assert values_of(added) == [*expected, settings]
    assert remove(added, services(added)[-1], "ours") == whole


@given(files(), st.data())
def test_removing_an_entry_keeps_all_others_and_all_comments(file, data):
    text, expected = file
    number = data.draw(st.integers(0, len(expected) - 1))
    changed = remove(text, services(text)[number], "ours")
    del expected[number]
    assert values_of(changed) == expected
    assert not changed or noise_in(changed) == noise_in(text)


@pytest.mark.parametrize("name", ["postfix-3.7", "postfix-3.10"])
def test_stock_file(name):
    found = services(RecordedHost(name).read_text(MASTER_CF))
    assert (found[0].name, found[0].type, found[0].command, found[0].line) == ("smtp", "inet", "smtpd", 12)
    assert [service.name for service in found if service.type == "inet"] == ["smtp"]
    (relay,) = [service for service in found if service.name == "relay"]
    assert relay.overrides["syslog_name"].line == relay.line + 1
    assert relay.overrides["syslog_name"].value.endswith("/$service_name")


# postconf -P of Postfix 3.7 and 3.10 says the same of this file
HARD = """\
587 inet n - y - - smtpd
  -o {
# comment inside
   smtpd_banner = a b
  }
  -o mynetworks={1.2.3.4 5.6.7.8}
  -o { smtpd_relay_restrictions = ${mua_x?{a}:{b, c}} }
  -o smtpd_helo_restrictions=${mua_x}
  -o {smtpd_client_restrictions = {reject}}
  -v -o
  myhostname=xx
  -o myhostname=yy
  -o smtpd_sender_restrictions=a,
     b
"""


def test_hard_words():
    assert values_of(HARD) == [
        {
            "smtpd_banner": "a b",
            "mynetworks": "{1.2.3.4 5.6.7.8}",
            "smtpd_relay_restrictions": "${mua_x?{a}:{b, c}}",
            "smtpd_helo_restrictions": "${mua_x}",
            "smtpd_client_restrictions": "{reject}",
            "myhostname": "yy",
            "smtpd_sender_restrictions": "a,",
        }
    ]
    (service,) = services(HARD)
    assert {name: one.line for name, one in service.overrides.items()} == {
        "smtpd_banner": 2,
        "mynetworks": 6,
        "smtpd_relay_restrictions": 7,
        "smtpd_helo_restrictions": 8,
        "smtpd_client_restrictions": 9,
        "myhostname": 12,  # the last one counts
        "smtpd_sender_restrictions": 13,
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("s inet n - y - - smtpd\n", "s inet n - y - - smtpd\n  -o x=1\n"),
        ("s inet n - y - - smtpd", "s inet n - y - - smtpd\n  -o x=1\n"),
        ("s inet n - y - - smtpd -o x=0 -v\n", "s inet n - y - - smtpd -o x=1 -v\n"),
        ("s inet n - y - - smtpd -ox=0\n", "s inet n - y - - smtpd -ox=1\n"),
        ("s inet n - y - - smtpd\n -o { x = a, b }\n", "s inet n - y - - smtpd\n -o x=1\n"),
        ("s inet n - y - - smtpd\n -o\n# c\n x=0\n", "s inet n - y - - smtpd\n -o\n# c\n x=1\n"),
        ("s inet n - y - - smtpd\n -o x=0\n -o x=2\n", "s inet n - y - - smtpd\n -o x=0\n -o x=1\n"),
        (
            "s inet n - y - - smtpd\n# c\nt unix - - n - - t\n",
            "s inet n - y - - smtpd\n  -o x=1\n# c\nt unix - - n - - t\n",
        ),
        ("s inet n - y - - smtpd\n -o {\n# c\n x=0}\n", "s inet n - y - - smtpd\n -o {\n# c\n x=0}\n  -o x=1\n"),
        ("s inet n - y - - smtpd -o x=0\r\n", "s inet n - y - - smtpd -o x=1\r\n"),
    ],
)
def test_how_an_entry_is_changed(before, after):
    assert override(before, services(before)[0], {"x": "1"}) == after


def test_a_value_with_space_is_put_into_braces():
    changed = override("s inet n - y - - smtpd\n", services("s inet n - y - - smtpd\n")[0], {"x": "a, b"})
    assert changed == "s inet n - y - - smtpd\n  -o {x=a, b}\n"


def test_comment_above_an_entry():
    text = "# first\n#  second \na inet n - y - - smtpd\nb inet n - y - - smtpd\n\nc inet n - y - - smtpd\n"
    assert [service.comment for service in services(text)] == ["second", "", ""]
    assert remove(text, services(text)[0], "second") == "# first\nb inet n - y - - smtpd\n\nc inet n - y - - smtpd\n"
    assert remove(text, services(text)[0], "other") == text.replace("a inet n - y - - smtpd\n", "")


def test_an_incomplete_line_is_left_to_postfix():
    assert services("smtp inet n -\n") == []
