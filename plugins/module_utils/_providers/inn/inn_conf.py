# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""INN's settings as INN itself understands them, and a strength in its words (inn.conf(5))."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.paths import (
    INN_CONF,
    TOOLS,
    USER,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import names_no_more
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    MODERN,
    TLS13,
    Strength,
    first_strength,
)

CERTIFICATE_KEYS = ("tlscertfile", "tlskeyfile")
STRENGTH_KEYS = ("tlsprotocols", "tlsciphers", "tlsciphers13", "tlseccurve", "tlspreferserverciphers")
KEYS = (*CERTIFICATE_KEYS, *STRENGTH_KEYS)
_ASKED = (*KEYS, "port", "bindaddress", "nnrpdflags", "pathetc")
_MOST_PRINTED = 50_000  # characters; the values that are asked for have some hundred
_PRINTED = re.compile(r"^([A-Z0-9]+)=('.*'|\S+); export", re.MULTILINE)
_LISTS = ("tlsciphers", "tlsciphers13", "tlseccurve")


@dataclass(frozen=True)
class Effective:
    """Settings in effect.

    Attributes:
        values: by key, without quotes.
        readers: path of the readers.conf that is read.
        flags: the other options that every nnrpd gets.
    """

    values: Mapping[str, str]
    readers: str
    flags: tuple[str, ...]

    @property
    def port(self) -> int:
        """innd's port."""
        return int(self.values["port"])

    @property
    def address(self) -> str:
        """The IPv4 address that innd listens on; empty for all."""
        address = self.values["bindaddress"]
        return "" if address in ("all", "any") else address

    @property
    def home(self) -> str:
        """Directory of INN's other files."""
        return self.values["pathetc"]

    def strength(self, library: TlsLibrary) -> str:
        """Name of the strength that is in effect; empty where none is."""
        exact = first_strength(
            lambda one: all(_fits(key, self.values[key], value) for key, value in rendered(one, library).items())
        )
        return exact or (MODERN if allows_only_newest(self.values["tlsprotocols"]) else "")


def effective(host: Host, settings: str = INN_CONF) -> Effective:
    """Ask INN for its settings.

    Args:
        host: the machine.
        settings: path of the inn.conf.

    Raises:
        Problem: INN refuses the file.
    """
    done = host.query([f"{TOOLS}/innconfval", "-s", *_ASKED], environment={"INNCONF": settings}, user=USER)
    if done.code != 0 or done.err.strip():
        raise Problem(
            f"INN refuses its own configuration ({done.complaint})",
            f"fix {settings} until 'innconfval -C' prints nothing, then run again",
            option=settings,
        )
    try:
        values = parsed(done.out)
        words = shlex.split(values["nnrpdflags"])
    except ValueError as exc:
        raise Problem(
            f"INN's settings are not understood ({exc})",
            f"fix {settings}: port is a number, and quotation marks in nnrpdflags come in pairs",
            option=settings,
        ) from exc
    readers = "readers.conf"
    if "-c" in words[:-1]:
        place = words.index("-c")
        readers = words[place + 1]
        del words[place : place + 2]
    return Effective(values, os.path.join(values["pathetc"], readers), tuple(words))


def parsed(printed: str) -> dict[str, str]:
    """What innconfval prints for a shell, by key: a list as inn.conf takes it; empty for what is not set.

    Raises:
        ValueError: a value is damaged.
    """
    if len(printed) > _MOST_PRINTED:
        raise ValueError(f"they have {len(printed)} characters")
    found = {match.group(1).lower(): shlex.split(match.group(2))[0] for match in _PRINTED.finditer(printed)}
    values = {key: found.get(key, "") for key in _ASKED}
    if not re.fullmatch(r"[0-9]{1,5}", values["port"] or "0"):
        raise ValueError(f"port is {values['port'][:20]!r}")
    values["port"] = values["port"] or "0"
    values["tlsprotocols"] = _vector(shlex.split(values["tlsprotocols"]))
    return values


def _vector(words: Sequence[str]) -> str:
    return f"[ {' '.join(words)} ]"


def _fits(key: str, found: str, wanted: str) -> bool:
    """Whether a value is that of a strength, or a list that names fewer of something."""
    return found == wanted or (key in _LISTS and names_no_more(found, wanted))


def allows_only_newest(protocols: str) -> bool:
    """Whether a value of tlsprotocols, on however many lines, allows TLS 1.3 alone."""
    return protocols.upper().strip("[] \t\n").split() == ["TLSV1.3"]


def rendered(strength: Strength, library: TlsLibrary) -> dict[str, str]:
    """A strength in INN's words, without quotes."""
    versions = ["TLSv1.2", "TLSv1.3"] if strength.ciphers else ["TLSv1.3"]
    settings = {
        "tlsprotocols": _vector(versions),
        "tlsciphers13": ":".join(strength.newest or TLS13),
        "tlseccurve": ":".join(strength.groups(library)),
        "tlspreferserverciphers": "false",
    }
    if strength.ciphers:
        settings["tlsciphers"] = ":".join(strength.ciphers)
    return settings


def as_line_values(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as inn.conf takes them: a value with a colon needs quotes."""
    return {key: f'"{value}"' if ":" in value else value for key, value in settings.items()}
