# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A line editor for the services in Cyrus' cyrus.conf (cyrus.conf(5)): adds, takes out, and keeps every other byte.

Our own lines say at their end which virtual server they are for. A line of the administrator's that must not be in
effect becomes a comment that holds it unchanged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.paths import (
    BINARIES,
    CYRUS_CONF,
    IMAPD_CONF,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import within_a_line
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable

_MARK = ": kept by the Ansible collection postmaster.secure_channel"
_OURS = re.compile(rf"# (?P<owner>[^\s/]+/[^\s/:]+){re.escape(_MARK)}\s*\Z")
_TAKEN_OUT = re.compile(
    r"# taken out by the Ansible collection postmaster\.secure_channel for (?P<owner>[^\s/]+/[^\s/:]+): (?P<line>.*)",
    re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z0-9]+(?=\s|$)")
_ARGUMENT = re.compile(r"\s*(?P<key>[A-Za-z0-9]*)=(?:\"(?P<quoted>[^\"]*)\"|(?P<word>[^\s\"]\S*|))")
_WITH_ARGUMENT = "pUTC"  # flags of the services that take an argument, so that what follows is none


@dataclass(frozen=True)
class Service:
    """One entry of the section SERVICES.

    Attributes:
        name: its name, which is also the prefix of its own options in imapd.conf.
        arguments: ``cmd``, ``listen`` and the others, in their order.
        line: its line, from 1.
        owner: ``PROTOCOL/NAME`` of the virtual server that we added it for; empty for one of the administrator's.
    """

    name: str
    arguments: tuple[tuple[str, str], ...]
    line: int
    owner: str

    def argument(self, key: str) -> str:
        """An argument's value, empty where it is not given."""
        return next((value for name, value in self.arguments if name == key), "")

    @property
    def command(self) -> list[str]:
        """The program and its arguments."""
        return self.argument("cmd").split()

    @property
    def program(self) -> str:
        """Name of the program, without a directory."""
        return os.path.basename(self.command[0]) if self.command else ""

    @property
    def flags(self) -> Mapping[str, str]:
        """Letters of the program's options, each with its argument; empty where it takes none."""
        found: dict[str, str] = {}
        words = iter(self.command[1:])
        for word in words:
            if not re.fullmatch(r"-[A-Za-z].*", word):
                continue
            for index, letter in enumerate(word[1:], 1):
                if letter in _WITH_ARGUMENT:
                    found[letter] = word[index + 1 :] or next(words, "")
                    break
                found[letter] = ""
        return found

    @property
    def other_file(self) -> str:
        """The file that it reads options from in place of the usual one; empty where it reads that one."""
        named = self.flags.get("C", "")
        return "" if not named or os.path.normpath(named) == IMAPD_CONF else named

    @property
    def implicit_tls(self) -> bool:
        """Whether TLS starts at once."""
        return "s" in self.flags

    @property
    def listens(self) -> tuple[str, str]:
        """Host, empty for every address, and port or name of a service; two empty words for a UNIX socket."""
        listen = self.argument("listen")
        if listen.startswith("/"):
            return "", ""
        host, _colon, port = listen.rpartition(":")
        return host.strip("[]"), port


def _split_lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _bare(line: str) -> str:
    """A line without its comment. Cyrus knows no quoting here."""
    return line.split("#", 1)[0].strip()


def _entries(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Indices and bare texts of the lines within the section SERVICES; index -1 - N tells that line N opens it."""
    level = 0
    inside = False
    for index, line in enumerate(lines):
        bare = _bare(line)
        if inside:
            if bare.startswith("}"):
                return
            if bare:
                yield index, bare
            if "}" in bare:
                return
        elif bare:
            opens = level == 0 and re.match(r"services(?![a-z0-9])", bare, re.IGNORECASE)
            level += bare.count("{") - bare.count("}")
            if opens and level == 1:
                inside = True
                yield -1 - index, ""


def _refused(line: int, what: str) -> Problem:
    return Problem(
        f"{CYRUS_CONF} line {line}: {what}",
        "fix or remove that line, then run again; Cyrus exits when it reads it",
        option=f"{CYRUS_CONF}:{line}",
    )


def _parsed(index: int, bare: str, line: str) -> Service:
    """A line as an entry. Raises Problem where Cyrus would end at it."""
    name = _NAME.match(bare)
    if not name:
        first = "".join(bare.split(None, 1)[:1])  # there is none in a line that we took out and somebody emptied
        raise _refused(index + 1, f"{printable(first)!r} cannot name a service")
    arguments, at = [], name.end()
    while at < len(bare):
        match = _ARGUMENT.match(bare, at)
        if not match:
            raise _refused(index + 1, f'{printable(bare[at:].strip())!r} is not of the form NAME="VALUE"')
        arguments.append((match.group("key"), match.group("quoted") or match.group("word") or ""))
        at = match.end()
    ours = _OURS.search(line)
    return Service(name.group(), tuple(arguments), index + 1, ours.group("owner") if ours else "")


def services(text: str) -> list[Service]:
    """The services of a file in their order.

    Raises:
        Problem: Cyrus would end at a line.
    """
    lines = _split_lines(text)
    return [_parsed(index, bare, lines[index]) for index, bare in _entries(lines) if index >= 0]


def taken_out(text: str) -> list[tuple[str, Service]]:
    """The administrator's services that we took out, each with the virtual server for which that was done."""
    found = []
    for index, line in enumerate(_split_lines(text)):
        match = _TAKEN_OUT.match(line)
        if match:
            found.append((match.group("owner"), _parsed(index, _bare(match.group("line")), match.group("line"))))
    return found


def take_out(text: str, service: Service, owner: str) -> str:
    """The file in which an administrator's service is a comment for as long as a virtual server needs that."""
    lines = _split_lines(text)
    lines[service.line - 1] = (
        f"# taken out by the Ansible collection postmaster.secure_channel for {owner}: {lines[service.line - 1]}"
    )
    return "".join(lines)


def put_back(text: str, service: Service) -> str:
    """The file in which a service that we took out is in effect again."""
    lines = _split_lines(text)
    match = _TAKEN_OUT.match(lines[service.line - 1])
    if match:
        lines[service.line - 1] = match.group("line")
    return "".join(lines)


def remove(text: str, names: Iterable[str]) -> str:
    """The file without services of ours."""
    gone = {one.line - 1 for one in services(text) if one.owner and one.name in set(names)}
    return "".join(line for index, line in enumerate(_split_lines(text)) if index not in gone)


def add(text: str, name: str, arguments: Iterable[tuple[str, str]], owner: str, behind: Iterable[str]) -> str:
    """The file with a service of ours.

    Args:
        text: content of cyrus.conf.
        name: the service's name.
        arguments: its arguments.
        owner: ``PROTOCOL/NAME`` of the virtual server.
        behind: names of services; it comes behind the last of these, or first where there is none of them.

    Raises:
        Problem: the file has no section for services.
    """
    lines = _split_lines(text)
    openings = [-1 - index for index, _bare_line in _entries(lines) if index < 0]
    if not openings:
        raise Problem(f"{CYRUS_CONF} has no SERVICES section", "put the section back", option=CYRUS_CONF)
    wanted = set(behind)
    found = [one.line for one in services(text) if one.name in wanted and "}" not in _bare(lines[one.line - 1])]
    at = max(found, default=openings[0] + 1)
    written = " ".join(
        f'{key}="{value}"' if re.search(r"\s", value) or key in ("cmd", "listen") else f"{key}={value}"
        for key, value in arguments
    )
    lines.insert(at, within_a_line(f"\t{name}\t{written} # {owner}{_MARK}", CYRUS_CONF) + "\n")
    return "".join(lines)


def refuse_fatal(services: Iterable[Service], host: Host) -> None:
    """Raise Problem at what makes the master end, of which no test of its own tells."""
    seen: dict[str, Service] = {}
    for service in services:
        where = f"{CYRUS_CONF}:{service.line}"
        if service.name in seen:
            raise Problem(
                f"{where}: the service {service.name} is defined twice", "give one of them another name", option=where
            )
        seen[service.name] = service
        if not service.command or not service.argument("listen"):
            raise Problem(
                f"{where}: the service {service.name} lacks cmd or listen",
                "complete or remove that line; Cyrus exits when it reads it",
                option=where,
            )
        program = os.path.join(BINARIES, service.command[0])
        state = host.state(program)
        if state is None or not state.mode & 0o100:
            raise Problem(
                f"{where}: the program {program} of the service {service.name} is not installed",
                "remove that line, or install the package that provides the program"
                + (" (cyrus-caldav)" if service.program == "httpd" else "")
                + "; Cyrus exits when it reads it",
                option=where,
            )
