# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Partners who send to a host that demands TLS of them: taken or refused, as swaks sees it from their addresses."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.inbound_partners import (
    ATTEMPTS,
    Received,
)

OUT = ("out1", "out2")
CLEAR = "450 4.7.1 Session encryption is required"
CERTIFICATE = "The certificate of this partner is required"
REFUSED = {
    **dict.fromkeys(
        (
            "clear text",
            "clear text, other case",
            "clear text, final full stop",
            "all below, clear text",
            "address, clear text",
            "address, null sender, clear text",
            "network, clear text",
            "name, clear text",
            "certificate, clear text",
        ),
        CLEAR,
    ),
    "certificate, none": CERTIFICATE,
    "certificate, wrong": CERTIFICATE,
    "key, wrong": CERTIFICATE,
    "own rule": "need fully-qualified address",
}


@pytest.fixture(params=OUT, ids=("bookworm", "trixie"))
def server(request: pytest.FixtureRequest) -> str:
    """A host of each release."""
    return str(request.param)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_session_is_taken_or_refused(attempt: str, received: Received, server: str) -> None:
    answer = received.answers[server][attempt]
    if attempt not in REFUSED:
        assert answer == ""
        return
    assert REFUSED[attempt] in answer
    if attempt != "own rule":
        assert answer.startswith("450 4.7.1 ")  # so that the partner tries again


@pytest.mark.parametrize("domain", ["partner.test", "certified.test"])
def test_own_programs_are_not_asked(domain: str, received: Received, server: str) -> None:
    assert received.answers[server][f"own programs, {domain}"] == ""


def test_result_names_the_demands(received: Received, server: str) -> None:
    run = received.runs["demanded"].one(server)
    assert run.changed
    assert {one["domain"]: one["inbound"] for one in run.result["domains"]} == {
        "partner.test": "tls",
        "wide.test": "tls",
        "placed.test": "tls",
        "certified.test": "certificate",
        "keyed.test": "certificate",
    }
    assert all("inbound: set" in one["reason"] for one in run.result["domains"])


def test_second_run_changes_nothing(received: Received, server: str) -> None:
    assert not received.runs["demanded again"].one(server).changed


def test_all_of_it_can_be_undone(received: Received, server: str) -> None:
    before, demanded, after = received.snapshots[server]
    assert "postmaster_inbound_senders 600 root:root" in demanded
    assert after == before
    assert received.answers[server]["gone"] == ""


def test_service_that_would_not_see_the_demand_is_an_error(received: Received, server: str) -> None:
    failed = received.runs["hidden"].one(server)
    assert failed.status == "failed"
    assert "smtpd_sender_restrictions=reject_unlisted_sender" in failed.result["msg"]
    assert failed.result["problem"]["option"].startswith("/etc/postfix/master.cf:")
    before, after = received.hidden[server]
    assert after == before


def test_server_without_tls_is_an_error(received: Received, server: str) -> None:
    failed = received.runs["without TLS"].one(server)
    assert failed.status == "failed"
    assert "offers no TLS" in failed.result["msg"]
    assert "mail_vserver_tls" in failed.result["problem"]["remedy"]
