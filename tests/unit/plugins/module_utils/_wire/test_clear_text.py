# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import GOOD, SHORT, at
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import implicit, saying, serving, silent


@pytest.mark.parametrize("protocol", GOOD)
def test_clear_text_where_tls_is_due(protocol, good_tls):
    with serving(implicit(good_tls, GOOD[protocol]())) as server:
        found = clear_text(at(server, protocol, implicit_tls=True))
    assert found.refused is True
    assert found.auth_offered is False
    with serving(GOOD[protocol]()) as server:
        found = clear_text(at(server, protocol, implicit_tls=True))
    assert found.refused is False
    assert "answered with" in found.evidence


def test_a_tls_alert_is_no_answer_in_clear_text():
    with serving(saying(b"\x15\x03\x03\x00\x02\x02\x46")) as server:
        found = clear_text(at(server, "imap", implicit_tls=True))
    assert found.refused is True
    assert "TLS alert" in found.evidence


def test_silence_in_clear_text_where_tls_is_due():
    with serving(silent) as server:
        found = clear_text(at(server, "imap", implicit_tls=True), timeout=SHORT)
    assert found.refused is True
    assert "the time ran out" in found.evidence


def test_clear_text_with_a_server_that_makes_no_sense():
    with serving(saying(b"hello\r\n")) as server, pytest.raises(WireError) as caught:
        clear_text(at(server, "imap"))
    assert caught.value.code == "protocol"
