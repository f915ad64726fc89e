# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail to good and bad servers, by level: handed over or kept, by the queue and both logs."""

from __future__ import annotations

import re

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import remote_servers
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.outgoing_mail import (
    FIRST,
    LEVELS,
    MODULE,
    PEERS,
    STRENGTH,
    Fate,
    Outgoing,
    encodings,
)

OUT = ("out1", "out2")
NO_TLS = "TLS is required, but was not offered"
TOO_WEAK = "Cannot start TLS: handshake failure"
NOT_VERIFIED = "Server certificate not (verified|trusted)"
# Why mail is kept; a pair that is not named is handed over.
KEPT = {
    **{(level, "plain"): NO_TLS for level in LEVELS if level not in ("none", "may")},
    **{
        (level, peer): NOT_VERIFIED
        for level in ("verify", "secure", "fingerprint")
        for peer in ("self", "expired", "wrong")
    },
}


@pytest.fixture(params=OUT, ids=("bookworm", "trixie"))
def sender(request: pytest.FixtureRequest) -> str:
    """A host of each release."""
    return str(request.param)


@pytest.fixture
def fates(sent: Outgoing, sender: str) -> dict[str, Fate]:
    """What became of its messages."""
    return sent.fates[sender]


def is_handed_over(fate: Fate, peer: str) -> bool:
    """Whether a peer has taken a message, by the logs of both."""
    return not fate.reason and "status=sent" in fate.sender_log and fate.peer == peer


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("level", LEVELS)
def test_mail_is_handed_over_or_kept_as_its_level_says(level: str, peer: str, fates: dict[str, Fate]) -> None:
    fate = fates[f"{level} {peer}"]
    reason = KEPT.get((level, peer))
    if reason:
        assert re.search(reason, fate.reason), fate
        assert not fate.peer
        return
    assert is_handed_over(fate, peer), fate
    in_tls = level != "none" and peer != "plain"
    assert ("TLS connection established" in fate.peer_log) == in_tls


def test_mail_without_an_entry_is_handed_over(fates: dict[str, Fate]) -> None:
    assert is_handed_over(fates["no entry"], "plain")


@pytest.mark.parametrize("message", FIRST)
def test_no_mail_is_bounced(message: str, fates: dict[str, Fate]) -> None:
    assert "status=bounced" not in fates[message].sender_log


@pytest.mark.parametrize("domain", STRENGTH)
def test_mail_goes_to_nobody_who_offers_less_than_the_strength(domain: str, fates: dict[str, Fate]) -> None:
    peer, _options, kept = STRENGTH[domain]
    fate = fates[domain]
    assert "status=bounced" not in fate.sender_log
    if kept:
        assert re.search(TOO_WEAK, fate.reason), fate
        assert not fate.peer
        return
    assert is_handed_over(fate, peer), fate
    assert "TLS connection established" in fate.peer_log


# ---- other ways


def test_policy_holds_where_a_transport_table_leads(fates: dict[str, Fate]) -> None:
    assert is_handed_over(fates["mapped good"], "good")
    assert NO_TLS in fates["mapped plain"].reason
    assert not fates["mapped plain"].peer


def test_policy_holds_where_relayhost_leads(fates: dict[str, Fate]) -> None:
    fate = fates["relayhost"]
    assert is_handed_over(fate, "good"), fate
    assert "TLS connection established" in fate.peer_log


def test_policy_holds_where_the_sender_leads(fates: dict[str, Fate]) -> None:
    fate = fates["relay of a sender"]
    assert "relay=self.peer.test[" in fate.sender_log
    assert re.search(NOT_VERIFIED, fate.reason)
    assert not fate.peer


def test_all_mail_with_an_exception(fates: dict[str, Fate]) -> None:
    assert is_handed_over(fates["star good"], "good")
    assert "TLS connection established" in fates["star good"].peer_log
    assert NO_TLS in fates["star plain"].reason
    assert re.search(TOO_WEAK, fates["star cbc"].reason), fates["star cbc"]
    assert is_handed_over(fates["star exception"], "plain")


def test_what_was_there_before_is_put_back(sent: Outgoing, sender: str) -> None:
    before, after = sent.main_cf[sender]
    assert after == before


# ---- preflight


def test_preflight_names_whose_mail_is_kept(sent: Outgoing, sender: str, fates: dict[str, Fate]) -> None:
    unreachable = sent.runs["levels"].one(sender).result["unreachable_domains"]
    weak = {one["domain"]: one["cause"] for one in unreachable if one["domain"] in STRENGTH}
    assert weak == {domain: "no_tls" for domain, (_peer, _options, kept) in STRENGTH.items() if kept}
    unreachable = [one for one in unreachable if one["domain"] not in weak]
    foreseen = {one["domain"]: one["cause"] for one in unreachable if not one["domain"].endswith(".login.test")}
    kept = {FIRST[message].partition("@")[2]: fates[message].reason for message in FIRST if fates[message].reason}
    assert foreseen == {
        domain: "no_tls" if NO_TLS in reason else "certificate"
        for domain, reason in kept.items()
        if not domain.endswith(".login.test")
    }
    assert {one["domain"]: one["cause"] for one in unreachable if one["domain"] not in foreseen} == {
        "refused.login.test": "no_tls"
    }
    assert sent.runs["levels again"].one(sender).result["unreachable_domains"] == []


def test_preflight_finds_in_the_queue_whom_all_mail_over_tls_cuts_off(sent: Outgoing, sender: str) -> None:
    result = sent.runs["everything"].one(sender).result
    assert [(one["domain"], one["cause"]) for one in result["unreachable_domains"]] == [("star.plain.test", "no_tls")]
    assert result["untried_domains"] == 0
    assert [one for one in result["warnings"] if "mail to star.plain.test will stay in the queue" in one]


@pytest.mark.parametrize("run", ["refused", "refused --check"])
def test_preflight_refuses(run: str, sent: Outgoing, sender: str) -> None:
    result = sent.runs[run].one(sender)
    assert result.status == "failed"
    assert result.result["problem"]["option"] == "preflight"
    assert "star.plain.test" in result.result["msg"]
    before, *after = sent.refused[sender]
    assert after == [before, before]


def test_mail_that_is_stuck_is_named(sent: Outgoing, sender: str, fates: dict[str, Fate]) -> None:
    result = sent.runs["everything again"].one(sender).result
    assert not result["changed"]
    weak, stuck = result["stuck_mail"]
    assert (weak["domain"], weak["messages"]) == ("star.cbc.test", 1)
    assert (stuck["domain"], stuck["messages"]) == ("star.plain.test", 1)
    assert stuck["reason"] == fates["star plain"].reason
    assert f" {stuck['queue_ids'][0]}: to=<" in fates["star plain"].sender_log
    assert sender + ".x@" not in str(result)


def test_second_run_connects_to_nobody(sent: Outgoing, sender: str) -> None:
    assert sent.connections[sender] == 0


# ---- accounts


@pytest.mark.parametrize(
    ("message", "peer", "user"),
    [
        ("right login", "auth", remote_servers.USER),
        ("blank login", "auth", remote_servers.BLANK_USER),
        ("implicit login", "auths", remote_servers.USER),
        ("consent login", "clear", remote_servers.USER),
    ],
)
def test_account_arrives_byte_for_byte(message: str, peer: str, user: str, fates: dict[str, Fate]) -> None:
    fate = fates[message]
    assert is_handed_over(fate, peer), fate
    assert f"sasl_username={user}\n" in fate.peer_log + "\n"
    assert ("TLS connection established" in fate.peer_log) == (peer != "clear")


def test_wrong_password_keeps_the_mail(fates: dict[str, Fate]) -> None:
    fate = fates["wrong login"]
    assert "SASL authentication failed" in fate.reason
    assert not fate.peer


def test_password_is_not_sent_where_tls_is_missing(fates: dict[str, Fate]) -> None:
    assert NO_TLS in fates["refused login"].reason


def test_wire_shows_no_password_but_the_consented_one(sent: Outgoing, sender: str) -> None:
    wire = sent.wire[sender]
    conversations = {name: [one for one in encodings(word) if one in wire] for name, word in sent.passwords.items()}
    assert conversations["wrong"] == conversations["refused"] == []
    # the right one goes to three servers, and to only one of them in clear text; that also proves the recording
    clear, _login, plain = encodings(sent.passwords["right"])
    assert (wire.count(clear), wire.count(plain)) == (0, 1)


# ---- secrets and runs


def test_tables_are_roots_alone(sent: Outgoing, sender: str) -> None:
    assert len(sent.listed[sender]) == 6  # three tables, each with its compiled twin
    assert [line for line in sent.listed[sender] if not line.startswith("600 root ")] == []


def test_no_password_lies_where_others_can_read_it(sent: Outgoing, sender: str) -> None:
    found = sent.readable[sender].splitlines()
    assert [line for line in found if "postmaster_sasl_password" in line]
    assert [line for line in found if not line.startswith("600 ")] == []
    assert [name for name, word in sent.passwords.items() if word in sent.journal[sender]] == []


def test_no_password_is_printed(sent: Outgoing) -> None:
    printed = "".join(run.out for run in sent.runs.values())
    assert MODULE in printed
    assert [name for name, word in sent.passwords.items() if word in printed] == []


def test_second_run_changes_nothing(sent: Outgoing, sender: str) -> None:
    assert sent.runs["levels"].changed(sender) == ["levels"]
    assert sent.runs["levels updated"].changed(sender) == ["levels updated"]
    assert sent.runs["levels again"].changed(sender) == []


def test_result_says_who_is_authenticated(sent: Outgoing, sender: str) -> None:
    result = sent.runs["levels"].one(sender).result
    by_level = {one["tls"]: one["authenticated"] for one in result["domains"]}
    assert by_level == {level: level in ("verify", "secure", "fingerprint") for level in LEVELS}
