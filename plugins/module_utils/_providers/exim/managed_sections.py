# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our part in the sections of Exim's configuration that send mail: files of ours, or blocks in Debian's template."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.authenticators import (
    set_aside,
    without_aside,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    AUTH_DIRECTORY,
    SECTION_FILES,
    TEMPLATE,
)

# Behind Debian's macros, and behind what virtual servers have at the beginning.
_AT_THE_END = ("transports", "authenticators")
_HEAD = "# Kept by the Ansible collection postmaster.secure_channel; changes made here are lost."
_BEGIN = "# BEGIN outgoing mail of postmaster.secure_channel"
_END = "# END outgoing mail of postmaster.secure_channel"
_NO_NEWLINE = " (after a last line without end)"
_BLOCK = re.compile(
    rf"(?:\n{re.escape(_BEGIN + _NO_NEWLINE)}|^{re.escape(_BEGIN)})\n.*?^{re.escape(_END)}\n", re.MULTILINE | re.DOTALL
)
_SECTION = re.compile(r"^begin[ \t]", re.MULTILINE)


def changes(host: Host, sections: Mapping[str, str], clients: tuple[str, ...], *, split: bool) -> list[FileChange]:
    """The files with our part in them.

    Args:
        host: the machine.
        sections: lines by section; none to take everything back.
        clients: names of authenticators that are to be clients no more, besides those of an earlier run.
        split: whether the split form is in force.

    Raises:
        Problem: the template lacks a section.
    """
    found = []
    for section, path in SECTION_FILES.items():
        text = f"{_HEAD}\n{sections[section]}" if split and section in sections else None
        if text is not None or host.state(path) is not None:
            found.append(FileChange(path, None if text is None else text.encode()))
    for path in (TEMPLATE, *_others(host)):
        before = host.read_text(path)
        after = _BLOCK.sub("", before)
        in_force = "authenticators" in sections and split == (path != TEMPLATE)
        after = set_aside(after, clients) if in_force else without_aside(after)
        if path == TEMPLATE and not split:
            after = with_blocks(after, sections)
        if after != before:
            found.append(FileChange(path, after.encode("utf-8", "surrogateescape")))
    return found


def _others(host: Host) -> Iterator[str]:
    """Files of authenticators that are not ours."""
    for name in host.names_in(AUTH_DIRECTORY):
        path = f"{AUTH_DIRECTORY}/{name}"
        if re.fullmatch(r"[\w-]+(\.rul)?", name, re.ASCII) and path != SECTION_FILES["authenticators"]:
            yield path


def with_blocks(text: str, sections: Mapping[str, str]) -> str:
    """A template with our lines in its sections: at their beginning, or at their end."""
    for section, lines in sections.items():
        heading = re.search(rf"^begin[ \t]+{section}[ \t]*\n", text, re.MULTILINE)
        if not heading:
            raise Problem(
                f"{TEMPLATE} has no line 'begin {section}'",
                f"put that line back where the {section} belong, then run again",
                option=TEMPLATE,
            )
        place = heading.end()
        if section in _AT_THE_END:
            following = _SECTION.search(text, place)
            place = following.start() if following else len(text)
        before = text[:place]
        begin = _BEGIN if before.endswith("\n") else f"\n{_BEGIN}{_NO_NEWLINE}"
        text = f"{before}{begin}\n{_HEAD}\n{lines}{_END}\n{text[place:]}"
    return text
