# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rewrite rules of the whole server that a virtual host takes over, perhaps before its own (mod_rewrite).

Seen on Debian's Apache 2.4: a virtual host without RewriteOptions has the server's, Inherit outdoes InheritBefore, and
InheritDown outdoes InheritDownBefore.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import Statement

# what ends the rules, or leaves some of them out
_ENDING = frozenset({"l", "last", "end", "p", "proxy", "pt", "passthrough", "s", "skip", "c", "chain", "n", "next"})
_NO_CONTENT = frozenset({"r", "redirect", "f", "forbidden", "g", "gone"})


def rule_before(own: Collection[Statement], around: Collection[Statement]) -> Statement | None:
    """A rule of the whole server with which a virtual host would answer before it comes to its first rule.

    Args:
        own: the virtual host's lines, but for those in sections.
        around: the server's lines outside of all sections.
    """
    general = _options(around)
    options = _options(own) or general
    down = general if "ignoreinherit" not in options else set()
    if "inherit" in options or "inheritdown" in down:
        return None
    if "inheritbefore" in options or "inheritdownbefore" in down:
        return next((one for one in around if one.name == "rewriterule" and _answers(one)), None)
    return None


def _options(lines: Iterable[Statement]) -> set[str]:
    return {word.lower() for one in lines if one.name == "rewriteoptions" for word in one.args}


def _answers(rule: Statement) -> bool:
    """Whether those whom a rule takes get something, without the rules after it."""
    flags = {word.partition("=")[0].strip().lower() for word in "".join(rule.args[2:]).strip("[]").split(",")}
    return bool(flags & _ENDING) and not flags & _NO_CONTENT
