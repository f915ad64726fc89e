# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers show on the wire, as plain data: many servers at once, and what is wrong is data as well."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.summary import summary
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import load_certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import client as wire

MOST_AT_ONCE = 16  # servers spoken to at the same time, far below what any daemon allows one client
LONGEST_TIMEOUT = 120.0  # seconds
_NOT_CONNECTED = ("resolve", "refused", "unreachable")  # codes of WireError
_SILENT = ("timeout",)  # asking such a server more questions would only cost time
_NOTHING_SEEN: Mapping[str, Any] = {
    "reachable": False,
    "address": None,
    "source": None,
    "greeting": None,
    "capabilities": None,
    "tls": None,
    "verified": False,
    "verify_error": None,
    "chain": [],
    "whole_chain": None,
    "names": [],
    "days_left": None,
    "clear_text": None,
    "versions": None,
    "injection": None,
    "error": None,
    "error_code": None,
}


@dataclass(frozen=True)
class Question:
    """One server to look at.

    Attributes:
        host: the name or address as it was given.
        endpoint: where to connect.
        server_name: the name that the certificate must carry.
        ca_file: PEM file with the trusted certificates; empty for the system's store.
        source: address of this host to connect from; empty to leave it open.
    """

    host: str
    endpoint: Endpoint
    server_name: str
    ca_file: str = ""
    source: str = ""


@dataclass(frozen=True)
class Tests:
    """How to look at each server.

    Attributes:
        timeout: seconds for each conversation.
        clear_text: whether to try clear text.
        versions: whether to try each TLS version by itself.
        injection: whether to try to smuggle a command into TLS.
    """

    timeout: float = wire.TIMEOUT
    clear_text: bool = True
    versions: bool = False
    injection: bool = False


def parse(element: Mapping[str, Any]) -> Question:
    """One object of the module.

    Raises:
        Problem: an option makes no sense.
    """
    protocol, implicit = PROTOCOLS[element["protocol"]], element["tls"] == "implicit"
    subject = f"{protocol.name} on {element['host'] or 'a host without a name'}"
    if not element["host"].strip():
        raise Problem("it is empty", "give a host name or an IP address", subject=subject, option="host")
    port = element["port"]
    if port is None:
        port = protocol.implicit_tls_port if implicit else protocol.port
        if not port:
            raise Problem(
                f"{protocol.name} has no registered port on which TLS starts at once",
                "name the port, or use protocol submission for port 465",
                subject=subject,
                option="port",
            )
    if not 1 <= port <= 65535:
        raise Problem(f"{port} is no TCP port", "give a port from 1 to 65535", subject=subject, option="port")
    return Question(
        host=element["host"],
        endpoint=Endpoint(element["host"], port, protocol.name, implicit, element["server_name"] or ""),
        server_name=element["server_name"] or element["host"],
        ca_file=element["ca_file"] or "",
        source=element["source"] or "",
    )


def parse_tests(params: Mapping[str, Any]) -> Tests:
    """The options that hold for all servers of a call.

    Raises:
        Problem: an option makes no sense.
    """
    timeout = params["timeout"]
    if not 0 < timeout <= LONGEST_TIMEOUT:
        raise Problem(
            f"{timeout:g} seconds is no time to wait",
            f"give more than 0 and at most {LONGEST_TIMEOUT:g} seconds",
            option="timeout",
        )
    return Tests(timeout, params["clear_text"], params["versions"], params["injection"])


def look_at_all(questions: Sequence[Question], tests: Tests) -> list[dict[str, Any]]:
    """What the servers show, in the order of the questions.

    Raises:
        Problem: a file with trusted certificates or a source address cannot be used.
    """
    stores = {question.ca_file: wire.trust_store(question.ca_file) for question in questions}
    now = datetime.now(timezone.utc)
    with ThreadPoolExecutor(max_workers=min(MOST_AT_ONCE, len(questions)) or 1) as pool:
        return list(pool.map(lambda one: _look_at(one, stores[one.ca_file], tests, now), questions))


def summarised(results: Sequence[Mapping[str, Any]]) -> str:
    """The whole in one sentence."""
    if not results:
        return "no endpoint was named"
    secured = [result for result in results if result["implicit_tls"] or PROTOCOLS[result["protocol"]].starttls]
    verified = sum(result["verified"] for result in results)
    verdicts = [result["clear_text"]["refused"] for result in results if result["clear_text"]]
    parts = [f"{verified} of {len(secured)} endpoints show a certificate that can be verified"]
    if True in verdicts or False in verdicts:
        parts.append(f"{verdicts.count(True)} refuse clear text, {verdicts.count(False)} do not")
    troubles = [
        f"{result['protocol']} on {result['host']} port {result['port']}: {result['error'] or result['verify_error']}"
        for result in results
        if result["error"] or (result in secured and not result["verified"])
    ]
    return "; ".join(parts + troubles)


def _look_at(question: Question, trust: ssl.SSLContext, tests: Tests, now: datetime) -> dict[str, Any]:
    """What one server shows."""
    endpoint, timeout, source = question.endpoint, tests.timeout, question.source
    found: dict[str, Any] = {
        "host": question.host,
        "port": endpoint.port,
        "protocol": endpoint.protocol,
        "implicit_tls": endpoint.implicit_tls,
        "server_name": question.server_name,
        **_NOTHING_SEEN,
    }
    if not endpoint.implicit_tls and not PROTOCOLS[endpoint.protocol].starttls:
        return {**found, **_clear_facts(question, tests)}
    try:
        session = wire.handshake(
            endpoint, trust=trust, server_name=question.server_name, timeout=timeout, source=source
        )
        found.update(_session_facts(session, now), reachable=True)
    except wire.WireError as exc:
        found.update(error=exc.text, error_code=exc.code, reachable=exc.code not in _NOT_CONNECTED)
        if exc.code in _NOT_CONNECTED or exc.code in _SILENT:
            return found
    if tests.clear_text:
        found["clear_text"] = _clear_text(question, timeout)
    if tests.versions and found["tls"]:
        found["versions"] = _versions(question, timeout)
    if tests.injection and found["tls"] and not endpoint.implicit_tls:
        found["injection"] = _injection(question, timeout)
    return found


def _clear_facts(question: Question, tests: Tests) -> dict[str, Any]:
    """What a port without any TLS shows, where the protocol has no STARTTLS: only what is done with clear text."""
    try:
        found = wire.clear_text(question.endpoint, timeout=tests.timeout, source=question.source)
    except wire.WireError as exc:
        return {"error": exc.text, "error_code": exc.code, "reachable": exc.code not in _NOT_CONNECTED}
    return {"reachable": True, "clear_text": asdict(found) if tests.clear_text else None}


def _session_facts(session: wire.Session, now: datetime) -> dict[str, Any]:
    chain, chain_error = [], None
    try:
        for number, der in enumerate(session.chain, 1):
            chain.append(summary(load_certificate(der, f"certificate {number} of {len(session.chain)}"), now))
    except Problem as exc:
        chain_error = exc.found
    error = session.error
    return {
        "address": session.address,
        "source": session.source,
        "greeting": session.greeting,
        "capabilities": {
            "before_tls": list(session.clear_capabilities),
            "inside_tls": list(session.tls_capabilities),
        },
        "tls": {
            "version": session.version,
            "cipher": session.cipher,
            "bits": session.bits,
            "group": session.group or None,
        },
        "verified": session.verified,
        "verify_error": session.verify_error or None,
        "chain": chain,
        "whole_chain": session.whole_chain,
        "names": chain[0]["names"] if chain else [],
        "days_left": chain[0]["days_left"] if chain else None,
        "error": error.text if error else chain_error,
        "error_code": error.code if error else ("certificate" if chain_error else None),
    }


def _clear_text(question: Question, timeout: float) -> dict[str, Any]:
    try:
        return asdict(wire.clear_text(question.endpoint, timeout=timeout, source=question.source))
    except wire.WireError as exc:
        return {"refused": None, "auth_offered": None, "evidence": exc.text}


def _versions(question: Question, timeout: float) -> dict[str, list[str]]:
    accepted = wire.accepted_versions(
        question.endpoint, server_name=question.server_name, timeout=timeout, source=question.source
    )
    return {
        "accepted": [version for version, verdict in accepted.items() if verdict],
        "refused": [version for version, verdict in accepted.items() if verdict is False],
        "unknown": [version for version, verdict in accepted.items() if verdict is None],
    }


def _injection(question: Question, timeout: float) -> dict[str, Any]:
    try:
        return asdict(
            wire.injection(question.endpoint, server_name=question.server_name, timeout=timeout, source=question.source)
        )
    except wire.WireError as exc:
        return {"vulnerable": None, "evidence": exc.text}
