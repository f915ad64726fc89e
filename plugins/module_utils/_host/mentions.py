# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a daemon's configuration, as it is to be, still names a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import COPIES_BESIDE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.reading import content_of

_PART_OF_A_PATH = rb"[A-Za-z0-9._/-]"
_COPY = re.compile(COPIES_BESIDE, re.DOTALL)
_MOST = 50_000  # files


def mention(path: str, roots: Iterable[str], changed: Mapping[str, bytes | None]) -> str:
    """The first file that names a path; empty where none does.

    Args:
        path: an absolute path.
        roots: the files and directories of the configuration.
        changed: contents of files as they are to be, None for one that is to be removed.
    """
    named = re.compile(rb"(?<!%b)%b(?!%b)" % (_PART_OF_A_PATH, re.escape(os.fsencode(path)), _PART_OF_A_PATH))
    for number, file in enumerate(dict.fromkeys([*changed, *_files(roots)])):
        if number >= _MOST:
            return file  # nobody knows of the others
        try:
            content = changed[file] if file in changed else content_of(file)
        except Problem:
            return file  # nor of what cannot be read
        if content and named.search(content):
            return file
    return ""


def _files(roots: Iterable[str]) -> Iterator[str]:
    """The regular files that are configuration."""
    for root in roots:
        found = [root] if not os.path.isdir(root) else _below(root)
        yield from (file for file in found if os.path.isfile(file) and not _COPY.fullmatch(file))


def _below(directory: str) -> Iterator[str]:
    for where, directories, names in os.walk(directory):
        directories.sort()
        yield from (os.path.join(where, name) for name in sorted(names))
