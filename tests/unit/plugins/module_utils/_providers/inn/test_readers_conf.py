# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.readers_conf import (
    Files,
    auth_groups,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.require_encryption import (
    with_encryption,
)

PATH = "/etc/news/readers.conf"


NONE = Files(lambda _path: "", "/etc/news")


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
    with pytest.raises(Problem, match="and is in an included file") as caught:
        with_encryption("include more\n", PATH, Files(files.__getitem__, "/etc/news"), logins_only=False)
    assert caught.value.option == "/etc/news/more:1"


DEEP = 5000  # groups; Python's own stack ends at 1000


def test_groups_of_any_depth():
    text = "group g {\n" * DEEP + 'auth "x" { default: y }\n' + "}\n" * DEEP
    (found,) = auth_groups(text, PATH, NONE)
    assert found.line == DEEP + 1
    with pytest.raises(Problem, match="it ends within a group"):
        auth_groups("group g {\n" * DEEP, PATH, NONE)


@given(st.text('agroupthcesinld:{}"# \n'))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(Problem):
        auth_groups(text, PATH, NONE)
