# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at, handshake_error
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import serving, smtp

_530 = "530 5.7.0 Must issue a STARTTLS command first"
_CLEAR_TEXT = [
    pytest.param(smtp(), False, False, "250 2.1.0 Ok", id="mail is taken"),
    pytest.param(smtp(clear=("AUTH PLAIN",)), False, True, "250", id="mail and login are taken"),
    pytest.param(smtp(answers={"MAIL": _530}), True, False, _530, id="530"),
    pytest.param(smtp(answers={"MAIL": "550 TLS required"}), True, False, "TLS required", id="550 TLS"),
    pytest.param(smtp(answers={"MAIL": "554 5.7.1 denied"}), None, False, "denied", id="not our fault"),
    pytest.param(smtp(answers={"MAIL": "451 later"}), None, False, "451 later", id="not now"),
    pytest.param(
        smtp(clear=("AUTH LOGIN",), answers={"MAIL": "530 5.7.0 Authentication required", "AUTH": "334 VXNlcm5hbWU6"}),
        False,
        True,
        "AUTH LOGIN with '334 VXNlcm5hbWU6'",
        id="530 that asks for a login in clear text",
    ),
    pytest.param(
        smtp(clear=("AUTH=CRAM-MD5 PLAIN",), answers={"MAIL": _530, "AUTH": "538 5.7.11 Encryption required"}),
        True,
        True,
        "AUTH PLAIN with '538",
        id="login is offered and refused",
    ),
    pytest.param(
        smtp(clear=("AUTH GSSAPI",), answers={"MAIL": _530, "AUTH": "454 4.7.0 temporary failure"}),
        None,
        True,
        "AUTH GSSAPI",
        id="login fails for another reason",
    ),
    pytest.param(smtp(answers={"EHLO": "502 what?"}), False, False, "250", id="before ESMTP"),
]


@pytest.mark.parametrize(("script", "refused", "auth_offered", "words"), _CLEAR_TEXT)
def test_clear_text(script, refused, auth_offered, words):
    with serving(script) as server:
        found = clear_text(at(server, "smtp"))
    assert (found.refused, found.auth_offered) == (refused, auth_offered)
    assert words in found.evidence


def test_clear_text_is_tried_without_doing_anything():
    with serving(smtp(clear=("AUTH PLAIN",), answers={"MAIL": _530, "AUTH": "334 "})) as server:
        clear_text(at(server, "submission"))
    assert server.heard == ["EHLO [127.0.0.2]", "MAIL FROM:<>", "AUTH PLAIN", "*", "QUIT"]
    with serving(smtp()) as server:
        clear_text(at(server, "smtp"))
    assert server.heard == ["EHLO [127.0.0.2]", "MAIL FROM:<>", "RSET", "QUIT"]


@pytest.mark.parametrize(
    ("command", "answer", "counts"),
    [
        ("VRFY", "250 <root@mail.example.test>", True),
        ("VRFY", "550 5.1.1 <none.invalid>: Recipient address rejected: User unknown in local recipient table", True),
        ("VRFY", "252 Administrative prohibition", False),
        ("VRFY", "550 Administrative prohibition", False),
        ("EXPN", "550 Administrative prohibition", False),
        ("EXPN", "250 <root@mail.example.test>", True),
        ("EXPN", _530, False),
        ("ETRN", "250 OK, queuing for node none.invalid started", True),
        ("ETRN", "458 Administrative prohibition", False),
        ("VRFY", "421 too much", False),
    ],
)
def test_commands_beside_mail(command, answer, counts):
    with serving(smtp(answers={"MAIL": _530, command: answer})) as server:
        found = clear_text(at(server, "smtp"))
    asked = ["VRFY none@none.invalid", "EXPN none@none.invalid", "ETRN none.invalid"]
    assert server.heard[1:] == ["MAIL FROM:<>", *asked, "QUIT"]
    assert found.refused is not counts
    assert [one.partition(" ")[0] for one in found.answered] == ([command] if counts else [])
    assert found.evidence.endswith(f"{command} with {answer!r}") == counts


def test_starttls_not_offered():
    error = handshake_error(smtp(clear=("SIZE 1000",)))
    assert (error.code, error.text) == ("no_starttls", "the server does not offer STARTTLS")


def test_starttls_offered_but_not_given():
    error = handshake_error(
        smtp(answers={"STARTTLS": "454 4.7.0 TLS not available due to local problem"}), "submission"
    )
    assert error.code == "starttls_refused"
    assert "TLS not available" in error.text


@pytest.mark.parametrize(
    "script",
    [smtp(greeting="554 5.7.1 go away"), smtp(answers={"EHLO": "550 go away", "HELO": "550 go away"})],
)
def test_a_server_that_turns_us_away(script):
    error = handshake_error(script, "submission")
    assert error.code == "rejected"
    assert "go away" in error.text
