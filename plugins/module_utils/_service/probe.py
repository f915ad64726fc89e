# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof after a change: what clients see, at every address, connecting from another one than the server's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.must_staple import is_must_staple
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.programs import slowness
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.ways_in import Way, WaysIn
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import TIMEOUT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.key_types import not_shown
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.redirects import redirect_loop
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stapling import staples
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import TurnedAway, WireError

PATIENCE = 15.0  # seconds that a daemon may take after a reload, where the host is not busy
_PAUSE = 0.1  # seconds between two attempts
_LOG = "see the daemon's log on the host (journalctl)"
_NO_WAY = ("refused", "unreachable")  # failures of a connection that say nothing about the server


@dataclass(frozen=True)
class Expectation:
    """What an endpoint must show.

    Attributes:
        leaves: certificates in DER, one of which it must show, and each of them to clients that take no other.
        clear_text_refused: whether use without TLS must be refused; False proves nothing about it.
        auth_in_clear: whether logins may be offered before TLS.
        own_address_trusted: whether the daemon lets clients in from its own address that it refuses elsewhere.
    """

    leaves: tuple[bytes, ...]
    clear_text_refused: bool
    auth_in_clear: bool = False
    own_address_trusted: bool = False


class _WrongError(Exception):
    """A server shows what it must not; the end of a sentence about it."""


@dataclass(frozen=True)
class Sight:
    """What has become of the look at one address.

    Attributes:
        endpoint: the server at that address.
        unseen: why nothing could be seen there from this host; empty where it is as expected.
    """

    endpoint: Endpoint
    unseen: str = ""


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
        yield (
            endpoint,
            Expectation(
                main, vserver.require_secure_channel, bool(vserver.auth_clear), provider.trusts_its_own_address
            ),
        )
        for one in vserver.sni:
            asked = replace(endpoint, server_name=one.name.replace("*", "any", 1))
            yield asked, Expectation(tuple(map(leaf_of, one.certificates)), False, True)


class Prover:
    """Looks at the servers of this host until they show what is expected.

    Args:
        ways_in: finds the ways to them.
        patience: seconds to keep trying, longer on a busy host; 0 tries once.
    """

    def __init__(self, ways_in: WaysIn, patience: float = PATIENCE) -> None:
        self._ways_in = ways_in
        self._patience = patience
        self._let_in: dict[bool, str] = {}  # an address from which we were let in, by whether it is one of IPv6

    def prove(
        self, provider: Provider, vserver: Vserver, others: Collection[Vserver], leaf_of: Callable[[str], bytes]
    ) -> list[Sight]:
        """Connect to a virtual server at each of its addresses until it shows what is expected.

        Args:
            provider: the daemon that serves it.
            vserver: the virtual server.
            others: all that the daemon serves.
            leaf_of: returns the live certificate of a name in DER.

        Returns:
            What has become of each address and port.

        Raises:
            Problem: it still shows something else.
        """
        elsewhere = provider.elsewhere(vserver, others)
        found: dict[Endpoint, Sight] = {}
        for endpoint, expectation in expected(provider, vserver, leaf_of):
            ways = partial(self._ways_to, endpoint, vserver, elsewhere)
            for one in self.look(ways, expectation, vserver.title):
                found.setdefault(replace(one.endpoint, server_name=""), one)
        return list(found.values())

    def _ways_to(self, endpoint: Endpoint, vserver: Vserver, elsewhere: Collection[tuple[str, int]]) -> list[Way]:
        if endpoint.address in vserver.addresses:
            return [self._ways_in.at(endpoint)]
        return self._ways_in.to(endpoint, elsewhere)

    def look(self, ways: Callable[[], Sequence[Way]], expectation: Expectation, subject: str) -> list[Sight]:
        """Look at a server in all ways, which may change while its daemon reloads, until each is as expected.

        Args:
            ways: finds them.
            expectation: what each must show.
            subject: the object that the server belongs to, for the message.

        Raises:
            Problem: it still shows something else.
        """
        end = self._end()
        done: dict[Endpoint, Sight] = {}
        while True:
            wrong = ""
            closed: list[Sight] = []
            for way in (one for one in ways() if one.endpoint not in done):
                left = max(end - time.monotonic(), _PAUSE) if self._patience else TIMEOUT
                try:
                    done[way.endpoint] = self._sight(way, expectation, min(TIMEOUT, left))
                    end = self._end()  # for the next one: a daemon may take long for each connection
                except WireError as exc:
                    wrong = f"{way.endpoint.title} does not answer as expected ({exc})"
                    if exc.code in _NO_WAY:
                        closed.append(Sight(way.endpoint, exc.text))
                        continue
                    closed = []
                    break
                except _WrongError as exc:
                    wrong, closed = f"{way.endpoint.title} {exc}", []
                    break
            if not wrong:
                return list(done.values())
            if time.monotonic() >= end:
                if closed and done:  # the host keeps itself out of some addresses, as by its firewall
                    return [*done.values(), *closed]
                raise Problem(wrong, _LOG, subject=subject)
            time.sleep(_PAUSE)

    def _end(self) -> float:
        """When to give up."""
        return time.monotonic() + self._patience * slowness()

    def _sight(self, way: Way, expectation: Expectation, timeout: float) -> Sight:
        """Look at a server in one way, from another address of this host where it turns us away."""
        if way.closed:
            return Sight(way.endpoint, way.closed)
        refusal = ""
        for source in self._sources(way.endpoint):
            start = replace(way.endpoint, source=source)
            try:
                for _number in range(way.connections):
                    _judge(start, expectation, timeout)
            except TurnedAway as exc:
                refusal = refusal or exc.text
                continue
            self._let_in[":" in way.endpoint.address] = source
            return Sight(way.endpoint)
        return Sight(way.endpoint, refusal)

    def _sources(self, endpoint: Endpoint) -> list[str]:
        """Where to connect from: where we have been let in before, then as usual."""
        found = self._ways_in.sources(endpoint)
        before = self._let_in.get(":" in endpoint.address, found[0])
        return list(dict.fromkeys([before, *found])) if before in found else found


def _judge(endpoint: Endpoint, expectation: Expectation, timeout: float) -> None:
    """Raise _WrongError where an endpoint does not show what is expected."""
    if endpoint.implicit_tls or PROTOCOLS[endpoint.protocol].starttls:
        session = handshake(endpoint, trust=None, server_name=endpoint.server_name, timeout=timeout)
        if session.leaf and session.leaf not in expectation.leaves:
            raise _WrongError("shows another certificate than the live one")
        if isinstance(session.error, TurnedAway):
            raise session.error
        if session.error or not session.leaf:
            raise _WrongError(f"ended the session inside TLS ({session.error})")
        missing = not_shown(endpoint, expectation.leaves, timeout)
        if missing:
            raise _WrongError(missing)
        if is_must_staple(session.leaf) and staples(endpoint, timeout=timeout) is False:
            raise _WrongError("shows a must-staple certificate (RFC 7633) without an OCSP response")
    # a page that is for those with a certificate of their own cannot be seen from here
    if endpoint.protocol == "http" and endpoint.implicit_tls and not endpoint.wants_certificate:
        loop = redirect_loop(endpoint, clear_text_redirected=expectation.clear_text_refused, timeout=timeout)
        if loop:
            raise _WrongError(f"redirects for ever ({loop} leads back to itself)")
    # with TLS from the start there is no clear text to refuse; trying would only fill the log
    if endpoint.implicit_tls or (endpoint.server_name and PROTOCOLS[endpoint.protocol].starttls):
        return
    clear = clear_text(endpoint, timeout=timeout)
    wrong = ""
    if clear.auth_offered and not expectation.auth_in_clear:
        wrong = f"offers a login in clear text ({clear.evidence})"
    elif expectation.clear_text_refused and clear.refused is not True:
        wrong = f"does not refuse clear text ({clear.evidence})"
    if wrong and clear.own_address and expectation.own_address_trusted:
        raise TurnedAway("this host has no other address to try clear text from, and the server trusts its own")
    if wrong:
        raise _WrongError(wrong)


def prove_served(provider: Provider, names: Collection[str], leaf_of: Callable[[str], bytes]) -> None:
    """Connect to every virtual server that uses one of some certificates until each of them shows it.

    Args:
        provider: a daemon that has copies of them.
        names: the certificates' names in the store.
        leaf_of: returns the live certificate of a name in DER.

    Raises:
        Problem: one shows something else.
    """
    served = list(provider.read().values())
    prover = Prover(WaysIn(provider.host))
    for vserver in served:
        if not set(names).isdisjoint(vserver.certificates):
            prover.prove(provider, vserver, served, leaf_of)
