# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connects to other servers before TLS is required of them, to see which could no longer be sent to.

Each destination is judged as the sending daemon would judge it: one good address among the first few of its mail
exchangers is enough. TLSA records are not looked up; for ``dane-only`` the only question is whether TLS works.
"""

from __future__ import annotations

import hashlib
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, TlsRequirement
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.ber import BerError, element, read_element
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import (
    VERSIONS,
    offer,
    only_version,
    unverifying,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import TIMEOUT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.smtp import offered_mechanisms
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.resolver import mail_exchangers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError, quoted

MOST_DESTINATIONS = 100  # in one call
MOST_ADDRESSES = 5  # of one destination, as many as Postfix tries (smtp_mx_address_limit)
LONGEST = 60.0  # seconds for all destinations of a call
MOST_AT_ONCE = 16
_VERIFYING = frozenset({"verify", "secure"})
_NO_TLS = frozenset({"no_starttls", "starttls_refused", "handshake"})  # codes of WireError
_VERSION_TAG = 0xA0  # of a certificate's optional first part (RFC 5280 section 4.1)

NO_TLS, CERTIFICATE, NO_LOGIN, NO_ANSWER = "no_tls", "certificate", "no_login", "no_answer"
_WORST_FIRST = (NO_TLS, CERTIFICATE, NO_LOGIN)


@dataclass(frozen=True)
class Fault:
    """Why a destination does not meet a requirement.

    Attributes:
        cause: ``no_tls``, ``certificate``, ``no_login``, or ``no_answer`` where it was not reached, so that nothing is
            known.
        reason: what was seen, a clause.
    """

    cause: str
    reason: str


@dataclass(frozen=True)
class Findings:
    """What trying many destinations has shown.

    Attributes:
        faults: those that do not meet their requirement, in the order given.
        untried: those that were not tried because there were too many, or they took too long.
    """

    faults: tuple[tuple[TlsRequirement, Fault], ...]
    untried: tuple[TlsRequirement, ...]


class _LateError(Exception):
    """The time for all destinations has run out."""


def look(
    requirements: Sequence[TlsRequirement], trust: Callable[[], ssl.SSLContext], servers: Sequence[str]
) -> Findings:
    """Connect to the destinations, once each, and say what is wrong with them.

    Args:
        requirements: what each destination must do; of a long list only the first are tried.
        trust: makes a context as :func:`_wire.contexts.trust_store` does.
        servers: IP addresses of the resolvers.

    Raises:
        Problem: the roots cannot be used, or there is no cipher suite as required.
    """
    kinds = {(one.level in _VERIFYING, one.ciphers) for one in requirements}
    contexts = {kind: _context(trust if kind[0] else unverifying, kind[1]) for kind in kinds}
    chosen = list(dict.fromkeys(replace(one, domain="") for one in requirements))[:MOST_DESTINATIONS]
    end = time.monotonic() + LONGEST

    def judged(one: TlsRequirement) -> Fault | bool | None:
        try:
            return _judge(one, contexts[one.level in _VERIFYING, one.ciphers], servers, end)
        except _LateError:
            return False

    with ThreadPoolExecutor(max_workers=min(MOST_AT_ONCE, len(chosen)) or 1) as pool:
        seen = dict(zip(chosen, pool.map(judged, chosen)))
    outcomes = [(one, seen.get(replace(one, domain=""), False)) for one in requirements]
    return Findings(
        tuple((one, fault) for one, fault in outcomes if isinstance(fault, Fault)),
        tuple(one for one, fault in outcomes if fault is False),
    )


def _context(make: Callable[[], ssl.SSLContext], ciphers: str) -> ssl.SSLContext:
    context = make()
    context.check_hostname = False  # the requirement says which names are good
    return offer(context, ciphers) if ciphers else context


# ---- one destination


def _left(end: float) -> float:
    """Seconds that one step may take."""
    left = end - time.monotonic()
    if left <= 0:
        raise _LateError
    return min(left, TIMEOUT)


def _judge(requirement: TlsRequirement, trust: ssl.SSLContext, servers: Sequence[str], end: float) -> Fault | None:
    """What is wrong with a destination; None where one of its servers meets the requirement."""
    faults: list[Fault] = []
    try:
        hosts: Iterable[str] = (requirement.host,)
        if requirement.exchangers:
            hosts = mail_exchangers(servers, requirement.host, min(_left(end), TIMEOUT / 2))
        for host, address in islice(_addresses(hosts, requirement.port, faults), MOST_ADDRESSES):
            fault = _fault(requirement, host, address, trust, end)
            if fault is None:
                return None
            faults.append(fault)
    except WireError as exc:
        faults.append(Fault(NO_ANSWER, exc.text))
    cause = next((cause for cause in _WORST_FIRST if any(one.cause == cause for one in faults)), NO_ANSWER)
    return Fault(cause, "; ".join(dict.fromkeys(one.reason for one in faults)))


def _addresses(hosts: Iterable[str], port: int, faults: list[Fault]) -> Iterator[tuple[str, str]]:
    """Each host with each of its addresses. A host without any is added to the faults."""
    for host in hosts:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as exc:
            words = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
            faults.append(Fault(NO_ANSWER, f"{host} has no address ({words})"))
            continue
        for address in dict.fromkeys(str(one[4][0]) for one in found):
            yield host, address


def _fault(requirement: TlsRequirement, host: str, address: str, trust: ssl.SSLContext, end: float) -> Fault | None:
    """What is wrong with one server; None where it meets the requirement."""
    asked = host if requirement.server_name == "hostname" else requirement.server_name
    fault = _fault_under(asked, requirement, host, address, trust, end)
    hears_no_name = fault and fault.cause != NO_ANSWER and not asked and _has_letters(host)
    if fault and hears_no_name and _fault_under(host, requirement, host, address, trust, end) is None:
        told = f"{fault.reason}; it does as required once it is told the name {host} (SNI): set servername to hostname"
        return Fault(fault.cause, told)
    return fault


def _has_letters(host: str) -> bool:
    """Whether it is a name, which can be told, and not an address."""
    return ":" not in host and any(one.isalpha() for one in host)


def _fault_under(
    name: str, requirement: TlsRequirement, host: str, address: str, trust: ssl.SSLContext, end: float
) -> Fault | None:
    """What is wrong with one server that is told this name; empty for none."""
    # without a name by its address, which is never sent as one (RFC 6066 section 3)
    endpoint = Endpoint(address, requirement.port, "smtp", requirement.implicit_tls)
    who = f"{host} ({address} port {requirement.port})"
    verifying = requirement.level in _VERIFYING
    try:
        session = handshake(endpoint, trust=trust, server_name=name, timeout=_left(end))
    except WireError as exc:
        weak = _too_weak(requirement, endpoint, name, end) if exc.code == "handshake" else ""
        return Fault(NO_TLS if exc.code in _NO_TLS else NO_ANSWER, f"{who}: {weak or exc.text}")
    if session.error:
        return Fault(NO_TLS, f"{who}: {session.error.text}, inside TLS")
    versions = requirement.versions or (session.version,)
    if session.version not in versions and not any(_speaks(one, requirement, endpoint, name, end) for one in versions):
        only = f"{', '.join(versions)}, by {requirement.versions_set_by}"
        return Fault(NO_TLS, f"{who}: it speaks {session.version}, and this host another TLS there ({only})")
    if verifying and not session.verified:
        return Fault(CERTIFICATE, f"{who}: its certificate is not trusted ({session.verify_error})")
    wanted = (*requirement.names, *((host.lower(),) if requirement.own_name else ()))
    if verifying and not any(_matches(name, one) for name in session.names for one in wanted):
        shown = ", ".join(session.names[:5]) or "no name"
        return Fault(CERTIFICATE, f"{who}: its certificate is for {quoted(shown)}, not for {' or '.join(wanted)}")
    if requirement.fingerprints and not _digests(session.leaf).intersection(requirement.fingerprints):
        return Fault(CERTIFICATE, f"{who}: its certificate matches none of the fingerprints")
    offered = {one.lower() for one in offered_mechanisms(session.tls_capabilities)}
    if requirement.mechanisms and offered and not offered.intersection(requirement.mechanisms):
        only = quoted(", ".join(sorted(offered)).upper())
        return Fault(NO_LOGIN, f"{who}: it offers no mechanism to log in with that this host can use, only {only}")
    return None


def _speaks(version: str, requirement: TlsRequirement, endpoint: Endpoint, name: str, end: float) -> bool:
    """Whether a server speaks a TLS version as required."""
    context = only_version(version, requirement.ciphers) if requirement.ciphers else only_version(version)
    try:
        handshake(endpoint, trust=context, server_name=name, timeout=_left(end))
    except WireError:
        return False
    return True


def _too_weak(requirement: TlsRequirement, endpoint: Endpoint, name: str, end: float) -> str:
    """What a server speaks that does not speak TLS as required, a clause; empty where it speaks none."""
    if not requirement.ciphers:
        return ""
    for version in reversed(VERSIONS):
        try:
            session = handshake(endpoint, trust=only_version(version), server_name=name, timeout=_left(end))
        except WireError:
            continue
        return f"it speaks only {session.version} with {session.cipher}, which is too weak for this host"
    return ""


def _matches(presented: str, wanted: str) -> bool:
    """Whether a certificate's name is the wanted one, or below it if that begins with a full stop."""
    if wanted.startswith("."):
        return presented.endswith(wanted) and presented != wanted
    return presented in (wanted, f"*.{wanted.partition('.')[2]}")


def _digests(leaf: bytes) -> set[str]:
    """SHA-256 digests of a certificate and of its public key, as fingerprints are written."""
    found = [leaf]
    try:
        (body, *_rest) = read_element(io.BytesIO(leaf).read).parts
        parts = body.parts
        key = parts[6 if parts[0].tag == _VERSION_TAG else 5]  # RFC 5280 section 4.1: subjectPublicKeyInfo
        found.append(element(key.tag, key.content))
    except (BerError, IndexError, ValueError):
        pass  # a key that cannot be read matches nothing
    return {_colons(one) for one in found}


def _colons(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest().upper()
    return ":".join(digest[start : start + 2] for start in range(0, len(digest), 2))
