# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""off -> on -> the same again -> stronger -> closed -> absent, for every daemon; each step as clients see it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import ISSUER
from ansible_collections.postmaster.secure_channel.tests.support.system.clients.compliance import (
    GUIDELINE,
    Verdicts,
    asked,
    judged,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.clients.port_scan import News
from ansible_collections.postmaster.secure_channel.tests.support.system.clients.wire import KEY_TYPES, REFUSED, View
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.fault_play import result_of
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    CYRUS,
    EXIM,
    closed_places,
    declared,
    places,
    protocols,
    with_two_certificates,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.config_snapshots import meaning
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Host
from ansible_collections.postmaster.secure_channel.tests.system.daemons.conftest import Phase

# What Debian's own settings let be used in clear text.
OPEN_AT_FIRST = ("http", "ldap", "nntp")
LOOKED = "postmaster.secure_channel.verify : Look at the virtual servers as a client would"
COMPARED = "postmaster.secure_channel.verify : Fail where something is not as declared"


def assert_serves(view: View, host: Host) -> None:
    """Every port completes a session whose chain and name can be verified."""
    for place in places(host):
        answer = view.sessions[host.name, place.title, "any"]
        assert answer.code == 0, f"{place.title}: {answer.err}"


def assert_refuses_clear_text(view: View, host: Host) -> None:
    """No protocol can be used without TLS, but for mail from other servers."""
    for protocol in protocols(host):
        assert re.search(REFUSED[protocol], view.clear[host.name, protocol]), view.clear[host.name, protocol]


def versions(view: View, host: Host, version: str) -> set[str]:
    """Places that speak a version of TLS."""
    return {place.title for place in places(host) if view.sessions[host.name, place.title, version].code == 0}


# ---- off


def test_at_first_nothing_can_be_verified(start: Phase, host: Host) -> None:
    assert {place for place in places(host) if start.view.sessions[host.name, place.title, "any"].code == 0} == set()


def test_at_first_clear_text_is_let_in(start: Phase, host: Host) -> None:
    for protocol in set(protocols(host)) & set(OPEN_AT_FIRST):
        assert not re.search(REFUSED[protocol], start.view.clear[host.name, protocol])


def test_at_first_the_role_verify_fails(start: Phase, host: Host) -> None:
    compared = result_of(start.run, host, COMPARED)
    assert compared.status == "failed"
    assert not compared.result["evaluated_to"]


# ---- on


def test_one_call_secures_everything(on: Phase, host: Host) -> None:
    outcome = on.outcome(host)
    assert outcome.get("changed") is True, outcome.get("msg")
    assert all(one["changed"] for one in outcome["vservers"])


def test_every_port_shows_the_certificate_that_is_declared(on: Phase, host: Host) -> None:
    assert_serves(on.view, host)


def test_clear_text_is_refused(on: Phase, host: Host) -> None:
    assert_refuses_clear_text(on.view, host)


def test_versions_are_those_of_the_strength(on: Phase, host: Host) -> None:
    assert versions(on.view, host, "TLS 1.2") == {place.title for place in places(host)}
    assert versions(on.view, host, "TLS 1.1") == set()


def test_sslyze_finds_every_port_compliant(verdicts: Verdicts, host: Host) -> None:
    targets = [f"{host.fqdn}:{place.port}" for place in judged(host)]
    assert targets
    for target in targets:
        scan = verdicts.scans[target]
        assert scan["scan_status"] == "COMPLETED", scan["connectivity_error_trace"]
        assert verdicts.text[target] == "OK - Compliant.", target


def test_openssl_finds_nothing_beyond_the_guideline_where_sslyze_cannot_look(verdicts: Verdicts, host: Host) -> None:
    guideline = json.loads(GUIDELINE.read_text())
    for place in asked(host):
        offers = verdicts.offers[f"{host.name} {place.title}"]
        assert offers["old"] == []
        for version, allowed in (
            ("TLSv1.2", guideline["ciphers"]["openssl"]),
            ("TLSv1.3", guideline["ciphersuites"]),
            ("groups", guideline["tls_curves"]),
        ):
            assert offers[version]
            assert set(offers[version]) <= set(allowed), place.title


def test_nmap_finds_nothing_beyond_the_guideline_in_news_servers(news: Mapping[str, News], host: Host) -> None:
    if "nntp" not in protocols(host):
        assert host.name in (*EXIM, *CYRUS)
        return
    guideline = json.loads(GUIDELINE.read_text())
    found = news[host.name]
    assert found.names == [host.fqdn]
    assert found.issuer == ISSUER
    assert set(found.suites) == {"TLSv1.2", "TLSv1.3"}
    assert set(found.suites["TLSv1.2"]) <= set(guideline["ciphers"]["iana"])
    assert set(found.suites["TLSv1.3"]) <= set(guideline["ciphersuites"])
    assert all(found.suites.values())


def test_clients_get_the_certificate_whose_type_of_key_they_take(
    key_types: Mapping[tuple[str, ...], Answer], host: Host
) -> None:
    assert with_two_certificates(host)
    for place in with_two_certificates(host):
        for version, key in KEY_TYPES:
            answer = key_types[host.name, place.title, version, key]
            assert answer.code == 0, f"{place.title}, {version}, {key}: {answer.err}"
            signed = re.findall(r"(?im)^(?:peer )?signature type: (ECDSA|RSA)", answer.err)
            assert [one.upper() for one in signed] == [key], f"{place.title}, {version}: {answer.err}"


def test_then_the_role_verify_is_content_with_every_protocol(again: Phase, host: Host) -> None:
    found = result_of(again.run, host, LOOKED).result["endpoints"]
    assert {one["protocol"] for one in found} == {one["protocol"] for one in declared(host)}
    assert [one for one in found if one["error"]] == []
    assert [one for one in found if not one["verified"] and one["port"] != 80] == []
    assert result_of(again.run, host, COMPARED).status == "ok"


# ---- again


def test_the_same_again_changes_nothing(on: Phase, again: Phase, host: Host) -> None:
    outcome = again.outcome(host)
    assert outcome.get("changed") is False, outcome
    assert outcome["activated"] == []
    snapshots.assert_same(on.configurations[host.name], again.configurations[host.name])


def test_the_same_again_leaves_the_daemons_alone(on: Phase, again: Phase, host: Host) -> None:
    assert on.daemons[host.name]
    assert on.daemons[host.name] == again.daemons[host.name]
    assert on.listening[host.name] == again.listening[host.name]
    assert_serves(again.view, host)


# ---- stronger


def test_one_call_makes_everything_stronger(stronger: Phase, host: Host) -> None:
    outcome = stronger.outcome(host)
    assert outcome.get("changed") is True, outcome.get("msg")
    assert {one["after"]["strength"] for one in outcome["vservers"]} == {"modern"}


def test_then_tls_1_3_is_all_there_is(stronger: Phase, host: Host) -> None:
    assert_serves(stronger.view, host)
    assert_refuses_clear_text(stronger.view, host)
    assert versions(stronger.view, host, "TLS 1.2") == set()


# ---- closed


def test_one_call_closes_the_ports_on_which_tls_starts_at_once(closed: Phase, host: Host) -> None:
    outcome = closed.outcome(host)
    assert outcome.get("changed") is True, outcome.get("msg")


def test_then_nothing_answers_there(ports: Mapping[str, Mapping[int, str]], host: Host) -> None:
    shut = {place.port for place in closed_places(host)}
    assert shut
    assert {port for port, state in ports[host.name].items() if state == "closed"} == shut
    assert {state for port, state in ports[host.name].items() if port not in shut} == {"open"}


def test_then_all_other_ports_serve(closed: Phase, host: Host) -> None:
    shut = {place.title for place in closed_places(host)}
    for place in places(host):
        answer = closed.view.sessions[host.name, place.title, "any"]
        served = place.title not in shut and not (
            place.asked and place.port in {one.port for one in closed_places(host)}
        )
        assert (answer.code == 0) == served, f"{place.title}: {answer.err}"


# ---- absent


def test_one_call_unassigns_everything(absent: Phase, host: Host) -> None:
    outcome = absent.outcome(host)
    assert outcome.get("changed") is True, outcome.get("msg")
    assert all(one["after"] is None or one["name"] == "default" for one in outcome["vservers"])


def test_then_the_configuration_is_as_it_was_byte_for_byte(start: Phase, absent: Phase, host: Host) -> None:
    before, after = (meaning(phase.configurations[host.name]) for phase in (start, absent))
    assert {
        path: (before.get(path), after.get(path)) for path in {*before, *after} if before.get(path) != after.get(path)
    } == {}


def test_then_clients_see_what_they_saw_at_first(start: Phase, absent: Phase, host: Host) -> None:
    assert absent.listening[host.name] == start.listening[host.name]
    assert absent.view.shown(host) == start.view.shown(host)
    for protocol in protocols(host):
        refused = [bool(re.search(REFUSED[protocol], one.view.clear[host.name, protocol])) for one in (start, absent)]
        assert refused[0] == refused[1], protocol
