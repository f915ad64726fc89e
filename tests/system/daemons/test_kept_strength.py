# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What administrators bar stays barred until less is asked for by name, and is barred again once nobody asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.kept_strength import (
    ALLOWED,
    BARRED,
    DAEMONS,
    HOSTS,
    KeptStrength,
)

PLACES = [
    pytest.param(kind, host.partition(":")[0], daemon, id=f"{daemon}-{host.split(':')[1]}")
    for kind, daemons in DAEMONS.items()
    for daemon in daemons
    for host in HOSTS[kind]
]
OUTRANKED = [one for one in PLACES if DAEMONS[str(one.values[0])][str(one.values[2])].loosening[0]]
WITH_CERTIFICATES = [one for one in PLACES if DAEMONS[str(one.values[0])][str(one.values[2])].certificates]


@pytest.fixture(scope="module")
def scenario(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptStrength]:
    """The hosts of a kind, and what happened there."""
    found = KeptStrength(Lab(lab_state(f"kept-{kind}")), tmp_path_factory.mktemp(kind), kind)
    try:
        found.happen()
        yield found
    finally:
        found.lab.down()


class Happened:
    """What happened to one daemon of one host."""

    def __init__(self, scenario: KeptStrength, host: str, daemon: str) -> None:
        self._scenario, self._host, self._daemon = scenario, scenario.lab.hosts[host], daemon

    def accepted(self, look: str) -> set[str]:
        """What of all that was offered the daemon has accepted."""
        seen = self._scenario.seen(self._host, f"{self._daemon}: {look}").splitlines()
        return {one.partition(":")[0] for one in seen if "New, TLS" in one}

    def result(self, call: str) -> Mapping[str, Any]:
        """What a call answered; it must not have failed."""
        found = self._scenario.run.one(self._host.name, f"{self._daemon}{call}")
        assert found.status == "ok", found.result.get("msg")
        return found.result

    def refusal(self, call: str) -> str:
        """Why a call was refused."""
        found = self._scenario.run.one(self._host.name, f"{self._daemon}{call}").result
        assert found["failed"]
        assert not found["changed"]
        return str(found["msg"])

    def seen(self, look: str) -> str:
        return self._scenario.seen(self._host, f"{self._daemon}{look}")

    def states(self, case: str = "") -> list[list[str]]:
        """The configuration before and after."""
        return list(self._scenario.states(self._host, f"{self._daemon}{case}"))


@pytest.fixture
def happened(host: str, daemon: str, scenario: KeptStrength) -> Happened:
    """What happened to one daemon of one host."""
    return Happened(scenario, host, daemon)


@pytest.mark.parametrize(("kind", "host", "daemon"), PLACES, scope="module")
def test_what_is_barred_stays_barred(happened: Happened) -> None:
    after = happened.result(": secure")["vservers"][0]["after"]
    assert happened.accepted("look") == set(ALLOWED)
    assert after["strength"] == "intermediate"


@pytest.mark.parametrize(("kind", "host", "daemon"), PLACES, scope="module")
def test_the_same_again_changes_nothing(happened: Happened) -> None:
    assert not happened.result(": again")["changed"]


@pytest.mark.parametrize(("kind", "host", "daemon"), PLACES, scope="module")
def test_what_is_asked_for_by_name_is_accepted_and_said(happened: Happened) -> None:
    result = happened.result(": by name")
    assert happened.accepted("look at what is asked for") == {*BARRED, *ALLOWED}
    said = ("becomes weaker than before: strength intermediate", "more cipher suites are accepted")
    assert any(one in str(result["warnings"]) for one in said)
    if "more cipher suites" in str(result["warnings"]):
        assert "more groups are accepted for the key exchange" in str(result["warnings"])


@pytest.mark.parametrize(("kind", "host", "daemon"), OUTRANKED, scope="module")
def test_what_openssl_is_told_to_allow_instead_is_refused(kind: str, daemon: str, happened: Happened) -> None:
    refusal = happened.refusal(": loosened")
    assert f"in {DAEMONS[kind][daemon].loosening[2]}:1 counts in place of strength modern" in refusal


@pytest.mark.parametrize(("kind", "host", "daemon"), PLACES, scope="module")
def test_what_is_asked_for_no_more_is_barred_again(happened: Happened) -> None:
    happened.result(": strictest")
    assert happened.accepted("look at the strictest") == {"p384"}
    result = happened.result(": taken out")
    assert happened.accepted("look at what stood") == set(ALLOWED)
    assert "strength: modern -> intermediate" in str(result["vservers"][0]["reason"])
    assert "strength goes from modern to intermediate" in str(result["warnings"])


@pytest.mark.parametrize(("kind", "host", "daemon"), PLACES, scope="module")
def test_clear_text_is_refused_no_longer_than_it_is_asked_for(kind: str, daemon: str, happened: Happened) -> None:
    result = happened.result(": required no more")
    (after,) = (one["after"] for one in result["vservers"])
    assert (after["require_secure_channel"], after["strength"]) == (False, "intermediate")
    said = "use without TLS is no longer refused" in str(result.get("warnings"))
    assert said is bool(DAEMONS[kind][daemon].options.get("require_secure_channel"))


@pytest.mark.parametrize(("kind", "host", "daemon"), PLACES, scope="module")
def test_everything_comes_back(happened: Happened) -> None:
    happened.result(": absent")
    before, after = happened.states()
    assert before
    assert after == before


@pytest.mark.parametrize(("kind", "host", "daemon"), WITH_CERTIFICATES, scope="module")
def test_nobody_gets_in_without_a_certificate(happened: Happened) -> None:
    happened.result(" and clients: secure")
    seen = happened.seen(" and clients: look")
    ends = ("certificate required", "No required SSL certificate", "handshake failure", "unexpected eof")
    assert any(one in seen for one in ends), seen
    assert not happened.result(" and clients: again")["changed"]
    happened.result(" and clients: absent")
    before, after = happened.states(" and clients")
    assert before
    assert after == before
