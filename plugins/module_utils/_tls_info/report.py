# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers show on the wire, as plain data. Many servers at once; failures are data as well."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.summary import summary
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import load_certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls_info.options import Checks, Question
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import trust_store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import Session, handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.injection import injection
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stapling import staples
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.versions import accepted_versions

MOST_AT_ONCE = 16  # servers at a time, far below what any daemon allows one client
_NOT_CONNECTED = ("resolve", "refused", "unreachable")  # codes of WireError
_SILENT = ("timeout",)  # more questions to such a server would only take time
_NOTHING_SEEN: Mapping[str, Any] = {
    "reachable": False,
    "address": None,
    "source": None,
    "greeting": None,
    "capabilities": None,
    "tls": None,
    "verified": False,
    "verify_error": None,
    "stapled": None,
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


def look_at_all(questions: Sequence[Question], checks: Checks) -> list[dict[str, Any]]:
    """What the servers show, in the order of the questions.

    Raises:
        Problem: a file with trusted certificates or a source address cannot be used.
    """
    stores = {trusted: trust_store(*trusted) for trusted in {(one.ca_file, one.roots) for one in questions}}
    now = datetime.now(timezone.utc)
    with ThreadPoolExecutor(max_workers=min(MOST_AT_ONCE, len(questions)) or 1) as pool:
        return list(pool.map(lambda one: _look_at(one, stores[one.ca_file, one.roots], checks, now), questions))


def summarised(results: Sequence[Mapping[str, Any]]) -> str:
    """Everything in one sentence."""
    if not results:
        return "no endpoint was given"
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


def _look_at(question: Question, trust: ssl.SSLContext, checks: Checks, now: datetime) -> dict[str, Any]:
    """What one server shows."""
    endpoint, timeout, source = question.endpoint, checks.timeout, question.source
    found: dict[str, Any] = {
        "host": question.host,
        "port": endpoint.port,
        "protocol": endpoint.protocol,
        "implicit_tls": endpoint.implicit_tls,
        "server_name": question.server_name,
        **_NOTHING_SEEN,
    }
    if not endpoint.implicit_tls and not PROTOCOLS[endpoint.protocol].starttls:
        return {**found, **_clear_facts(question, checks)}
    try:
        session = handshake(endpoint, trust=trust, server_name=question.server_name, timeout=timeout, source=source)
        found.update(_session_facts(session, now), reachable=True)
        if not (question.ca_file or question.roots):
            found.update(_vouched_for(found))
        if found["chain"] and found["chain"][0]["must_staple"]:
            found.update(_stapling(question, timeout, found))
    except WireError as exc:
        found.update(error=exc.text, error_code=exc.code, reachable=exc.code not in _NOT_CONNECTED)
        if exc.code in _NOT_CONNECTED or exc.code in _SILENT:
            return found
    if checks.clear_text:
        found["clear_text"] = _clear_text(question, timeout)
    if checks.versions and found["tls"]:
        found["versions"] = _versions(question, timeout)
    if checks.injection and found["tls"] and not endpoint.implicit_tls:
        found["injection"] = _injection(question, timeout)
    return found


def _clear_facts(question: Question, checks: Checks) -> dict[str, Any]:
    """What a clear-text port shows where the protocol has no STARTTLS."""
    try:
        found = clear_text(question.endpoint, timeout=checks.timeout, source=question.source)
    except WireError as exc:
        return {"error": exc.text, "error_code": exc.code, "reachable": exc.code not in _NOT_CONNECTED}
    return {"reachable": True, "clear_text": asdict(found) if checks.clear_text else None}


def _session_facts(session: Session, now: datetime) -> dict[str, Any]:
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


def _vouched_for(found: Mapping[str, Any]) -> dict[str, Any]:
    """What is wrong with trust in the system's store: there a host has the certificate that it has made for itself."""
    leaf = found["chain"][0] if found["chain"] else {}
    if not found["verified"] or leaf.get("subject") != leaf.get("issuer"):
        return {}
    return {"verified": False, "verify_error": "self-signed certificate that only the host it was seen from trusts"}


def _stapling(question: Question, timeout: float, found: Mapping[str, Any]) -> dict[str, Any]:
    """What clients make of a certificate that they must refuse without an OCSP response."""
    try:
        stapled = staples(question.endpoint, server_name=question.server_name, timeout=timeout, source=question.source)
    except WireError:
        stapled = None
    if stapled is not False or not found["verified"]:
        return {"stapled": stapled}
    why = "it is must-staple (RFC 7633), and the server sends no OCSP response with it"
    return {"stapled": stapled, "verified": False, "verify_error": why}


def _clear_text(question: Question, timeout: float) -> dict[str, Any]:
    try:
        return asdict(clear_text(question.endpoint, timeout=timeout, source=question.source))
    except WireError as exc:
        return {"refused": None, "auth_offered": None, "evidence": exc.text, "answered": []}


def _versions(question: Question, timeout: float) -> dict[str, list[str]]:
    accepted = accepted_versions(
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
            injection(question.endpoint, server_name=question.server_name, timeout=timeout, source=question.source)
        )
    except WireError as exc:
        return {"vulnerable": None, "evidence": exc.text}
