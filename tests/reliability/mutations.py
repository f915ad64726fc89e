# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is broken deliberately: Python that is appended to a file of the collection and replaces something in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.tests.reliability.crash import CLEAN, CONFIGURED, NEXT, SERVES
from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import FULL

_HOST = "plugins/module_utils/_host"
_UNITS = "tests/unit/plugins/module_utils/_host"


@dataclass(frozen=True)
class Mutation:
    """One broken copy.

    Attributes:
        name: what is missing.
        appended: by path below the checkout, what is appended to that file.
        part: the part that is to notice it: "crash", "pauses", or "units" for unit tests.
        breaks: the figures that are to be wrong, any of them; for unit tests the files of tests.
        kind: the kind of host that it is shown on.
        target: the target that is killed.
        endings: how.
        deaths: how often at most.
        units: the units to restart afterwards.
    """

    name: str
    appended: Mapping[str, str]
    part: str
    breaks: Sequence[str]
    kind: str = FULL
    target: str = "dovecot"
    endings: Sequence[str] = ("kill",)
    deaths: int = 5
    units: Sequence[str] = ("dovecot",)


_NO_SYNC = '''

def sync_directory(path: str) -> None:
    """Broken deliberately."""


def write_private(path: str, content: bytes) -> None:
    """Broken deliberately."""
    unlink(path)
    with open(path, "wb") as stream:
        os.chmod(path, 0o600)
        stream.write(content)
'''
_NO_ROLLBACK = '''

def put_back(files, directories):
    """Broken deliberately."""
    return []
'''
_NO_LOCK = '''

def _take(self):
    """Broken deliberately."""


Lock.take = _take
'''
_LINKS = '''

def _follow(_directory, _path, _link):
    """Broken deliberately."""


_check_link = _follow
'''
_ROOT = '''

def _as_root(self, *, confined):
    """Broken deliberately."""
    return []


Identity.command = _as_root
'''
_UNLIMITED = '''

_limited = content_of


def content_of(path, most=0):
    """Broken deliberately."""
    return _limited(path, 1 << 32)
'''
AFTER_THE_NEXT_RUN = (NEXT, SERVES, CONFIGURED, CLEAN)
MUTATIONS = (
    Mutation(
        "transaction: nothing is synced to the disk",
        {f"{_HOST}/private_files.py": _NO_SYNC},
        "crash",
        AFTER_THE_NEXT_RUN,
        endings=("data", "names"),
    ),
    Mutation(
        "transaction: nothing is synced to the disk, by unit tests",
        {f"{_HOST}/private_files.py": _NO_SYNC},
        "units",
        (f"{_UNITS}/test_transaction_power_cut.py",),
    ),
    Mutation(
        "transaction: nothing is put back",
        {f"{_HOST}/staging.py": _NO_ROLLBACK},
        "units",
        (f"{_UNITS}/test_transaction.py",),
    ),
    Mutation(
        "transaction: the lock is not taken, by unit tests",
        {f"{_HOST}/lock.py": _NO_LOCK},
        "units",
        (f"{_UNITS}/test_lock.py", f"{_UNITS}/test_transaction.py"),
    ),
    Mutation(
        "transaction: the lock is not taken",
        {f"{_HOST}/lock.py": _NO_LOCK},
        "pauses",
        ("pairs of runs that do not both succeed",),
    ),
    Mutation(
        "guard: links of others are followed",
        {f"{_HOST}/trusted_paths.py": _LINKS},
        "units",
        (f"{_UNITS}/test_foreign_directories.py",),
    ),
    Mutation(
        "guard: programs that read what others can write run as root",
        {f"{_HOST}/identity.py": _ROOT},
        "units",
        (f"{_UNITS}/test_identity.py", f"{_UNITS}/test_transaction_users.py"),
    ),
    Mutation(
        "guard: files have no limit of size",
        {f"{_HOST}/reading.py": _UNLIMITED},
        "units",
        (f"{_UNITS}/test_reading.py",),
    ),
)
