# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this host's resolver says: a domain's mail exchangers, and whether it validates DNSSEC.

A validating resolver sets the AD bit (RFC 4035 section 3.2.3, RFC 6840).
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import (
    RESOLV_CONF,
    VALIDATING_RESOLVER,
    how_to_install,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError

PORT = 53
PATIENCE = 5.0  # seconds for each server
_TYPES = {"a": 1, "ns": 2, "soa": 6, "mx": 15, "aaaa": 28, "dnskey": 48}
_RECURSION_DESIRED, _AUTHENTIC, _ANSWER = 0x0100, 0x0020, 0x8000
_CUT_OFF, _CODE = 0x0200, 0x000F
_GOOD, _NO_SUCH_NAME = 0, 3
_HEAD = 12  # bytes before the question
_MOST_LABELS = 256  # and references between them
_DEFAULT = ("127.0.0.1",)  # resolv.conf(5): where no server is named


def servers_in(resolv_conf: str) -> tuple[str, ...]:
    """The name servers that a resolv.conf(5) names; the C library looks at the first three."""
    lines = (line.split() for line in resolv_conf.split("\n"))
    found = [line[1] for line in lines if len(line) > 1 and line[0] == "nameserver"]
    return tuple(found[:3]) or _DEFAULT


def question(number: int, name: str, kind: str) -> bytes:
    """A query in wire format (RFC 1035 section 4), with the AD and DO bits set.

    Args:
        number: identifies the answer.
        name: a domain name.
        kind: type of record, such as ``ns``.
    """
    labels = [one.encode("ascii") for one in name.strip(".").split(".") if one]
    encoded = b"".join(bytes([len(one)]) + one for one in labels) + b"\0"
    head = struct.pack("!6H", number, _RECURSION_DESIRED | _AUTHENTIC, 1, 0, 0, 1)
    wants_dnssec = b"\0" + struct.pack("!HHIH", 41, 1232, 0x8000, 0)  # EDNS with the DO bit (RFC 6891, RFC 3225)
    return head + encoded + struct.pack("!HH", _TYPES.get(kind.lower(), 2), 1) + wants_dnssec


def authentic(servers: Sequence[str], name: str, kind: str) -> bool:
    """Whether the first server that answers sets the AD bit.

    Args:
        servers: IP addresses.
        name: a signed domain name.
        kind: type of record.
    """
    for server in servers:
        number = int.from_bytes(os.urandom(2), "big")
        flags = _flags(server, number, question(number, name, kind))
        if flags is not None:
            return bool(flags & _AUTHENTIC) and not flags & _CODE
    return False


def require_dnssec(resolv_conf: str, path: str, daemon: str, *, name: str = ".", kind: str = "ns") -> list[str]:
    """Make sure that the resolver validates DNSSEC, without which DANE is worth nothing.

    Args:
        resolv_conf: content of the resolv.conf(5) that the daemon reads.
        path: its path.
        daemon: the daemon, as messages name it.
        name: a signed domain name to ask for.
        kind: type of record to ask for.

    Returns:
        Warnings for the administrator.

    Raises:
        Problem: nothing validates DNSSEC for this host.
    """
    servers = servers_in(resolv_conf)
    if not authentic(servers, name, kind):
        raise Problem(
            f"the resolver in {path} ({', '.join(servers)}) does not validate DNSSEC: its answer for {kind} of"
            f" {name or '.'} is not marked as authentic",
            f"install a validating resolver on this host ({how_to_install(VALIDATING_RESOLVER)}) and name it in"
            f" {RESOLV_CONF},"
            f" then restart {daemon}; or choose a level without DANE",
            option="tls",
        )
    remote = [one for one in servers if not one.startswith("127.") and one != "::1"]
    if not remote:
        return []
    return [f"DANE relies on the answers of {', '.join(remote)}, which can be forged on their way to this host"]


def _flags(server: str, number: int, asked: bytes) -> int | None:
    """The flags of a server's answer; None where there is none."""
    try:
        answer = _by_datagram(server, asked, PATIENCE)
    except OSError:
        return None
    return _flags_in(answer, number)


def _flags_in(answer: bytes, number: int) -> int | None:
    """The flags of an answer; None where it does not belong to the query."""
    if len(answer) < _HEAD:
        return None
    found, flags = struct.unpack("!HH", answer[:4])
    return int(flags) if found == number and flags & _ANSWER else None


def _by_datagram(server: str, asked: bytes, patience: float) -> bytes:
    address = server.partition("%")[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.settimeout(patience)
        channel.connect((address, PORT))
        channel.send(asked)
        return channel.recv(4096)


def _by_stream(server: str, asked: bytes, patience: float) -> bytes:
    """Over TCP, for answers that do not fit into a datagram (RFC 7766 section 8)."""
    end = time.monotonic() + patience
    with socket.create_connection((server.partition("%")[0], PORT), patience) as channel:
        channel.sendall(struct.pack("!H", len(asked)) + asked)
        received = b""
        while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
            channel.settimeout(max(end - time.monotonic(), 0.001))
            data = channel.recv(4096)
            if not data:
                raise OSError("the answer is truncated")
            received += data
        return received[2:]


# ---- mail exchangers


def mail_exchangers(servers: Sequence[str], domain: str, patience: float = PATIENCE) -> tuple[str, ...]:
    """A domain's mail exchangers, the preferred ones first (RFC 5321 section 5.1).

    Args:
        servers: IP addresses of the resolvers.
        domain: a domain name in ASCII form.
        patience: seconds for each resolver.

    Returns:
        Host names; the domain itself where it has no MX record.

    Raises:
        WireError: there are none, or no resolver answers.
    """
    for server in servers:
        number = int.from_bytes(os.urandom(2), "big")
        try:
            asked = question(number, domain, "mx")
            answer = _by_datagram(server, asked, patience)
            if (_flags_in(answer, number) or 0) & _CUT_OFF:
                answer = _by_stream(server, asked, patience)
            flags = _flags_in(answer, number)
            if flags is None or flags & _CODE not in (_GOOD, _NO_SUCH_NAME):
                continue
            found = sorted(exchangers_in(answer))
        except (OSError, ValueError, WireError):
            continue
        if flags & _CODE == _NO_SUCH_NAME:
            raise WireError("resolve", f"the domain {domain} does not exist")
        if [name for _preference, name in found] == [""]:
            raise WireError("resolve", f"{domain} accepts no mail (null MX, RFC 7505)")
        return tuple(name for _preference, name in found if name) or (domain,)
    raise WireError("resolve", f"the resolver does not answer for the MX records of {domain}")


def exchangers_in(answer: bytes) -> list[tuple[int, str]]:
    """Preference and name in each MX record of an answer (RFC 1035 section 4.1).

    Raises:
        WireError: it is damaged.
    """
    try:
        return list(_exchangers_in(answer))
    except (IndexError, struct.error, ValueError) as exc:
        raise WireError("protocol", f"the resolver's answer is damaged ({exc})") from exc


def _exchangers_in(answer: bytes) -> Iterator[tuple[int, str]]:
    questions, records = struct.unpack("!HH", answer[4:8])
    at = _HEAD
    for _one in range(questions):
        at = _name_at(answer, at)[1] + 4
    for _one in range(records):
        at = _name_at(answer, at)[1]
        kind, _class, _life, length = struct.unpack("!HHIH", answer[at : at + 10])
        at += 10
        if kind == _TYPES["mx"]:
            (preference,) = struct.unpack("!H", answer[at : at + 2])
            yield preference, _name_at(answer, at + 2)[0]
        at += length


def _name_at(answer: bytes, at: int) -> tuple[str, int]:
    """The name at a position, in lower case, and where what follows it begins."""
    labels: list[str] = []
    end = 0
    for _step in range(_MOST_LABELS):
        length = answer[at]
        if length & 0xC0:  # a compression pointer
            end = end or at + 2
            at = (length & 0x3F) << 8 | answer[at + 1]
            continue
        at += 1
        if not length:
            return ".".join(labels).lower(), end or at
        labels.append(answer[at : at + length].decode("ascii"))
        at += length
    raise ValueError("an endless name")
