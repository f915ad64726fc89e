# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cipher suites that the administrator's own settings bar: they stay barred unless a strength is asked for by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS, Strength


def strength_within(host: Host, vserver: Vserver, lists: Iterable[str]) -> Strength:
    """A virtual server's strength, without cipher suites that the administrator bars and nobody has asked for.

    Args:
        host: the machine.
        vserver: the virtual server.
        lists: the administrator's lists for it, in OpenSSL's words.
    """
    strength = STRENGTHS[vserver.strength]
    return replace(strength, ciphers=_allowed(host, strength, lists)) if "strength" in vserver.left_out else strength


def warnings(host: Host, vserver: Vserver, lists: Iterable[str], setting: str) -> list[str]:
    """A warning of cipher suites that are allowed from now on, as was asked for.

    Args:
        host: the machine.
        vserver: the virtual server.
        lists: as above.
        setting: what they are called.
    """
    if not vserver.present or "strength" in vserver.left_out:
        return []
    strength = STRENGTHS[vserver.strength]
    more = sorted(set(strength.ciphers) - set(_allowed(host, strength, lists)))
    found = f"{vserver.title} becomes weaker than before: strength {vserver.strength} allows {', '.join(more)}"
    return [f"{found}, which your own {setting} does not"] if more else []


def _allowed(host: Host, strength: Strength, lists: Iterable[str]) -> tuple[str, ...]:
    """The cipher suites of a strength that lists allow; a list that allows none of them does not count."""
    ciphers = strength.ciphers
    for own in lists:
        # OpenSSL reads the list
        done = host.query(["openssl", "ciphers", "-s", "-tls1_2", own]) if own[:1] not in ("", "-") else None
        listed = set(done.out.strip().split(":")) if done and done.code == 0 else set()
        ciphers = tuple(one for one in ciphers if one in listed) or ciphers
    return ciphers
