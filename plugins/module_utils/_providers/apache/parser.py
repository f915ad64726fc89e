# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's virtual hosts, as Apache lists them (apache2ctl -t -D DUMP_VHOSTS) and as its files have them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import MACRO
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import EVERY_IPV4, Socket

_EVERYWHERE = ("*", "_default_", "0.0.0.0", "[::]")
_LAST_PORT = 65535
_SOCKET = re.compile(r"^(\S+?):(\d+|\*)\s+(?:is a NameVirtualHost$|(\S+) \((.*)\)$)")
_DEFAULT = re.compile(r"^ {8,}default server (\S+) \((.*)\)$")
_NAMED = re.compile(r"^ {8,}port (?:\d+|\*) namevhost (\S+) \((.*)\)$")
_ALIAS = re.compile(r"^ {16,}(?:wild )?alias (\S+)$")
_PLACE = re.compile(r"(.+):(\d{1,9})")
_OUR_PLACE = re.compile(rf"macro '{MACRO}([^']+)' \(defined on line (\d{{1,9}}) of \"([^\"]+)\"\).*")
_INCLUDED = re.compile(r"^ +\((?:\*|\d+)\) (/.+)$")
_MODULE = re.compile(r"^ (\S+_module) \((?:static|shared)\)$")
# a line of configuration that is not a comment; a backslash at its end joins the next line to it
# a quotation without its end goes on to the end of the line
_WORD = re.compile(r"\"((?:[^\"\\]|\\.)*)(?:\"|\\?\Z)|'([^']*)(?:'|\Z)|([^\s\"'>]+)", re.DOTALL)
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
    """The lines of a file that are neither blank nor comments."""
    at, line = 0, 1
    while at < len(text):
        match = _LINE.match(text, at)
        end = match.end() if match else at
        if match and match.group(2):
            words = _WORD.findall(match.group(3).replace("\\\n", " "))
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
        first: whether it answers clients there that name no other.
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


def _vhost(address: str, port: int, name: str, place: str, *, first: bool) -> Vhost:
    ours, plain = _OUR_PLACE.match(place), _PLACE.fullmatch(place)
    path, line, vserver = "", 0, ""
    if ours:
        path, line, vserver = ours.group(3), int(ours.group(2)), ours.group(1)
    elif plain and not place.startswith("macro "):
        path, line = plain.group(1), int(plain.group(2))
    return Vhost(address, port, (name.lower(),), path, line, vserver, first)


def _listed_port(word: str, line: str) -> int:
    if word == "*":
        return 0
    if len(word) > len(str(_LAST_PORT)) or int(word) > _LAST_PORT:
        raise Problem(
            f"Apache lists a virtual host on a port that there is not ('{line[:60].strip()}')",
            "look at what 'apache2ctl -t -D DUMP_VHOSTS' prints, and fix Apache's configuration",
        )
    return int(word)


def vhosts(printed: str) -> list[Vhost]:
    """The virtual hosts that Apache lists, in its order.

    Raises:
        Problem: the list is not understood.
    """
    found: list[Vhost] = []
    aliases: list[list[str]] = []
    address, port, default = "", 0, ""
    for line in printed.splitlines():
        socket, told, named, alias = (rule.match(line) for rule in (_SOCKET, _DEFAULT, _NAMED, _ALIAS))
        if socket:
            address, port, default = socket.group(1), _listed_port(socket.group(2), line), ""
            if socket.group(3):
                found.append(_vhost(address, port, socket.group(3), socket.group(4), first=True))
                aliases.append([])
        elif told:
            default = told.group(2)
        elif named:
            first, default = named.group(2) == default, default if named.group(2) != default else ""
            found.append(_vhost(address, port, named.group(1), named.group(2), first=first))
            aliases.append([])
        elif alias and found:
            aliases[-1].append(alias.group(1).lower())
    return [replace(one, names=(*one.names, *others)) for one, others in zip(found, aliases)]


def included(printed: str) -> list[str]:
    """The files that Apache reads, each once, in its order."""
    return list(dict.fromkeys(match.group(1) for match in map(_INCLUDED.match, printed.splitlines()) if match))


def modules(printed: str) -> set[str]:
    """The modules that are loaded, such as ``ssl_module``."""
    return {match.group(1) for match in map(_MODULE.match, printed.splitlines()) if match}


def ports_listened(texts: Mapping[str, str], loaded: Iterable[str]) -> set[int]:
    """Ports that files make Apache listen on when these modules are loaded.

    Raises:
        Problem: a line does not say the port as a number.
    """
    found, here = set(), set(loaded)
    for path, text in texts.items():
        skipped = [False]  # for each section that is open, whether it or one around it is left out
        for one in statements(path, text):
            if one.name in ("<ifmodule", "<ifdefine"):
                left_out = one.name == "<ifdefine" or not _loaded(one.args[0] if one.args else "", here)
                skipped.append(skipped[-1] or left_out)
            elif one.name in ("</ifmodule", "</ifdefine"):
                if len(skipped) > 1:
                    skipped.pop()
            elif one.name == "listen" and one.args and not skipped[-1]:
                port = re.fullmatch(r"(?:.*:)?(\d{1,5})", one.args[0])
                if not port:
                    raise Problem(
                        f"'{one.shown}' in {one.place} does not name its port by a number",
                        "write the number there, such as 'Listen 443'",
                        option=one.place,
                    )
                found.add(int(port.group(1)))
    return found


def _loaded(condition: str, loaded: set[str]) -> bool:
    name = condition.lstrip("!")
    file = re.fullmatch(r"(?:mod_)?(\w+)\.c", name)
    return ((f"{file.group(1)}_module" if file else name) in loaded) != condition.startswith("!")


def socket(word: str) -> Socket:
    """The socket that a word such as ``*:80`` or ``[::1]:443`` names; port 0 where it names none."""
    match = re.fullmatch(r"(\[[^]]*\]|[^:]*)(?::(\d{1,5}|\*))?", word)
    address, port = (match.group(1), match.group(2) or "") if match else (word, "")
    return Socket(EVERY_IPV4 if address in _EVERYWHERE else address, int(port) if port.isdecimal() else 0)


def used_sockets(path: str, text: str, side: str) -> list[Socket]:
    """The sockets for which a file of ours uses the macro of a virtual server.

    Args:
        path: the file.
        text: its content.
        side: ``clear`` or ``tls``.
    """
    used = [one for one in statements(path, text) if one.name == "use" and one.args[2:] == (side,)]
    return [socket(word) for one in used for word in one.args[1].split()]


def macro_head(name: str) -> str:
    """The beginning of the macro around a virtual host; the administrator's own line follows in the comment."""
    return f"<Macro {MACRO}{name} $postmaster_addresses $postmaster_side>\n#postmaster:"


def original_arguments(text: str, name: str) -> str:
    """The sockets that the administrator's line names, of a virtual host in a macro of ours; empty where none is."""
    match = re.search(re.escape(macro_head(name)) + r"\s*<VirtualHost\s([^\n>]*)>", text, re.I)
    return match.group(1).strip() if match else ""
