# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a server carries a command over from clear text into TLS (CVE-2011-0411)."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import unverifying
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import (
    TIMEOUT,
    connect,
    dialogue_for,
    require_starttls,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError


@dataclass(frozen=True)
class Injection:
    """Whether a command sent in clear text took effect inside TLS (CVE-2011-0411).

    Attributes:
        vulnerable: whether the server answered it there.
        evidence: what was seen.
    """

    vulnerable: bool
    evidence: str


def injection(endpoint: Endpoint, *, server_name: str = "", timeout: float = TIMEOUT, source: str = "") -> Injection:
    """Whether a server carries a command over from clear text into TLS (CVE-2011-0411).

    The command is sent in the same write as the request for TLS. A server is safe if it does not answer it inside TLS,
    whatever else it does.

    Raises:
        WireError: the server offers no STARTTLS, or was not reached.
        Problem: the source is not an address of this host.
    """
    dialogue = dialogue_for(endpoint)
    with connect(endpoint, timeout=timeout, source=source) as stream:
        opening = dialogue.open(stream)
        require_starttls(dialogue, opening)
        try:
            dialogue.ask_tls(stream, dialogue.smuggled)
            stream.start_tls(unverifying(), server_name or endpoint.address)
            answer = dialogue.answer_to_smuggled(stream)
        except WireError as exc:
            return Injection(False, f"the conversation ended before the command could take effect: {exc.text}")
    if answer:
        return Injection(True, f"a command sent before TLS was answered inside TLS with {answer!r}")
    return Injection(False, "a command sent before TLS was not answered inside TLS")
