# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof after a change: what a client sees, connecting from another address than the server's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.programs import slowness
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import TIMEOUT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.redirects import redirect_loop
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError

PATIENCE = 15.0  # seconds that a daemon may take after a reload, where the host is not busy
_PAUSE = 0.1  # seconds between two attempts
_LOG = "see the daemon's log on the host (journalctl)"


@dataclass(frozen=True)
class Expectation:
    """What an endpoint must show.

    Attributes:
        leaves: certificates in DER, one of which it must show.
        clear_text_refused: whether use without TLS must be refused; False proves nothing about it.
        auth_in_clear: whether logins may be offered before TLS.
    """

    leaves: tuple[bytes, ...]
    clear_text_refused: bool
    auth_in_clear: bool = False


def expected(
    provider: Provider, vserver: Vserver, leaf_of: Callable[[str], bytes]
) -> Iterator[tuple[Endpoint, Expectation]]:
    """What each endpoint of a virtual server must show, also to clients that ask for a name.

    Args:
        provider: the daemon that serves it.
        vserver: the virtual server.
        leaf_of: returns the live certificate of a name in DER.
    """
    main = tuple(leaf_of(name) for name in (vserver.certificate, vserver.alternative_certificate) if name)
    for endpoint in provider.endpoints(vserver):
        yield endpoint, Expectation(main, vserver.require_secure_channel, bool(vserver.auth_clear))
        for one in vserver.sni:
            asked = replace(endpoint, server_name=one.name.replace("*", "any", 1))
            yield asked, Expectation((leaf_of(one.certificate),), False, True)


def prove(endpoint: Endpoint, expectation: Expectation, subject: str, patience: float = PATIENCE) -> None:
    """Connect to an endpoint until it shows what is expected.

    Args:
        endpoint: the server on this host.
        expectation: what it must show.
        subject: the object that the endpoint belongs to, for the message.
        patience: seconds to keep trying, longer on a busy host; 0 tries once.

    Raises:
        Problem: it still shows something else.
    """
    end = time.monotonic() + patience * slowness()
    while True:
        fault = _fault(endpoint, expectation, max(end - time.monotonic(), _PAUSE) if patience else TIMEOUT)
        if fault is None:
            return
        if time.monotonic() >= end:
            raise Problem(f"{endpoint.title} {fault}", _LOG, subject=subject)
        time.sleep(_PAUSE)


def _fault(endpoint: Endpoint, expectation: Expectation, left: float) -> str | None:
    """What is not as expected, as the end of a sentence about the endpoint; None where all is well."""
    timeout = min(TIMEOUT, left)
    try:
        if endpoint.implicit_tls or PROTOCOLS[endpoint.protocol].starttls:
            session = handshake(endpoint, trust=None, server_name=endpoint.server_name, timeout=timeout)
            if session.error:
                return f"ended the session inside TLS ({session.error})"
            if session.leaf not in expectation.leaves:
                return "shows another certificate than the live one"
        if endpoint.protocol == "http" and endpoint.implicit_tls:
            loop = redirect_loop(endpoint, clear_text_redirected=expectation.clear_text_refused, timeout=timeout)
            if loop:
                return f"redirects for ever ({loop} leads back to itself)"
        # with TLS from the start there is no clear text to refuse; trying would only fill the log
        if endpoint.implicit_tls or (endpoint.server_name and PROTOCOLS[endpoint.protocol].starttls):
            return None
        clear = clear_text(endpoint, timeout=timeout)
    except WireError as exc:
        return f"does not answer as expected ({exc})"
    if clear.auth_offered and not expectation.auth_in_clear:
        return f"offers a login in clear text ({clear.evidence})"
    if expectation.clear_text_refused and clear.refused is not True:
        return f"does not refuse clear text ({clear.evidence})"
    return None


def prove_served(provider: Provider, names: Collection[str], leaf_of: Callable[[str], bytes]) -> None:
    """Connect to every virtual server that uses one of some certificates until each of them shows it.

    Args:
        provider: a daemon that has copies of them.
        names: the certificates' names in the store.
        leaf_of: returns the live certificate of a name in DER.

    Raises:
        Problem: one shows something else.
    """
    for vserver in provider.read().values():
        if not set(names).isdisjoint(vserver.certificates):
            for endpoint, expectation in expected(provider, vserver, leaf_of):
                prove(endpoint, expectation, vserver.title)
