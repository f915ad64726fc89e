# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of ``key: value`` lines, such as INN's inn.conf, edited in place: every other byte stays as it is.

A comment takes a whole line. A value that begins with ``[`` goes on until the line that ends with ``]``. A key may
be set only once, since programs differ in which line they use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import within_a_line

_SETTING = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9_-]*):(.*)", re.DOTALL)


class KeyLines:
    """The lines of one such file.

    Args:
        text: the file's content.
        path: where it lies, for messages.
        width: how wide new lines make the column of the keys.
    """

    def __init__(self, text: str, path: str, width: int = 0) -> None:
        self._path = path
        self._width = width
        self._entries = _entries(text.splitlines(keepends=True))

    @property
    def text(self) -> str:
        """The content as it is now."""
        return "".join(self._entries)

    def _find(self, key: str) -> int | None:
        """Where a key's lines are. Raises Problem where the key is set twice."""
        found = [number for number, entry in enumerate(self._entries) if _key(entry) == key]
        if len(found) > 1:
            lines = [sum(entry.count("\n") for entry in self._entries[:number]) + 1 for number in found]
            raise Problem(
                f"{key} is set more than once",
                "keep one of these lines",
                option=f"{self._path}:{','.join(map(str, lines))}",
            )
        return found[0] if found else None

    def raw(self, key: str) -> str | None:
        """A key's lines as they are, None where it is not set."""
        number = self._find(key)
        return None if number is None else self._entries[number]

    def value(self, key: str) -> str:
        """A key's value without the quotes around it; empty where it is not set."""
        raw = self.raw(key)
        match = _SETTING.match(raw or "")
        value = match.group(2).strip() if match else ""
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value

    def set(self, values: Mapping[str, str]) -> None:
        """Give keys values, already in quotes where they need them; a line whose value is right stays as it is."""
        for key, value in values.items():
            present = self.raw(key)
            match = _SETTING.match(present or "")
            if match and match.group(2).strip() == value:
                continue
            self.put(key, f"{key + ':':<{self._width}} {within_a_line(value, key)}\n")

    def put(self, key: str, raw: str | None) -> None:
        """Restore a key's lines as they once were, or remove them."""
        number = self._find(key)
        if number is not None:
            # the last line of a file may lack its line feed
            end = raw if raw is None or self._entries[number].endswith("\n") else raw.rstrip("\n")
            self._entries[number : number + 1] = [] if end is None else [end]
        elif raw is not None:
            self._entries.insert(self._place(key), raw)

    def _place(self, key: str) -> int:
        """Where a new line belongs: after the key's own sample, else before the last line, which may lack its end."""
        sample = re.compile(rf"[ \t]*#[ \t]*{re.escape(key)}:")
        samples = [number for number, entry in enumerate(self._entries) if sample.match(entry)]
        if samples and self._entries[samples[-1]].endswith("\n"):
            return samples[-1] + 1
        return max(len(self._entries) - 1, 0)


def _key(entry: str) -> str:
    match = _SETTING.match(entry)
    return match.group(1) if match else ""


def _entries(lines: list[str]) -> list[str]:
    """Lines, those of one value together."""
    found: list[list[str]] = []
    inside = False
    for line in lines:
        if inside:
            found[-1].append(line)
        else:
            found.append([line])
            match = _SETTING.match(line)
            inside = bool(match and match.group(2).lstrip().startswith("["))
        if inside and line.rstrip().endswith("]"):
            inside = False
    return ["".join(some) for some in found]
