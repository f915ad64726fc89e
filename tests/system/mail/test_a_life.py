# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole life of certificates of three kinds of CAs on one host: requested, pending, signed, installed, renewed."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers import key_traces, openssl_ca
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.lab import Host
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.life import KINDS, LINEAGE, STORE
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.life_story import Story

each_kind = pytest.mark.parametrize("kind", KINDS)


# ---- requested: nothing but requests


def test_all_requests_are_pending_and_the_play_ends_well(story: Story, aging: Host) -> None:
    requested = story.requested
    requested.run.assert_success()
    names = sorted(story.life.name(aging, kind) for kind in KINDS)
    assert sorted(requested.pending[aging.name]) == names
    (told,) = [one for one in requested.run.of(aging.name) if one.task.endswith("Say what is still waiting for a CA")]
    assert all(name in str(told.result["msg"]) for name in names)


def test_a_second_run_changes_nothing_and_keeps_every_key(story: Story, aging: Host) -> None:
    assert not story.asked_again.run.changed(aging.name)
    assert story.asked_again.pending[aging.name] == story.requested.pending[aging.name]


# ---- refused: a CA that cannot reach the host, one that nobody has asked yet, one that cannot sign yet


def test_a_failing_http_01_leaves_the_request_pending_with_its_key(story: Story, aging: Host) -> None:
    story.refused.run.assert_success()
    name = story.life.name(aging, "imap")
    assert story.refused.pending[aging.name][name] == story.requested.pending[aging.name][name]
    (said,) = [
        one for one in story.refused.run.of(aging.name) if one.task.endswith("Say why the requests stay pending")
    ]
    assert "connection refused" in said.result["msg"]
    assert name in said.result["msg"]


def test_dns_01_gets_a_wildcard_beside_it(story: Story, aging: Host) -> None:
    name = story.life.name(aging, "pop3")
    assert name not in story.refused.pending[aging.name]
    (live,) = [one for one in story.refused.installed(aging.name) if one["name"] == name]
    assert live["names"] == [f"*.{aging.fqdn}"]


def test_what_no_ca_has_answered_stays_pending_with_its_key(story: Story, aging: Host) -> None:
    for kind in ("smtp", "submission"):
        name = story.life.name(aging, kind)
        assert story.refused.pending[aging.name][name] == story.requested.pending[aging.name][name]


# ---- installed: all have answered


def test_all_answers_are_installed_for_the_keys_that_waited(story: Story, aging: Host) -> None:
    story.answered.run.assert_success()
    assert not story.answered.pending[aging.name]
    for kind in KINDS:
        name = story.life.name(aging, kind)
        assert (
            openssl_ca.spki_sha256(story.answered.live[aging.name][kind]) == story.requested.pending[aging.name][name]
        )


@each_kind
def test_every_field_of_the_summary_is_what_openssl_says(story: Story, aging: Host, kind: str) -> None:
    name = story.life.name(aging, kind)
    runs = (story.refused, story.answered)
    (installed,) = [one for run in runs for one in run.installed(aging.name) if one["name"] == name]
    expected = openssl_ca.summary(story.answered.live[aging.name][kind])
    found = {field: installed[field] for field in expected}
    found["names"] = sorted(found["names"])
    assert {**found, "serial": found["serial"].lstrip("0")} == {**expected, "serial": expected["serial"].lstrip("0")}


@each_kind
def test_it_is_served(story: Story, aging: Host, kind: str) -> None:
    ports = [port for port in story.wire_answered if port.startswith(f"{aging.fqdn} {kind} ")]
    assert ports
    for port in ports:
        assert story.wire_answered[port] == openssl_ca.fingerprint(story.answered.live[aging.name][kind]), port


def test_the_chain_of_the_own_ca_ends_in_the_foreign_root(story: Story, aging: Host) -> None:
    text = story.answered.live[aging.name]["submission"]
    leaf, *chain = openssl_ca.blocks(text)
    assert [openssl_ca.subject(one) for one in chain] == ["CN=Mail Root CA", "CN=Foreign Issuing,O=Foreign,C=DE"]
    story.life.workshop.joinpath("chain.pem").write_text("".join(chain))
    root = story.life.foreign.root
    openssl_ca.openssl("verify", "-CAfile", root, "-untrusted", story.life.workshop / "chain.pem", given=leaf)


# ---- settled: everything again, but for one certificate that the public CA has revoked


def test_a_revoked_certificate_is_replaced_since_the_ca_says_so(story: Story, aging: Host) -> None:
    story.settled.run.assert_success()
    (renewed,) = [one for one in story.settled.installed(aging.name) if one["name"] == story.life.name(aging, "imap")]
    assert renewed["sha256"] != openssl_ca.fingerprint(story.answered.live[aging.name]["imap"])


def test_nothing_else_changes(story: Story, aging: Host) -> None:
    changed = {task.rpartition(" : ")[2] for task in story.settled.run.changed(aging.name)}
    assert changed == {"Have a request pending for each certificate that is missing or due", "Install the answers"} | (
        {"Put the requests there"}
    )
    for kind in ("smtp", "submission", "pop3"):
        assert story.settled.live[aging.name][kind] == story.answered.live[aging.name][kind]


def test_what_another_tool_has_renewed_is_installed(story: Story, aging: Host) -> None:
    for chapter, number in ((story.answered, 1), (story.settled, 2)):
        kept = story.life.lab.read(aging, f"{LINEAGE}/archive/www/fullchain{number}.pem")
        assert openssl_ca.blocks(chapter.live[aging.name]["www"]) == openssl_ca.blocks(kept)


# ---- killed: Ansible dies between request and promotion, again and again


def test_every_death_is_one(story: Story) -> None:
    assert [one.code for one in story.deaths] == [137] * len(story.deaths), [one.out for one in story.deaths]
    assert story.deaths


def test_the_old_certificates_are_served_after_each_death(story: Story) -> None:
    for wire in story.wires_killed:
        assert wire == story.wire_settled


def test_every_key_survives_all_deaths(story: Story, aging: Host) -> None:
    first, *others = story.pending_killed
    assert sorted(first[aging.name]) == sorted(story.life.name(aging, kind) for kind in KINDS)
    for other in others:
        assert other[aging.name] == first[aging.name]


def test_a_module_killed_during_promotion_leaves_a_journal(story: Story, aging: Host) -> None:
    assert story.killed_half_way[aging.name]


# ---- rotated: the next run completes, while clients connect


def test_the_next_run_completes_with_the_keys_that_waited(story: Story, aging: Host) -> None:
    story.rotated.run.assert_success()
    assert not story.rotated.pending[aging.name]
    for kind in KINDS:
        name = story.life.name(aging, kind)
        assert openssl_ca.spki_sha256(story.rotated.live[aging.name][kind]) == story.pending_killed[0][aging.name][name]


def test_no_connect_fails_during_a_rotation(story: Story, aging: Host) -> None:
    ports = {label: seen for label, seen in story.connects["ports"].items() if label.startswith(f"{aging.fqdn}:")}
    assert len(ports) == 7
    for label, seen in ports.items():
        assert not seen["errors"], f"{label}: {seen['errors'][:3]}"
        assert seen["connects"] >= 250, label


def test_the_clients_saw_the_old_certificate_and_then_the_new_one(story: Story, aging: Host) -> None:
    for label, seen in story.connects["ports"].items():
        if label.startswith(f"{aging.fqdn}:"):
            kind = story.kind_of(int(label.rpartition(":")[2]))
            serials = [
                openssl_ca.serial(chapter.live[aging.name][kind]).lstrip("0")
                for chapter in (story.settled, story.rotated)
            ]
            assert [one.lstrip("0") for one in seen["serials"]] == serials, label


def test_a_session_from_before_the_rotation_is_still_there(story: Story, aging: Host) -> None:
    assert story.connects["sessions"][aging.fqdn] == "OK"


def test_both_tlsa_records_are_there_before_and_only_the_new_one_after(story: Story, aging: Host) -> None:
    before, after = story.tlsa[aging.name][-2:]  # those of the rotation that was not killed
    assert len(before) == len(after) == 7
    for record in before:
        kind = story.kind_of(int(record["name"].split(".")[0][1:]))
        old, new = (
            f"3 1 1 {openssl_ca.spki_sha256(chapter.live[aging.name][kind])}"
            for chapter in (story.settled, story.rotated)
        )
        assert record["values"] == [old, new]
        assert {"name": record["name"], "type": "TLSA", "values": [new]} in after


# ---- returned: two of the certificates before come back


def test_the_way_back_leads_to_the_certificates_before(story: Story, aging: Host) -> None:
    story.returned.run.assert_success()
    for kind in KINDS:
        chapter = story.settled if kind in ("smtp", "imap") else story.rotated
        expected = openssl_ca.blocks(chapter.live[aging.name][kind])
        assert openssl_ca.blocks(story.returned.live[aging.name][kind]) == expected
        for port, seen in story.wire_returned.items():
            if port.startswith(f"{aging.fqdn} {kind} "):
                assert seen == openssl_ca.fingerprint(expected[0])


# ---- told: a table of all certificates


def test_the_report_has_a_line_for_each_certificate(story: Story, aging: Host) -> None:
    lines = {line.split()[1]: line for line in story.report if line.startswith(f"{aging.name} ")}
    assert sorted(lines) == sorted(story.life.name(aging, kind) for kind in (*KINDS, "www"))
    for kind, daemon in (("smtp", "postfix"), ("submission", "postfix"), ("imap", "dovecot"), ("pop3", "dovecot")):
        line = lines[story.life.name(aging, kind)]
        assert daemon in line
        issuer = openssl_ca.issuer(story.returned.live[aging.name][kind])
        assert issuer in line


# ---- keys


def test_no_key_is_readable_by_others_at_any_instant(story: Story, aging: Host) -> None:
    written = story.key_files[aging.name]
    paths = " ".join(one.path for one in written)
    for place in ("/pending/", "/live/", "/deployed/postfix/", "/deployed/dovecot/"):
        assert f"{STORE}{place}" in paths, paths
    for one in written:
        assert one.closed, one


# What the test above must find, and what it must not: written by a program that a host traces as it traces modules.
WRITES = """
import os, subprocess
key = subprocess.run(["openssl", "genpkey", "-algorithm", "{algorithm}"], capture_output=True, check=True).stdout
os.umask(0o022)
with open("{path}", "wb") as stream:
    stream.write({content})
os.unlink("{path}")
"""


@pytest.mark.parametrize("algorithm", ["RSA", "ED25519"])
@pytest.mark.parametrize("content", ["key", "b'#' * 50000 + b'\\n' + key"], ids=["alone", "last"])
def test_a_key_in_a_file_that_others_can_read_is_found(story: Story, aging: Host, algorithm: str, content: str) -> None:
    program = WRITES.format(path="/run/planted.pem", algorithm=algorithm, content=content)
    (found,) = key_traces.written_by(story.life.lab, aging, program)
    assert found.path == "/run/planted.pem"
    assert not found.closed


def test_a_byte_code_cache_is_no_key(story: Story, aging: Host) -> None:
    program = "import cryptography.hazmat.primitives.serialization.ssh as module, py_compile; "
    program += "py_compile.compile(module.__file__, '/run/planted.pyc')"
    assert not key_traces.written_by(story.life.lab, aging, program)
    content = story.life.lab.ask(aging, "grep", "-c", "BEGIN OPENSSH PRIVATE KEY", "/run/planted.pyc")
    assert content.strip() != "0", "the label is not in it: nothing was shown"
