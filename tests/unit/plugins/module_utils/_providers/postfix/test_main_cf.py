# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.main_cf import assign
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    RecordedHost,
    main_cf_settings,
    recording,
)

SPACE = " \t\r\v\f"
OURS = ["smtpd_tls_chain_files", "smtpd_tls_security_level", "x"]
OTHERS = ["smtpd_tls_chain_files_", "xx", "X", "mydestination"]
# Python takes \v, \f, \x1c and \x85 for ends of lines, and a no-break space for white space. Postfix does not.
CHARACTERS = st.text(st.sampled_from("ab =,:/#$'\"\\\t\v\f\x1c\x85\xa0\u2028é"), max_size=8)
COMMENT = st.builds("{}#{}".format, st.text(st.sampled_from(" \t"), max_size=2), CHARACTERS)
BLANK = st.text(st.sampled_from(" \t"), max_size=2)
VALUE = CHARACTERS.map(lambda text: text.strip() or "v")
LATER = st.one_of(COMMENT, BLANK, st.builds("{}{}".format, st.sampled_from([" ", "\t", "  "]), VALUE))


@st.composite
def assignments(draw):
    """An assignment as it may stand in main.cf, over several lines and with comments in between."""
    name = draw(st.sampled_from(OURS + OTHERS))
    equals = draw(st.sampled_from(["=", " = ", " =", "\t=  "]))
    return [f"{name}{equals}{draw(VALUE)}", *draw(st.lists(LATER, max_size=3))]


@st.composite
def texts(draw):
    """A whole main.cf."""
    blocks = draw(st.lists(st.one_of(COMMENT.map(lambda one: [one]), BLANK.map(lambda one: [one]), assignments())))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = "".join(line + end for block in blocks for line in block)
    return text if draw(st.booleans()) else text.removesuffix(end)


SETTINGS = st.dictionaries(st.sampled_from(OURS), st.one_of(VALUE, st.just("")), min_size=1)


def foreign_lines(text, names):
    """The lines that belong to nobody, or to other parameters than these."""
    kept, ours = [], False
    for line in text.split("\n"):
        bare = line.strip(SPACE)
        if not bare or bare.startswith("#"):
            kept.append(line)
            continue
        if line[0] not in SPACE:
            ours = line.partition("=")[0].strip(SPACE) in names
        if not ours:
            kept.append(line)
    return kept


def normal(value):
    return " ".join(value.split())


@given(texts(), SETTINGS)
def test_only_lines_of_the_named_parameters_change(text, settings):
    changed = assign(text, settings)
    assert [line for line in foreign_lines(changed, settings) if line] == [
        line for line in foreign_lines(text, settings) if line
    ]
    before, after = main_cf_settings(text), main_cf_settings(changed)
    assert {name: after[name] for name in settings} == {name: normal(value) for name, value in settings.items()}
    assert {**before, **after} == after


@given(texts(), SETTINGS)
def test_a_second_time_changes_nothing(text, settings):
    changed = assign(text, settings)
    assert assign(changed, settings) == changed


@given(texts())
def test_nothing_to_set_changes_nothing(text):
    assert assign(text, {}) == text


@pytest.mark.parametrize("name", ["postfix-3.7", "postfix-3.10"])
def test_stock_file_is_read_as_postfix_reads_it(name):
    # proves the tests' own reader of main.cf, by which the editor is judged
    for state in ("stock", "secured"):
        host = RecordedHost(name, state=state)
        explicit = main_cf_settings("\n".join(recording(name)[state]["answers"]["postconf -n"]))
        assert main_cf_settings(host.read_text(MAIN_CF)) == explicit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x = 1\n"),
        ("a = 1", "a = 1\nx = 1\n"),
        ("x=0\n", "x = 1\n"),
        ("x=0", "x = 1\n"),
        ("x =\n  0,\n# why\n\n  2\na = 1\n", "x = 1\n# why\n\na = 1\n"),
        ("x = 0\n# behind\na = 1\n", "x = 1\n# behind\na = 1\n"),
        ("x = 0\nx = 2\n", "x = 0\nx = 1\n"),  # the last one counts
        ("#x = 0\n", "#x = 0\nx = 1\n"),
        ("a = b\n x = 0\n", "a = b\n x = 0\nx = 1\n"),  # a line that goes on with a
        ("x = 0\r\na = 1\r\n", "x = 1\na = 1\r\n"),
        ("# a\fx = 0\n", "# a\fx = 0\nx = 1\n"),  # one line
        ("# \xa0x\n\xa0x = 0\n", "# \xa0x\n\xa0x = 0\nx = 1\n"),
    ],
)
def test_how_a_line_is_changed(text, expected):
    assert assign(text, {"x": "1"}) == expected


def test_an_empty_value_leaves_no_space_behind():
    assert assign("smtpd_tls_cert_file=/a\n", {"smtpd_tls_cert_file": ""}) == "smtpd_tls_cert_file =\n"


def test_bytes_that_are_no_text_survive():
    host = RecordedHost()
    host.files[MAIN_CF] = b"# caf\xe9\nx = 0\n"
    assert assign(host.read_text(MAIN_CF), {"x": "1"}).encode("utf-8", "surrogateescape") == b"# caf\xe9\nx = 1\n"
