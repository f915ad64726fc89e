# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix as administrators have set it up keeps what it meant, and nobody gets in who must not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab, wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.foreign_postfix import (
    NAMES,
    REFUSED,
    STORIES,
    ForeignPostfix,
    Story,
)

each_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name.replace(" ", "-"))


@pytest.fixture(scope="module")
def foreign_postfix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignPostfix]:
    """What becomes of configurations of administrators, on r1 and r2, which are in a lab of their own."""
    scenario = ForeignPostfix(Lab(lab_state("foreign")), tmp_path_factory.mktemp("foreign"))
    try:
        scenario.begin()
        yield scenario
    finally:
        scenario.lab.down()


@pytest.fixture(params=NAMES, ids=["bookworm", "trixie"])
def name(request: pytest.FixtureRequest) -> str:
    """A host of each release."""
    return str(request.param)


@each_story
def test_the_call_succeeds_and_a_second_one_changes_nothing(
    foreign_postfix: ForeignPostfix, name: str, story: Story
) -> None:
    for number, _vserver in enumerate(story.vservers):
        called = foreign_postfix.result(name, f"call {number}: {story.name}")
        assert called.status == "ok", called.result
        assert called.changed
    again = foreign_postfix.result(name, f"again: {story.name}")
    assert again.status == "ok", again.result
    assert not again.changed, again.result


@each_story
def test_taken_back_the_files_are_the_administrators(foreign_postfix: ForeignPostfix, name: str, story: Story) -> None:
    compared = foreign_postfix.result(name, f"compare: {story.name}")
    assert compared.result["stdout"].split() == ["same"], compared.result


def test_outgoing_mail_shows_the_client_certificate_as_before(foreign_postfix: ForeignPostfix, name: str) -> None:
    lab = foreign_postfix.lab
    peer = lab.hosts["r2" if name == "r1" else "r1"]
    wait_until(lambda: lab.run_in(peer, "test", "-s", "/var/mail/relay").code == 0, "the mail is there")
    assert f'Client CN "{lab.hosts[name].fqdn}"' in lab.read(peer, "/var/mail/relay")
    warnings = foreign_postfix.warnings(name, "client certificate by reference")
    assert [one for one in warnings if "keeps its meaning: smtp_tls_cert_file" in one]


def test_no_listener_of_the_port_takes_clear_text(foreign_postfix: ForeignPostfix, name: str) -> None:
    seen = [
        one for one in foreign_postfix.seen(name, "second listeners and restrictions for port 25") if "clear" in one
    ]
    assert len(seen) == 8
    assert all("530 5.7.0 Must issue a STARTTLS command first" in one for one in seen), seen


@pytest.mark.parametrize("story", ["second listeners and restrictions for port 25", "networks without a login"])
def test_who_logs_in_can_hand_in_mail(foreign_postfix: ForeignPostfix, name: str, story: str) -> None:
    seen = [one for one in foreign_postfix.seen(name, story) if one.startswith("login")]
    assert [one.split()[:4] for one in seen] == [["login", f"{port}:", "<~", "250"] for port in (587, 465)], seen


def test_whom_the_administrator_let_in_is_named(foreign_postfix: ForeignPostfix, name: str) -> None:
    story = "networks without a login"
    (row,) = foreign_postfix.result(name, f"call 0: {story}").result["vservers"]
    assert "hosts of mynetworks, without a login" in row["cut_off"]
    assert "shut out: hosts of mynetworks" in row["reason"]
    assert [one for one in foreign_postfix.warnings(name, story) if "shut out are hosts of mynetworks" in one]


def test_certificates_by_name_of_somebody_else_are_shown_as_before(foreign_postfix: ForeignPostfix, name: str) -> None:
    seen = dict(one.split(": ") for one in foreign_postfix.seen(name, "certificates by name of somebody else"))
    peer = foreign_postfix.lab.hosts["r2" if name == "r1" else "r1"].fqdn
    assert {asked: subject.partition("CN = ")[2] or subject.partition("CN=")[2] for asked, subject in seen.items()} == {
        "mail.cust-a.test": peer,
        "named.example.test": "named.example.test",
        "any.example.test": "other.example.test",
    }


@pytest.mark.parametrize(
    "story",
    ["listens on loopback still", "host that is kept out at some of its addresses", "host that is kept out"],
)
def test_others_reach_it(foreign_postfix: ForeignPostfix, name: str, story: str) -> None:
    (seen,) = foreign_postfix.seen(name, story)
    assert " 250" in seen


def test_what_the_host_cannot_see_of_itself_is_said(foreign_postfix: ForeignPostfix, name: str) -> None:
    for story, blind in (("host that is kept out at some of its addresses", False), ("host that is kept out", True)):
        warnings = [one for one in foreign_postfix.warnings(name, story) if "this host cannot see itself" in one]
        assert bool(warnings) is blind, story


def test_clients_of_a_load_balancer_can_log_in(foreign_postfix: ForeignPostfix, name: str) -> None:
    (seen,) = foreign_postfix.seen(name, "behind a load balancer")
    assert " 250 2.1.5" in seen


def test_what_the_administrator_demanded_is_demanded(foreign_postfix: ForeignPostfix, name: str) -> None:
    clear, older, newest = foreign_postfix.seen(name, "stricter than the defaults")
    assert "530 5.7.0 Must issue a STARTTLS command first" in clear
    assert (older, newest) == ("tls1_2: 0", "tls1_3: 1")


@pytest.mark.parametrize("refused", REFUSED, ids=lambda one: one.name.replace(" ", "-"))
def test_what_is_refused_is_named_and_the_remedy_helps(
    foreign_postfix: ForeignPostfix, name: str, refused: Story
) -> None:
    called = foreign_postfix.result(name, f"refused: {refused.name}")
    assert called.status == "failed"
    assert refused.found in called.result["problem"]["found"]
    followed = foreign_postfix.result(name, f"call 0: {refused.name}")
    assert followed.status == "ok", followed.result
