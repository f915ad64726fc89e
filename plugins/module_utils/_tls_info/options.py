# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of mail_tls_info: which servers to look at, and how. Nothing here connects to any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import TIMEOUT

LONGEST_TIMEOUT = 120.0  # seconds


@dataclass(frozen=True)
class Question:
    """One server to look at.

    Attributes:
        host: the name or address as given.
        endpoint: where to connect.
        server_name: the name that must be in the certificate.
        ca_file: PEM file with the trusted certificates; empty for none.
        roots: the trusted certificates themselves, PEM. With neither, the system's store counts.
        source: address of this host to connect from; empty to leave it to the system.
    """

    host: str
    endpoint: Endpoint
    server_name: str
    ca_file: str = ""
    roots: str = ""
    source: str = ""


@dataclass(frozen=True)
class Checks:
    """What to try with each server.

    Attributes:
        timeout: seconds for each conversation.
        clear_text: whether to try clear text.
        versions: whether to try each TLS version by itself.
        injection: whether to try to inject a command into TLS.
    """

    timeout: float = TIMEOUT
    clear_text: bool = True
    versions: bool = False
    injection: bool = False


def parse(element: Mapping[str, Any]) -> Question:
    """One object of the module.

    Raises:
        Problem: an option has a value that makes no sense.
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
                "give the port, or use protocol submission for port 465",
                subject=subject,
                option="port",
            )
    if not 1 <= port <= 65535:
        raise Problem(f"{port} is not a TCP port", "give a port from 1 to 65535", subject=subject, option="port")
    if element.get("ca_file") and element.get("ca_content"):
        raise Problem("it cannot be combined with ca_file", "give one of them", subject=subject, option="ca_content")
    return Question(
        host=element["host"],
        endpoint=Endpoint(
            element["host"],
            port,
            protocol.name,
            implicit,
            element["server_name"] or "",
            proxy_protocol=element["proxy_protocol"] or 0,
        ),
        server_name=element["server_name"] or element["host"],
        ca_file=element["ca_file"] or "",
        roots=element.get("ca_content") or "",
        source=element["source"] or "",
    )


def parse_checks(params: Mapping[str, Any]) -> Checks:
    """The options for all servers of a call.

    Raises:
        Problem: an option has a value that makes no sense.
    """
    timeout = params["timeout"]
    if not 0 < timeout <= LONGEST_TIMEOUT:
        raise Problem(
            f"a timeout of {timeout:g} seconds is not possible",
            f"give more than 0 and at most {LONGEST_TIMEOUT:g} seconds",
            option="timeout",
        )
    return Checks(timeout, params["clear_text"], params["versions"], params["injection"])
