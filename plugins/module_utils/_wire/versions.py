# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which TLS versions a server accepts, each tried by itself."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import VERSIONS, only_version
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import (
    TIMEOUT,
    connect,
    dialogue_for,
    reach_tls,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError


def accepts_version(
    endpoint: Endpoint, version: str, *, server_name: str = "", timeout: float = TIMEOUT, source: str = ""
) -> bool:
    """Whether a server completes a handshake in which only one TLS version is offered, with any cipher.

    Args:
        endpoint: the server.
        version: one of ``VERSIONS``.
        server_name: the name to ask for (SNI).
        timeout: seconds for the connection.
        source: address of this host to connect from.

    Raises:
        WireError: there was no handshake, or (``unsupported``) this host cannot use that version.
        Problem: the source is not an address of this host.
    """
    context = only_version(version)
    dialogue = dialogue_for(endpoint)
    with connect(endpoint, timeout=timeout, source=source) as stream:
        if not endpoint.implicit_tls:
            reach_tls(dialogue, stream)
        try:
            stream.start_tls(context, server_name or endpoint.address)
        except WireError as exc:
            if exc.code not in ("handshake", "closed"):
                raise
            return False
        stream.leave(dialogue.farewell)
        return True


def accepted_versions(
    endpoint: Endpoint,
    versions: Sequence[str] = VERSIONS,
    *,
    server_name: str = "",
    timeout: float = TIMEOUT,
    source: str = "",
) -> dict[str, bool | None]:
    """For each TLS version whether the server accepts it; None where that could not be determined.

    Raises:
        Problem: the source is not an address of this host.
    """
    found: dict[str, bool | None] = {}
    for version in versions:
        try:
            found[version] = accepts_version(endpoint, version, server_name=server_name, timeout=timeout, source=source)
        except WireError:
            found[version] = None
    return found
