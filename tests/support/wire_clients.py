# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How tests of the wire connect to the servers of wire_servers, and what these speak."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import (
    Server,
    imap,
    nntp,
    pop3,
    serving,
    smtp,
)

GOOD: dict[str, Any] = {"submission": smtp, "imap": imap, "pop3": pop3, "nntp": nntp}
GREETINGS = {"submission": b"220 x\r\n", "imap": b"* OK x\r\n", "pop3": b"+OK x\r\n", "nntp": b"200 x\r\n"}
SHORT = 0.2  # seconds of patience where a server is expected to stay silent


def at(server: Server, protocol: str, *, implicit_tls: bool = False, address: str = "127.0.0.1") -> Endpoint:
    return Endpoint(address, server.port, protocol, implicit_tls)


def handshake_error(script, protocol="submission", *, implicit_tls=False, timeout=5.0) -> WireError:
    with serving(script) as server, pytest.raises(WireError) as caught:
        handshake(at(server, protocol, implicit_tls=implicit_tls), trust=None, timeout=timeout)
    return caught.value
