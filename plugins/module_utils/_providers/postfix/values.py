# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a value of a Postfix parameter means (postconf(5)): its words, what it refers to, and when two are the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lines import (
    SPACE,
    split_words,
)

_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_KNOWN = {name.lower(): number for number, name in enumerate(_VERSIONS)}
_LOWEST = _VERSIONS.index("TLSv1")  # Postfix speaks nothing older, whatever it is told
_DEEPEST = 100  # how far references may be nested; Postfix gives up there too
_CLOSING = {"{": "}", "(": ")"}
_NAME = re.compile(r"[A-Za-z0-9_.]+", re.ASCII)
_BARE_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_COMPARISON = re.compile(r"(?:==|!=|<=|>=|<|>)(?:level)?")
_LEVEL = "level"  # ends the sign of a comparison of compatibility levels, such as 3.6


def words(value: str) -> list[str]:
    """The words of a list; Postfix takes commas and white space alike, and keeps what is between braces together."""
    return [value[start:end] for start, end in split_words(value, "," + SPACE)]


def _versions(value: str) -> object:
    """TLS versions that a protocol list leaves switched on, whichever of its three notations is used.

    A list with a word in it that is not known means nothing but itself.
    """
    floor, ceiling = 0, len(_VERSIONS) - 1
    included: set[int] = set()
    excluded: set[int] = set()
    for word in words(value.replace(":", " ")):
        sign = word[: len(word) - len(word.lstrip("!<>="))]
        version = _KNOWN.get(word[len(sign) :].lower())
        if version is None or sign not in ("", "!", ">=", "<="):
            return words(value)
        if sign == ">=":
            floor = version
        elif sign == "<=":
            ceiling = version
        else:
            (excluded if sign else included).add(version)
    enabled = (included or set(_KNOWN.values())).intersection(range(floor, ceiling + 1))
    return frozenset(version for version in enabled - excluded if version >= _LOWEST)


def same(name: str, one: str, other: str) -> bool:
    """Whether two values of the parameter mean the same.

    Args:
        name: the parameter.
        one: a value.
        other: another value.
    """
    if name.endswith("_protocols"):
        return _versions(one) == _versions(other)
    return words(one) == words(other)


def tls_versions(value: str) -> tuple[str, ...]:
    """The TLS versions that a list leaves switched on, by their names; none where a word of it is not known."""
    found = _versions(value)
    return tuple(_VERSIONS[number] for number in sorted(found)) if isinstance(found, frozenset) else ()


def allows_no_more(one: str, other: str) -> bool:
    """Whether a list of TLS versions leaves none switched on that another list does not."""
    ours, theirs = _versions(one), _versions(other)
    return isinstance(ours, frozenset) and isinstance(theirs, frozenset) and bool(ours) and ours <= theirs


# ---- references


@dataclass(frozen=True)
class _Reference:
    """One ``$name``, ``${name}``, ``$(name)``, ``${name?..:..}`` or ``${{..} == {..} ? ..}`` in a value.

    Attributes:
        name: the parameter; empty where two texts are compared.
        left: what is on the left of a comparison.
        operator: how it is compared; empty for none.
        right: what is on its right.
        filled: what stands for the reference where the parameter is not empty; None for the parameter's value.
        empty: what stands for it where the parameter is empty; None for nothing.
    """

    name: str
    left: str = ""
    operator: str = ""
    right: str = ""
    filled: str | None = None
    empty: str | None = None

    @property
    def texts(self) -> Iterator[str]:
        """The texts within it, which may have references of their own."""
        yield from (self.left, self.right, self.filled or "", self.empty or "")


def _enclosed(text: str, start: int) -> int:
    """The place behind the bracket that closes the one at a place; 0 for none."""
    opening, closing, depth = text[start], _CLOSING[text[start]], 0
    for index in range(start, len(text)):
        depth += (text[index] == opening) - (text[index] == closing)
        if depth == 0:
            return index + 1
    return 0


def _branch(text: str) -> tuple[str, str]:
    """A text between braces without the blanks around it, or else all that is left; and what comes behind it."""
    bare = text.lstrip(SPACE)
    end = _enclosed(bare, 0) if bare.startswith("{") else 0
    return (bare[1 : end - 1].strip(SPACE), bare[end:].lstrip(SPACE)) if end else (text, "")


def _reference(text: str) -> _Reference:
    """What is between the brackets of a reference."""
    name, left, operator, right = "", "", "", ""
    rest = text.lstrip(SPACE)
    if rest.startswith("{"):
        left, rest = _branch(rest)
        sign = _COMPARISON.match(rest)
        if sign:
            operator = sign.group()
            right, rest = _branch(rest[sign.end() :])
    else:
        match = _NAME.match(rest)
        name = match.group() if match else ""
        rest = rest[len(name) :].lstrip(SPACE)
    filled = empty = None
    if rest.startswith("?"):
        filled, rest = _branch(rest[1:])
    if rest.startswith(":"):
        empty, rest = _branch(rest[1:])
        filled = "" if filled is None and operator else filled
    return _Reference(name, left, operator, right, filled, empty)


def _parsed(value: str) -> Iterator[str | _Reference]:
    """The parts of a value: text, and references to parameters."""
    place = 0
    while place < len(value):
        found = value.find("$", place)
        if found < 0 or found == len(value) - 1:
            break
        yield value[place:found]
        place = found + 1
        if value[place] == "$":
            yield "$"
            place += 1
        elif value[place] in _CLOSING and _enclosed(value, place):
            end = _enclosed(value, place)
            yield _reference(value[place + 1 : end - 1])
            place = end
        else:
            match = _BARE_NAME.match(value, place)
            if match:
                yield _Reference(match.group())
                place = match.end()
            else:
                yield "$"
    yield value[place:]


def names_in(value: str) -> tuple[str, ...]:
    """The parameters that a value refers to, whether or not they decide at present."""
    found: dict[str, None] = {}
    for part in _parsed(value):
        if isinstance(part, _Reference):
            if part.name:
                found[part.name] = None
            found.update(dict.fromkeys(name for text in part.texts for name in names_in(text)))
    return tuple(found)


def expand(value: str, lookup: Callable[[str], str]) -> str:
    """A value with the parameters that it refers to put in, as ``postconf -x`` has it.

    Args:
        value: as it stands in main.cf, or behind ``-o`` in master.cf.
        lookup: answers a parameter's value as it is written, without anything put in; empty where there is none.

    Raises:
        Problem: the references go round in a circle.
    """
    return _expand(value, lookup, 0)


def _expand(value: str, lookup: Callable[[str], str], depth: int) -> str:
    if depth > _DEEPEST:
        raise Problem(
            f"the value {value!r} refers to itself, directly or by way of other parameters",
            "set one of these parameters to a value without a reference",
        )
    return "".join(part if isinstance(part, str) else _put_in(part, lookup, depth + 1) for part in _parsed(value))


def _put_in(reference: _Reference, lookup: Callable[[str], str], depth: int) -> str:
    if reference.name:
        held = lookup(reference.name)
        is_filled = bool(held)
        # a value that a text stands for is not put in itself, so it may well refer to this very parameter
        meant = held if reference.filled is None and reference.empty is None else reference.filled
    else:
        left, right = (_expand(one, lookup, depth) for one in (reference.left, reference.right))
        is_filled = _holds(left, reference.operator, right)
        meant = "true" if reference.filled is None and reference.empty is None else reference.filled
    if is_filled:
        return _expand(meant or "", lookup, depth)
    return _expand(reference.empty or "", lookup, depth)


def _holds(left: str, operator: str, right: str) -> bool:
    """Whether a comparison holds: one of numbers where both sides are, else one of texts."""
    if operator.endswith(_LEVEL):
        levels = [[*map(int, re.findall(r"[0-9]{1,9}", one)), 0, 0, 0][:3] for one in (left, right)]
        order = (levels[0] > levels[1]) - (levels[0] < levels[1])
    elif all(re.fullmatch(r"[+-]?[0-9]{1,18}", one) for one in (left, right)):
        order = int(left) - int(right)
    else:
        order = (left > right) - (left < right)
    return {
        "==": order == 0,
        "!=": order != 0,
        "<": order < 0,
        "<=": order <= 0,
        ">": order > 0,
        ">=": order >= 0,
    }.get(operator.removesuffix(_LEVEL), False)
