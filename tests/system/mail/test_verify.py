# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof fails wherever something is not as declared, and says what."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.fleet_proof import (
    INSIDE,
    FleetProof,
    named,
)


def test_what_is_as_declared_is_proven(fleet: FleetProof) -> None:
    fleet.proven.run.assert_success()
    assert len(fleet.proven.table) == 1 + 2 * 6
    assert not [host for host in ("f1", "f2") if "has only seen itself" in fleet.proven.said(host)]


def test_the_inside_server_of_the_documentation_is_known_by_its_certificate(fleet: FleetProof) -> None:
    rows = [line for line in fleet.proven.table if INSIDE in line]
    assert len(rows) == 2
    assert all("everything" in row and "yes" in row for row in rows)


def test_a_host_that_has_only_seen_itself_is_told(fleet: FleetProof) -> None:
    assert "f1 has only seen itself" in fleet.alone.said("f1")


def test_the_control_node_can_look(fleet: FleetProof) -> None:
    fleet.from_control_node.run.assert_success()
    assert not [host for host in ("f1", "f2") if "has only seen itself" in fleet.from_control_node.said(host)]


def test_nothing_declared_at_all_is_a_failure(fleet: FleetProof) -> None:
    assert fleet.undeclared.run.code
    for host in ("f1", "f2"):
        assert "nothing is declared" in fleet.undeclared.said(host)


def test_a_host_that_cannot_be_reached_is_a_failure_and_stays_in_the_table(fleet: FleetProof) -> None:
    assert fleet.unreachable.run.code
    assert "f2 cannot look" in str(fleet.unreachable.faults("f1"))
    assert "the certificates of f2 cannot be looked at" in str(fleet.unreachable.faults("f2"))
    assert [line for line in fleet.unreachable.table if line.startswith("f2.example.test ")]


def test_a_certificate_that_ends_is_a_failure(fleet: FleetProof, fleet_host: Host) -> None:
    assert fleet.ending.run.code
    for server in ("smtp port 25", "submission port 465", "imap port 143", "imap port 993"):
        assert "valid for 1 days only, less than 7" in named(fleet.ending, fleet_host, server)


def test_failed_hosts_stay_in_the_table(fleet: FleetProof) -> None:
    assert len(fleet.ending.table) == len(fleet.proven.table)


def test_an_old_version_of_tls_is_a_failure(fleet: FleetProof, fleet_host: Host) -> None:
    assert fleet.spoiled.run.code
    fault = "TLSv1 and TLSv1.1 can be used, which is less than the strength intermediate"
    assert fault in named(fleet.spoiled, fleet_host, "smtp port 25")


@pytest.mark.parametrize("port", [587, 465])
def test_another_certificate_for_the_name_is_a_failure(fleet: FleetProof, fleet_host: Host, port: int) -> None:
    assert "it shows another certificate" in named(fleet.spoiled, fleet_host, f"submission port {port}")


def test_clear_text_without_our_file_is_a_failure(fleet: FleetProof, fleet_host: Host) -> None:
    assert "clear text is not refused" in named(fleet.spoiled, fleet_host, "imap port 143")
    assert "it shows another certificate" in named(fleet.spoiled, fleet_host, "imap port 993")
