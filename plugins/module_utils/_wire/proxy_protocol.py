# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a load balancer says first to a server behind it: the PROXY protocol of HAProxy (doc/proxy-protocol.txt there).

A server that expects it takes no other first word, and takes the client's address from it.
"""

from __future__ import annotations

import ipaddress

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"  # of version 2
_PROXIED = b"\x21"  # version 2, command PROXY
_STREAM = {4: b"\x11", 6: b"\x21"}  # TCP, by the version of IP


def proxy_header(version: int, source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """The header for a connection.

    Args:
        version: 1 for the line of text, 2 for the binary form.
        source: IP address and port of the client.
        destination: those of the server, in the same version of IP.
    """
    ends = [ipaddress.ip_address(address.partition("%")[0]) for address, _port in (source, destination)]
    ports = (source[1], destination[1])
    if version == 1:
        return f"PROXY TCP{ends[0].version} {ends[0]} {ends[1]} {ports[0]} {ports[1]}\r\n".encode("ascii")
    block = b"".join(one.packed for one in ends) + b"".join(port.to_bytes(2, "big") for port in ports)
    return _SIGNATURE + _PROXIED + _STREAM[ends[0].version] + len(block).to_bytes(2, "big") + block
