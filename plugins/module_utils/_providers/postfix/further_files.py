# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Postfix' configuration has a program of root's load or run, found before any such program is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import Reference
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lines import (
    continues,
    is_comment,
    split_lines,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    CONFIG_DIRECTORY,
    MAIN_CF,
)

# where its own programs, libraries and lists of files are
_DIRECTORIES = frozenset({"command_directory", "daemon_directory", "meta_directory", "shlib_directory"})
_ASSIGNMENT = re.compile(r"([A-Za-z0-9_]+)\s*=\s*(.*?)\s*", re.ASCII | re.DOTALL)
_NAMED = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\((\w+)\))", re.ASCII)
_PASSES = 8  # parameters in parameters


def further_files(texts: Mapping[str, str]) -> Iterator[Reference]:
    """Directories of programs and libraries that main.cf names, and the libraries of further kinds of tables."""
    for path, text in texts.items():
        if path == MAIN_CF:
            yield from _of_parameters(text)
            continue
        for number, line in enumerate(split_lines(text), 1):
            words = line.split()
            if not is_comment(line) and words[1:] and words[1].startswith("/"):
                yield Reference(words[1], f"{path}:{number}", follow=False)


def _of_parameters(text: str) -> Iterator[Reference]:
    found = list(_assignments(text))
    values = {"config_directory": CONFIG_DIRECTORY, **{name: value for _line, name, value in found}}
    for line, name, value in found:
        path = value
        for _pass in range(_PASSES):
            path = _NAMED.sub(lambda match: values.get(match[match.lastindex or 0], ""), path)
        if name in _DIRECTORIES and path.startswith("/"):
            yield Reference(path, f"{MAIN_CF}:{line}", follow=False)


def _assignments(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, parameter and value of each assignment, also of those that do not count."""
    begun: list[str] = []
    first = 0
    for number, line in enumerate([*split_lines(text), "end"], 1):
        if is_comment(line):
            continue
        if not continues(line):
            match = _ASSIGNMENT.fullmatch("".join(begun))
            if match:
                yield first, match[1], match[2]
            begun, first = [], number
        begun.append(line)
