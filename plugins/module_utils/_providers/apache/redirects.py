# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redirects to https in a virtual host that would also hold once it has TLS (mod_alias, mod_rewrite)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import Statement
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.redirects import (
    is_itself,
    path_of,
)

SIMPLE = ("redirect", "redirectpermanent", "redirecttemp")
_EVERYTHING = ("", "^", "^/", ".", ".*", "^.*", "^.*$", "^(.*)$", "^/(.*)$", "^/?(.*)$", "(.*)", "^(.*)")
_TAKES_ALL = re.compile(r"\^?/?\??\(")
_SAME_PLACE = re.compile(r"%\{(?:REQUEST_URI|THE_REQUEST)\}")
_SECTIONS = ("<location", "<directory", "<locationmatch", "<directorymatch", "<files", "<filesmatch")


def looping(block: Iterable[Statement], names: Collection[str], tls_port: int) -> Iterator[Statement]:
    """The lines that redirect a request with TLS to the same place with TLS.

    Args:
        block: the lines of a virtual host.
        names: the site's names.
        tls_port: the port that TLS is to have.
    """
    places: list[str] = []  # of the sections around a line
    conditions: list[Statement] = []
    skipped = 0  # sections around a line that does not hold with TLS
    for one in block:
        if one.name == "<if" and (skipped or not _expression_holds(" ".join(one.args))):
            skipped += 1
        elif one.name == "</if":
            skipped = max(0, skipped - 1)
        elif one.name in _SECTIONS:
            places.append(one.args[-1] if one.args else "")
        elif one.name.startswith("</") and f"<{one.name[2:]}" in _SECTIONS:
            del places[-1:]
        elif one.name == "rewritecond":
            conditions.append(one)
        elif one.name == "rewriterule":
            if not skipped and _rule_leads_back(one, names) and _may_hold(conditions, tls_port):
                yield one
            conditions = []
        elif not skipped and _leads_back(one, names, places[-1] if places else ""):
            yield one


def _rule_leads_back(one: Statement, names: Collection[str]) -> bool:
    pattern, target = (*one.args, "", "")[:2]
    if pattern.startswith("!") or not is_itself(target, names):
        return False
    path = path_of(target).rstrip("?")
    if path in ("$0", "/$0", "$1", "/$1"):
        return "$0" in path or _TAKES_ALL.match(pattern) is not None
    return _SAME_PLACE.search(path) is not None or (path in ("", "/") and pattern in _EVERYTHING)


def _leads_back(one: Statement, names: Collection[str], place: str) -> bool:
    if one.name == "redirectmatch":
        words = one.args if len(one.args) == 2 else one.args[1:]
        pattern, target = (*words, "", "")[:2]
        path = path_of(target)
        same = path in ("$0", "/$0") or (path in ("$1", "/$1") and _TAKES_ALL.match(pattern) is not None)
        return is_itself(target, names) and (same or (path in ("", "/") and pattern in _EVERYTHING))
    if one.name not in SIMPLE or not one.args or not is_itself(one.args[-1], names):
        return False
    path = path_of(one.args[-1])
    if "%{" in path:
        return _SAME_PLACE.search(path) is not None
    # what follows the path is appended; in a <Location> the path may be left out, and then nothing is
    begins = next((word for word in one.args[:-1] if word.startswith("/")), place)
    return path.rstrip("/") == begins.rstrip("/") or begins in ("/", "^/", "^")


def _may_hold(conditions: Collection[Statement], tls_port: int) -> bool:
    """Whether all conditions of a rule may hold for a request with TLS."""
    alternatives: list[bool] = []
    for one in conditions:
        test, pattern, flags = (*one.args, "", "", "")[:3]
        alternatives.append(_condition_holds(test, pattern, tls_port))
        if not re.search(r"\bOR(?:NEXT)?\b", flags, re.I):
            if not any(alternatives):
                return False
            alternatives = []
    return True


def _condition_holds(test: str, pattern: str, tls_port: int) -> bool:
    known = {"%{HTTPS}": "on", "%{REQUEST_SCHEME}": "https", "%{SERVER_PORT}": str(tls_port)}
    if test.lower() == "expr":
        return _expression_holds(pattern)
    value = known.get(test.upper())
    if value is None:
        return True
    wanted = pattern.lstrip("!")
    try:
        found = value == wanted[1:] if wanted.startswith("=") else bool(re.search(wanted, value, re.I))
    except re.error:
        return True
    return found != pattern.startswith("!")


def _expression_holds(expression: str) -> bool:
    """Whether an expression may hold with TLS; only the usual questions for TLS are understood."""
    without = (
        r"%\{HTTPS\}'?\s*(?:!=|-ne)\s*'?on|%\{HTTPS\}'?\s*(?:==?|-eq)\s*'?off|%\{REQUEST_SCHEME\}'?\s*!=\s*'?https"
    )
    without += r"|%\{REQUEST_SCHEME\}'?\s*(?:==?|-eq)\s*'?http\b"
    return re.search(without, expression, re.I) is None
