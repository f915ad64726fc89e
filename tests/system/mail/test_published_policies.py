# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others publish of their TLS decides: TLSA records in a signed zone (DANE), policies on the web (MTA-STS)."""

from __future__ import annotations

import re

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.published_policies import Published


@pytest.fixture(params=["d1", "d2"], ids=["bookworm", "trixie"])
def sender(request: pytest.FixtureRequest) -> str:
    """A host of each release."""
    return str(request.param)


# ---- pinned


@pytest.mark.parametrize(("kind", "trust"), [("right", "Verified"), ("bare", "Untrusted|Trusted")])
def test_mail_goes_to_the_host_that_the_records_name_and_to_one_without_records(
    kind: str, trust: str, published: Published, sender: str
) -> None:
    fate = published.pinned[sender][kind]
    assert fate.status == "sent", fate
    assert re.fullmatch(trust, fate.trust), fate


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("wrong", "Server certificate not trusted|not verified"), ("only", "(?i)no (usable )?TLSA|dane|DNSSEC")],
)
def test_mail_waits_where_the_records_name_another_key_or_must_be_there(
    kind: str, reason: str, published: Published, sender: str
) -> None:
    fate = published.pinned[sender][kind]
    assert fate.status == "deferred", fate
    assert re.search(reason, fate.reason), fate


def test_others_find_the_key_pinned(published: Published, sender: str) -> None:
    assert "Verified TLS connection established" in published.judged[sender]


# ---- rotated


def test_all_mail_arrives_while_the_keys_change(published: Published, sender: str) -> None:
    run, fates = published.rotated
    run.assert_success()
    assert len(fates[sender]) > 10
    assert [one for one in fates[sender] if (one.status, one.trust) != ("sent", "Verified")] == []


def test_the_keys_have_changed(published: Published, sender: str) -> None:
    run, _fates = published.rotated
    (installed,) = [one for one in run.of(sender) if one.task.endswith("Install the answers")]
    assert installed.changed


# ---- followed


@pytest.mark.parametrize(("kind", "trusts"), [("sts", ("Verified",)), ("free", ("Untrusted", "Trusted", ""))])
def test_mail_goes_where_the_policy_says_and_where_there_is_none(
    kind: str, trusts: tuple[str, ...], published: Published, sender: str
) -> None:
    fate = published.followed[sender][kind]
    assert fate.status == "sent", fate
    assert fate.trust in trusts, fate


def test_mail_waits_where_the_policy_names_another_host(published: Published, sender: str) -> None:
    fate = published.followed[sender]["strange"]
    assert fate.status == "deferred", fate
    assert "Server certificate not verified" in fate.reason


def test_asking_for_policies_again_changes_nothing(published: Published, sender: str) -> None:
    assert published.followed
    assert published.again.one(sender).result["mta_sts"]
    assert not published.again.one(sender).changed


def test_without_policies_mail_goes_and_the_configuration_is_as_before(published: Published, sender: str) -> None:
    assert published.left_alone[sender]["strange"].status == "sent", published.left_alone[sender]
    host = published.lab.hosts[sender]
    assert published.lab.read(host, "/etc/postfix/main.cf") == published.without[sender]
