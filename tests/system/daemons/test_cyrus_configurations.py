# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an administrator demands of Cyrus stays. Seen from another host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.cyrus_configurations import (
    CYRUS_CONF,
    NAMES,
    CyrusConfigurations,
)


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CyrusConfigurations]:
    """The hosts, and what happened there."""
    found = CyrusConfigurations(Lab(lab_state("cyrus")), tmp_path_factory.mktemp("cyrus"))
    try:
        found.happen()
        yield found
    finally:
        found.lab.down()


@pytest.fixture(params=NAMES, ids=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest, scenario: CyrusConfigurations) -> Host:
    """A host of each release."""
    return scenario.lab.hosts[request.param]


@pytest.mark.parametrize("case", ["demands", "clients"])
def test_it_comes_through_whole(case: str, scenario: CyrusConfigurations, host: Host) -> None:
    secured = scenario.result(host, f"{case}: secure")
    assert not secured.get("failed"), secured.get("msg")
    assert not scenario.result(host, f"{case}: again")["changed"]
    before, after = scenario.states(host, case)
    assert before
    assert after == before


def test_what_the_administrator_demands_stays(scenario: CyrusConfigurations, host: Host) -> None:
    after = scenario.result(host, "demands: secure")["vservers"][0]["after"]
    assert (after["require_secure_channel"], after["strength"]) == (True, "modern")
    seen = scenario.seen(host, "demands: look")
    for port in (143, 993):
        assert f"{port} tls1_2 New, (NONE), Cipher is (NONE)" in seen, seen
        assert f"{port} tls1_3 New, TLSv1.3" in seen, seen
        assert f"{port} tls1_3 -groups P-384 New, TLSv1.3" in seen, seen
        assert f"{port} tls1_3 -groups P-256 New, (NONE)" in seen, seen


def test_unless_less_is_asked_for_which_is_said(scenario: CyrusConfigurations, host: Host) -> None:
    result = scenario.result(host, "demands: loosen")
    assert "strength: modern -> intermediate" in result["vservers"][0]["reason"]
    assert "strength goes from modern to intermediate" in " ".join(result["warnings"])
    assert "143 tls1_3 -groups P-256 New, TLSv1.3" in scenario.seen(host, "demands: look at less")
    assert "143 tls1_2 New, TLSv1.2, Cipher is ECDHE" in scenario.seen(host, "demands: look at less")


def test_options_that_are_taken_out_give_back_what_stood(scenario: CyrusConfigurations, host: Host) -> None:
    assert scenario.result(host, "demands: taken out")["vservers"][0]["after"]["strength"] == "modern"
    mechanisms = scenario.seen(host, "demands: mechanisms").split()
    assert "LOGIN" not in mechanisms
    assert "PLAIN" in mechanisms


def test_a_service_with_a_file_of_its_own_is_refused_and_the_remedy_helps(
    scenario: CyrusConfigurations, host: Host
) -> None:
    refused = scenario.result(host, "file: refused")
    assert f"{CYRUS_CONF} line" in refused["msg"]
    assert not refused["changed"]
    after = scenario.result(host, "file: after")
    assert not after.get("failed"), after.get("msg")
    assert after["vservers"][0]["after"]["strength"] == "modern"


def test_nobody_gets_in_without_a_certificate_at_a_new_port_either(scenario: CyrusConfigurations, host: Host) -> None:
    seen = scenario.seen(host, "clients: look")
    assert "certificate required" in seen or "handshake failure" in seen, seen
    assert "a OK" not in seen, seen
