# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configurations of the corpus are complete, and clear text is judged by what is declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.corpus import outside, trials
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import (
    RELEASES,
    Source,
    sources,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.flows import Flows
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.stage import PLACES
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host

HOST = Host("one", "bookworm", "one.example.test", "10.88.0.11")
OPTIONAL = {"releases", "files", "append", "run", "flows", "login", "proxy", "refused"}


def test_every_daemon_has_some() -> None:
    assert {source.about()["daemons"][0] for source in sources()} == set(PLACES)


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_a_configuration_is_complete(source: Source) -> None:
    about = source.about()
    assert {"what", "host", "daemons", "declare"} <= set(about)
    assert set(about) <= {"what", "host", "daemons", "declare", *OPTIONAL}
    assert set(about["daemons"]) <= set(PLACES)
    assert set(about.get("releases", RELEASES)) <= set(RELEASES)
    assert all(hasattr(Flows, f"_{next(iter(flow))}") for flow in about.get("flows", ()))


def test_what_is_declared_is_withdrawn_in_the_other_order() -> None:
    configuration = next(one for one in sources() if one.name == "postfix-amavis").on(HOST)
    assert [call.module for call in configuration.declared] == ["mail_vserver_tls", "mail_domain_security"]
    assert [(call.module, call.arguments) for call in configuration.withdrawn] == [
        ("mail_domain_security", {"domains": [{"domain": "*", "state": "absent"}]}),
        ("mail_vserver_tls", {"vservers": [{"protocol": "smtp", "state": "absent"}]}),
    ]


def test_the_words_of_a_host_are_filled_in() -> None:
    configuration = next(one for one in sources() if one.name == "postfix-ispmail").on(HOST)
    assert {"receive": "alice@one.example.test"} in configuration.flows


@pytest.mark.parametrize(
    ("declared", "refused"),
    [
        ({"protocol": "submission", "require_secure_channel": True}, {"login", "offer", "mail"}),
        ({"protocol": "submission", "require_secure_channel": False}, {"login", "offer"}),
        ({"protocol": "smtp", "require_secure_channel": True}, {"login", "offer"}),
        (
            {"protocol": "smtp", "require_secure_channel": True, "refuse_strangers_in_clear": True},
            {"login", "offer", "mail"},
        ),
        ({"protocol": "imap", "require_secure_channel": False}, {"login"}),
        ({"protocol": "nntp", "require_secure_channel": True}, {"login", "offer", "read"}),
        ({"protocol": "http", "require_secure_channel": True}, {"page"}),
        ({"protocol": "http", "require_secure_channel": False}, set()),
    ],
)
def test_what_must_not_be_possible_in_clear_text(declared: Mapping[str, Any], refused: set[str]) -> None:
    assert outside.forbidden(declared) == refused


def test_the_same_seed_draws_the_same() -> None:
    table = trials.tables()["mail"]
    drawn = [trials.drawn("7", "mail", table, HOST, number)[0] for number in range(20)]
    assert drawn == [trials.drawn("7", "mail", table, HOST, number)[0] for number in range(20)]
    assert len(set(drawn)) > 10
    assert drawn != [trials.drawn("8", "mail", table, HOST, number)[0] for number in range(20)]
