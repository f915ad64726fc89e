# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exim's configuration as Debian keeps it: in one template or split into many files, and our part in it.

The form in force is found and never changed. In the split form our part lies in files of its own. In the other form
it is a block at the end of ``exim4.conf.localmacros``, and one in the section of authenticators of the template, for
there is no other place. Exim refuses an option that is set twice, so a line that sets one of ours is turned into a
comment, from which it comes back. Facts: update-exim4.conf(8), README.Debian of exim4.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import FAMILY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.lost_sections import is_all
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    AUTH_FILE,
    FIRST_FILE,
    LOCALMACROS,
    MAIN_DIRECTORY,
    MAIN_FILE,
    MONOLITH,
    SETTINGS,
    SPLIT_DIRECTORY,
    TEMPLATE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import (
    MarkedBlock,
    heading,
)

_NEW_FILE = " (with this file)"
_BLOCK = MarkedBlock(
    "# BEGIN postmaster.secure_channel", "# END postmaster.secure_channel", " (after a last line without end)"
)
_ASIDE = "# set aside by postmaster.secure_channel: "
_AUTHENTICATORS = re.compile(r"^begin[ \t]+authenticators[ \t]*\n", re.MULTILINE)
_DEFINED = re.compile(r"^(MAIN_\w+) ==? ", re.MULTILINE)
_INCLUDED = re.compile(r"^[ \t]*\.include(?:_if_exists)?[ \t]+(/\S+)", re.MULTILINE)
_SECTION = re.compile(r"^[ \t\v\f\r]*begin\s", re.MULTILINE)


class Sources:
    """The files that update-exim4.conf(8) makes Exim's configuration of."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def split(self) -> bool:
        """Whether the split form is in force. Raises Problem where neither is."""
        if self._host.state(MONOLITH) is not None:
            raise Problem(
                f"{MONOLITH} replaces the configuration that {FAMILY}'s tools generate",
                f"remove it, or move its content below {SPLIT_DIRECTORY} or into {LOCALMACROS}",
                option=MONOLITH,
            )
        text = self._host.read_text(SETTINGS)
        found = re.findall(r"^[ \t\v\f\r]*dc_use_split_config=['\"]?(\w*)", text, re.MULTILINE)
        return bool(found) and found[-1].lower() == "true"

    def changes(self, main: str, authenticators: str, options: Collection[str]) -> list[FileChange]:
        """The files with our part in them.

        Args:
            main: lines for the main section; empty to take everything back.
            authenticators: lines for the section of authenticators; empty for none.
            options: the options that the lines set.

        Raises:
            Problem: the template has no section of authenticators, or a file that is included gets in the way.
        """
        split = self.split
        macros = set(_DEFINED.findall(main))
        found = []
        for path in self._candidates():
            before = self._host.read_text(path) if self._host.state(path) else None
            after = without_ours(before)
            in_force = bool(main) and (split == path.startswith(MAIN_DIRECTORY))
            if in_force and after is not None:
                # of macros only those that are read after ours: Exim refuses a second definition, or prefers it
                later = macros if path > MAIN_FILE or path == TEMPLATE else ()
                self._refuse_included(path, after, options, later)
                after = set_aside(after, options, later)
            if main and not split and path == LOCALMACROS:
                after = _with_block(after, main)
            if main and not split and path == TEMPLATE and authenticators:
                after = _with_authenticators(after or "", authenticators)
            if after != before:
                found.append(_change(path, after))
        for path, content in ((MAIN_FILE, main), (AUTH_FILE, authenticators)):
            after = heading() + content if split and content else None
            before = self._host.read_text(path) if self._host.state(path) else None
            if after != before:
                found.append(_change(path, after))
        return found

    def _refuse_included(self, path: str, text: str, options: Collection[str], macros: Collection[str]) -> None:
        """Raise Problem where a file that is included sets what is ours: nothing of ours is written there."""
        sets = _setting(options, macros)
        for included in _INCLUDED.findall(text):
            for number, line in enumerate(self._host.read_text(included).splitlines(), 1):
                if sets.match(line):
                    raise Problem(
                        f"'{line.strip()}' there comes after this collection's settings ({path} includes that file)",
                        f"move the line to {FIRST_FILE if path != TEMPLATE else LOCALMACROS}, or remove it, then run"
                        " again",
                        option=f"{included}:{number}",
                    )

    def _candidates(self) -> Iterator[str]:
        """Files of the administrator's that may hold a part of ours, or set our options."""
        yield LOCALMACROS
        yield TEMPLATE
        for name in self._host.names_in(MAIN_DIRECTORY):
            path = f"{MAIN_DIRECTORY}/{name}"
            if re.fullmatch(r"[\w-]+(\.rul)?", name, re.ASCII) and path != MAIN_FILE:
                yield path


def _change(path: str, text: str | None) -> FileChange:
    content = None if text is None else text.encode("utf-8", "surrogateescape")
    # update-exim4.conf looks for this one below /etc, whatever directory it is told to read
    return FileChange(path, content, prerequisite=path == LOCALMACROS)


def without_ours(text: str | None) -> str | None:
    """A file as it was before our part came into it; None where it was not there."""
    if text is None:
        return None
    note, text = _BLOCK.note(text), _BLOCK.removed(text)
    if note == _NEW_FILE and not text:
        return None
    return re.sub(f"^{re.escape(_ASIDE)}", "", text, flags=re.MULTILINE)


def _with_block(text: str | None, lines: str) -> str:
    before = text or ""
    return _BLOCK.inserted(before, len(before), heading() + lines, _NEW_FILE if text is None or is_all(text) else "")


def _with_authenticators(text: str, lines: str) -> str:
    section = _AUTHENTICATORS.search(text)
    if not section:
        raise Problem(
            f"{TEMPLATE} has no line 'begin authenticators'",
            "put that line back where the authenticators belong, then run again",
            option=TEMPLATE,
        )
    return _BLOCK.inserted(text, section.end(), heading() + lines)


def set_aside(text: str, options: Collection[str], macros: Collection[str] = ()) -> str:
    """A file in which lines of the main section that set these options, or define these macros, are comments.

    Debian's own lines stay: they take the value from a macro, and that is set; or they define a macro only where it has
    no value.
    """
    sets = _setting(options, macros)
    section = _SECTION.search(text)
    main, rest = (text[: section.start()], text[section.start() :]) if section else (text, "")
    lines, aside, continued, unless = [], False, False, ""
    for line in main.splitlines(keepends=True):
        comment = line.lstrip().startswith("#")
        if not continued and not comment:
            found = sets.match(line)
            aside = found is not None and (not unless or found["macro"] != unless)
            guard = re.match(r"\s*\.ifndef\s+(\w+)", line)
            unless = guard[1] if guard else "" if line.lstrip().startswith(".") else unless
        if aside and not comment:
            lines.append(_ASIDE + line)
        else:
            lines.append(line)
        if not comment:
            continued = line.rstrip().endswith("\\")
    return "".join(lines) + rest


def _setting(options: Collection[str], macros: Collection[str]) -> re.Pattern[str]:
    """Lines that set an option otherwise than by Debian's macro, or define a macro."""
    alternatives = []
    if options:
        alternatives.append(rf"(?:hide\s+)?(?:{'|'.join(sorted(options))})\s*=(?!\s*MAIN_\w+\s*$)")
    alternatives.append(rf"(?P<macro>{'|'.join(sorted(macros)) or '(?!)'})\s*==?")
    return re.compile(rf"\s*(?:{'|'.join(alternatives)})")
