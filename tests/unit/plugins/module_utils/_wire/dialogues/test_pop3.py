# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at, handshake_error
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import pop3, serving

_CLEAR_TEXT = [
    pytest.param(pop3(), False, True, "+OK", id="takes the user's name"),
    pytest.param(
        pop3(answers={"USER": "-ERR [AUTH] Cleartext authentication disallowed on non-secure connections."}),
        True,
        False,
        "Cleartext",
        id="Dovecot refuses",
    ),
    pytest.param(pop3(answers={"USER": "-ERR no"}), True, False, "-ERR no", id="neither offered nor taken"),
    pytest.param(
        pop3(clear=("USER",), answers={"USER": "-ERR unknown user"}),
        None,
        True,
        "unknown",
        id="offered, and not taken for another reason",
    ),
    pytest.param(pop3(answers={"CAPA": "-ERR", "USER": "-ERR no"}), None, False, "-ERR no", id="without CAPA"),
]


@pytest.mark.parametrize(("script", "refused", "auth_offered", "words"), _CLEAR_TEXT)
def test_clear_text(script, refused, auth_offered, words):
    with serving(script) as server:
        found = clear_text(at(server, "pop3"))
    assert (found.refused, found.auth_offered) == (refused, auth_offered)
    assert words in found.evidence


def test_clear_text_is_tried_without_doing_anything():
    with serving(pop3()) as server:
        clear_text(at(server, "pop3"))
    assert server.heard == ["CAPA", "USER x", "QUIT"]


def test_starttls_offered_but_not_given():
    error = handshake_error(pop3(answers={"STLS": "-ERR TLS not available"}), "pop3")
    assert error.code == "starttls_refused"
    assert "TLS not available" in error.text


def test_a_server_that_turns_us_away():
    error = handshake_error(pop3(greeting="-ERR go away"), "pop3")
    assert error.code == "rejected"
    assert "go away" in error.text


REFUSES = {"USER": "-ERR [AUTH] Cleartext authentication disallowed on non-secure connections."}


@pytest.mark.parametrize(
    ("answers", "greeting", "commands", "login"),
    [
        ({}, "+OK ready.", [], False),
        ({"AUTH": "+ ", "*": "-ERR cancelled"}, "+OK ready.", ["AUTH"], True),
        ({"STAT": "+OK 0 0"}, "+OK ready.", ["STAT"], False),
        ({"APOP": "-ERR [AUTH] Authentication failed."}, "+OK ready <1.2@mail.example.test>", ["APOP"], True),
        ({"APOP": "-ERR [AUTH] only available under a layer"}, "+OK ready <1.2@mail.example.test>", [], False),
        ({}, "+OK ready <1.2@mail.example.test>", [], False),
    ],
)
def test_commands_beside_user(answers, greeting, commands, login):
    with serving(pop3(answers={**REFUSES, **answers}, greeting=greeting)) as server:
        found = clear_text(at(server, "pop3"))
    assert server.heard[2] == "AUTH PLAIN"
    assert ("APOP" in " ".join(server.heard)) == ("<" in greeting)
    assert found.refused is not bool(commands)
    assert found.auth_offered is login
    assert [one.partition(" ")[0] for one in found.answered] == commands
