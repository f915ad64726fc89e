# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients that are not ours see, each at another address than the server's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    Place,
    peer_of,
    places,
    protocols,
    with_two_certificates,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Host, Lab

VERSIONS = {"any": (), "TLS 1.2": ("-tls1_2",), "TLS 1.1": ("-tls1_1", "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")}
# What a client says that takes certificates with one type of key only.
KEY_TYPES = {
    ("TLS 1.2", "ECDSA"): ("-tls1_2", "-cipher", "aECDSA"),
    ("TLS 1.2", "RSA"): ("-tls1_2", "-cipher", "aRSA"),
    ("TLS 1.3", "ECDSA"): ("-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256"),
    # the certificates themselves are signed with ECDSA
    ("TLS 1.3", "RSA"): ("-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"),
}
# What is said in clear text with bash, which has sockets: a login, and for news a look into a group.
SAID = {
    "imap": (143, "a LOGIN alice wrong\\r\\nb LOGOUT\\r\\n"),
    "pop3": (110, "USER alice\\r\\nQUIT\\r\\n"),
    "nntp": (119, "AUTHINFO USER alice\\r\\nGROUP misc.test\\r\\nQUIT\\r\\n"),
}
# How servers refuse, each in the words of its protocol.
REFUSED = {
    "submission": r"530 .*(TLS|encrypt)",
    "imap": r"a NO ",
    "pop3": r"(?m)^-ERR ",
    "nntp": r"(?ms)^483 .*^(483|480) ",
    "ldap": r"result: 13 Confidentiality required",
    "http": r"(?ms)^HTTP/1.1 30[18] .*^Location: https://",
}


@dataclass(frozen=True)
class View:
    """What is seen of some hosts at one moment.

    Attributes:
        sessions: (host, place, version) -> what openssl says of a session that it must be able to verify.
        clear: (host, protocol) -> what a client without TLS gets to read.
    """

    sessions: Mapping[tuple[str, ...], Answer]
    clear: Mapping[tuple[str, ...], str]

    def shown(self, host: Host) -> Mapping[str, str]:
        """Place -> whom the certificate there is for; empty where there is no TLS."""
        return {
            place: (re.findall(r"Peer certificate: (.*)", answer.err) or [""])[0]
            for (name, place, version), answer in self.sessions.items()
            if name == host.name and version == "any"
        }


class Wire:
    """The clients.

    Args:
        lab: where they run.
        root: the root certificate, on the control side.
    """

    def __init__(self, lab: Lab, root: Path) -> None:
        self._lab = lab
        self._root = root

    def session(self, host: Host, place: Place, *options: str) -> list[str]:
        """The command for a session that ends with 0 where chain and name can be verified."""
        name = place.expected(host)
        return [
            *("openssl", "s_client", "-connect", f"{place.address(host)}:{place.port}", "-servername", name),
            *(("-starttls", place.starttls) if place.starttls else ()),
            *("-brief", "-verify_return_error", "-verify_hostname", name),
            *("-CAfile", str(self._root), "-no-CApath", "-no-CAstore"),
            *options,
        ]

    def look(self, hosts: Sequence[Host]) -> View:
        """Look at everything that is declared for them."""
        sessions = {
            f"{host.name}/{place.title}/{version}": self.session(host, place, *options)
            for host in hosts
            for place in places(host)
            for version, options in VERSIONS.items()
        }
        said = {
            f"{host.name}/{protocol}": self._say(host, *SAID[protocol])
            for host in hosts
            for protocol in protocols(host)
            if protocol in SAID
        }
        pages = {
            f"{host.name}/http": ["curl", "--silent", "--show-error", "--head", f"http://{host.address}/"]
            for host in hosts
            if "http" in protocols(host)
        }
        with ThreadPoolExecutor() as pool:
            others = pool.map(self._ask_peer, hosts)
            answers = self._lab.run_many_beside({**sessions, **said, **pages})
        clear = {key: answers[key].out + answers[key].err for key in (*said, *pages)}
        for one in others:
            clear.update(one)
        return View({_key(key): answers[key] for key in sessions}, {_key(key): text for key, text in clear.items()})

    def key_types(self, hosts: Sequence[Host]) -> Mapping[tuple[str, ...], Answer]:
        """(host, place, version, type of key) -> a session of a client that takes no other type."""
        sessions = {
            f"{host.name}/{place.title}/{version}/{key}": self.session(host, place, *options)
            for host in hosts
            for place in with_two_certificates(host)
            for (version, key), options in KEY_TYPES.items()
        }
        return {_key(label): answer for label, answer in self._lab.run_many_beside(sessions).items()}

    @staticmethod
    def _say(host: Host, port: int, words: str) -> list[str]:
        script = f"exec 3<>/dev/tcp/{host.address}/{port} && printf '{words}' >&3 && timeout 20 cat <&3"
        return ["bash", "-c", script]

    def _ask_peer(self, host: Host) -> Mapping[str, str]:
        """The protocols whose clients are installed on hosts only."""
        peer = self._lab.hosts[peer_of(host)]
        found = {}
        if "submission" in protocols(host):
            said = ("--server", host.address, "--port", "587", "--ehlo", peer.fqdn, "--from", f"alice@{peer.fqdn}")
            done = self._lab.run_in(peer, "swaks", *said, "--to", f"root@{host.fqdn}", "--quit-after", "MAIL")
            found[f"{host.name}/submission"] = done.out + done.err
        if "ldap" in protocols(host):
            done = self._lab.run_in(
                peer, "ldapsearch", "-x", "-H", f"ldap://{host.address}", "-b", "dc=example,dc=test", "-s", "base"
            )
            found[f"{host.name}/ldap"] = done.out + done.err
        return found


def _key(label: str) -> tuple[str, ...]:
    return tuple(label.split("/"))
