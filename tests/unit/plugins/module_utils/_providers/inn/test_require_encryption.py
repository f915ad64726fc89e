# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

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
    without_encryption,
)

PATH = "/etc/news/readers.conf"


NONE = Files(lambda _path: "", "/etc/news")


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
def test_encryption_is_required_and_no_longer(text, logins_only, expected):
    found, notes = with_encryption(text, PATH, NONE, logins_only=logins_only)
    assert found == expected
    assert all(one.encrypted for one in auth_groups(found, PATH, NONE) if one.logins)
    assert without_encryption(found, PATH, NONE, notes) == text
    assert with_encryption(without_encryption(found, PATH, NONE, notes), PATH, NONE, logins_only=logins_only) == (
        found,
        notes,
    )


def test_what_others_change_meanwhile_stays():
    found, notes = with_encryption(STAFF, PATH, NONE, logins_only=True)
    changed = found.replace("# more", "").replace('auth: "ckpasswd -f x"', 'auth: "radius"') + "# end\n"
    assert without_encryption(changed, PATH, NONE, notes) == STAFF.replace("ckpasswd -f x", "radius") + "# end\n"


def test_groups_of_one_name_are_told_apart():
    text = "auth x { default: a require_encryption: true }\nauth x { default: a }\nauth x { default: a }\n"
    found, notes = with_encryption(text, PATH, NONE, logins_only=False)
    assert list(notes) == ["x#1", "x#2"]
    assert without_encryption(found, PATH, NONE, notes) == text


def test_logins_that_come_from_around_a_group():
    text = 'group g {\n auth: "y"\n auth "x" {\n  default: "<z>"\n }\n}\n'
    with pytest.raises(Problem, match="inherits the login from around it") as caught:
        with_encryption(text, PATH, NONE, logins_only=True)
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
    found, notes = with_encryption(text, PATH, NONE, logins_only=logins_only)
    assert without_encryption(found, PATH, NONE, notes) == text
    for group in auth_groups(found, PATH, NONE):
        if group.reachable and not (logins_only and not group.logins):
            assert group.encrypted
