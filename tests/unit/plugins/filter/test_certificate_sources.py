# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From declared certificates to requests, from what CAs answer to what is installed."""

from __future__ import annotations

from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.filter.acme_challenges import acme_challenges
from ansible_collections.postmaster.secure_channel.plugins.filter.ca_answers import ca_answers
from ansible_collections.postmaster.secure_channel.plugins.filter.certificate_installs import certificate_installs
from ansible_collections.postmaster.secure_channel.plugins.filter.certificate_requests import certificate_requests
from ansible_collections.postmaster.secure_channel.plugins.filter.certificates_by_source import certificates_by_source

LINEAGE = {"name": "www.test", "source": "lineage", "src": "/live/www.pem", "key_src": "/live/www.key"}
ACME = {"name": "imap.test", "source": "acme", "acme_challenge": "dns-01", "key_type": "RSA"}
OWN = {"name": "mx.test", "key_passphrase": "open sesame"}
EXPLICIT = {"name": "pop.test", "source": "own_ca"}
EXTERNAL = {"name": "smtp.test", "source": "external", "key_size": 2048}
ALL: list[dict[str, Any]] = [LINEAGE, EXTERNAL, ACME, OWN, EXPLICIT]


def test_the_own_ca_is_the_default_and_comes_first() -> None:
    found = certificates_by_source(ALL)
    assert found == {"own_ca": [OWN, EXPLICIT], "acme": [ACME], "external": [EXTERNAL], "lineage": [LINEAGE]}
    assert list(found) == ["own_ca", "acme", "external", "lineage"]
    assert certificates_by_source([]) == {}


def test_a_request_has_the_options_of_the_module_only() -> None:
    assert certificate_requests([LINEAGE, ACME, EXPLICIT]) == [
        {"name": "imap.test", "key_type": "RSA", "source": "acme"},
        {"name": "pop.test", "source": "own_ca"},
    ]


def test_what_only_the_answer_needs_is_not_in_the_request() -> None:
    entry = {**EXTERNAL, "chain": "PEM", "trust_store": "/roots.pem", "names": ["a.test"], "replace": True}
    assert certificate_requests([entry]) == [{"name": "smtp.test", "key_size": 2048, "source": "external"}]


def test_what_is_due_is_requested_now() -> None:
    assert certificate_requests([EXTERNAL, EXPLICIT], ["smtp.test", "www.test"]) == [
        {"name": "smtp.test", "key_size": 2048, "source": "external", "renew": "now"},
        {"name": "pop.test", "source": "own_ca"},
    ]
    assert "renew" not in EXTERNAL


def test_an_answer_gets_what_its_entry_says_of_the_installation() -> None:
    answers: list[dict[str, Any]] = [
        {"name": "mx.test", "content": "pem"},
        {"name": "www.test"},
        {"name": "smtp.test", "content": ""},
        {"name": "nobody's.test", "content": "pem"},
    ]
    assert certificate_installs(answers, ALL) == [
        {"name": "mx.test", "content": "pem", "key_passphrase": "open sesame"},
        {"name": "www.test", "src": "/live/www.pem", "key_src": "/live/www.key", "source": "lineage"},
        {"name": "smtp.test", "content": "", "source": "external"},
        {"name": "nobody's.test", "content": "pem"},
    ]


def test_each_request_is_answered_by_what_was_signed_for_it() -> None:
    requests = [{"name": "a", "csr": "A"}, {"name": "b", "csr": "B"}]
    signed = [{"item": request, "certificate": f"signed {request['csr']}\n"} for request in reversed(requests)]
    assert ca_answers(requests, signed, "chain") == [
        {"name": "a", "content": "signed A\nchain"},
        {"name": "b", "content": "signed B\nchain"},
    ]


def test_in_check_mode_every_answer_is_empty() -> None:
    assert ca_answers([{"name": "a"}], []) == [{"name": "a", "content": ""}]


def ordered(name: str, identifiers: dict[str, Any], records: dict[str, list[str]]) -> dict[str, Any]:
    """What the CA answered to an order."""
    return {"item": {"name": name}, "challenge_data": identifiers, "challenge_data_dns": records}


def test_each_challenge_is_shown_in_its_own_way() -> None:
    file = {"resource": ".well-known/acme-challenge/x", "resource_value": "y"}
    results = [
        ordered("smtp.test", {"smtp.test": {"http-01": file, "dns-01": {"record": "r"}}}, {"r": ["v"]}),
        ordered("imap.test", {"imap.test": {"http-01": file}}, {"_acme-challenge.imap.test": ["1"]}),
        {"item": {"name": "refused.test"}, "msg": "rate limit"},
    ]
    assert acme_challenges(results, ALL, "http-01") == {
        "http-01": [file],
        "dns-01": [{"name": "_acme-challenge.imap.test", "values": ["1"]}],
    }


def test_a_name_and_its_wildcard_share_a_record() -> None:
    results = [ordered("a", {}, {"_acme-challenge.test": ["1"]}), ordered("b", {}, {"_acme-challenge.test": ["2"]})]
    assert acme_challenges(results, [], "dns-01") == {
        "dns-01": [{"name": "_acme-challenge.test", "values": ["1", "2"]}]
    }
    assert results[0]["challenge_data_dns"] == {"_acme-challenge.test": ["1"]}


def test_what_the_ca_has_seen_before_is_not_shown_again() -> None:
    assert acme_challenges([ordered("a", {}, {})], [], "http-01") == {}
