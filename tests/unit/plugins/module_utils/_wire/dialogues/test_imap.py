# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at, handshake_error
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import imap, serving

_CLEAR_TEXT = [
    pytest.param(
        imap(
            answers={"LOGIN": "* BAD [ALERT] Plaintext authentication not allowed\r\nNO [PRIVACYREQUIRED] disallowed"}
        ),
        True,
        False,
        "LOGINDISABLED is announced, LOGIN was answered with 'l NO [PRIVACYREQUIRED] disallowed'",
        id="Dovecot refuses",
    ),
    pytest.param(imap(clear="IMAP4rev1"), False, True, "AUTHENTICATIONFAILED", id="login is judged"),
    pytest.param(imap(), False, False, "AUTHENTICATIONFAILED", id="login is judged despite LOGINDISABLED"),
    pytest.param(imap(clear="IMAP4rev1", answers={"LOGIN": "OK in"}), False, True, "l OK in", id="lets in"),
    pytest.param(
        imap(clear="IMAP4rev1 AUTH=SCRAM-SHA-256", answers={"LOGIN": "NO Login only available under a layer"}),
        True,
        True,
        "under a layer",
        id="Cyrus refuses",
    ),
    pytest.param(
        imap(clear="IMAP4rev1", answers={"LOGIN": "NO Login failed"}),
        False,
        True,
        "failed",
        id="plain NO",
    ),
    pytest.param(imap(answers={"LOGIN": "BAD no"}), True, False, "BAD", id="BAD and LOGINDISABLED"),
    pytest.param(imap(clear="IMAP4rev1", answers={"LOGIN": "BAD busy"}), None, True, "BAD", id="BAD for any reason"),
    pytest.param(imap(greeting="* PREAUTH welcome"), False, True, "PREAUTH", id="no login needed"),
]


@pytest.mark.parametrize(("script", "refused", "auth_offered", "words"), _CLEAR_TEXT)
def test_clear_text(script, refused, auth_offered, words):
    with serving(script) as server:
        found = clear_text(at(server, "imap"))
    assert (found.refused, found.auth_offered) == (refused, auth_offered)
    assert words in found.evidence


def test_starttls_offered_but_not_given():
    error = handshake_error(imap(answers={"STARTTLS": "BAD TLS not available"}), "imap")
    assert error.code == "starttls_refused"
    assert "TLS not available" in error.text


def test_a_server_that_turns_us_away():
    error = handshake_error(imap(greeting="* BYE go away"), "imap")
    assert error.code == "rejected"
    assert "go away" in error.text


def test_a_server_that_hangs_up_with_a_reason():
    error = handshake_error(imap(answers={"CAPABILITY": "* BYE too many\r\nOK"}), "imap")
    assert (error.code, error.text) == ("closed", "the server hung up with '* BYE too many'")


REFUSES = {"LOGIN": "NO [PRIVACYREQUIRED] disallowed"}


@pytest.mark.parametrize(
    ("clear", "answers", "commands", "login"),
    [
        ("IMAP4rev1 LOGINDISABLED", {"AUTHENTICATE": "NO [PRIVACYREQUIRED] disallowed"}, [], False),
        ("IMAP4rev1 LOGINDISABLED", {"EXAMINE": "OK [READ-ONLY] done", "LIST": "OK done"}, ["EXAMINE", "LIST"], False),
        ("IMAP4rev1 LOGINDISABLED", {"EXAMINE": "* 3 EXISTS\r\nOK [READ-ONLY] done"}, ["EXAMINE"], False),
    ],
)
def test_commands_beside_login(clear, answers, commands, login):
    with serving(imap(clear=clear, answers={**REFUSES, **answers})) as server:
        found = clear_text(at(server, "imap"))
    assert server.heard[1:] == ["l LOGIN x y", "a AUTHENTICATE PLAIN", "e EXAMINE INBOX", 'f LIST "" ""', "q LOGOUT"]
    assert found.refused is not bool(commands)
    assert found.auth_offered is login
    assert [one.partition(" ")[0] for one in found.answered] == commands


@pytest.mark.parametrize(
    ("clear", "mechanism"),
    [("IMAP4rev1 LOGINDISABLED", "PLAIN"), ("AUTH=SCRAM-SHA-256 AUTH=EXTERNAL LOGINDISABLED", "SCRAM-SHA-256")],
)
def test_a_login_that_is_taken_although_it_is_disabled(clear, mechanism):
    def script(client):
        client.say("* OK ready.")
        while True:
            tag, _space, command = client.hear().partition(" ")
            if command.startswith("AUTHENTICATE"):
                client.say("+ ")
            elif tag == "*":
                client.say("a BAD cancelled")
            else:
                line = (
                    f"* CAPABILITY {clear}\r\n{tag} OK" if command == "CAPABILITY" else f"{tag} NO {REFUSES['LOGIN']}"
                )
                client.say(line)

    with serving(script) as server:
        found = clear_text(at(server, "imap"))
    assert (found.refused, found.auth_offered) == (False, True)
    assert found.answered == (f"AUTHENTICATE {mechanism} with '+ '",)
    assert "*" in server.heard


def test_a_server_that_hangs_up_over_a_command():
    with serving(imap(answers={**REFUSES, "AUTHENTICATE": "* BYE Too many invalid commands.\r\nNO"})) as server:
        found = clear_text(at(server, "imap"))
    assert (found.refused, found.answered) == (True, ())
