# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checker of keys in readable files finds them all, and takes nothing else for a key."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.key_traces import KeyFile, key_files_in

PATH = "/etc/postmaster/pending/mx1/key.pem"
KEY = r"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC"


def opened(mode: str, path: str = PATH, process: int = 71) -> str:
    return f'{process}    openat(AT_FDCWD</root>, "{path}", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, {mode}) = 3<{path}>'


def written(content: str = KEY, path: str = PATH, process: int = 71) -> str:
    return f'{process}    write(3<{path}>, "{content}", {len(content)}) = {len(content)}'


def test_a_key_in_a_readable_file_is_found() -> None:
    assert key_files_in([opened("0666"), written()]) == [KeyFile(PATH, (0o644,))]
    assert not KeyFile(PATH, (0o644,)).closed


def test_a_closed_file_is_closed() -> None:
    (found,) = key_files_in([opened("0600"), written()])
    assert found.closed


def test_a_pipe_and_a_file_of_memory_are_no_files() -> None:
    assert key_files_in([written(path="pipe:[4711]"), written(path="/memfd:postmaster")]) == []


@pytest.mark.parametrize("mode", ["0640", "0604", "0610"])
def test_any_bit_for_others_opens_it(mode: str) -> None:
    (found,) = key_files_in([opened(mode), written()])
    assert not found.closed


@pytest.mark.parametrize(
    "line",
    [
        f'71    chmod("{PATH}", 0644) = 0',
        f"71    fchmod(3<{PATH}>, 0644) = 0",
        f'71    fchmodat(AT_FDCWD</root>, "{PATH}", 0644) = 0',
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_file_that_is_opened_to_others_before_or_after_is_not_closed(line: str, late: bool) -> None:
    lines = [opened("0600"), written(), line] if late else [opened("0600"), line, written()]
    (found,) = key_files_in(lines)
    assert found.modes == (0o600, 0o644)
    assert not found.closed


def test_a_file_that_is_closed_too_late_is_not_closed() -> None:
    (found,) = key_files_in([opened("0666"), written(), f"71    fchmod(3<{PATH}>, 0600) = 0"])
    assert not found.closed


@pytest.mark.parametrize(
    "renamed",
    [
        'rename("{0}", "{1}")',
        'renameat(AT_FDCWD</root>, "{0}", AT_FDCWD</root>, "{1}")',
        'renameat2(AT_FDCWD</root>, "{0}", AT_FDCWD</root>, "{1}", RENAME_NOREPLACE)',
        'link("{0}", "{1}")',
        'linkat(AT_FDCWD</root>, "{0}", AT_FDCWD</root>, "{1}", 0)',
        'renameat(5</etc/postmaster/pending/mx1>, "key.pem", 6</>, "live.pem")',
    ],
)
def test_a_file_is_known_under_its_later_name(renamed: str) -> None:
    lines = [opened("0600"), written(), f"71    {renamed.format(PATH, '/live.pem')} = 0"]
    (found,) = key_files_in(lines)
    assert found.closed
    (found,) = key_files_in([*lines, '71    chmod("/live.pem", 0640) = 0'])
    assert not found.closed


def test_a_failed_rename_is_none() -> None:
    line = f'71    rename("{PATH}", "/live.pem") = -1 EXDEV (Invalid cross-device link)'
    (found,) = key_files_in([opened("0600"), written(), line, '71    chmod("/live.pem", 0640) = 0'])
    assert found.closed


def test_the_umask_is_that_of_the_process() -> None:
    closing = "71    umask(077) = 022"
    (found,) = key_files_in([closing, opened("0666"), written()])
    assert found.closed
    (found,) = key_files_in(["71    umask(022) = 022", "72    umask(077) = 022", opened("0666"), written()])
    assert not found.closed
    # a program that the first process starts inherits its mask
    (found,) = key_files_in([closing, opened("0666", process=73), written(process=73)])
    assert found.closed


def test_a_file_without_a_known_mode_counts_as_open() -> None:
    (found,) = key_files_in([written()])
    assert not found.closed


@pytest.mark.parametrize(
    "content",
    [
        "#" * 50000 + r"\n" + KEY,
        r"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" + KEY,
        r"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIrYSSNQFaA2",
        r"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00",
        r"-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nMIIFHDBOBgkqhkiG9w0B",
        r"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA",
    ],
    ids=["last in a big write", "behind a certificate", "EC", "old format", "CRLF", "OpenSSH"],
)
def test_every_form_of_a_key_is_found(content: str) -> None:
    (found,) = key_files_in([opened("0666"), written(content)])
    assert not found.closed


@pytest.mark.parametrize(
    "line",
    [
        f'71    pwrite64(3<{PATH}>, "{KEY}", 1704, 0) = 1704',
        f'71    writev(3<{PATH}>, [{{iov_base="{KEY}", iov_len=1704}}], 1) = 1704',
        f'71    write(3<{PATH}>, "{KEY}", 1704 <unfinished ...>',
    ],
)
def test_every_way_to_write_is_seen(line: str) -> None:
    (found,) = key_files_in([opened("0666"), line])
    assert found.path == PATH


@pytest.mark.parametrize(
    "content",
    [
        r"\343\r\r\n\0\0s\"\0\0\0-----BEGIN OPENSSH PRIVATE KEY-----\332\3END\0",
        r"-----BEGIN PRIVATE KEY-----",
        r"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        r"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZI",
        r"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUZ",
    ],
    ids=["byte code", "label", "nothing in it", "public", "certificate"],
)
def test_what_is_no_private_key_is_not_reported(content: str) -> None:
    assert key_files_in([opened("0644"), written(content)]) == []


def test_a_pipe_is_no_file() -> None:
    assert key_files_in([f'71    write(1<pipe:[4711]>, "{KEY}", 1704) = 1704']) == []
