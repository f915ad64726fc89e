# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.readers_conf import (
    Files,
    auth_groups,
)

PATH = "/etc/news/readers.conf"


NONE = Files(lambda _path: "", "/etc/news")


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


@pytest.mark.parametrize("pattern", ["[z-a]", "[", "10.0.0.0/99", "/", "!", ","])
def test_patterns_that_match_nobody(pattern):
    (group,) = auth_groups(f'auth "x" {{ hosts: "{pattern}" default: y }}', PATH, NONE)
    assert not group.admits(["10.0.0.1"], [])
