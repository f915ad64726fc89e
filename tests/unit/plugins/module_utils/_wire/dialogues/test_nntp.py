# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at, handshake_error
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import Client, nntp, saying, serving

_CLEAR_TEXT = [
    pytest.param(nntp(), True, False, "483 Encryption required", id="TLS first"),
    pytest.param(nntp(transit=True), True, False, "483 Encryption required", id="feeds too"),
    pytest.param(nntp(answers={"ARTICLE": "483 TLS first"}), True, False, "483 TLS first", id="for all"),
    pytest.param(nntp(answers={"ARTICLE": "430 No such article"}), False, False, "430 No", id="may read"),
    pytest.param(nntp(clear=("AUTHINFO USER",), answers={"AUTHINFO": "381 Go on"}), False, True, "381", id="login"),
    pytest.param(nntp(answers={"AUTHINFO": "381 Go on"}), False, True, "381", id="login not announced"),
    pytest.param(nntp(clear=("AUTHINFO SASL", "SASL CRAM-MD5")), True, True, "483", id="only another login"),
    pytest.param(nntp(answers={"AUTHINFO": "502 no"}), None, False, "502 no", id="no login at all"),
    pytest.param(nntp(answers={"ARTICLE": "502 no"}), None, False, "502 no", id="no permission"),
    pytest.param(nntp(answers={"CAPABILITIES": "500 What?"}), True, False, "483", id="old"),
]


@pytest.mark.parametrize(("script", "refused", "auth_offered", "words"), _CLEAR_TEXT)
def test_clear_text(script, refused, auth_offered, words):
    with serving(script) as server:
        found = clear_text(at(server, "nntp"))
    assert (found.refused, found.auth_offered) == (refused, auth_offered)
    assert words in found.evidence


def test_clear_text_is_tried_without_doing_anything():
    with serving(nntp()) as server:
        clear_text(at(server, "nntp"))
    assert server.heard == [
        "CAPABILITIES",
        "ARTICLE <none@none.invalid>",
        "AUTHINFO USER x",
        "LIST ACTIVE none.invalid",
        "NEWGROUPS 20990101 000000 GMT",
        "NEWNEWS none.invalid 20990101 000000 GMT",
        "GROUP none.invalid",
        "HEAD <none@none.invalid>",
        "BODY <none@none.invalid>",
        "STAT <none@none.invalid>",
        "OVER <none@none.invalid>",
        "XOVER 1",
        "HDR Subject <none@none.invalid>",
        "XHDR Subject <none@none.invalid>",
        "CHECK <none@none.invalid>",
        "IHAVE <none@none.invalid>",
        "POST",
        "QUIT",
    ]


def test_no_more_is_asked_where_clear_text_is_not_refused():
    with serving(nntp(answers={"ARTICLE": "430 No such article"})) as server:
        assert clear_text(at(server, "nntp")).answered == ()
    assert server.heard[-2:] == ["AUTHINFO USER x", "QUIT"]


# what Cyrus 3.6 and 3.10 answer although the channel is required
CYRUS = {
    "LIST": "215 List of newsgroups follows:\r\nnone.invalid 2 1 y\r\n.",
    "HEAD": "430 No article found with that message-id",
    "STAT": "430 No article found with that message-id",
    "CHECK": "238 <none@none.invalid> Send article",
    "IHAVE": "335 <none@none.invalid> Send article",
}


def test_commands_that_are_not_gated():
    with serving(nntp(answers=CYRUS)) as server:
        found = clear_text(at(server, "nntp"))
    assert (found.refused, found.auth_offered) == (False, False)
    assert [one.partition(" ")[0] for one in found.answered] == ["LIST", "HEAD", "STAT", "CHECK", "IHAVE"]
    assert "LIST with '215 List of newsgroups follows:'" in found.evidence
    assert server.heard[-1] == "IHAVE <none@none.invalid>"  # nothing after it, which would be the article


@pytest.mark.parametrize(
    ("command", "answer", "counts"),
    [
        ("LIST", "215 follows\r\n.", True),
        ("GROUP", "411 No such newsgroup", True),
        ("GROUP", "480 Authentication required for command", False),
        ("XOVER", "412 No newsgroup selected", True),
        ("OVER", "503 Overview is off", False),
        ("NEWNEWS", "502 NEWNEWS command disabled by administrator", False),
        ("IHAVE", "435 Duplicate", True),
        ("POST", "340 Ok, recommended message-ID <x@y>", True),
        ("POST", "440 Posting not allowed", False),
        ("CHECK", "400 goodbye", False),
    ],
)
def test_one_command(command, answer, counts):
    with serving(nntp(answers={command: answer})) as server:
        found = clear_text(at(server, "nntp"))
    assert (found.refused is False) == counts == bool(found.answered)


def test_a_server_that_hangs_up_over_a_command():
    def script(client: Client) -> None:
        with contextlib.suppress(StopIteration):
            nntp(answers={"GROUP": "483 Encryption required"})(HangsUp(client.sock, []))

    class HangsUp(Client):
        def hear(self) -> str:
            line = super().hear()
            if line.startswith("GROUP"):
                self.say("400 go away")
                raise StopIteration
            return line

    with serving(script) as server:
        found = clear_text(at(server, "nntp"))
    assert (found.refused, found.answered) == (True, ())


@pytest.mark.parametrize(
    "script",
    [nntp(greeting="502 go away"), nntp(answers={"MODE": "502 go away"}, transit=True)],
)
def test_a_server_that_turns_us_away(script):
    error = handshake_error(script, "nntp")
    assert error.code == "rejected"
    assert "go away" in error.text


def test_a_refusal_in_words_where_tls_is_due():
    with serving(saying(b"400 Encrypted TLS connection failed\r\n")) as server:
        found = clear_text(at(server, "nntp", implicit_tls=True))
    assert (found.refused, found.auth_offered) == (True, False)
    assert "400 Encrypted TLS connection failed" in found.evidence
