# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import kept
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.compare import loosened

STRICT = Vserver("imap", require_secure_channel=True, strength="modern")
LAX = Vserver("imap", strength="intermediate")
LEFT_OUT = frozenset({"require_secure_channel", "strength"})


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (STRICT, []),
        (LAX, ["use without TLS is no longer refused", "strength goes from modern to intermediate"]),
        (replace(STRICT, strength="legacy"), ["strength goes from modern to legacy"]),
        (replace(LAX, strength="modern", auth_clear=("PLAIN",)), ["use without TLS", "logins before TLS .* PLAIN"]),
    ],
)
def test_what_is_let_go_of(after, words):
    found = loosened(STRICT, after)
    assert len(found) == len(words)
    for text, word in zip(found, words):
        assert word.partition(" .*")[0] in text
    assert loosened(None, after) == []
    assert loosened(LAX, STRICT) == []
    assert loosened(replace(LAX, strength=""), replace(LAX, strength="legacy")) == []  # nobody knows


def test_options_that_are_left_out_keep_the_stricter():
    left_out = replace(LAX, left_out=LEFT_OUT)
    assert kept(left_out, STRICT) == replace(STRICT, left_out=LEFT_OUT)
    assert kept(left_out, replace(LAX, strength="legacy")) == left_out
    assert kept(left_out, replace(LAX, strength="")) == left_out
    assert kept(left_out, None) == left_out


def test_options_that_are_given_count():
    assert kept(LAX, STRICT) == LAX
    asked = replace(LAX, left_out=LEFT_OUT, auth_clear=("SCRAM-SHA-256",))  # which is use without TLS
    assert not kept(asked, STRICT).require_secure_channel
