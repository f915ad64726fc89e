# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords, the CA's passphrase and private keys are seen nowhere, not for an instant."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers import watch
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.site import Secrets, Site
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.watch import Watched

# Dovecot 2.4 keeps its settings there, with the keys that they name.
PLACES = re.compile(r"/etc/postmaster/|/etc/postfix/postmaster_sasl_password|/run/dovecot/dovecot.conf.binary$")


@pytest.fixture(scope="module")
def needles(lab: Lab, watched: Watched, passwords: Secrets, site: Site) -> dict[str, str]:
    """What to look for: each password, and a line out of the middle of each key."""
    assert watched
    login = base64.b64encode(f"\0relay\0{passwords.relay}".encode()).decode()
    found = {**passwords.middles, "login": login[8:-8]}
    for name in ("old1", "old2"):
        host = lab.hosts[name]
        found[f"key of {name}"] = _line_of_key(lab.read(host, f"/etc/postmaster/live/{host.fqdn}.pem"))
    found["key of the CA"] = _line_of_key((site.authority / "root.key").read_text())
    return found


def _line_of_key(text: str) -> str:
    begin = re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n", text)
    assert begin
    return text[begin.end() :].splitlines()[1]


def seen(needles: dict[str, str], text: str) -> list[str]:
    """Names of the secrets in a text."""
    return [name for name, needle in needles.items() if needle in text]


def test_the_output_shows_none_even_with_vvv_and_diff(watched: Watched, needles: dict[str, str]) -> None:
    assert "postmaster_sasl_password" in watched.run.out
    assert "EXEC" in watched.run.out
    assert not seen(needles, watched.run.out)


def test_no_result_carries_one(watched: Watched, needles: dict[str, str]) -> None:
    for one in watched.run.results:
        assert not seen(needles, str(one.result)), one.task


def test_no_process_has_one_among_its_arguments_or_in_its_environment(
    watched: Watched, needles: dict[str, str]
) -> None:
    everything = b"\n".join(watched.processes).decode(errors="replace")
    assert "postmaster.secure_channel.site" in everything, "nothing was watched"
    assert not seen(needles, everything)


def test_no_program_that_a_module_starts_gets_one(watched: Watched, needles: dict[str, str], old: Host) -> None:
    started = "\n".join(watch.started(watched.traces[old.name]))
    for program in ("/postmap", "/postfix", "/openssl"):
        assert program in started, "nothing was watched"
    assert not seen(needles, started)


def test_files_with_secrets_are_closed_from_the_first_moment(watched: Watched, old: Host) -> None:
    made = watch.made(watched.traces[old.name])
    names = " ".join(one.path for one in made)
    tables = ("sasl_password.postmaster-new ", "sasl_password.postmaster-new.db")
    for word in (*tables, "/live/", "/pending/", "/deployed/"):
        assert word in names + " ", f"{word} was not seen: {names}"
    assert not [one for one in made if one.mode & 0o077]


def test_no_journal_holds_one(lab: Lab, old: Host, needles: dict[str, str]) -> None:
    journal = lab.ask(old, "journalctl", "--output=verbose", "--all", "--no-pager")
    assert "MESSAGE=" in journal
    assert not seen(needles, journal)


def test_root_alone_reads_the_files_that_hold_one_and_there_are_no_others(
    lab: Lab, old: Host, needles: dict[str, str]
) -> None:
    lab.write(old, "/run/acceptance/needles", "".join(needle + "\n" for needle in needles.values()), "0600")
    places = "/dev/shm /etc /home /opt /root /run /srv /tmp /usr/local /var"
    skipped = "--exclude=needles --exclude-dir=traces --exclude-dir=host"
    printed = lab.shell(
        old,
        f"grep --recursive --devices=skip --binary-files=text --files-with-matches {skipped} --fixed-strings "
        f"--file=/run/acceptance/needles {places} | xargs stat -c '%n %U %a'",
    )
    found = {path: (user, mode) for path, user, mode in (line.split() for line in printed.splitlines())}
    for expected in (f"/etc/postmaster/live/{old.fqdn}.pem", "/etc/postfix/postmaster_sasl_password.db"):
        assert expected in found
    for path, (user, mode) in found.items():
        assert PLACES.match(path), path
        assert (user, mode) == ("root", "600"), path


def test_the_cas_key_stays_on_the_control_node_closed_and_encrypted(
    lab: Lab, old: Host, site: Site, needles: dict[str, str]
) -> None:
    key = site.authority / "root.key"
    assert "BEGIN ENCRYPTED PRIVATE KEY" in key.read_text()
    assert mode(key) == 0o600
    assert mode(key.parent) == 0o700
    places = ("/etc", "/var", "/root", "/tmp", "/srv", "/usr/local")
    anywhere = lab.run_in(old, "grep", "-rlF", needles["key of the CA"], *places)
    assert anywhere.code == 1, anywhere.out


def mode(path: Path) -> int:
    """Permission bits."""
    return path.stat().st_mode & 0o777
