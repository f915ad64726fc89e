# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encryption required in INN's readers.conf, and no longer: every other byte of the file stays as it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.auth_groups import (
    LOGIN_WAYS,
    REQUIREMENT,
    AuthGroup,
    Span,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.readers_conf import (
    Files,
    auth_groups,
)

_REQUIRED = f"{REQUIREMENT}: true"
# what may follow an opening brace up to the end of its line
_NOTHING_MORE = re.compile(r"[ \t]*(#[^\n]*)?\n")
_TWIN = "-postmaster-without-tls"

Notes = dict[str, Any]


def with_encryption(text: str, path: str, files: Files, *, logins_only: bool) -> tuple[str, Notes]:
    """A file with encryption required wherever it is not yet.

    Where only logins are to be encrypted, and a group lets clients in both with a login and without, it gets a twin
    before it for those without. INN takes the last group that applies: in clear text that is the twin.

    Args:
        text: the file's content, with nothing of ours in it.
        path: where it lies.
        files: the files that it may include.
        logins_only: whether clients that do not log in may do without encryption.

    Returns:
        The new content, and what was done to which group, for without_encryption().

    Raises:
        Problem: the file is not understood, or the requirement would have to go into a file that it includes.
    """
    edits: list[tuple[Span, str]] = []
    notes: Notes = {}
    groups = auth_groups(text, path, files)
    keys = _keys(groups)
    for group in groups:
        if group.encrypted or not group.reachable or (logins_only and not group.logins):
            continue
        _refuse_elsewhere(group, path, logins_only=logins_only)
        key = keys[group.path, group.whole]
        if logins_only and group.anonymous:
            edits.append((Span(group.whole.start, group.whole.start), _twin(text, group) + "\n"))
        own = group.own.get(REQUIREMENT)
        if own:
            edits.append((own[-1].at, "true"))
            notes[key] = text[own[-1].at.start : own[-1].at.end]
        else:
            edits.append(_insertion(text, group))
            notes[key] = None
    return _edited(text, edits), notes


def without_encryption(text: str, path: str, files: Files, notes: Mapping[str, Any]) -> str:
    """A file as it was before with_encryption(), with whatever else has been changed since.

    Args:
        text: the file's content.
        path: where it lies.
        files: the files that it may include.
        notes: what was done to which group: the value that stood there before, None where none did.
    """
    edits: list[tuple[Span, str]] = []
    groups = auth_groups(text, path, files)
    keys = _keys([group for group in groups if not group.name.endswith(_TWIN)])
    for group in groups:
        if group.path != path:
            continue
        if group.name.endswith(_TWIN):
            edits.append((Span(group.whole.start, group.whole.end + len("\n")), ""))
            continue
        key, own = keys[group.path, group.whole], group.own.get(REQUIREMENT)
        if key not in notes or not own:
            continue
        if notes[key] is not None:
            edits.append((own[-1].at, notes[key]))
        else:
            edits.append((_line_or_words(text, own[-1].whole), ""))
    return _edited(text, edits)


def _keys(groups: Sequence[AuthGroup]) -> dict[tuple[str, Span], str]:
    """What tells each group, by its place, from the others, even when groups of other names come or go."""
    numbers: Counter[tuple[str, str]] = Counter()
    found = {}
    for group in groups:
        name = (group.name, group.path)
        found[group.path, group.whole] = f"{group.name}#{numbers[name]}"
        numbers[name] += 1
    return found


def _refuse_elsewhere(group: AuthGroup, path: str, *, logins_only: bool) -> None:
    if group.path != path:
        raise Problem(
            f"the auth group {group.name} lets clients in without encryption, and is in an included file",
            f"put '{_REQUIRED}' into it",
            option=group.place,
        )
    inherited = [name for name in LOGIN_WAYS if name in group.inherited]
    if logins_only and group.anonymous and inherited:
        raise Problem(
            f"the auth group {group.name} lets clients in both with a login and without, and inherits the login from"
            " around it: logins alone cannot be kept out of clear text",
            "set require_secure_channel to true, or write the group's parameters into the group itself",
            option=group.place,
        )


def _insertion(text: str, group: AuthGroup) -> tuple[Span, str]:
    """Where the requirement goes: onto a line of its own, or after the brace where more follows on its line."""
    rest = _NOTHING_MORE.match(text, group.inside.start)
    if not rest:
        return Span(group.inside.start, group.inside.start), f" {_REQUIRED}"
    first = re.compile(r"([ \t]+)[^\s#}]").match(text, rest.end())
    return Span(rest.end(), rest.end()), f"{first.group(1) if first else '    '}{_REQUIRED}\n"


def _line_or_words(text: str, span: Span) -> Span:
    """The whole line where a parameter has a line to itself, else the parameter and the space before it."""
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end) + 1 or len(text)
    if not text[start : span.start].strip() and not text[span.end : end].strip():
        return Span(start, end)
    start = span.start
    while text[start - 1 : start] in (" ", "\t"):
        start -= 1
    return Span(start, span.end)


def _twin(text: str, group: AuthGroup) -> str:
    """The group without its ways to log in."""
    ways = [one.whole for name in LOGIN_WAYS for one in group.own.get(name, [])]
    ways += [one.whole for one in group.own.get(REQUIREMENT, [])]
    cuts = [(_line_or_words(text, span), "") for span in ways]
    cuts.append((group.label, f'"{group.name}{_TWIN}"'))
    shift = group.whole.start
    moved = [(Span(span.start - shift, span.end - shift), words) for span, words in cuts]
    return _edited(text[group.whole.start : group.whole.end], moved)


def _edited(text: str, edits: Sequence[tuple[Span, str]]) -> str:
    pieces, behind = [], len(text)
    for span, words in sorted(edits, key=lambda edit: (edit[0].start, edit[0].end), reverse=True):
        pieces += [text[span.end : behind], words]
        behind = span.start
    return "".join((text[:behind], *reversed(pieces)))
