# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encryption demanded in INN's readers.conf, and taken back again: every other byte of the file stays as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.readers_conf import (
    REQUIREMENT,
    AuthGroup,
    Files,
    Span,
    auth_groups,
)

_DEMANDED = f"{REQUIREMENT}: true"
# what can stand between an opening brace and the end of its line
_NOTHING_MORE = re.compile(r"[ \t]*(#[^\n]*)?\n")
_TWIN = "-postmaster-without-tls"

Notes = dict[str, Any]


def demanded(text: str, path: str, files: Files, *, logins_only: bool) -> tuple[str, Notes]:
    """A file with encryption demanded wherever it is not.

    Where only logins shall be encrypted and a group lets people in both with and without one, the group gets a twin
    before it that lets them in without. INN takes the last group that applies: in clear text that is the twin.

    Args:
        text: the file's content, with nothing of ours in it.
        path: where it lies.
        files: the files that it may include.
        logins_only: whether those who do not log in may go without encryption.

    Returns:
        The new content, and what was done to which group, for taken_back().

    Raises:
        Problem: the file is not understood, or the demand would have to go into a file that it includes.
    """
    edits: list[tuple[Span, str]] = []
    notes: Notes = {}
    groups = auth_groups(text, path, files)
    for group in groups:
        if group.encrypted or not group.reachable or (logins_only and not group.logins):
            continue
        _refuse_elsewhere(group, path, logins_only=logins_only)
        key = _key(group, groups)
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


def taken_back(text: str, path: str, files: Files, notes: Mapping[str, Any]) -> str:
    """A file as it was before demanded(), with whatever else has been changed since.

    Args:
        text: the file's content.
        path: where it lies.
        files: the files that it may include.
        notes: what was done to which group: the value that stood there before, None where none did.
    """
    edits: list[tuple[Span, str]] = []
    groups = auth_groups(text, path, files)
    originals = [group for group in groups if not group.name.endswith(_TWIN)]
    for group in groups:
        if group.path != path:
            continue
        if group.name.endswith(_TWIN):
            edits.append((Span(group.whole.start, group.whole.end + len("\n")), ""))
            continue
        key, own = _key(group, originals), group.own.get(REQUIREMENT)
        if key not in notes or not own:
            continue
        if notes[key] is not None:
            edits.append((own[-1].at, notes[key]))
        else:
            edits.append((_line_or_words(text, own[-1].whole), ""))
    return _edited(text, edits)


def _key(group: AuthGroup, groups: Sequence[AuthGroup]) -> str:
    """What tells a group from the others, also when some come or go that are named otherwise."""
    same = [one for one in groups if (one.name, one.path) == (group.name, group.path)]
    number = next(place for place, one in enumerate(same) if one.whole == group.whole)
    return f"{group.name}#{number}"


def _refuse_elsewhere(group: AuthGroup, path: str, *, logins_only: bool) -> None:
    if group.path != path:
        raise Problem(
            f"the auth group {group.name} lets clients in without encryption, in a file that is only included",
            f"put '{_DEMANDED}' into it",
            option=group.place,
        )
    inherited = [name for name in ("auth", "perl_auth", "python_auth") if name in group.inherited]
    if logins_only and group.anonymous and inherited:
        raise Problem(
            f"the auth group {group.name} lets people in with and without a login, and has its way to log in"
            " from the group around it: logins cannot be kept out of clear text alone",
            "set require_secure_channel to true, or write the group's parameters into the group itself",
            option=group.place,
        )


def _insertion(text: str, group: AuthGroup) -> tuple[Span, str]:
    """Where the demand goes: onto a line of its own, or behind the brace where more follows on its line."""
    rest = _NOTHING_MORE.match(text, group.inside.start)
    if not rest:
        return Span(group.inside.start, group.inside.start), f" {_DEMANDED}"
    first = re.compile(r"([ \t]+)[^\s#}]").match(text, rest.end())
    return Span(rest.end(), rest.end()), f"{first.group(1) if first else '    '}{_DEMANDED}\n"


def _line_or_words(text: str, span: Span) -> Span:
    """The whole line where a parameter has it for itself, else the parameter and the space before it."""
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end) + 1 or len(text)
    if not text[start : span.start].strip() and not text[span.end : end].strip():
        return Span(start, end)
    before = text[: span.start]
    return Span(len(before.rstrip(" \t")), span.end)


def _twin(text: str, group: AuthGroup) -> str:
    """The group without its ways to log in."""
    ways = [one.whole for name in ("auth", "perl_auth", "python_auth") for one in group.own.get(name, [])]
    ways += [one.whole for one in group.own.get(REQUIREMENT, [])]
    cuts = [(_line_or_words(text, span), "") for span in ways]
    cuts.append((group.label, f'"{group.name}{_TWIN}"'))
    shift = group.whole.start
    moved = [(Span(span.start - shift, span.end - shift), words) for span, words in cuts]
    return _edited(text[group.whole.start : group.whole.end], moved)


def _edited(text: str, edits: Sequence[tuple[Span, str]]) -> str:
    for span, words in sorted(edits, key=lambda edit: (edit[0].start, edit[0].end), reverse=True):
        text = text[: span.start] + words + text[span.end :]
    return text
