# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether this host's resolver validates DNSSEC: it says so with the AD bit (RFC 4035 section 3.2.3, RFC 6840)."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

PORT = 53
PATIENCE = 5.0  # seconds for each server
_TYPES = {"a": 1, "ns": 2, "soa": 6, "mx": 15, "aaaa": 28, "dnskey": 48}
_RECURSION_DESIRED, _AUTHENTIC, _ANSWER = 0x0100, 0x0020, 0x8000
_CODE = 0x000F
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
            "install a validating resolver on this host (Debian: apt install unbound) and name it in /etc/resolv.conf,"
            f" then restart {daemon}; or choose a level without DANE",
            option="tls",
        )
    far = [one for one in servers if not one.startswith("127.") and one != "::1"]
    return [f"DANE trusts the answers of {', '.join(far)}, which can be forged on their way here"] if far else []


def _flags(server: str, number: int, asked: bytes) -> int | None:
    """The flags of a server's answer; None where it does not answer."""
    address = server.partition("%")[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as channel:
            channel.settimeout(PATIENCE)
            channel.connect((address, PORT))
            channel.send(asked)
            answer = channel.recv(4096)
    except OSError:
        return None
    if len(answer) < 12:
        return None
    found, flags = struct.unpack("!HH", answer[:4])
    return int(flags) if found == number and flags & _ANSWER else None
