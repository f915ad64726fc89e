# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extended attributes and access control lists of a host's configuration, which snapshots then show."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

# Of what configures the daemons; slapd writes its own directory itself.
CONFIGURATION = (
    *("/etc/postfix", "/etc/dovecot", "/etc/news", "/etc/nginx", "/etc/apache2", "/etc/exim4"),
    *("/etc/imapd.conf", "/etc/cyrus.conf", "/etc/sasldb2"),
)
# One more reader, who gets no more than the group, and in directories the same for all that is made there; acl(5).
_GIVE = """
import os, stat, struct, sys
NOBODY, READER, ACCESS, DEFAULT = 0xFFFFFFFF, 33, "system.posix_acl_access", "system.posix_acl_default"
def listed(mode):
    owner, group, others = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    some = ((1, owner, NOBODY), (2, 4, READER), (4, group, NOBODY), (16, group, NOBODY), (32, others, NOBODY))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in some)
def give(path, mode):
    os.setxattr(path, "user.note", path.encode())
    os.setxattr(path, ACCESS, listed(mode))
    if stat.S_ISDIR(mode):
        os.setxattr(path, DEFAULT, listed(mode & 0o755))
"""
_TAKE = """
import os, stat, sys
def give(path, mode):
    for name in os.listxattr(path):
        if name == "user.note" or name.startswith("system.posix_acl_"):
            os.removexattr(path, name)
"""
_EACH = """
def each(path):
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        for name in os.listdir(path):
            each(os.path.join(path, name))
    if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
        give(path, mode)
for path in filter(os.path.exists, sys.argv[1:]):
    each(path)
"""


def give(paths: Sequence[str] = CONFIGURATION) -> str:
    """The shell command that gives files, and all that is in directories, attributes and lists of their own."""
    return f"python3 - {shlex.join(paths)} <<'END'{_GIVE}{_EACH}END"


def take(paths: Sequence[str] = CONFIGURATION) -> str:
    """The one that takes them away again."""
    return f"python3 - {shlex.join(paths)} <<'END'{_TAKE}{_EACH}END"
