# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.reliability.traced_modules import changes

BEFORE = {"/run/nginx.pid", "/etc/there"}
PRIVATE = [
    '5 mount("none", "/", NULL, MS_REC|MS_PRIVATE, NULL) = 0',
    '5 mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") = 0',
]
NEWER = '5 move_mount(4</>, "", AT_FDCWD</>, "/mnt", MOVE_MOUNT_F_EMPTY_PATH) = 0'
PID = '7 openat(AT_FDCWD</>, "/run/nginx.pid", O_RDWR|O_CREAT, 0644) = 3</run/nginx.pid>'
OWN = '7 openat(AT_FDCWD</>, "/tmp/doveconf.a6", O_RDWR|O_CREAT|O_EXCL, 0666) = 4</tmp/doveconf.a6>'
OWN_GONE = '7 unlink("/tmp/doveconf.a6") = 0'
INSIDE = '5 openat(AT_FDCWD</>, "/mnt/copy", O_WRONLY|O_CREAT, 0666) = 4</mnt/copy>'


@pytest.mark.parametrize(
    ("trace", "left"),
    [
        ([PID], []),
        ([PID, '7 write(3</run/nginx.pid>, "1\\n", 2) = 2'], [0]),
        ([PID.replace("O_CREAT", "O_CREAT|O_TRUNC")], [0]),
        ([PID.replace("nginx", "other")], [0]),
        ([OWN, OWN_GONE], []),
        ([OWN], [0]),
        ([OWN.replace("|O_EXCL", ""), OWN_GONE], [0]),
        (['7 unlink("/etc/there") = 0'], [0]),
        (['7 unlink("/etc/there") = -1 ENOENT (No such file or directory)'], []),
        ([*PRIVATE, INSIDE], []),
        ([PRIVATE[0], NEWER, INSIDE], []),
        ([INSIDE], [0]),
        ([NEWER, INSIDE], [0, 1]),
        ([PRIVATE[1], INSIDE], [0, 1]),
        ([*PRIVATE, '5 rename("/etc/a", "/etc/there") = 0'], [2]),
        (['7 openat(AT_FDCWD</>, "/etc/there", O_RDONLY) = 3</etc/there>'], []),
    ],
)
def test_what_has_changed_a_host(trace, left):
    assert list(changes(trace, BEFORE)) == [trace[number].split(maxsplit=1)[1] for number in left]
