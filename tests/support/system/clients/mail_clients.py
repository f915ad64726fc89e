# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail clients that are not ours, each at another address than the server's."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import PROGRAMS

SUITES = PROGRAMS / "sslyze_suites.py"


@dataclass(frozen=True)
class Port:
    """A port that mail clients know; ``starttls`` is empty where TLS starts at once."""

    number: int
    protocol: str
    starttls: str = ""


PORTS = {
    port.number: port
    for port in (
        Port(25, "smtp", "smtp"),
        Port(587, "submission", "smtp"),
        Port(465, "submission"),
        Port(143, "imap", "imap"),
        Port(993, "imap"),
        Port(110, "pop3", "pop3"),
        Port(995, "pop3"),
    )
}
OLD_VERSIONS = ("-tls1", "-tls1_1")  # in the words of openssl s_client
ANY_OLD_SUITE = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


class Clients:
    """The clients.

    Args:
        lab: where they run.
        root: the own root's certificate, on the control side.
    """

    def __init__(self, lab: Lab, root: Path) -> None:
        self._lab = lab
        self._root = root

    # ---- openssl, on the control side

    def _session(self, server: Host, port: int, name: str) -> list[str]:
        """The command for a session with one port."""
        starttls = PORTS[port].starttls
        command = ["openssl", "s_client", "-connect", f"{server.address}:{port}", "-servername", name]
        return [*command, "-starttls", starttls] if starttls else command

    def verified(self, server: Host, port: int, *options: str, name: str = "", root: Path | None = None) -> list[str]:
        """The command for a TLS session that ends with 0 where chain and name can be verified.

        Args:
            server: the host.
            port: one of PORTS.
            options: more options of ``openssl s_client``.
            name: whom to expect, the host's own name unless given.
            root: whom to trust, the own root unless given.
        """
        name = name or server.fqdn
        trust = ["-CAfile", str(root or self._root), "-no-CApath", "-no-CAstore"]
        command = [*self._session(server, port, name), "-brief", "-verify_return_error", "-verify_hostname", name]
        return [*command, *trust, *options]

    def trusting(self, server: Host, port: int, *options: str) -> list[str]:
        """The command for a TLS session that takes any certificate and shows what is sent."""
        return [*self._session(server, port, server.fqdn), "-showcerts", *options]

    def assert_serves(self, *servers: Host, ports: Sequence[int] = tuple(PORTS)) -> None:
        """Every port completes a verified handshake."""
        assert not self.refusals(*servers, ports=ports)

    def refusals(self, *servers: Host, ports: Sequence[int] = tuple(PORTS)) -> dict[str, str]:
        """NAME:PORT -> what openssl says, of the ports that do not complete a verified handshake."""
        commands = {f"{one.name}:{port}": self.verified(one, port) for one in servers for port in ports}
        answers = self._lab.run_many_beside(commands)
        return {label: answer.err for label, answer in answers.items() if answer.code != 0}

    # ---- sslyze, on the control side

    def suites(self, *servers: Host, ports: Sequence[int] = tuple(PORTS)) -> dict[str, dict[str, list[str]]]:
        """NAME:PORT -> TLS version -> the cipher suites that are accepted."""
        titles = [f"{server.fqdn}:{port}" for server in servers for port in ports]
        done = self._lab.run_beside(sys.executable, str(SUITES), *titles)
        assert done.code == 0, done.err
        found: dict[str, dict[str, list[str]]] = json.loads(done.out)
        return found

    # ---- others, on another host

    def swaks(self, client: Host, server: Host, *options: str) -> Answer:
        """An SMTP session."""
        return self._lab.run_in(client, "swaks", "--server", server.address, "--ehlo", client.fqdn, *options)

    def curl(self, client: Host, url: str, user: str, *options: str) -> Answer:
        """A mail client; ``user`` is NAME:PASSWORD, which goes through its standard input."""
        quoted = user.replace("\\", "\\\\").replace('"', '\\"')
        settings = f'url = "{url}"\nuser = "{quoted}"\n'
        return self._lab.run_in(client, "curl", "--silent", "--show-error", "--config", "-", *options, given=settings)

    def posttls_finger(self, client: Host, server: Host, root: str, *options: str) -> str:
        """What Postfix itself says of a server's STARTTLS on port 587; its exit code says nothing."""
        done = self._lab.run_in(
            client, "posttls-finger", "-c", "-l", "secure", "-F", root, *options, f"[{server.fqdn}]:587", server.fqdn
        )
        return done.out + done.err

    def gnutls(self, client: Host, server: Host, port: int, root: str, *options: str) -> Answer:
        """Another TLS library's view."""
        starttls = PORTS[port].starttls
        return self._lab.run_in(
            client,
            *("gnutls-cli", "--x509cafile", root, "--port", str(port), f"--verify-hostname={server.fqdn}"),
            *((f"--starttls-proto={starttls}",) if starttls else ()),
            *options,
            server.address,
        )


def certificates_in(text: str) -> list[str]:
    """The PEM certificates in a text."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return [begin + part.split(end)[0] + end for part in text.split(begin)[1:]]
