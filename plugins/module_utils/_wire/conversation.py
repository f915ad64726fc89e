# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a conversation with a server begins: the connection, and in clear text the way to TLS."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dial import connect_stream
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import Dialogue, Opening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.registry import dialogue_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.proxy_protocol import proxy_header
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError

TIMEOUT = 10.0  # seconds for one conversation


def connect(endpoint: Endpoint, *, timeout: float = TIMEOUT, source: str = "", server_name: str = "") -> Stream:
    """Connect to an endpoint and say nothing yet, but to one behind a load balancer that a client is there.

    Use the stream as a context manager. The source and the server name are the endpoint's unless given; the name is for
    protocols in which clients say which server they want. For servers on this host see connect_stream().

    Raises:
        WireError: the connection failed.
        Problem: the source is not an address of this host.
    """
    stream = connect_stream(endpoint.address, endpoint.port, timeout=timeout, source=source or endpoint.source)
    stream.server_name = server_name or endpoint.server_name or endpoint.address
    if endpoint.proxy_protocol:
        try:
            stream.send(proxy_header(endpoint.proxy_protocol, stream.source_end, stream.server_end))
        except WireError:
            stream.close()
            raise
    return stream


def dialogue_for(endpoint: Endpoint) -> Dialogue:
    """The dialogue of an endpoint's protocol."""
    return dialogue_of(endpoint.protocol)


def require_starttls(dialogue: Dialogue, opening: Opening) -> None:
    """Raise WireError where the server does not offer to go on in TLS."""
    if not dialogue.offers_tls(opening):
        raise WireError("no_starttls", f"the server does not offer {dialogue.starttls}")


def reach_tls(dialogue: Dialogue, stream: Stream) -> Opening:
    """The conversation in clear text, up to the handshake."""
    opening = dialogue.open(stream)
    require_starttls(dialogue, opening)
    dialogue.ask_tls(stream)
    return opening
