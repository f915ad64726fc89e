# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sslyze's verdict. Its exit code says nothing: the scan status is in its JSON, the verdict in its text."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.wire import Wire
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    CYRUS,
    EXIM,
    MAIN,
    Place,
    places,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import PROGRAMS

PATIENT_SSLYZE = PROGRAMS / "sslyze_patient.py"
GUIDELINE = PROGRAMS / "tlsref-6.0-intermediate.json"
OFFERS = PROGRAMS / "openssl_offers.py"
SPOKEN = ("smtp", "imap", "pop3", "ldap", "")  # not NNTP
# On a busy machine a server may be too slow for one of sslyze's connections, which is no verdict: it is asked again.
UNREACHED, ATTEMPTS = re.compile('"(ERROR_NO_CONNECTIVITY|CONNECTIVITY_ISSUE)"'), 3
# Cyrus starts a program for each of the hundreds of connections to a port, and Exim reads all roots of the system.
SIDE_BY_SIDE = 3


def judged(host: Host) -> Sequence[Place]:
    """The places that it can speak with, each port once."""
    found = [one for one in places(host) if one.starttls in SPOKEN and not one.asked and not one.beside]
    return [one for one in found if one.certificate == MAIN]


def asked(host: Host) -> Sequence[Place]:
    """The places that openssl asks instead."""
    others = [one for one in places(host) if one not in judged(host)]
    return [one for one in others if one.starttls == "nntp" or host.name in (*EXIM, *CYRUS)]


@dataclass(frozen=True)
class Verdicts:
    """What sslyze says of each target.

    Attributes:
        scans: its JSON, by target.
        text: what it prints, by target.
        offers: what openssl finds, by host and place.
    """

    scans: Mapping[str, Mapping[str, Any]]
    text: Mapping[str, str]
    offers: Mapping[str, Mapping[str, Sequence[str]]]


def judge(lab: Lab, wire: Wire, hosts: Sequence[Host], root: Path, directory: Path) -> Verdicts:
    """Compare everything with the guideline."""
    groups: dict[tuple[Host, str], list[str]] = {}
    for host in hosts:
        for place in judged(host):
            groups.setdefault((host, place.starttls), []).append(f"{host.fqdn}:{place.port}{{{host.address}}}")
    command = [
        sys.executable,
        str(PATIENT_SSLYZE),
        "--custom_tls_config",
        str(GUIDELINE),
        "--certinfo_ca_file",
        str(root),
    ]

    def scanned(group: tuple[Host, str]) -> tuple[Path, Answer]:
        host, starttls = group
        found = directory / f"sslyze-{host.name}-{starttls}.json"
        options = ("--starttls", starttls) if starttls else ()
        answer = Answer(1, "", "")
        for _attempt in range(ATTEMPTS):
            answer = lab.run_beside(*command, "--json_out", str(found), *options, *groups[group])
            if found.exists() and not UNREACHED.search(found.read_text()):
                break
        return found, answer

    sessions = {f"{host.name} {place.title}": wire.session(host, place)[2:] for host in hosts for place in asked(host)}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        offers = pool.submit(lab.run_beside, sys.executable, str(OFFERS), given=json.dumps(sessions))
        answers = list(pool.map(scanned, groups))
    scans: dict[str, Mapping[str, Any]] = {}
    text: dict[str, str] = {}
    for path, answer in answers:
        assert path.exists(), answer
        for scan in json.loads(path.read_text())["server_scan_results"]:
            location = scan["server_location"]
            scans[f"{location['hostname']}:{location['port']}"] = scan
        _heading, _colon, verdicts = answer.out.partition("COMPLIANCE AGAINST TLS CONFIGURATION")
        text.update(re.findall(r"^    (\S+:\d+): (.*(?:\n        \* .*)*)", verdicts, re.MULTILINE))
    assert offers.result().code == 0, offers.result().err
    return Verdicts(scans, text, json.loads(offers.result().out))
