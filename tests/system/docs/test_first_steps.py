# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever follows the page "First steps" word for word gets what it says."""

from __future__ import annotations

import re

from ansible_collections.postmaster.secure_channel.tests.support.written_examples import blocks_of
from ansible_collections.postmaster.secure_channel.tests.system.docs.conftest import PAGE, Followed, Lab

SITE = "ansible-playbook postmaster.secure_channel.site"


def test_every_command_succeeds(followed: Followed) -> None:
    assert len(followed.done) > 10
    failed = [one for one in followed.done if one.code]
    assert not failed, "\n".join(f"{one.command}: exit code {one.code}\n{one.out}" for one in failed)


def test_the_collection_comes_from_the_tarball(followed: Followed) -> None:
    assert (followed.project.parent / ".ansible/collections/ansible_collections/postmaster/secure_channel").is_dir()


def test_the_look_ahead_foresees_what_the_run_does(followed: Followed) -> None:
    ahead, real = [one for one in followed.done if one.command.startswith(SITE)]
    for one in (ahead, real):
        assert re.search(r"mx1.example.test +: .*changed=[1-9]", one.out), one.out
        assert re.search(r"mx2.example.test +: .*changed=[1-9]", one.out), one.out


def test_the_proof_is_the_table_on_the_page(followed: Followed) -> None:
    (table,) = [block.text for block in blocks_of(PAGE) if block.language == "text"]
    shown = followed.of("ansible-playbook postmaster.secure_channel.verify").out
    for line in table.strip().splitlines()[1:]:
        host, protocol, port, refused, version, name, verified, _days = line.split()
        # a public CA need not write a common name into its certificates; where it does not, the first name is shown
        row = rf"{host} +{protocol} +{port} +{refused} +{version} +(CN=)?{name.removeprefix('CN=')} +{verified} +\d+"
        assert re.search(row, shown), f"{line}: {shown}"


def test_secrets_are_encrypted(followed: Followed) -> None:
    assert (followed.project / "group_vars/inside/vault.yml").read_text().startswith("$ANSIBLE_VAULT")


def test_each_server_shows_the_certificate_of_the_ca_that_the_page_chose(followed: Followed, lab: Lab) -> None:
    issuers = {
        name: lab.sh(name, f"openssl x509 -noout -issuer -in /etc/postmaster/live/{name}.example.test.pem")
        for name in ("mx1", "mx2")
    }
    assert "Pebble" in issuers["mx1"]
    assert "Example Mail Root CA" in issuers["mx2"]


def test_what_was_taken_back_is_gone(followed: Followed, lab: Lab) -> None:
    assert followed.of("ansible mx1.example.test -b -m postmaster.secure_channel.mail_vserver_tls").code == 0
    assert "postmaster" not in lab.sh("mx1", "ls /etc/dovecot/conf.d | grep imap || true")
