# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On hosts that were configured by hand: whatever the administrator wrote stays as it is, byte for byte."""

from __future__ import annotations

import difflib
import re
import stat
from collections.abc import Mapping

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import existing_configuration, snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.existing_configuration import (
    RSA_PORTS,
    Kept,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.snapshots import Snapshot
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import Phase

# What the declaration decides in main.cf. A line that sets anything else is not ours.
OURS = re.compile(
    r"(smtpd_tls_(chain_files|security_level|auth_only|(mandatory_)?protocols|(mandatory_)?ciphers|cert_file|key_file)"
    r"|tls_(high_cipherlist|eecdh_auto_curves|ffdhe_auto_groups|preempt_cipherlist)"
    r"|transport_maps|smtp_tls_(policy_maps|CAfile)|smtp_sasl_(password_maps|auth_enable|tls_security_options))\s*="
)
OUR_OVERRIDE = re.compile(r"  -o \{?(smtpd_(tls|sasl|relay)_\w+|tls_\w+)=")


def changes(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that are gone, and lines that have come."""
    found = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    return [line[2:] for line in found if line[0] == "-"], [line[2:] for line in found if line[0] == "+"]


def test_main_cf_differs_in_our_parameters_only(kept: Mapping[str, Kept], old: Host) -> None:
    gone, come = changes(kept[old.name].before["main.cf"], kept[old.name].after["main.cf"])
    assert come
    assert all(OURS.match(line) for line in gone), gone
    assert all(OURS.match(line) for line in come), come


def test_master_cf_differs_in_our_services_and_settings_only(kept: Mapping[str, Kept], old: Host) -> None:
    gone, come = changes(kept[old.name].before["master.cf"], kept[old.name].after["master.cf"])
    assert all(OUR_OVERRIDE.match(line) for line in gone), gone
    text = "\n".join(come) + "\n"
    added = r"^# \S+, added by the Ansible collection .*\n\w+ +inet .*\n(?:  -o .*\n)+"
    for block in re.findall(added, text, re.MULTILINE):
        text = text.replace(block, "")
    assert all(OUR_OVERRIDE.match(line) for line in text.splitlines()), text


def test_the_files_of_others_are_untouched(old: Host, hand_configured: Mapping[str, Snapshot], repeated: Phase) -> None:
    after = repeated.before[old.name]
    for path, node in hand_configured[old.name].items():
        is_file = node[0] != stat.S_IFDIR
        elsewhere = path not in (existing_configuration.MAIN_CF[old.name], existing_configuration.MASTER_CF)
        if is_file and elsewhere and path.startswith(("/etc/postfix/", "/etc/dovecot/", "/srv/")):
            assert after[path] == node, path
    for path in existing_configuration.FOREIGN:
        assert path in hand_configured[old.name]


def test_links_modes_and_owners_stay(old: Host, hand_configured: Mapping[str, Snapshot], repeated: Phase) -> None:
    after = repeated.before[old.name]
    for path in ("/etc/postfix/main.cf", existing_configuration.MAIN_CF[old.name], existing_configuration.MASTER_CF):
        assert after[path][:4] == hand_configured[old.name][path][:4], path  # type, mode, owner, group
    if old.name == "old1":
        assert after["/etc/postfix/main.cf"] == hand_configured[old.name]["/etc/postfix/main.cf"]  # the link itself


def test_what_others_set_is_still_in_force(kept: Mapping[str, Kept], old: Host) -> None:
    assert kept[old.name].settings == [
        "20480000",
        "127.0.0.0/8 [::1]/128",
        "yes",
        "hash:/etc/postfix/postmaster_transport, hash:/etc/postfix/transport",
    ]
    assert "mail_max_userip_connections = 70" in kept[old.name].dovecot


def test_every_port_serves_its_certificate(kept: Mapping[str, Kept], old: Host) -> None:
    assert not kept[old.name].refusals


@pytest.mark.parametrize("port", RSA_PORTS)
def test_the_suites_are_those_for_rsa(kept: Mapping[str, Kept], old: Host, port: int) -> None:
    assert set(kept[old.name].suites[f"{old.fqdn}:{port}"]["TLSv1.2"]) == {
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",
    }


def test_mail_goes_out_as_declared(kept: Mapping[str, Kept], old: Host) -> None:
    assert "with ESMTPSA id" in kept[old.name].letter


def test_the_second_run_changes_nothing_here_either(repeated: Phase, old: Host) -> None:
    assert not repeated.run.assert_success().changed(old.name)
    snapshots.assert_same(repeated.before[old.name], repeated.after[old.name])
