# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checkers of secrets on a host see files that are made open or opened later, and nothing that did not happen."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.secret_watch import (
    Made,
    Search,
    made,
    started,
)

KEY = "/etc/postmaster/live/mx1.example.test.pem"
TABLE = "/etc/postfix/postmaster_sasl_password.postmaster-new"


@pytest.mark.parametrize(
    ("line", "mode"),
    [
        (f'9    openat(AT_FDCWD</root>, "{KEY}", O_WRONLY|O_CREAT|O_EXCL, 0666) = 3<{KEY}>', 0o644),
        (f'9    openat(AT_FDCWD</root>, "{KEY}", O_WRONLY|O_CREAT|O_EXCL, 0600) = 3<{KEY}>', 0o600),
        (f'9    open("{KEY}", O_WRONLY|O_CREAT, 0640) = 3<{KEY}>', 0o640),
        (f'9    creat("{KEY}", 0604) = 3<{KEY}>', 0o604),
        (f'9    chmod("{KEY}", 0640) = 0', 0o640),
        (f"9    fchmod(3<{KEY}>, 0666) = 0", 0o666),
        (f'9    fchmodat(AT_FDCWD</root>, "{KEY}", 0644) = 0', 0o644),
    ],
)
def test_a_file_that_is_made_or_changed_is_seen_with_its_mode(line: str, mode: int) -> None:
    assert made([line]) == [Made(KEY, mode)]


def test_the_umask_is_that_of_the_process() -> None:
    create = f'openat(AT_FDCWD</root>, "{TABLE}", O_RDWR|O_CREAT, 0666) = 3<{TABLE}>'
    assert made(["9    umask(077) = 022", f"9    {create}"]) == [Made(TABLE, 0o600)]
    assert made(["8    umask(077) = 022", f"9    {create}"]) == [Made(TABLE, 0o644)]


def test_what_failed_or_holds_no_secret_is_not_reported() -> None:
    create = 'openat(AT_FDCWD</root>, "{}", O_WRONLY|O_CREAT|O_EXCL, 0644)'
    assert made([f"9    {create.format(KEY)} = -1 EEXIST (File exists)"]) == []
    assert made([f"9    {create.format('/etc/postfix/main.cf')} = 3</etc/postfix/main.cf>"]) == []
    assert made([f'9    openat(AT_FDCWD</root>, "{KEY}", O_RDONLY) = 3<{KEY}>']) == []


def test_programs_are_seen_with_arguments_and_environment() -> None:
    line = '9    execve("/usr/sbin/postmap", ["postmap", "-i"], ["LANG=C"]) = 0'
    assert started([line, "9    umask(077) = 022"]) == [line]


def test_a_needle_is_found_by_its_name() -> None:
    search = Search({"alice": "c0ffee", "relay": "f00d"}, {}, {}, {})
    assert search.seen_in("password=c0ffee#") == ["alice"]
    assert search.seen_in("nothing") == []
