# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot's settings: what doveconf(1) says is in effect, and the same form in its configuration files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.overrides import conflict
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import (
    CONFIG_DIRECTORY,
    DROP_IN,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import within_a_line
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import place_in

Settings = dict[str, Any]
_DEEPEST = 100  # blocks within blocks; Dovecot has some five


def parse(printed: str) -> Settings:
    """What doveconf printed, as nested dictionaries: a block is a dictionary under its name, a setting a string.

    Args:
        printed: lines such as ``ssl = required``, and blocks such as ``service auth {`` ... ``}``.

    Returns:
        Settings by name; a block's name is the whole text before the brace, such as ``service imap-login``.

    Raises:
        Problem: these are no such lines.
    """
    root: Settings = {}
    stack = [root]
    for number, raw in enumerate(printed.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line == "}":
            stack.pop()
            if not stack:
                raise _not_understood(number, "a brace too many")
        elif line.endswith("{"):
            block = stack[-1].setdefault(line[:-1].strip(), {})
            if not isinstance(block, dict) or len(stack) > _DEEPEST:
                raise _not_understood(number, "a block where a setting was, or too deep")
            stack.append(block)
        else:
            name, equals, value = line.partition("=")
            if equals:
                stack[-1][name.strip()] = value.strip()
    return root


def _not_understood(line: int, what: str) -> Problem:
    return Problem(
        f"Dovecot's settings are not understood: {what}, in line {line} of what 'doveconf' prints",
        f"fix the files below {CONFIG_DIRECTORY} until 'doveconf -n' prints whole blocks, then run again",
        option=CONFIG_DIRECTORY,
    )


def render(settings: Mapping[str, Any], indent: str = "") -> str:
    """Settings as text for a configuration file, the reverse of parse()."""
    lines = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            lines.append(f"{indent}{within_a_line(name, name)} {{\n{render(value, indent + '  ')}{indent}}}\n")
        else:
            lines.append(within_a_line(f"{indent}{name} = {value}", name).rstrip() + "\n")
    return "".join(lines)


def _served(settings: Settings) -> set[str]:
    protocols = settings["protocols"]
    if isinstance(protocols, Mapping):  # 2.4
        return {name for name, value in protocols.items() if value == "yes"}
    return set(protocols.split())


def _remedy(path: str) -> str:
    """What to do about a file that Dovecot refuses, which may be one of ours."""
    begin, _braces, end = DROP_IN.partition("{}")
    if not (path.startswith(begin) and path.endswith(end)):
        return f"fix the files below {CONFIG_DIRECTORY} until 'doveconf -n' accepts them, then run again"
    protocol, _underscore, name = path[len(begin) : -len(end)].partition("_")
    writers = {"auth": "mail_vserver_tls with submission", "accounts": "mail_relay_account with the accounts"}
    writer = writers.get(protocol, f"mail_vserver_tls with {protocol}/{name or 'default'}")
    return f"remove that file, which is of this collection's ('rm {path}'; {writer} writes it anew), then run again"


class Doveconf:
    """The effective settings of one host's Dovecot."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def effective(self, *names: str, protocol: str = "", address: str = "") -> Settings:
        """Settings as Dovecot itself understands them, for one protocol at one of its addresses.

        Raises:
            Problem: Dovecot refuses its present configuration.
        """
        filters = [f"{key}={value}" for key, value in (("protocol", protocol), ("local", address)) if value]
        argv = ["doveconf", *(word for one in filters for word in ("-f", one)), *names]
        done = self._host.ask(argv)
        if done.code != 0:
            place = place_in(done.complaint)
            raise Problem(
                f"Dovecot refuses its own configuration ({done.complaint})",
                _remedy(place.rpartition(":")[0]),
                option=conflict(done.complaint, option=place or CONFIG_DIRECTORY),
            )
        return parse(done.out)

    def of_services(self) -> Settings:
        """What the configuration says of services, as far as it says anything."""
        return self.effective("-n", "service")

    def served(self) -> set[str]:
        """The protocols that Dovecot is told to serve and can."""
        return _served(self.effective("protocols"))

    def told(self, protocols: Iterable[str]) -> tuple[str, list[Settings]]:
        """The addresses of listeners that name none, and the login services of those protocols that are served."""
        names = {one: f"{one}-login" for one in sorted(protocols)}
        found = self.effective("listen", "protocols", *(f"service/{name}" for name in names.values()))
        services = [found.get(f"service {names[one]}", {}) for one in names if one in _served(found)]
        return str(found["listen"]), services

    def login_service(self, protocol: str) -> Settings:
        """The service that takes a protocol's connections, with its listeners."""
        name = f"{protocol}-login"
        found: Settings = self.effective(f"service/{name}")[f"service {name}"]
        return found

    def listen(self) -> str:
        """The addresses of listeners that name none."""
        return str(self.effective("listen")["listen"])
