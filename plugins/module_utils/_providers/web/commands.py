# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands of OpenSSL's own in a web server's configuration (SSL_CONF_cmd(3)), which count in place of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import (
    allowed_suites,
    more_groups,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import Command
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    GROUPS,
    STRENGTHS,
    TLS13,
    Strength,
)

_VERSIONS = ("none", "sslv3", "tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3")
# Groups that are no weaker than those of the strengths.
_SOUND = (*GROUPS, "x448", "secp521r1", "p-521", "ffdhe3072", "ffdhe4096", "secp256r1mlkem768", "secp384r1mlkem1024")


def _older(_host: Host, value: str, strength: Strength) -> bool:
    """Whether a lowest version of TLS is lower than that of a strength."""
    word = value.lower()
    return word in _VERSIONS and _VERSIONS.index(word) < _VERSIONS.index(f"tlsv{strength.minimum}")


def _switches_on(host: Host, value: str, strength: Strength) -> bool:
    """Whether a list of versions of TLS, or what it leaves switched on, has one that is lower."""
    words = [word.strip().lstrip("+").lower() for word in value.split(",")]
    return "all" in words or any(_older(host, word, strength) for word in words)


def _more_suites(host: Host, value: str, strength: Strength) -> bool:
    return bool(strength.ciphers) and not allowed_suites(host, value) <= set(strength.ciphers)


def _more_newest(_host: Host, value: str, _strength: Strength) -> bool:
    return not set(value.split(":")) <= set(TLS13)


def _weaker_groups(_host: Host, value: str, _strength: Strength) -> bool:
    return bool(more_groups(":".join(_SOUND), re.sub(r"[?*]|(?i:default|auto)", "", value)))


def _always(_host: Host, _value: str, _strength: Strength) -> bool:
    return True


# Whether a command loosens a strength, by its name.
_LOOSENS: Mapping[str, Callable[[Host, str, Strength], bool]] = {
    "minprotocol": _older,
    "protocol": _switches_on,
    "cipherstring": _more_suites,
    "ciphersuites": _more_newest,
    "groups": _weaker_groups,
    "curves": _weaker_groups,
    "certificate": _always,
    "privatekey": _always,
}


def refuse_outranking(host: Host, commands: Iterable[Command], vserver: Vserver) -> None:
    """Raise Problem where a command allows more than the strength of a virtual server, or has another certificate.

    Args:
        host: the machine.
        commands: those that count in place of what a file of ours says.
        vserver: what is desired.
    """
    strength = STRENGTHS[vserver.strength]
    for one in commands:
        loosens = _LOOSENS.get(one.name.lower())
        if loosens and loosens(host, one.value, strength):
            path = one.line.place.rpartition(":")[0]
            raise Problem(
                f"settings of your own override it: '{one.line.text}' in {one.line.place} counts in place of"
                + (" the certificate" if loosens is _always else f" strength {strength.name}"),
                f"remove it from {path}" + ("" if loosens is _always else ", or have it allow no more than that"),
                subject=vserver.title,
                option=one.line.place,
            )
