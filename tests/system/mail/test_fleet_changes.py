# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Control nodes that do not know what another one has done, and certificates that another CA is to sign from now on."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.fleet_changes import (
    NAME,
    FleetChanges,
)

OWN = "CN=Mail Root CA"
OTHER = "CN=Other Issuing,O=Other,C=DE"
THIRD = "CN=Third Issuing,O=Third,C=DE"


def on_both(name: str) -> dict[str, str]:
    """The same on both hosts."""
    return {"f1": name, "f2": name}


def assert_refused(run: Run, *words: str) -> None:
    """The run failed before anything was changed, and said these words."""
    assert run.code
    assert not [one for one in run.results if one.changed]
    for word in words:
        assert word in run.failures(), run.failures()


# ---- the own CA


def test_no_second_root_is_made_where_hosts_trust_one(changes: FleetChanges) -> None:
    run, made = changes.second_checkout
    assert_refused(run, "another CA of yours", "mail-root-ca.crt is trusted", "Copy the directory")
    assert not made


def test_no_second_root_of_another_name_is_made(changes: FleetChanges) -> None:
    run, made = changes.second_name
    assert_refused(run, "another CA of yours", "it has signed live certificates", "Copy the directory")
    assert not made


def test_the_remedy_helps(changes: FleetChanges) -> None:
    changes.copied.assert_success()


def test_a_wrong_passphrase_names_variable_and_file(changes: FleetChanges) -> None:
    assert_refused(changes.wrong_passphrase, "certificate_authority_passphrase does not open", "/root.key")


def test_a_ca_needs_a_place_that_lasts(changes: FleetChanges) -> None:
    assert_refused(changes.nowhere, "certificate_authority_directory is empty")


# ---- check mode


def test_acme_that_cannot_succeed_is_refused_in_check_mode(changes: FleetChanges) -> None:
    assert_refused(changes.unfit_for_acme["directory"], "certificates_acme_directory: it is missing")
    assert_refused(changes.unfit_for_acme["name"], "mx4 is not a full host name")


def test_check_mode_works_where_ansible_cannot_look_at_packages(changes: FleetChanges) -> None:
    changes.without_apt.assert_success()


def test_other_collections_are_needed_only_where_they_are_used(changes: FleetChanges) -> None:
    changes.without_crypto.assert_success()


# ---- a part of the work, one host after the other


def test_a_tag_limits_a_run_to_its_part(changes: FleetChanges) -> None:
    done = {
        one.task for one in changes.in_part.results if one.status == "ok" and "Validating arguments" not in one.task
    }
    assert done == {
        "Check the variables",
        "postmaster.secure_channel.vservers : Secure the host's virtual servers",
    }


def test_one_host_is_done_after_the_other(changes: FleetChanges) -> None:
    order = [one.host for one in changes.in_part.results if one.task != "Check the variables"]
    assert order == sorted(order)
    assert set(order) == {"f1", "f2"}


# ---- from one source to the next


def test_from_the_own_ca_to_an_outside_one(changes: FleetChanges) -> None:
    asked, before_the_answer, answered = changes.asked_outside
    assert before_the_answer == on_both(OWN)
    assert "the live certificate comes from own_ca, and one from external is asked for now" in str(asked.results)
    issuers, _run, _again = changes.imported
    assert issuers == on_both(OTHER)
    assert answered.changed("f1")


def test_from_an_outside_ca_to_another_tool(changes: FleetChanges) -> None:
    _issuers, run, again = changes.imported
    run.assert_success()
    assert "which came from external" in str(run.results)
    again.assert_success()
    assert not again.changed("f1") + again.changed("f2")


def test_from_another_tool_back_to_the_own_ca(changes: FleetChanges) -> None:
    changes.owned_again.assert_success()
    assert "the live certificate comes from lineage" in str(changes.owned_again.results)
    assert changes.issuers() == on_both(OWN)
    assert NAME in str(changes.owned_again.results)
