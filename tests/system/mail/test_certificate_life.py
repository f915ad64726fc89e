# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole life of certificates of three kinds of CAs on one host: requested, pending, signed, installed, renewed."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates import openssl_ca
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import key_traces
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.certificate_hosts import (
    KINDS,
    LINEAGE,
    STORE,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.certificate_life import (
    CertificateLife,
)

each_kind = pytest.mark.parametrize("kind", KINDS)


# ---- requested: nothing but requests


def test_all_requests_are_pending_and_the_play_ends_well(life: CertificateLife, owner: Host) -> None:
    requested = life.requested
    requested.run.assert_success()
    names = sorted(life.setup.name(owner, kind) for kind in KINDS)
    assert sorted(requested.pending[owner.name]) == names
    (said,) = [one for one in requested.run.of(owner.name) if one.task.endswith("Say what is still waiting for a CA")]
    assert all(name in str(said.result["msg"]) for name in names)


def test_a_second_run_changes_nothing_and_keeps_every_key(life: CertificateLife, owner: Host) -> None:
    assert not life.asked_again.run.changed(owner.name)
    assert life.asked_again.pending[owner.name] == life.requested.pending[owner.name]


# ---- refused: a CA that cannot reach the host, one that nobody has asked yet, one that cannot sign yet


def test_a_failing_http_01_fails_and_leaves_the_request_pending_with_its_key(
    life: CertificateLife, owner: Host
) -> None:
    assert life.refused.run.code
    name = life.setup.name(owner, "imap")
    assert life.refused.pending[owner.name][name] == life.requested.pending[owner.name][name]
    (said,) = [one for one in life.refused.run.of(owner.name) if one.status == "failed" and not one.ignored][-1:]
    assert "connection refused" in said.result["msg"]
    assert f"gave no certificate for {name}" in said.result["msg"]


def test_dns_01_gets_a_wildcard_beside_it(life: CertificateLife, owner: Host) -> None:
    name = life.setup.name(owner, "pop3")
    assert name not in life.refused.pending[owner.name]
    (live,) = [one for one in life.refused.installed(owner.name) if one["name"] == name]
    assert live["names"] == [f"*.{owner.fqdn}"]


def test_it_is_bound_though_other_certificates_of_the_host_are_missing(life: CertificateLife, owner: Host) -> None:
    shown = {port: seen for port, seen in life.wire_refused.items() if port.startswith(f"{owner.fqdn} ")}
    assert sorted(shown) == [f"{owner.fqdn} pop3 110", f"{owner.fqdn} pop3 995"]
    assert set(shown.values()) == {openssl_ca.fingerprint(life.refused.live[owner.name]["pop3"])}
    (said,) = [one for one in life.refused.run.of(owner.name) if one.task.endswith("Say what is not secured yet")]
    assert all(life.setup.name(owner, kind) in said.result["msg"] for kind in ("smtp", "submission", "imap"))


def test_what_no_ca_has_answered_stays_pending_with_its_key(life: CertificateLife, owner: Host) -> None:
    for kind in ("smtp", "submission"):
        name = life.setup.name(owner, kind)
        assert life.refused.pending[owner.name][name] == life.requested.pending[owner.name][name]


# ---- installed: all have answered


def test_all_answers_are_installed_for_the_keys_that_waited(life: CertificateLife, owner: Host) -> None:
    life.answered.run.assert_success()
    assert not life.answered.pending[owner.name]
    for kind in KINDS:
        name = life.setup.name(owner, kind)
        assert openssl_ca.spki_sha256(life.answered.live[owner.name][kind]) == life.requested.pending[owner.name][name]


@each_kind
def test_every_field_of_the_summary_is_what_openssl_says(life: CertificateLife, owner: Host, kind: str) -> None:
    name = life.setup.name(owner, kind)
    runs = (life.refused, life.answered)
    (installed,) = [one for run in runs for one in run.installed(owner.name) if one["name"] == name]
    expected = openssl_ca.summary(life.answered.live[owner.name][kind])
    found = {field: installed[field] for field in expected}
    found["names"] = sorted(found["names"])
    assert {**found, "serial": found["serial"].lstrip("0")} == {**expected, "serial": expected["serial"].lstrip("0")}


@each_kind
def test_it_is_served(life: CertificateLife, owner: Host, kind: str) -> None:
    ports = [port for port in life.wire_answered if port.startswith(f"{owner.fqdn} {kind} ")]
    assert ports
    for port in ports:
        assert life.wire_answered[port] == openssl_ca.fingerprint(life.answered.live[owner.name][kind]), port


def test_the_chain_of_the_own_ca_ends_in_the_foreign_root(life: CertificateLife, owner: Host) -> None:
    text = life.answered.live[owner.name]["submission"]
    leaf, *chain = openssl_ca.blocks(text)
    assert [openssl_ca.subject(one) for one in chain] == ["CN=Mail Root CA", "CN=Foreign Issuing,O=Foreign,C=DE"]
    life.setup.workshop.joinpath("chain.pem").write_text("".join(chain))
    root = life.setup.foreign.root
    openssl_ca.openssl("verify", "-CAfile", root, "-untrusted", life.setup.workshop / "chain.pem", given=leaf)


# ---- settled: everything again, but for one certificate that the public CA has revoked


def test_a_revoked_certificate_is_replaced_since_the_ca_says_so(life: CertificateLife, owner: Host) -> None:
    life.settled.run.assert_success()
    (renewed,) = [one for one in life.settled.installed(owner.name) if one["name"] == life.setup.name(owner, "imap")]
    assert renewed["sha256"] != openssl_ca.fingerprint(life.answered.live[owner.name]["imap"])


def test_nothing_else_changes(life: CertificateLife, owner: Host) -> None:
    changed = {task.rpartition(" : ")[2] for task in life.settled.run.changed(owner.name)}
    assert changed == {"Have a request pending for each certificate that is missing or due", "Install the answers"} | (
        {"Put the requests there"}
    )
    for kind in ("smtp", "submission", "pop3"):
        assert life.settled.live[owner.name][kind] == life.answered.live[owner.name][kind]


def test_what_another_tool_has_renewed_is_installed(life: CertificateLife, owner: Host) -> None:
    for phase, number in ((life.answered, 1), (life.settled, 2)):
        kept = life.setup.lab.read(owner, f"{LINEAGE}/archive/www/fullchain{number}.pem")
        assert openssl_ca.blocks(phase.live[owner.name]["www"]) == openssl_ca.blocks(kept)


# ---- killed: Ansible dies between request and promotion, again and again


def test_every_death_is_one(life: CertificateLife) -> None:
    assert [one.code for one in life.deaths] == [137] * len(life.deaths), [one.out for one in life.deaths]
    assert life.deaths


def test_the_old_certificates_are_served_after_each_death(life: CertificateLife) -> None:
    for wire in life.wires_killed:
        assert wire == life.wire_settled


def test_every_key_survives_all_deaths(life: CertificateLife, owner: Host) -> None:
    first, *others = life.pending_killed
    assert sorted(first[owner.name]) == sorted(life.setup.name(owner, kind) for kind in KINDS)
    for other in others:
        assert other[owner.name] == first[owner.name]


def test_a_module_killed_during_promotion_is_undone_by_the_host(life: CertificateLife, owner: Host) -> None:
    assert life.killed_half_way[owner.name]


# ---- rotated: the next run completes, while clients connect


def test_the_next_run_completes_with_the_keys_that_waited(life: CertificateLife, owner: Host) -> None:
    life.rotated.run.assert_success()
    assert not life.rotated.pending[owner.name]
    for kind in KINDS:
        name = life.setup.name(owner, kind)
        assert openssl_ca.spki_sha256(life.rotated.live[owner.name][kind]) == life.pending_killed[0][owner.name][name]


def test_no_connect_fails_during_a_rotation(life: CertificateLife, owner: Host) -> None:
    ports = {label: seen for label, seen in life.connects["ports"].items() if label.startswith(f"{owner.fqdn}:")}
    assert len(ports) == 7
    for label, seen in ports.items():
        assert not seen["errors"], f"{label}: {seen['errors'][:3]}"
        assert seen["connects"] >= 250, label


def test_the_clients_saw_the_old_certificate_and_then_the_new_one(life: CertificateLife, owner: Host) -> None:
    for label, seen in life.connects["ports"].items():
        if label.startswith(f"{owner.fqdn}:"):
            kind = life.kind_of(int(label.rpartition(":")[2]))
            serials = [
                openssl_ca.serial(phase.live[owner.name][kind]).lstrip("0") for phase in (life.settled, life.rotated)
            ]
            assert [one.lstrip("0") for one in seen["serials"]] == serials, label


def test_a_session_from_before_the_rotation_is_still_there(life: CertificateLife, owner: Host) -> None:
    assert life.connects["sessions"][owner.fqdn] == "OK"


def test_both_tlsa_records_are_there_before_and_only_the_new_one_after(life: CertificateLife, owner: Host) -> None:
    before, after = life.tlsa[owner.name][-2:]  # those of the rotation that was not killed
    assert len(before) == len(after) == 7
    for record in before:
        kind = life.kind_of(int(record["name"].split(".")[0][1:]))
        old, new = (
            f"3 1 1 {openssl_ca.spki_sha256(phase.live[owner.name][kind])}" for phase in (life.settled, life.rotated)
        )
        assert record["values"] == [old, new]
        assert {"name": record["name"], "type": "TLSA", "values": [new]} in after


# ---- returned: two of the certificates before come back


def test_the_way_back_leads_to_the_certificates_before(life: CertificateLife, owner: Host) -> None:
    life.returned.run.assert_success()
    for kind in KINDS:
        phase = life.settled if kind in ("smtp", "imap") else life.rotated
        expected = openssl_ca.blocks(phase.live[owner.name][kind])
        assert openssl_ca.blocks(life.returned.live[owner.name][kind]) == expected
        for port, seen in life.wire_returned.items():
            if port.startswith(f"{owner.fqdn} {kind} "):
                assert seen == openssl_ca.fingerprint(expected[0])


# ---- reported: a table of all certificates


def test_the_report_has_a_line_for_each_certificate(life: CertificateLife, owner: Host) -> None:
    lines = {line.split()[1]: line for line in life.report if line.startswith(f"{owner.name} ")}
    assert sorted(lines) == sorted(life.setup.name(owner, kind) for kind in (*KINDS, "www"))
    for kind, daemon in (("smtp", "postfix"), ("submission", "postfix"), ("imap", "dovecot"), ("pop3", "dovecot")):
        line = lines[life.setup.name(owner, kind)]
        assert daemon in line
        issuer = openssl_ca.issuer(life.returned.live[owner.name][kind])
        assert issuer in line


# ---- keys


def test_no_key_is_readable_by_others_at_any_instant(life: CertificateLife, owner: Host) -> None:
    written = life.key_files[owner.name]
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
def test_a_key_in_a_file_that_others_can_read_is_found(
    life: CertificateLife, owner: Host, algorithm: str, content: str
) -> None:
    program = WRITES.format(path="/run/planted.pem", algorithm=algorithm, content=content)
    (found,) = key_traces.written_by(life.setup.lab, owner, program)
    assert found.path == "/run/planted.pem"
    assert not found.closed


def test_a_byte_code_cache_is_no_key(life: CertificateLife, owner: Host) -> None:
    program = "import cryptography.hazmat.primitives.serialization.ssh as module, py_compile; "
    program += "py_compile.compile(module.__file__, '/run/planted.pyc')"
    assert not key_traces.written_by(life.setup.lab, owner, program)
    content = life.setup.lab.ask(owner, "grep", "-c", "BEGIN OPENSSH PRIVATE KEY", "/run/planted.pyc")
    assert content.strip() != "0", "the label is not in it: nothing was shown"
