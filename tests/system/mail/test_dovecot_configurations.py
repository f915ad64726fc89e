# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot as people have it: one file, layers, names beside wildcards, demands of their own. Seen from another host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.dovecot_configurations import (
    DOVECOT_CONF,
    ELSEWHERE,
    NAMES,
    OTHER_NAME,
    SINGLE_NAME,
    TRUSTING,
    UNIT_PART,
    WILD_NAME,
    DovecotConfigurations,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import RELEASES

WHOLE = ("one file", "names", "layers", "demands")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DovecotConfigurations]:
    """The hosts, and what happened there."""
    found = DovecotConfigurations(Lab(lab_state("dovecot")), tmp_path_factory.mktemp("dovecot"))
    try:
        found.happen()
        yield found
    finally:
        found.lab.down()


@pytest.fixture(params=NAMES, ids=RELEASES)
def host(request: pytest.FixtureRequest, scenario: DovecotConfigurations) -> Host:
    """A host of each release."""
    return scenario.lab.hosts[request.param]


@pytest.mark.parametrize("case", WHOLE)
def test_it_comes_through_whole(case: str, scenario: DovecotConfigurations, host: Host) -> None:
    secured = scenario.result(host, f"{case}: secure")
    assert not secured.get("failed"), secured.get("msg")
    assert secured["changed"]
    assert not scenario.result(host, f"{case}: again")["changed"]


@pytest.mark.parametrize("case", WHOLE)
def test_it_is_taken_back_byte_for_byte(case: str, scenario: DovecotConfigurations, host: Host) -> None:
    before, after = scenario.states(host, case)
    assert before
    assert after == before


@pytest.mark.parametrize(
    "look", ["one file: look", "one file: look again", "layers: look", "elsewhere: look", "block: look"]
)
def test_mail_is_where_it_was(look: str, scenario: DovecotConfigurations, host: Host) -> None:
    seen = scenario.seen(host, look)
    if look != "one file: look again":  # Debian's own certificate cannot be verified
        assert "* 1 EXISTS" in seen, seen
        assert "AUTH=LOGIN" in seen, seen
    assert "a NO [PRIVACYREQUIRED]" in seen, seen


def test_check_mode_foresees_the_line(scenario: DovecotConfigurations, host: Host) -> None:
    assert DOVECOT_CONF in scenario.result(host, "one file: submission alone")["files"]
    assert scenario.result(host, "one file: check")["changed"]
    assert scenario.result(host, "one file: check")["files"] == scenario.result(host, "one file: secure")["files"]


def test_users_log_in_for_submission_through_the_socket(scenario: DovecotConfigurations, host: Host) -> None:
    assert "235 2.7.0 Authentication successful" in scenario.seen(host, "one file: log in")


def test_a_name_counts_more_than_the_wildcard(scenario: DovecotConfigurations, host: Host) -> None:
    seen = scenario.certificates(host)
    assert seen[SINGLE_NAME, "ecdsa"] == SINGLE_NAME
    assert seen[SINGLE_NAME.upper(), "ecdsa"] == SINGLE_NAME
    assert seen[OTHER_NAME, "ecdsa"] == WILD_NAME
    assert seen[host.fqdn, "ecdsa"] == host.fqdn


def test_the_second_certificate_is_for_the_host_s_own_name_alone(scenario: DovecotConfigurations, host: Host) -> None:
    seen = scenario.certificates(host)
    assert seen[host.fqdn, "rsa"] == host.fqdn
    assert not seen[SINGLE_NAME, "rsa"]
    assert not seen[OTHER_NAME, "rsa"]


def test_what_the_administrator_demands_stays(scenario: DovecotConfigurations, host: Host) -> None:
    after = scenario.result(host, "demands: secure")["vservers"][0]["after"]
    assert (after["require_secure_channel"], after["strength"]) == (True, "modern")
    seen = scenario.seen(host, "demands: look")
    assert "Cipher is (NONE)" in seen, seen
    assert "a NO [PRIVACYREQUIRED]" in seen, seen


def test_unless_less_is_asked_for_which_is_said(scenario: DovecotConfigurations, host: Host) -> None:
    result = scenario.result(host, "demands: loosen")
    row = result["vservers"][0]
    for words in ("require_secure_channel: True -> False", "strength: modern -> intermediate"):
        assert words in row["reason"]
    warnings = " ".join(result["warnings"])
    assert "use without TLS is no longer refused" in warnings
    assert "strength goes from modern to intermediate" in warnings
    assert "Cipher is ECDHE" in scenario.seen(host, "demands: look at less")
    after = scenario.result(host, "demands: taken out")["vservers"][0]["after"]
    assert (after["require_secure_channel"], after["strength"]) == (True, "modern")


def test_what_is_refused_says_where(scenario: DovecotConfigurations, host: Host) -> None:
    for call in ("elsewhere: refused", "elsewhere: refused for submission"):
        result = scenario.result(host, call)
        assert f"{UNIT_PART}:3 starts Dovecot with the configuration {ELSEWHERE}" in result["msg"]
        assert not result["changed"]
    assert "within a block" in scenario.result(host, "block: refused")["msg"]


def test_trusted_networks_do_not_go_on_in_clear_text(scenario: DovecotConfigurations, host: Host) -> None:
    first = scenario.result(host, "trusted: first")
    seen = scenario.seen(host, "trusted: look at first")
    if first.get("failed"):
        assert "a OK" in seen, seen
        assert f"in {TRUSTING}:1 has clients of these networks log in in clear text" in first["msg"]
        assert not first["changed"]
    else:
        assert "a NO [PRIVACYREQUIRED]" in seen, seen
    seen = scenario.seen(host, "trusted: look")
    assert "a NO [PRIVACYREQUIRED]" in seen, seen


@pytest.mark.parametrize("case", ["elsewhere", "block", "trusted"])
def test_the_remedy_helps(case: str, scenario: DovecotConfigurations, host: Host) -> None:
    result = scenario.result(host, f"{case}: after")
    assert not result.get("failed"), result.get("msg")
