# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this host's resolver says: who takes a domain's mail, and whether it validates DNSSEC.

Of the latter it tells with the AD bit (RFC 4035 section 3.2.3, RFC 6840).
"""

from __future__ import annotations

import os
import socket
import struct
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
    """A question as it goes over the wire (RFC 1035 section 4), which asks to be told whether the answer is authentic.

    Args:
        number: what the answer is known by.
        name: a domain name.
        kind: type of record, such as ``ns``.
    """
    labels = [one.encode("ascii") for one in name.strip(".").split(".") if one]
    encoded = b"".join(bytes([len(one)]) + one for one in labels) + b"\0"
    head = struct.pack("!6H", number, _RECURSION_DESIRED | _AUTHENTIC, 1, 0, 0, 1)
    wants_dnssec = b"\0" + struct.pack("!HHIH", 41, 1232, 0x8000, 0)  # EDNS with the DO bit (RFC 6891, RFC 3225)
    return head + encoded + struct.pack("!HH", _TYPES.get(kind.lower(), 2), 1) + wants_dnssec


def authentic(servers: Sequence[str], name: str, kind: str) -> bool:
    """Whether the first server that answers calls its answer authentic.

    Args:
        servers: IP addresses.
        name: a domain name that is signed.
        kind: type of record.
    """
    for server in servers:
        number = int.from_bytes(os.urandom(2), "big")
        flags = _flags(server, number, question(number, name, kind))
        if flags is not None:
            return bool(flags & _AUTHENTIC) and not flags & _CODE
    return False


def far_away(resolv_conf: str, path: str, daemon: str, *, name: str = ".", kind: str = "ns") -> list[str]:
    """Whether the resolver makes DANE worth something.

    Args:
        resolv_conf: content of the resolv.conf(5) that the daemon reads.
        path: where that is.
        daemon: the daemon, as messages name it.
        name: a domain name that is signed, to ask for.
        kind: type of record to ask for.

    Returns:
        What the administrator should know.

    Raises:
        Problem: nobody validates DNSSEC for this host, so that DANE would count for nothing.
    """
    servers = servers_in(resolv_conf)
    if not authentic(servers, name, kind):
        raise Problem(
            f"the resolver that {path} names ({', '.join(servers)}) does not validate DNSSEC: asked for {kind} of"
            f" {name or '.'}, it does not say that the answer is authentic",
            f"install a validating resolver on this host ({how_to_install(VALIDATING_RESOLVER)}) and name it in"
            f" {RESOLV_CONF},"
            f" then restart {daemon}; or choose a level without DANE",
            option="tls",
        )
    far = [one for one in servers if not one.startswith("127.") and one != "::1"]
    return [f"DANE trusts the answers of {', '.join(far)}, which can be forged on their way here"] if far else []


def _flags(server: str, number: int, asked: bytes) -> int | None:
    """The flags of a server's answer; None where it does not answer."""
    try:
        answer = _by_datagram(server, asked, PATIENCE)
    except OSError:
        return None
    return _flags_in(answer, number)


def _flags_in(answer: bytes, number: int) -> int | None:
    """The flags of an answer; None where it is none to that question."""
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
    """As an answer is asked for that does not fit into a datagram (RFC 7766 section 8)."""
    with socket.create_connection((server.partition("%")[0], PORT), patience) as channel:
        channel.sendall(struct.pack("!H", len(asked)) + asked)
        received = b""
        while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
            data = channel.recv(4096)
            if not data:
                raise OSError("the answer is cut off")
            received += data
        return received[2:]


# ---- mail exchangers


def mail_exchangers(servers: Sequence[str], domain: str, patience: float = PATIENCE) -> tuple[str, ...]:
    """The hosts that take a domain's mail, those that it prefers first (RFC 5321 section 5.1).

    Args:
        servers: IP addresses of the resolvers.
        domain: a domain name in ASCII form.
        patience: seconds for each of them.

    Returns:
        Host names. Without any MX record, that is the domain itself.

    Raises:
        WireError: there are none, or no server tells.
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
            found = sorted(_exchangers_in(answer))
        except (OSError, IndexError, struct.error, ValueError):
            continue
        if flags & _CODE == _NO_SUCH_NAME:
            raise WireError("resolve", f"there is no domain {domain}")
        if [name for _preference, name in found] == [""]:
            raise WireError("resolve", f"{domain} publishes that it takes no mail")  # RFC 7505
        return tuple(name for _preference, name in found if name) or (domain,)
    raise WireError("resolve", f"the resolver does not tell who takes the mail of {domain}")


def _exchangers_in(answer: bytes) -> Iterator[tuple[int, str]]:
    """Preference and name in each MX record of an answer (RFC 1035 section 4.1)."""
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
        if length & 0xC0:  # it goes on elsewhere
            end = end or at + 2
            at = (length & 0x3F) << 8 | answer[at + 1]
            continue
        at += 1
        if not length:
            return ".".join(labels).lower(), end or at
        labels.append(answer[at : at + length].decode("ascii"))
        at += length
    raise ValueError("a name without an end")
