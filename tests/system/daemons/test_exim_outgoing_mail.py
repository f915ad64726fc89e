# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail of Exim to good and bad servers, by level: handed over or kept, by the queue and both logs.

The hosts are a lab of their own, so that nothing here shows in the configurations that the other tests compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import (
    exim_outgoing_mail,
    remote_servers,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.exim_outgoing_mail import Sending
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.outgoing_mail import (
    FIRST,
    LEVELS,
    MODULE,
    PEERS,
    STRENGTH,
    Fate,
    encodings,
)

NO_TLS = "a TLS session is required, but the server did not offer TLS support"
DENIED = "verif|certificate|TLS session"
# Why mail is kept; a pair that is not named is handed over.
KEPT = {
    **{(level, "plain"): NO_TLS for level in LEVELS if level not in ("none", "may")},
    **{(level, peer): DENIED for level in ("verify", "secure", "fingerprint") for peer in ("self", "expired", "wrong")},
}


@pytest.fixture(scope="session")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sending]:
    """The outcome of all phases."""
    lab = Lab(lab_state("sending"))
    try:
        lab.up(*exim_outgoing_mail.HOSTS)
        yield exim_outgoing_mail.run(lab, Ansible(lab.inventory, tmp_path_factory.mktemp("sending")))
    finally:
        lab.down()


@pytest.fixture(params=exim_outgoing_mail.SENDERS, ids=("bookworm", "trixie-split"))
def sender(request: pytest.FixtureRequest) -> str:
    """A host of each release, and of each form of Debian's configuration."""
    return str(request.param)


@pytest.fixture
def fates(sent: Sending, sender: str) -> dict[str, Fate]:
    """What became of its messages."""
    return sent.fates[sender]


def is_handed_over(fate: Fate, peer: str) -> bool:
    """Whether a peer has taken a message, by the logs of both."""
    return not fate.reason and " => " in fate.sender_log and fate.peer == peer


def was_in_tls(fate: Fate) -> bool:
    """Whether it went through TLS, by the peer's log."""
    return "TLS connection established" in fate.peer_log


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
    assert was_in_tls(fate) == (level != "none" and peer != "plain")


@pytest.mark.parametrize("domain", STRENGTH)
def test_mail_goes_to_nobody_who_offers_less_than_the_strength(domain: str, fates: dict[str, Fate]) -> None:
    peer, _options, kept = STRENGTH[domain]
    fate = fates[domain]
    assert " ** " not in fate.sender_log
    if kept:
        assert re.search("TLS session|certificate", fate.reason), fate
        assert not fate.peer
        return
    assert is_handed_over(fate, peer), fate
    assert was_in_tls(fate)


def test_short_key_is_not_accepted(fates: dict[str, Fate]) -> None:
    assert re.search("TLS session|certificate", fates["bits.short.test"].reason), fates["bits.short.test"]
    assert not fates["bits.short.test"].peer
    assert is_handed_over(fates["bits.good.test"], "good"), fates["bits.good.test"]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("secure wrong", "the certificate is for none of the names"),
        ("fingerprint self", "the certificate has none of the fingerprints"),
        ("dane missing", "no TLSA records of the host can be used"),
    ],
)
def test_log_says_why_a_certificate_is_refused(message: str, why: str, fates: dict[str, Fate]) -> None:
    assert f"SSL verify denied by event-action: depth=0: {why}" in fates[message].sender_log


def test_mail_without_an_entry_is_handed_over(fates: dict[str, Fate]) -> None:
    assert is_handed_over(fates["no entry"], "plain")
    assert "T=remote_smtp " in fates["no entry"].sender_log


@pytest.mark.parametrize("message", FIRST)
def test_no_mail_is_bounced(message: str, fates: dict[str, Fate]) -> None:
    assert " ** " not in fates[message].sender_log
    assert "Frozen" not in fates[message].sender_log


# ---- other ways


def test_policy_holds_where_hubbed_hosts_leads(fates: dict[str, Fate]) -> None:
    assert is_handed_over(fates["mapped good"], "good")
    assert was_in_tls(fates["mapped good"])
    assert NO_TLS in fates["mapped plain"].reason


def test_all_mail_with_an_exception(fates: dict[str, Fate]) -> None:
    assert is_handed_over(fates["star good"], "good")
    assert was_in_tls(fates["star good"])
    assert NO_TLS in fates["star plain"].reason
    assert is_handed_over(fates["star exception"], "plain")


def test_policy_holds_where_a_smarthost_leads(fates: dict[str, Fate]) -> None:
    """With the account that the administrator keeps for it, unless the entry has one of its own."""
    for message, transport, user in (
        ("smarthost", "postmaster_smtp", remote_servers.BLANK_USER),
        ("smarthost in clear", "remote_smtp_smarthost", remote_servers.BLANK_USER),
        ("smarthost login", "postmaster_smtp", remote_servers.USER),
    ):
        fate = fates[message]
        assert is_handed_over(fate, "auth"), fate
        assert f"T={transport} " in fate.sender_log
        assert f"sasl_username={user}\n" in fate.peer_log + "\n"
    assert "CV=yes" in fates["smarthost"].sender_log


def test_tlsa_records_decide_where_they_are_asked_for(fates: dict[str, Fate]) -> None:
    assert is_handed_over(fates["dane right"], "good"), fates["dane right"]
    assert "CV=dane" in fates["dane right"].sender_log
    assert re.search("certificate differs|verification failed", fates["dane differs"].reason), fates["dane differs"]
    assert is_handed_over(fates["dane bare"], "plain")
    assert "Error in the certificate" in fates["dane missing"].reason
    assert not any(" ** " in fates[f"dane {name}"].sender_log for name in exim_outgoing_mail.DANE)


def test_way_is_shown_by_exim(sent: Sending, sender: str) -> None:
    assert "router = postmaster_to_host, transport = postmaster_smtp" in sent.routes[sender]
    assert "host right.auth.peer.test " in sent.routes[sender]


def test_what_was_there_before_is_put_back(sent: Sending, sender: str) -> None:
    before, after = sent.snapshots[sender]
    assert after == before


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
    assert was_in_tls(fate) == (peer != "clear")


def test_wrong_password_keeps_the_mail(fates: dict[str, Fate]) -> None:
    fate = fates["wrong login"]
    assert re.search("[Aa]uthentication (required|failed)|authenticat", fate.reason), fate
    assert not fate.peer


def test_password_is_not_sent_where_tls_is_missing(fates: dict[str, Fate]) -> None:
    assert NO_TLS in fates["refused login"].reason


def test_wire_shows_no_password_but_the_consented_one(sent: Sending, sender: str) -> None:
    wire = sent.wire[sender]
    conversations = {name: [one for one in encodings(word) if one in wire] for name, word in sent.passwords.items()}
    assert conversations["wrong"] == conversations["refused"] == []
    # the right one goes to three servers, and to only one of them in clear text; that also proves the recording
    clear, _login, plain = encodings(sent.passwords["right"])
    assert (wire.count(clear), wire.count(plain)) == (0, 1)


# ---- secrets and runs


def test_tables_are_for_exim_alone(sent: Sending, sender: str) -> None:
    tables = ("postmaster_accounts", "postmaster_domains")
    assert sent.listed[sender] == [f"640 root Debian-exim /etc/exim4/{one}" for one in tables]


def test_no_password_lies_where_others_can_read_it(sent: Sending, sender: str) -> None:
    *files, in_journal = sent.readable[sender]
    assert files == ["640 Debian-exim /etc/exim4/postmaster_accounts"]
    assert in_journal == "0"


def test_no_password_is_printed(sent: Sending) -> None:
    printed = "".join(run.out for run in sent.runs.values())
    assert MODULE in printed
    assert [one for one in sent.passwords.values() for form in encodings(one) if form.decode() in printed] == []


def test_second_run_changes_nothing(sent: Sending, sender: str) -> None:
    assert sent.runs["levels"].changed(sender) == ["levels"]
    assert sent.runs["levels updated"].changed(sender) == ["levels updated"]
    assert sent.runs["levels again"].changed(sender) == []


def test_result_says_who_is_authenticated(sent: Sending, sender: str) -> None:
    result = sent.runs["levels"].one(sender).result
    assert result["provider"] == "exim"
    by_level = {one["tls"]: one["authenticated"] for one in result["domains"]}
    assert by_level == {level: level in ("verify", "secure", "fingerprint") for level in LEVELS}


def test_documented_examples_work_and_change_nothing_the_second_time(sent: Sending, sender: str) -> None:
    assert len(sent.examples) > 1
    for title, (first, second) in sent.examples.items():
        assert [one.status for one in first.of(sender)] == ["ok"], title
        assert second.changed(sender) == [], title
