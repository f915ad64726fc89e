# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record what is in a host's file system. Runs on the host, with its own Python.

``snapshot.py FILE`` writes JSON to a file: path -> [type, mode, owner, group, inode, time of change, content, extended
attributes]. The content of a file is its SHA-256, that of a link its target. Attributes are those of files and
directories outside of /usr, with their values in hexadecimal digits.

What changes by itself is left out, each with its reason, and so is the time of change of the directory that holds it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys

VOLATILE = (
    "/var/log/journal",  # every daemon writes to it
    "/var/log/news",  # what INN's programs say
    "/var/log/wtmp",  # logins over ssh
    "/var/log/lastlog",
    "/tmp",  # scratch of everybody
    "/root/.ansible",  # where Ansible itself puts modules that do not fit through a pipe
    "/var/cache/apt/pkgcache.bin",  # apt's memory of its lists, made anew by whoever asks it anything
    "/var/cache/apt/srcpkgcache.bin",
    "/var/lib/postfix",  # caches of TLS sessions, random numbers, of daemons that serve clients
    "/var/spool/postfix/active",  # mail on its way
    "/var/spool/postfix/defer",
    "/var/spool/postfix/deferred",
    "/var/spool/postfix/incoming",
    "/var/spool/postfix/maildrop",
    "/var/spool/postfix/pid",
    "/var/spool/postfix/private",
    "/var/spool/postfix/public",
    "/var/spool/postfix/etc",  # Debian's copies of system files, made anew whenever Postfix is started
    "/var/spool/postfix/lib",
    "/var/spool/postfix/usr",
    "/var/mail",  # mailboxes
    "/home",
    "/var/lib/cyrus/socket",  # of processes of Cyrus, which come and go
    "/var/lib/dovecot/instances",  # Dovecot notes when it was last used
    "/var/lib/systemd/timers",  # when timers were last due
    "/var/lib/systemd/random-seed",
)
RESTLESS = {os.path.dirname(path) for path in VOLATILE}
# Where Python keeps what it has compiled: whoever imports a package for the first time as root writes there.
COMPILED, PACKAGES = "__pycache__", "/usr/lib/python3"
# Sealed by the package manager: there is no need to read it again each time.
BY_LOOKS_ONLY = ("/usr/",)


def content_of(path: str, about: os.stat_result, by_looks: bool) -> str:
    """What tells one content from another."""
    if stat.S_ISLNK(about.st_mode):
        return os.readlink(path)
    if not stat.S_ISREG(about.st_mode):
        return ""
    if by_looks:
        return f"{about.st_size} {about.st_ctime_ns}"
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def attributes_of(path: str) -> dict[str, str]:
    """Extended attributes, access control lists among them."""
    return {name: os.getxattr(path, name).hex() for name in os.listxattr(path)}


def take(top: str = "/") -> dict[str, list[object]]:
    """Everything below a directory, on its own file system."""
    device = os.lstat(top).st_dev
    found: dict[str, list[object]] = {}
    waiting = [top]
    while waiting:
        directory = waiting.pop()
        for entry in os.scandir(directory):
            path = entry.path
            if path in VOLATILE or entry.name == COMPILED:
                continue
            about = entry.stat(follow_symlinks=False)
            is_directory = stat.S_ISDIR(about.st_mode)
            has_attributes = is_directory or stat.S_ISREG(about.st_mode)
            if is_directory and os.lstat(path).st_dev != device:
                continue
            found[path] = [
                stat.S_IFMT(about.st_mode),
                stat.S_IMODE(about.st_mode),
                about.st_uid,
                about.st_gid,
                about.st_ino,
                0 if path in RESTLESS or (is_directory and path.startswith(PACKAGES)) else about.st_mtime_ns,
                content_of(path, about, path.startswith(BY_LOOKS_ONLY)),
                attributes_of(path) if has_attributes and not path.startswith(BY_LOOKS_ONLY) else {},
            ]
            if is_directory:
                waiting.append(path)
    return found


def main(target: str) -> None:
    """Write it down."""
    with open(target, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(take(), sort_keys=True))  # json.dump() takes three times as long


if __name__ == "__main__":
    main(sys.argv[1])
