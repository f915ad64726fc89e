# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nmap says: whether ports are open, and what news servers offer after STARTTLS, which sslyze does not speak."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab

NEWS_PORT = 119  # the one at which its scripts expect NNTP
# It takes a server that is slow for one that is not there; on a busy machine that says nothing.
PATIENT = ("-Pn", "-n", "-sT", "--min-rtt-timeout", "10s", "--max-retries", "5")
TLS_1_3 = "TLS_AKE_WITH_"  # how it begins the names of suites that all others call TLS_ only


@dataclass(frozen=True)
class News:
    """A news server, as its scripts ssl-enum-ciphers and ssl-cert see it.

    Attributes:
        suites: by version of TLS, as "TLSv1.2", the suites in IANA's words.
        names: the DNS names in the certificate.
        issuer: who has signed it.
    """

    suites: Mapping[str, Sequence[str]]
    names: Sequence[str]
    issuer: str


def _said(lab: Lab, address: str, ports: Sequence[int], *options: str) -> str:
    done = lab.run_beside("nmap", *PATIENT, "-p", ",".join(map(str, ports)), *options, address)
    assert done.code == 0, done.err
    return done.out


def states(lab: Lab, address: str, ports: Sequence[int]) -> Mapping[int, str]:
    """Whether each port is open, closed or filtered."""
    said = _said(lab, address, ports)
    return {int(port): state for port, state in re.findall(r"(?m)^(\d+)/tcp +(\w+)", said)}


def news(lab: Lab, host: Host) -> News:
    """What a host's news server offers after STARTTLS."""
    said = _said(lab, host.address, [NEWS_PORT], "--script", "ssl-enum-ciphers,ssl-cert", "--script-timeout", "5m")
    suites: dict[str, list[str]] = {}
    for version, suite in re.findall(r"(?m)^\| +(?:(\S+v[\d.]+): *$|(TLS_\S+) )", said):
        if version:
            suites[version] = []
        else:
            suites[list(suites)[-1]].append(suite.replace(TLS_1_3, "TLS_"))
    names = re.findall(r"DNS:([^\s,]+)", said)
    (issuer,) = re.findall(r"(?m)^\| Issuer: commonName=(.*)", said)
    return News(suites, names, issuer)
