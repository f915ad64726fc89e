# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask sslyze which cipher suites servers accept. ``sslyze_suites.py NAME:PORT...`` prints them as JSON.

sslyze's own command gives each connection five seconds and calls a server that is slower unreachable; on a busy machine
that is no finding.
"""

from __future__ import annotations

import json
import sys

from sslyze import (
    ProtocolWithOpportunisticTlsEnum,
    ScanCommand,
    Scanner,
    ServerNetworkConfiguration,
    ServerNetworkLocation,
    ServerScanRequest,
)

SECONDS = 60
STARTTLS = {
    25: ProtocolWithOpportunisticTlsEnum.SMTP,
    587: ProtocolWithOpportunisticTlsEnum.SMTP,
    143: ProtocolWithOpportunisticTlsEnum.IMAP,
    110: ProtocolWithOpportunisticTlsEnum.POP3,
}
VERSIONS = {
    "TLSv1.2": ScanCommand.TLS_1_2_CIPHER_SUITES,
    "TLSv1.3": ScanCommand.TLS_1_3_CIPHER_SUITES,
}


def request(server: str) -> ServerScanRequest:
    """What to ask about one server."""
    name, _colon, port = server.rpartition(":")
    network = ServerNetworkConfiguration(
        tls_server_name_indication=name,
        tls_opportunistic_encryption=STARTTLS.get(int(port)),
        network_timeout=SECONDS,
    )
    return ServerScanRequest(
        server_location=ServerNetworkLocation(name, int(port)),
        network_configuration=network,
        scan_commands=set(VERSIONS.values()),
    )


def main(servers: list[str]) -> None:
    """Ask about all of them side by side."""
    scanner = Scanner(per_server_concurrent_connections_limit=2)
    scanner.queue_scans([request(server) for server in servers])
    found = {}
    for answer in scanner.get_results():
        location = answer.server_location
        title = f"{location.hostname}:{location.port}"
        if answer.scan_result is None:
            raise SystemExit(f"{title}: {answer.connectivity_error_trace}")
        found[title] = {
            version: sorted(
                one.cipher_suite.openssl_name
                for one in getattr(answer.scan_result, command.value).result.accepted_cipher_suites
            )
            for version, command in VERSIONS.items()
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
