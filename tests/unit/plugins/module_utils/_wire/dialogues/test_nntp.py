# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at, handshake_error
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import nntp, saying, serving

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
    assert server.heard == ["CAPABILITIES", "ARTICLE <none@none.invalid>", "AUTHINFO USER x", "QUIT"]


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
