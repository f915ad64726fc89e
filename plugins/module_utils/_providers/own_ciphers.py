# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the administrator's own settings bar: it stays barred unless a strength is asked for by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    GROUPS,
    STRENGTHS,
    TLS13,
    Strength,
)

# Names that OpenSSL has for the groups of the strengths, besides those that these are known by here.
_SAME_GROUP = {"p-256": "prime256v1", "secp256r1": "prime256v1", "p-384": "secp384r1"}
_ANY_GROUP = {"", "auto", "default"}


@dataclass(frozen=True)
class OwnLists:
    """The administrator's own lists for a virtual server, in OpenSSL's words; none where nobody has set any.

    Attributes:
        ciphers: of cipher suites; those of TLS 1.3 count where they are named.
        groups: of groups for the key exchange.
        newest: of cipher suites of TLS 1.3 alone.
    """

    ciphers: Sequence[str] = ()
    groups: Sequence[str] = ()
    newest: Sequence[str] = ()


def strength_within(host: Host, vserver: Vserver, own: OwnLists) -> Strength:
    """A virtual server's strength, without what the administrator bars and nobody has asked for.

    Args:
        host: the machine.
        vserver: the virtual server.
        own: the administrator's lists for it.
    """
    strength = STRENGTHS[vserver.strength]
    return _held(host, strength, own) if "strength" in vserver.left_out else strength


def warnings(
    host: Host, vserver: Vserver, own: OwnLists, setting: str, possible: Collection[str] = GROUPS
) -> list[str]:
    """A warning of what is allowed from now on: as was asked for, or since a list leaves nothing of the strength.

    Args:
        host: the machine.
        vserver: the virtual server.
        own: as above.
        setting: what the lists are called.
        possible: the groups that the daemon can be told.
    """
    strength = STRENGTHS[vserver.strength]
    if not vserver.present:
        return []
    if "strength" in vserver.left_out:
        found = f"{vserver.title} accepts others than your own {setting}"
        return [
            f"{found} ({one}), which has nothing in common with strength {strength.name}"
            for one in _unheeded(host, strength, own)
        ]
    held = _held(host, strength, own)
    suites = sorted(set(strength.ciphers) - set(held.ciphers)) + sorted(set(TLS13) - set(held.newest or TLS13))
    groups = [one for one in strength.groups(openssl_library()) if one in held.barred and one in possible]
    return weaker_than(vserver, [*suites, *groups], setting)


def weaker_than(vserver: Vserver, more: Sequence[str], setting: str) -> list[str]:
    """A warning that a strength asked for by name allows more than the administrator's own setting; none where none."""
    found = f"{vserver.title} becomes weaker than before: strength {vserver.strength} allows {', '.join(more)}"
    return [f"{found}, which your own {setting} does not"] if more else []


def more_groups(own: str, now: str) -> list[str]:
    """The groups of a list, in capitals or not, that the administrator's own list bars."""
    allows = _groups(own)
    return [word for word in re.split("[:/, ]+", now) if word and not allows(_SAME_GROUP.get(word.lower(), word))]


def names_no_more(found: str, wanted: str) -> bool:
    """Whether a list of names, with a colon between two, has nothing that another one has not."""
    return bool(found) and set(found.split(":")) <= set(wanted.split(":"))


def _held(host: Host, strength: Strength, own: OwnLists) -> Strength:
    """What lists leave of a strength; a list that leaves nothing of a kind does not count."""
    ciphers = strength.ciphers
    groups: tuple[str, ...] = GROUPS
    newest: tuple[str, ...] = TLS13
    for one in own.ciphers:
        ciphers = _common(ciphers, _listed(host, one))
        newest = _common(newest, {word for word in re.split("[: ,]", one) if word in TLS13}.__contains__)
    for one in own.newest:
        newest = _common(newest, set(re.split("[: ,]", one)).__contains__)
    for one in own.groups:
        groups = _common(groups, _groups(one))
    return replace(
        strength,
        ciphers=ciphers,
        newest=() if newest == TLS13 else newest,
        barred=frozenset(GROUPS) - frozenset(groups),
    )


def _unheeded(host: Host, strength: Strength, own: OwnLists) -> list[str]:
    """The lists that leave nothing of a strength."""
    found = [one for one in own.ciphers if strength.ciphers and not any(map(_listed(host, one), strength.ciphers))]
    found += [one for one in own.groups if not any(map(_groups(one), GROUPS))]
    return [one for one in found if one[:1] not in ("", "-")]  # one that only takes out says nothing by itself


def _common(ours: tuple[str, ...], listed: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(filter(listed, ours)) or ours


def allowed_suites(host: Host, own: str) -> set[str]:
    """The cipher suites of TLS 1.2 that a list allows, as OpenSSL itself reads it; none where it cannot read it."""
    done = host.query(["openssl", "ciphers", "-s", "-tls1_2", own]) if own[:1] not in ("", "-") else None
    return set(done.out.strip().split(":") if done and done.code == 0 else ())


def _listed(host: Host, own: str) -> Callable[[str], bool]:
    return allowed_suites(host, own).__contains__


def _groups(own: str) -> Callable[[str], bool]:
    """What a list of groups allows (SSL_CTX_set1_curves(3)); one that adds to a default is not looked into."""
    words = [word.strip("?*").lower() for word in re.split("[:/, ]", own)]
    named = {_SAME_GROUP.get(word, word) for word in words}
    anything = bool(_ANY_GROUP & named) or any(word.startswith("-") for word in words)
    return lambda group: anything or group.lower() in named
