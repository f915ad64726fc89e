# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redirects to https in a server block that would also hold once it has TLS (ngx_http_rewrite_module)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import Directive
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.redirects import (
    is_itself,
    path_of,
)

_REDIRECTIONS = ("301", "302", "303", "307", "308")
# what stands for the whole of what was asked for, and patterns that put that into $1
_SAME_PLACE = re.compile(r"\$\{?(?:request_uri|uri|document_uri)\b")
_TAKES_ALL = re.compile(r"\^?/?\(")


def looping(block: Directive, names: Collection[str], tls_port: int) -> Iterator[Directive]:
    """The directives that redirect a request with TLS to the same place with TLS.

    Args:
        block: the server block, or one in it.
        names: the site's names.
        tls_port: the port that TLS is to have.
    """
    waiting = [(block, True)]
    while waiting:
        around, everything = waiting.pop()
        for one in around.block or ():
            if one.name == "if" and one.block is not None:
                if _holds_with_tls(one.args, tls_port):
                    waiting.append((one, everything))
            elif one.name == "location" and one.block is not None:
                waiting.append((one, one.args[-1:] in (("/",), ("^/",), (".*",), ("^",))))
            elif one.block is not None:
                waiting.append((one, everything))
            elif _leads_back(one, names, everything=everything):
                yield one


def _leads_back(one: Directive, names: Collection[str], *, everything: bool) -> bool:
    target = ""
    if one.name == "return" and one.args and (len(one.args) == 1 or one.args[0] in _REDIRECTIONS):
        target = one.args[-1]
    elif one.name == "rewrite" and len(one.args) > 1:
        target = one.args[1]
    if not is_itself(target, names):
        return False
    path = path_of(target).rstrip("?")
    if one.name == "rewrite" and path in ("$1", "/$1"):
        return _TAKES_ALL.match(one.args[0]) is not None
    return _SAME_PLACE.search(path) is not None or (everything and path in ("", "/") and _is_bare(one))


def _is_bare(one: Directive) -> bool:
    """Whether it looks at nothing that is asked for."""
    return one.name == "return" or one.args[0] in ("^", "^/", ".", ".*", "^.*", "^.*$", "^(.*)$", "^/(.*)$")


def _holds_with_tls(condition: tuple[str, ...], tls_port: int) -> bool:
    """Whether the condition of an ``if`` may hold for a request with TLS."""
    words = " ".join(condition).strip("() ").split()
    if len(words) == 1:
        return words != ["$postmaster_place"]
    if len(words) != 3:
        return True
    variable, operator, pattern = words
    value = {"$scheme": "https", "$https": "on", "$server_port": str(tls_port)}.get(variable)
    if value is None:
        return not variable.startswith("$postmaster_")
    pattern = pattern.strip("\"'")
    try:
        if operator in ("=", "!="):
            found = value == pattern
        else:
            found = re.search(pattern, value, re.I if "*" in operator else 0) is not None
    except re.error:
        return True
    return found != operator.startswith("!")
