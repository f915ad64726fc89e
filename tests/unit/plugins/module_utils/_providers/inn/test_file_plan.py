# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""INN's files as text: lines of inn.conf, groups of readers.conf, and the demand for encryption in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn import (
    mechanisms as inn_mechanisms,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.key_lines import KeyLines
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.readers_conf import (
    Files,
    auth_groups,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.require_encryption import (
    demanded,
    taken_back,
)

PATH = "/etc/news/readers.conf"
NONE = Files(lambda _path: "", "/etc/news")


# ---- lines


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


# ---- groups

READERS = """\
# who may read
hosts: "10.0.0.0/8"
auth "plain" {
    hosts: "*.example.test, !bad.example.test"
    default: "<x>"
}
group "outer" {
    require_encryption: on
    auth "inner" { # more
        auth "way" {
            program: "ckpasswd -f /etc/news/x"
        }
    }
    group deeper {
        auth "deep" {
            require_encryption: false
            res: domain
        }
    }
}
auth "stdin" { hosts: stdin default: "<here>" }
auth "nobody" { localaddress: "10.0.0.1" }
access "plain" { users: "*" newsgroups: "*" }
"""


def test_groups():
    groups = {group.name: group for group in auth_groups(READERS, PATH, NONE)}
    assert list(groups) == ["plain", "inner", "deep", "stdin", "nobody"]
    assert [groups[name].line for name in groups] == [3, 9, 15, 21, 22]
    assert {name for name, group in groups.items() if group.encrypted} == {"inner"}
    assert {name for name, group in groups.items() if group.logins} == {"inner"}
    assert {name for name, group in groups.items() if group.reachable} == {"plain", "inner", "deep"}
    assert {name for name, group in groups.items() if group.local} == {"stdin"}
    assert groups["inner"].value("hosts") == "10.0.0.0/8"


@pytest.mark.parametrize(
    ("name", "client", "server", "admitted"),
    [
        ("plain", ["192.0.2.1", "a.EXAMPLE.test"], [], True),
        ("plain", ["192.0.2.1", "bad.example.test"], [], False),
        ("plain", ["10.1.2.3"], [], False),
        ("inner", ["10.1.2.3"], [], True),
        ("inner", ["fd00::1", "x"], [], False),
        ("nobody", ["10.1.2.3"], ["10.0.0.1"], True),
        ("nobody", ["10.1.2.3"], ["10.0.0.2"], False),
    ],
)
def test_who_is_let_in(name, client, server, admitted):
    group = next(one for one in auth_groups(READERS, PATH, NONE) if one.name == name)
    assert group.admits(client, server) is admitted


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('auth "x" {\n', 2),
        ('auth "x" {\n hosts: "*"\n access\n}\n', 3),
        ("\n}\n", 2),
        ('auth "x"\nhosts: y\n', 2),
        ("group x {\n", 2),
    ],
)
def test_files_that_are_not_understood(text, line):
    with pytest.raises(Problem, match="not understood") as caught:
        auth_groups(text, PATH, NONE)
    assert caught.value.option == f"{PATH}:{line}"


def test_included_files():
    files = {"/etc/news/more": 'auth "more" { default: "<x>" }\n', "/etc/news/loop": "include loop\n"}
    found = auth_groups("include more\n", PATH, Files(files.__getitem__, "/etc/news"))
    assert [(one.name, one.place) for one in found] == [("more", "/etc/news/more:1")]
    with pytest.raises(Problem, match="files include each other"):
        auth_groups("include loop\n", PATH, Files(files.__getitem__, "/etc/news"))
    with pytest.raises(Problem, match="in a file that is only included") as caught:
        demanded("include more\n", PATH, Files(files.__getitem__, "/etc/news"), logins_only=False)
    assert caught.value.option == "/etc/news/more:1"


# ---- the demand

STAFF = 'auth "staff" {\n  hosts: "*"\n  auth: "ckpasswd -f x"\n  default: "<guest>"\n}\n'


@pytest.mark.parametrize(
    ("text", "logins_only", "expected"),
    [
        pytest.param(
            STAFF,
            False,
            STAFF.replace("{\n", "{\n  require_encryption: true\n"),
            id="for all",
        ),
        pytest.param(
            STAFF,
            True,
            'auth "staff-postmaster-without-tls" {\n  hosts: "*"\n  default: "<guest>"\n}\n'
            + STAFF.replace("{\n", "{\n  require_encryption: true\n"),
            id="for logins, with a twin for those without one",
        ),
        pytest.param(
            'auth "x" { auth: "y" }\n', True, 'auth "x" { require_encryption: true auth: "y" }\n', id="on one line"
        ),
        pytest.param(
            'auth "x" {\nauth: "y"\n}\n',
            True,
            'auth "x" {\n    require_encryption: true\nauth: "y"\n}\n',
            id="indented",
        ),
        pytest.param(
            'auth "x" {\n auth: y\n require_encryption: Off # no\n}\n',
            True,
            'auth "x" {\n auth: y\n require_encryption: true # no\n}\n',
            id="said to be off",
        ),
        pytest.param('auth "x" {\n default: y\n}\n', True, 'auth "x" {\n default: y\n}\n', id="without any login"),
        pytest.param('auth "x" {\n hosts: y\n}\n', False, 'auth "x" {\n hosts: y\n}\n', id="ignored by INN"),
        pytest.param(
            'auth "x" { hosts: stdin default: y }\n', False, 'auth "x" { hosts: stdin default: y }\n', id="stdin"
        ),
    ],
)
def test_encryption_is_demanded_and_taken_back(text, logins_only, expected):
    found, notes = demanded(text, PATH, NONE, logins_only=logins_only)
    assert found == expected
    assert all(one.encrypted for one in auth_groups(found, PATH, NONE) if one.logins)
    assert taken_back(found, PATH, NONE, notes) == text
    assert demanded(taken_back(found, PATH, NONE, notes), PATH, NONE, logins_only=logins_only) == (found, notes)


def test_what_others_change_meanwhile_stays():
    found, notes = demanded(STAFF, PATH, NONE, logins_only=True)
    changed = found.replace("# more", "").replace('auth: "ckpasswd -f x"', 'auth: "radius"') + "# end\n"
    assert taken_back(changed, PATH, NONE, notes) == STAFF.replace("ckpasswd -f x", "radius") + "# end\n"


def test_groups_of_one_name_are_told_apart():
    text = "auth x { default: a require_encryption: true }\nauth x { default: a }\nauth x { default: a }\n"
    found, notes = demanded(text, PATH, NONE, logins_only=False)
    assert list(notes) == ["x#1", "x#2"]
    assert taken_back(found, PATH, NONE, notes) == text


def test_logins_that_come_from_around_a_group():
    text = 'group g {\n auth: "y"\n auth "x" {\n  default: "<z>"\n }\n}\n'
    with pytest.raises(Problem, match="has its way to log in from the group around it") as caught:
        demanded(text, PATH, NONE, logins_only=True)
    assert caught.value.option == f"{PATH}:3"


_PARAMETERS = st.lists(
    st.sampled_from(
        [
            'hosts: "*"',
            'auth: "p"',
            'default: "<a>"',
            "res: r",
            "require_encryption: no",
            "# words",
            'auth "m" {\nprogram: x }',
        ]
    ),
    max_size=5,
    unique=True,
)


@given(
    groups=st.lists(st.tuples(st.sampled_from("ab"), _PARAMETERS, st.booleans()), max_size=4),
    logins_only=st.booleans(),
)
def test_any_file_comes_back(groups, logins_only):
    text = ""
    for name, parameters, one_line in groups:
        kept = [one for one in parameters if not (one_line and one.startswith("#"))]
        between = " " if one_line else "\n  "
        text += f"auth {name} {{{between}{between.join(kept)}{'' if one_line else chr(10)} }}\n"
    found, notes = demanded(text, PATH, NONE, logins_only=logins_only)
    assert taken_back(found, PATH, NONE, notes) == text
    for group in auth_groups(found, PATH, NONE):
        if group.reachable and not (logins_only and not group.logins):
            assert group.encrypted


# ---- mechanisms

ALL = frozenset({"PLAIN", "LOGIN", "CRAM-MD5"})


@pytest.mark.parametrize(
    ("clear", "tls", "expected"),
    [
        ((), None, ("LOGIN", "PLAIN")),
        ((), ("PLAIN",), ("PLAIN",)),
        (("PLAIN",), None, ("PLAIN",)),
        (("CRAM-MD5",), None, ("CRAM-MD5", "LOGIN", "PLAIN")),
        (("CRAM-MD5",), ("CRAM-MD5", "PLAIN"), ("CRAM-MD5", "PLAIN")),
        (("CRAM-MD5", "PLAIN"), ("CRAM-MD5", "PLAIN"), ("CRAM-MD5", "PLAIN")),
    ],
)
def test_mechanisms(clear, tls, expected):
    vserver = Vserver("nntp", auth_clear=clear, auth_tls=tls)
    assert inn_mechanisms.chosen(vserver, ALL) == expected
    assert inn_mechanisms.in_clear(expected, logins_in_clear=bool(set(clear) & inn_mechanisms.PLAIN)) == clear


@pytest.mark.parametrize(
    ("clear", "tls", "option"),
    [((), ("CRAM-MD5",), "auth_tls"), (("PLAIN",), ("LOGIN", "PLAIN"), "auth_clear")],
)
def test_mechanisms_that_inn_cannot_tell_apart(clear, tls, option):
    with pytest.raises(Problem, match="INN") as caught:
        inn_mechanisms.chosen(Vserver("nntp", auth_clear=clear, auth_tls=tls), ALL)
    assert caught.value.option == option


def test_a_password_in_clear_text_needs_no_mechanism():
    assert inn_mechanisms.in_clear((), logins_in_clear=True) == ("PLAIN",)
