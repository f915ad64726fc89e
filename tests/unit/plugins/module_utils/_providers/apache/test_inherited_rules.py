# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rules come first was seen on Apache 2.4, for clients of one network and of others."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.inherited_rules import (
    rule_before,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import statements

RULE = "RewriteRule ^ - [END]\n"


def before(own, around):
    found = rule_before(list(statements("/own", own)), list(statements("/around", around)))
    return found.place if found else ""


@pytest.mark.parametrize(
    ("own", "general", "comes_first"),
    [
        ("", "", False),
        ("", "InheritDownBefore", True),
        ("Inherit", "InheritDownBefore", False),
        ("InheritBefore", "InheritDownBefore", True),
        ("InheritBefore Inherit", "InheritDownBefore", False),
        ("IgnoreInherit", "InheritDownBefore", False),
        ("AllowNoSlash", "InheritDownBefore", True),
        ("AllowNoSlash", "InheritBefore", False),
        ("", "InheritBefore", True),
        ("InheritBefore", "", True),
        ("inheritbefore", "", True),
        ("", "InheritDown InheritDownBefore", False),
        ("", "InheritDown", False),
        ("", "Inherit", False),
    ],
)
def test_whose_rules_come_first(own, general, comes_first):
    options = [f"RewriteOptions {one}\n" if one else "" for one in (own, general)]
    assert before(options[0], RULE + options[1]) == ("/around:1" if comes_first else "")


@pytest.mark.parametrize(
    ("rule", "answers"),
    [
        ("RewriteRule ^ - [L]", True),
        ('RewriteRule ^ - "[NC, last]"', True),
        ("RewriteRule ^/app http://127.0.0.1:8080/ [P]", True),
        ("RewriteRule ^ - [S=1]", True),
        ("RewriteRule ^/old$ /new [C]", True),
        ("RewriteRule ^/old$ /new", False),
        ("RewriteRule ^ https://%{SERVER_NAME}%{REQUEST_URI} [R=301,L]", False),
        ("RewriteRule ^/private - [F]", False),
    ],
)
def test_rules_that_answer(rule, answers):
    assert bool(before("RewriteOptions InheritBefore", f"{rule}\n")) == answers
