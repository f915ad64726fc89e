# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a daemon that serves from going on with its own files: what looks for that has in common.

A running daemon does not notice the loss of what it has loaded. With files that it would refuse now, a reload ends it
or is ignored, and so does putting everything back. So this is looked for before anything is changed, and in check mode
as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host

_PATH = r"(?P<path>/[^\s:,\"'()]+)"
_PLACES = (
    re.compile(_PATH + r"\"?[:,]? line (?P<line>\d{1,9})"),
    re.compile(r"line (?P<line>\d{1,9}) of (?:configuration file )?\"?" + _PATH),
    re.compile(_PATH + r":(?P<line>\d{1,9})"),
)
_CERTIFICATE = ("openssl", "x509", "-noout", "-pubkey")
_KEY = ("openssl", "pkey", "-pubout", "-passin", "pass:")


@dataclass(frozen=True)
class NamedFile:
    """A file that a line of configuration names.

    Attributes:
        path: the file.
        place: file and line of the configuration.
    """

    path: str
    place: str


def place_in(complaint: str) -> str:
    """File and line that a daemon's own words name, as ``PATH:LINE``; empty where they name none."""
    for pattern in _PLACES:
        found = pattern.search(complaint)
        if found:
            return f"{found['path']}:{found['line']}"
    return ""


def line_with(texts: Mapping[str, str], word: str) -> str:
    """The first line, as ``PATH:LINE``, that has a word and is no comment; empty where there is none."""
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if word in line and not line.lstrip().startswith("#"):
                return f"{path}:{number}"
    return ""


def written_by(changes: Sequence[FileChange]) -> frozenset[str]:
    """Files that a call writes as a whole or removes, so that what is there now does not count."""
    return frozenset(change.path for change in changes if not change.is_edited)


def concerns(complaint: str, paths: Collection[str]) -> bool:
    """Whether a daemon's own words are about one of some files."""
    return any(re.search(re.escape(path) + r"(?![\w./-]*\w)", complaint) for path in paths)


def cannot_go_on(daemon: str, found: str, remedy: str, place: str) -> Problem:
    """The problem that a daemon has with what is there.

    Args:
        daemon: its name, for messages.
        found: what is wrong.
        remedy: what to do about it.
        place: file and line at fault.
    """
    return Problem(
        f"{daemon} serves, but could not go on with the files that are there: {found}",
        f"{remedy}, then run again",
        subject=daemon,
        option=place,
    )


def refuse_mismatch(host: Host, daemon: str, certificate: NamedFile, key: NamedFile) -> None:
    """Raise Problem where a key is not that of its certificate. What cannot be read is for the daemon's own test."""
    public = [
        host.query(argv, stdin=host.read(one.path) or b"") for argv, one in ((_CERTIFICATE, certificate), (_KEY, key))
    ]
    if all(one.code == 0 for one in public) and public[0].out != public[1].out:
        raise cannot_go_on(
            daemon,
            f"{key.path} is not the key of {certificate.path}",
            f"put a certificate and its key there, or name another pair in {certificate.place} and {key.place}",
            key.place,
        )
