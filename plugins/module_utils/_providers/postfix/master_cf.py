# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A line editor for Postfix' master.cf (master(5)): changes what it must, keeps every other byte.

``postconf -M`` and ``-P`` are not used for writing: they reformat the entry and move it behind the comments
that follow it, also when nothing differs.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import within_a_line
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lines import (
    SPACE,
    continues,
    is_comment,
    split_lines,
    split_words,
)

_BLANKS = " \t\r\n"
_ASIDE = "#postmaster {}: "  # begins the lines of an entry that is set aside
_LISTENS = "inet  n       -       y       -       -       smtpd"
_FIELDS = 8  # service, type, private, unprivileged, chroot, wakeup, maximum of processes, command


@dataclass(frozen=True)
class _Word:
    """A word of an entry: its place in the file, and its text without comments between its lines."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Override:
    """One ``-o name=value`` of a service.

    Attributes:
        value: the value, without the braces around it.
        line: number of the line it stands on, the first one being 1.
    """

    value: str
    line: int


@dataclass(frozen=True)
class Service:
    """One entry of master.cf.

    Attributes:
        name: first field, such as ``smtp`` or ``192.0.2.1:587``.
        type: ``inet``, ``unix``, ``pass`` ...
        command: the program, such as ``smtpd``.
        line: number of its first line, the first one of the file being 1.
        overrides: the ``-o`` settings by name; the last one of a name counts.
        comment: the comment on the line above it, empty where there is none.
        chroot: ``y``, ``n``, or ``-`` for Postfix' own default.
    """

    name: str
    type: str
    command: str
    line: int
    overrides: Mapping[str, Override]
    comment: str
    chroot: str = "-"


def _entries(lines: list[str]) -> Iterator[tuple[int, int]]:
    """First line and the line behind the last one of each entry; comments behind an entry are not part of it."""
    start, end = -1, -1
    for index, line in enumerate(lines):
        if is_comment(line):
            continue
        if continues(line):
            end = index + 1
            continue
        if start >= 0:
            yield start, end
        start, end = index, index + 1
    if start >= 0:
        yield start, end


def _words(lines: list[str], start: int, end: int) -> list[_Word]:
    """The words of the entry in these lines."""
    offset = sum(len(line) for line in lines[:start])
    pieces: list[str] = []
    places: list[int] = []
    for line in lines[start:end]:
        if not is_comment(line):
            pieces.append(line)
            places += range(offset, offset + len(line))
        offset += len(line)
    text = "".join(pieces)
    return [
        _Word(places[first], places[behind - 1] + 1, text[first:behind]) for first, behind in split_words(text, _BLANKS)
    ]


def _override_words(words: list[_Word]) -> Iterator[tuple[str, str, _Word]]:
    """Name, value and place of each setting given with -o, in order."""
    rest = iter(words[_FIELDS:])
    for word in rest:
        setting = None
        text = ""
        if word.text == "-o":
            setting = next(rest, None)
            text = setting.text if setting else ""
        elif word.text.startswith("-o"):
            setting, text = word, word.text[2:]
        if setting is None:
            continue
        if text.startswith("{") and text.endswith("}"):
            text = text[1:-1]
        name, equals, value = text.partition("=")
        if equals:
            yield name.strip(SPACE), value.strip(SPACE), setting


def services(text: str) -> list[Service]:
    """All entries of a master.cf."""
    return list(_services(text))


# A plan for a hundred virtual servers reads the file hundreds of times, and most of its entries stay as they are.
@lru_cache(maxsize=4)
def _services(text: str) -> tuple[Service, ...]:
    lines = split_lines(text)
    found = []
    for start, end in _entries(lines):
        entry = _parsed("".join(lines[start:end]))
        if entry is None:
            continue  # Postfix itself will say what is wrong with it
        above = lines[start - 1].strip(SPACE) if start else ""
        comment = above[1:].strip(SPACE) if above.startswith("#") else ""
        overrides = {name: Override(one.value, start + one.line) for name, one in entry.overrides.items()}
        found.append(replace(entry, line=start + 1, overrides=overrides, comment=comment))
    return tuple(found)


@lru_cache(maxsize=4096)
def _parsed(entry: str) -> Service | None:
    """An entry by itself, as if it began in line 1; None where fields are missing."""
    lines = split_lines(entry)
    words = _words(lines, 0, len(lines))
    if len(words) < _FIELDS:
        return None
    offsets = list(accumulate(map(len, lines), initial=0))
    overrides = {
        name: Override(value, bisect_right(offsets, word.start)) for name, value, word in _override_words(words)
    }
    name, kind, _private, _unprivileged, chroot, _wakeup, _most, command = (one.text for one in words[:_FIELDS])
    return Service(name, kind, command, 1, overrides, "", chroot)


def _written(name: str, value: str) -> str:
    # between braces a value may go on in a line that begins with white space
    within_a_line(re.sub(r"\n(?=[ \t])", " ", value), name)
    setting = f"{name}={value}"
    return f"{{{setting}}}" if re.search(r"\s", setting) else setting


def override(text: str, service: Service, settings: Mapping[str, str]) -> str:
    """Set ``-o`` values of an entry: an existing one in its place, a new one on a line of its own.

    Where the existing one goes over several lines it stays, and the new one behind it is the one that counts.

    Args:
        text: content of master.cf.
        service: the entry, as found by services() in this same text.
        settings: values by parameter name.

    Returns:
        The new content.
    """
    lines = split_lines(text)
    start, end = next(span for span in _entries(lines) if span[0] == service.line - 1)
    places = {name: word for name, _value, word in _override_words(_words(lines, start, end))}
    changed = [name for name in settings if name in places and "\n" not in places[name].text]
    behind = sum(len(line) for line in lines[:end])
    added = [f"  -o {_written(name, value)}\n" for name, value in settings.items() if name not in changed]
    if added:
        text = text[:behind] + ("" if lines[end - 1].endswith("\n") else "\n") + "".join(added) + text[behind:]
    # from the last place to the first, so that a change does not move the ones still to come
    for name in sorted(changed, key=lambda one: places[one].start, reverse=True):
        place = places[name]
        joined = "-o" if place.text.startswith("-o") else ""
        text = text[: place.start] + joined + _written(name, settings[name]) + text[place.end :]
    return text


def written(text: str, service: Service, name: str) -> str | None:
    """The setting of an entry that override() would change in its place, as it stands there; None where it adds one.

    Args:
        text: content of master.cf.
        service: the entry, as found by services() in this same text.
        name: the parameter.
    """
    lines = split_lines(text)
    start, end = next(span for span in _entries(lines) if span[0] == service.line - 1)
    found = [word.text for one, _value, word in _override_words(_words(lines, start, end)) if one == name]
    return found[-1] if found and "\n" not in found[-1] else None


def restore(text: str, service: Service, saved: Mapping[str, str | None]) -> str:
    """Put settings of an entry back as written() has found them before override() changed them.

    Args:
        text: content of master.cf.
        service: the entry, as found by services() in this same text.
        saved: the words by parameter name; None takes the setting away.

    Returns:
        The new content.
    """
    lines = split_lines(text)
    start, end = next(span for span in _entries(lines) if span[0] == service.line - 1)
    places = {name: word for name, _value, word in _override_words(_words(lines, start, end))}
    for name in sorted(set(saved) & set(places), key=lambda one: places[one].start, reverse=True):
        place, original = places[name], saved[name]
        if original is not None:
            text = text[: place.start] + original + text[place.end :]
            continue
        before = text[: place.start]
        if not place.text.startswith("-o"):
            before = before[: before.rindex("-o")]
        before, behind = before.rstrip(" \t"), text[place.end :]
        if before.endswith("\n") and behind.startswith("\n"):
            behind = behind[1:]  # the line had nothing else on it
        text = before + behind
    return text


def add(text: str, name: str, comment: str, settings: Mapping[str, str], fields: str = _LISTENS) -> str:
    """Add a service at the end of master.cf.

    Args:
        text: content of master.cf.
        name: service name or port.
        comment: what stands above the entry.
        settings: its -o values by parameter name.
        fields: the other fields of the entry; by default those of an smtpd(8) that listens on a TCP port.

    Returns:
        The new content.
    """
    lines = [f"# {comment}\n", f"{name:<9} {fields}\n"]
    lines += [f"  -o {_written(key, value)}\n" for key, value in settings.items()]
    return text + ("" if not text or text.endswith("\n") else "\n") + "".join(lines)


def remove(text: str, service: Service, comment: str) -> str:
    """Take an entry out; comments around it stay, but for the one that add() has put above it.

    Args:
        text: content of master.cf.
        service: the entry, as found by services() in this same text.
        comment: the one that add() was given.

    Returns:
        The new content.
    """
    lines = split_lines(text)
    start, end = next(span for span in _entries(lines) if span[0] == service.line - 1)
    kept = [line for line in lines[start:end] if is_comment(line)]
    if service.comment == comment:
        start -= 1
    return "".join(lines[:start] + kept + lines[end:])


def set_aside(text: str, service: Service, label: str) -> str:
    """Turn an entry into comments that bring_back() knows again.

    Args:
        text: content of master.cf.
        service: the entry, as found by services() in this same text.
        label: for what it is set aside.

    Returns:
        The new content.
    """
    lines = split_lines(text)
    start, end = next(span for span in _entries(lines) if span[0] == service.line - 1)
    entry = [line if is_comment(line) else _ASIDE.format(label) + line for line in lines[start:end]]
    return "".join(lines[:start] + entry + lines[end:])


def bring_back(text: str, label: str) -> str:
    """Undo set_aside() for all entries with this label."""
    prefix = _ASIDE.format(label)
    return "".join(line[len(prefix) :] if line.startswith(prefix) else line for line in split_lines(text))
