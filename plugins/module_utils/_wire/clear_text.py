# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server does with a client that does not use TLS."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import (
    TIMEOUT,
    connect,
    dialogue_for,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import ClearText, Dialogue
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError, quoted


def clear_text(endpoint: Endpoint, *, timeout: float = TIMEOUT, source: str = "") -> ClearText:
    """Try to use a server without TLS. Nothing is delivered, and the only credentials are made up.

    Raises:
        WireError: the server was not reached, or does not speak the protocol.
        Problem: the source is not an address of this host.
    """
    dialogue = dialogue_for(endpoint)
    with connect(endpoint, timeout=timeout, source=source) as stream:
        if endpoint.implicit_tls:
            return _clear_text_where_tls_is_due(dialogue, stream)
        found = dialogue.clear_text(stream, dialogue.open(stream))
        stream.leave(dialogue.farewell)
        if stream.within_one_address and found.refused is False:
            note = "asked from the server's own address, which some servers treat as secure"
            return replace(found, evidence=f"{found.evidence} ({note})", own_address=True)
        return found


def _clear_text_where_tls_is_due(dialogue: Dialogue, stream: Stream) -> ClearText:
    """Speak clear text to a port with TLS from the start: only an answer in clear text is bad news."""
    try:
        stream.send(dialogue.opener)
        answer = stream.receive()
    except WireError as exc:
        return ClearText(True, False, f"a command in clear text got no answer: {exc.text}")
    if answer[:1] == b"\x15":  # the record type of a TLS alert (RFC 8446 section 5.1)
        return ClearText(True, False, "a command in clear text was answered with a TLS alert")
    words = quoted(answer.decode("utf-8", "replace").split("\r\n")[0])
    if dialogue.refuses_in_clear_text(answer):
        return ClearText(True, False, f"a command in clear text was answered with {words!r}")
    return ClearText(False, None, f"a command in clear text was answered with {words!r}")
