# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's virtual hosts, as Apache lists them (apache2ctl -D DUMP_VHOSTS) and as they stand in its files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MACRO = "postmaster-http-"  # names of our macros, which hold a virtual host, begin with this
CLEAR_PORT = 80
_ANY = ("*", "_default_", "0.0.0.0", "[::]")
_SOCKET = re.compile(r"^(\S+?):(\d+|\*)\s+(?:is a NameVirtualHost$|(\S+) \((.*)\)$)")
_DEFAULT = re.compile(r"^ {8,}default server (\S+) \((.*)\)$")
_NAMED = re.compile(r"^ {8,}port (?:\d+|\*) namevhost (\S+) \((.*)\)$")
_ALIAS = re.compile(r"^ {16,}(?:wild )?alias (\S+)$")
_PLACE = re.compile(r"(.+):(\d+)")
_OUR_PLACE = re.compile(rf"macro '{MACRO}([^']+)' \(defined on line (\d+) of \"([^\"]+)\"\).*")
_INCLUDED = re.compile(r"^ +\((?:\*|\d+)\) (/.+)$")
_MODULE = re.compile(r"^ (\S+_module) \((?:static|shared)\)$")
# a line of configuration: not a comment; a backslash at its end takes in the next one
_LINE = re.compile(r"[ \t]*(</?)?([A-Za-z]\w*)((?:[^\n\\]|\\.|\\\n)*)")


@dataclass(frozen=True)
class Statement:
    """One line of configuration.

    Attributes:
        name: its first word in lower case; with ``<`` or ``</`` before it where it begins or ends a section.
        args: its other words, without quotation marks.
        path: the file it stands in.
        line: its number there, from 1.
    """

    name: str
    args: tuple[str, ...]
    path: str
    line: int

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}:{self.line}"

    @property
    def shown(self) -> str:
        """The line, for messages."""
        return " ".join((self.name, *self.args))


def statements(path: str, text: str) -> Iterator[Statement]:
    """The lines of a file that say something."""
    at, line = 0, 1
    while at < len(text):
        match = _LINE.match(text, at)
        end = match.end() if match else at
        if match and match.group(2):
            words = re.findall(r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([^\s\"'>]+)", match.group(3).replace("\\\n", " "))
            name = (match.group(1) or "") + match.group(2).lower()
            yield Statement(name, tuple("".join(word) for word in words), path, line)
        newline = text.find("\n", end)
        end = len(text) if newline < 0 else newline + 1
        line += text.count("\n", at, end)
        at = end


@dataclass(frozen=True)
class Vhost:
    """One virtual host on one socket.

    Attributes:
        address: IP address, or ``*``.
        port: TCP port; 0 for every one.
        names: the names it answers to, in lower case.
        path: the file it stands in; empty where Apache does not tell.
        line: the line there that begins it, or our macro around it.
        ours: name of the virtual server whose macro it is in; empty for none.
        first: whether it answers those who name no host there.
    """

    address: str
    port: int
    names: tuple[str, ...]
    path: str
    line: int
    ours: str
    first: bool

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}:{self.line}" if self.path else "a macro"

    @property
    def key(self) -> tuple[str, int]:
        """What tells one virtual host from another, on whatever socket."""
        return self.path, self.line


def _vhost(address: str, port: str, name: str, place: str, *, first: bool) -> Vhost:
    number = int(port) if port.isdecimal() else 0
    ours, plain = _OUR_PLACE.match(place), _PLACE.fullmatch(place)
    if ours:
        return Vhost(address, number, (name.lower(),), ours.group(3), int(ours.group(2)), ours.group(1), first)
    if plain and not place.startswith("macro "):
        return Vhost(address, number, (name.lower(),), plain.group(1), int(plain.group(2)), "", first)
    return Vhost(address, number, (name.lower(),), "", 0, "", first)


def vhosts(printed: str) -> list[Vhost]:
    """The virtual hosts that Apache lists, in its order."""
    found: list[Vhost] = []
    address, port, default = "", "", ""
    for line in printed.splitlines():
        socket, told, named, alias = (rule.match(line) for rule in (_SOCKET, _DEFAULT, _NAMED, _ALIAS))
        if socket:
            address, port, default = socket.group(1), socket.group(2), ""
            if socket.group(3):
                found.append(_vhost(address, port, socket.group(3), socket.group(4), first=True))
        elif told:
            default = told.group(2)
        elif named:
            first, default = named.group(2) == default, default if named.group(2) != default else ""
            found.append(_vhost(address, port, named.group(1), named.group(2), first=first))
        elif alias and found:
            last = found.pop()
            names = (*last.names, alias.group(1).lower())
            found.append(Vhost(last.address, last.port, names, last.path, last.line, last.ours, last.first))
    return found


def included(printed: str) -> list[str]:
    """The files that Apache reads, each once, in its order."""
    return list(dict.fromkeys(match.group(1) for match in map(_INCLUDED.match, printed.splitlines()) if match))


def modules(printed: str) -> set[str]:
    """The modules that are loaded, such as ``ssl_module``."""
    return {match.group(1) for match in map(_MODULE.match, printed.splitlines()) if match}


def ports_listened(texts: Mapping[str, str], loaded: Iterable[str]) -> set[int]:
    """Ports that files make Apache listen on, when these modules are loaded."""
    found, here = set(), set(loaded)
    for path, text in texts.items():
        skipped: list[bool] = []
        for one in statements(path, text):
            if one.name in ("<ifmodule", "<ifdefine"):
                skipped.append(one.name == "<ifdefine" or not _loaded(one.args[0] if one.args else "", here))
            elif one.name in ("</ifmodule", "</ifdefine"):
                del skipped[-1:]
            elif one.name == "listen" and one.args and not any(skipped):
                found.add(int(re.sub(r".*:", "", one.args[0]) or 0))
    return found


def _loaded(condition: str, loaded: set[str]) -> bool:
    name = condition.lstrip("!")
    file = re.fullmatch(r"(?:mod_)?(\w+)\.c", name)
    return ((f"{file.group(1)}_module" if file else name) in loaded) != condition.startswith("!")


def everywhere(addresses: Sequence[str]) -> bool:
    """Whether these are all addresses of a host."""
    return any(one in _ANY for one in addresses)


def split_socket(word: str) -> tuple[str, int]:
    """Address and port of a word such as ``*:80`` or ``[::1]:443``; port 0 where it has none."""
    match = re.fullmatch(r"(\[[^]]*\]|[^:]*)(?::(\d+|\*))?", word)
    address, port = (match.group(1), match.group(2) or "") if match else (word, "")
    return address, int(port) if port.isdecimal() else 0
