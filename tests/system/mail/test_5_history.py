# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On hosts with a history: whatever somebody else wrote stays as it is, byte for byte."""

from __future__ import annotations

import difflib
import re
import stat
from collections.abc import Mapping

import pytest

from ansible_collections.postmaster.secure_channel.tests.system.mail.conftest import OLD, Chapter
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers import daemons, history, trees
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.clients import Judge
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.trees import Tree
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.watch import Watched

pytestmark = pytest.mark.usefixtures("watched")

RSA_PORTS = (587, 993)
# What the declaration decides in main.cf. A line that sets anything else is not ours.
OURS = re.compile(
    r"(smtpd_tls_(chain_files|security_level|auth_only|(mandatory_)?protocols|(mandatory_)?ciphers|cert_file|key_file)"
    r"|tls_(high_cipherlist|eecdh_auto_curves|preempt_cipherlist)"
    r"|transport_maps|smtp_tls_(policy_maps|CAfile)|smtp_sasl_(password_maps|auth_enable|tls_security_options))\s*="
)
OUR_OVERRIDE = re.compile(r"  -o \{?(smtpd_(tls|sasl|relay)_\w+|tls_\w+)=")


@pytest.fixture(scope="module")
def texts(lab: Lab, aged: Mapping[str, Tree], watched: Watched) -> Mapping[str, Mapping[str, str]]:
    """main.cf and master.cf of each host as they are now; as they were is in the history itself."""
    assert aged
    assert watched
    return {
        name: {
            "main.cf": lab.read(lab.hosts[name], history.MAIN_CF[name]),
            "master.cf": lab.read(lab.hosts[name], history.MASTER_CF),
        }
        for name in OLD
    }


def changes(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that are gone, and lines that have come."""
    found = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    return [line[2:] for line in found if line[0] == "-"], [line[2:] for line in found if line[0] == "+"]


def stock(lab: Lab, host: Host, name: str) -> str:
    """The file as it was before the first run: what Debian put there on a host of the same release, and the history."""
    appended = {
        "main.cf": history.MAIN_CF_LINES,
        "master.cf": (history.SUBMISSION if host.name == "old2" else "") + history.MASTER_CF_LINES,
    }
    return lab.read(host, f"/run/acceptance/{name}.stock") + appended[name]


def test_main_cf_differs_in_our_parameters_only(lab: Lab, old: Host, texts: Mapping[str, Mapping[str, str]]) -> None:
    gone, come = changes(stock(lab, old, "main.cf"), texts[old.name]["main.cf"])
    assert come
    assert all(OURS.match(line) for line in gone), gone
    assert all(OURS.match(line) for line in come), come


def test_master_cf_differs_in_our_services_and_settings_only(
    lab: Lab, old: Host, texts: Mapping[str, Mapping[str, str]]
) -> None:
    gone, come = changes(stock(lab, old, "master.cf"), texts[old.name]["master.cf"])
    assert all(OUR_OVERRIDE.match(line) for line in gone), gone
    text = "\n".join(come) + "\n"
    added = r"^# \S+, added by the Ansible collection .*\n\w+ +inet .*\n(?:  -o .*\n)+"
    for block in re.findall(added, text, re.MULTILINE):
        text = text.replace(block, "")
    assert all(OUR_OVERRIDE.match(line) for line in text.splitlines()), text


def test_the_files_of_others_are_untouched(old: Host, aged: Mapping[str, Tree], repeated: Chapter) -> None:
    after = repeated.before[old.name]
    for path, node in aged[old.name].items():
        is_file = node[0] != stat.S_IFDIR
        elsewhere = path not in (history.MAIN_CF[old.name], history.MASTER_CF)
        if is_file and elsewhere and path.startswith(("/etc/postfix/", "/etc/dovecot/", "/srv/")):
            assert after[path] == node, path
    for path in history.FOREIGN:
        assert path in aged[old.name]


def test_links_modes_and_owners_stay(old: Host, aged: Mapping[str, Tree], repeated: Chapter) -> None:
    after = repeated.before[old.name]
    for path in ("/etc/postfix/main.cf", history.MAIN_CF[old.name], history.MASTER_CF):
        assert after[path][:4] == aged[old.name][path][:4], path  # type, mode, owner, group
    if old.name == "old1":
        assert after["/etc/postfix/main.cf"] == aged[old.name]["/etc/postfix/main.cf"]  # the link itself


def test_what_others_set_is_still_in_force(lab: Lab, old: Host) -> None:
    asked = ("message_size_limit", "mynetworks", "smtpd_helo_required", "transport_maps")
    assert lab.ask(old, "postconf", "-h", *asked).splitlines() == [
        "20480000",
        "127.0.0.0/8 [::1]/128",
        "yes",
        "hash:/etc/postfix/postmaster_transport, hash:/etc/postfix/transport",
    ]
    assert "mail_max_userip_connections = 70" in lab.ask(old, "doveconf", "-f", "protocol=imap", "-n")


def test_every_port_serves_its_certificate(judge: Judge, old: Host) -> None:
    judge.assert_serves(old)


@pytest.fixture(scope="module")
def suites(judge: Judge, lab: Lab) -> Mapping[str, Mapping[str, list[str]]]:
    """What sslyze finds on two ports of each."""
    return judge.suites(*(lab.hosts[name] for name in OLD), ports=RSA_PORTS)


@pytest.mark.parametrize("port", RSA_PORTS)
def test_the_suites_are_those_for_rsa(suites: Mapping[str, Mapping[str, list[str]]], old: Host, port: int) -> None:
    assert set(suites[f"{old.fqdn}:{port}"]["TLSv1.2"]) == {
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",
    }


def test_mail_goes_out_as_declared(lab: Lab, old: Host) -> None:
    receiver = lab.hosts[{"old1": "mx2", "old2": "mx1"}[old.name]]
    token = f"letter from {old.name}"
    daemons.send(lab, old, f"alice@{receiver.fqdn}", token)
    assert "with ESMTPSA id" in daemons.wait_for_message(lab, receiver, "alice", token)


def test_the_second_run_changes_nothing_here_either(repeated: Chapter, old: Host) -> None:
    assert not repeated.run.assert_success().changed(old.name)
    trees.assert_same(repeated.before[old.name], repeated.after[old.name])
