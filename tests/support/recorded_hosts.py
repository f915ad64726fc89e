# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts without a machine: stock Debian hosts as tests/unit/golden/record.py found them."""

from __future__ import annotations

import difflib
import functools
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, FileState, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity

GOLDEN = Path(__file__).resolve().parents[1] / "unit" / "golden"
MAIN_CF = "/etc/postfix/main.cf"
MASTER_CF = "/etc/postfix/master.cf"
IMAPD_CONF = "/etc/imapd.conf"
STORE = "/etc/postmaster"
# The defaults with a condition in them that matter; other values name parameters at most.
_NO_RELAY_DOMAINS = "${{$compatibility_level} <level {2} ? {$mydestination} : {}}"
_SHA256 = "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}"


@functools.cache
def recording(name: str) -> dict[str, Any]:
    """What was recorded of one daemon, such as ``postfix-3.7``."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return found


def settings(lines: Iterable[str]) -> dict[str, str]:
    """Lines such as ``name = value`` by name."""
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name.strip(): value.strip() for name, _equals, value in pairs}


def main_cf_settings(text: str) -> dict[str, str]:
    """The settings of a main.cf, by the rules of postconf(5); written anew, so that it can judge the editor."""
    logical: list[str] = []
    for line in text.split("\n"):
        if line.strip(" \t\r\v\f") == "" or line.lstrip(" \t\r\v\f").startswith("#"):
            continue
        if line[0] in " \t\r\v\f" and logical:
            logical[-1] += line
        else:
            logical.append(line)
    return {name: " ".join(value.split()) for name, value in settings(logical).items()}


def imapd_conf_options(text: str) -> dict[str, str]:
    """The options of an imapd.conf, by the rules of imapd.conf(5); written anew, so that it can judge the editor."""
    found: dict[str, str] = {}
    for line in text.replace("\\\n", "").split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            name, colon, value = line.partition(":")
            assert colon, line
            assert name.strip().lower() not in found, f"{name} is there twice, which is fatal"
            found[name.strip().lower()] = value.strip()
    return found


class RecordedHost(Host):
    """A host that answers as the recorded ones did.

    Files can be changed; then postconf(1) and ``cyrus info`` answer accordingly.

    Attributes:
        files: contents by path.
        states: owner, group and mode of those files that are not root's with mode 0644.
        answers: what tools print, by command line.
        tables: rows of Postfix' lookup tables by name, such as ``hash:/etc/postfix/transport``.
        queue: what postqueue(1) lists, line by line.
        asked: the command lines in their order.
    """

    def __init__(self, *names: str, state: str = "stock") -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.states: dict[str, FileState] = {}
        self.answers: dict[str, str] = {}
        self.tables: dict[str, dict[str, str]] = {}
        self.queue: list[str] = []
        self.asked: list[str] = []
        # what a host was not asked again has not changed
        for found in (recording(name)[part] for name in names for part in ("stock", state)):
            for path, lines in found["files"].items():
                self.files[path] = "\n".join(lines).encode()
            for command, lines in found["answers"].items():
                self.answers[command] = "\n".join(lines)

    # ---- what a host is asked

    def ask(self, argv: Sequence[str]) -> Completed:
        return self.query(argv)  # files change under it

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def state(self, path: str) -> FileState | None:
        return self.states.get(path, FileState("root", "root", 0o644)) if path in self.files else None

    def names_in(self, directory: str) -> list[str]:
        below = (os.path.relpath(path, directory) for path in self.files if path.startswith(directory + "/"))
        return sorted({path.split("/")[0] for path in below})

    def which(self, tool: str) -> str | None:
        return f"/usr/sbin/{tool}" if any(command.split()[0] == tool for command in self.answers) else None

    def query(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environment: dict[str, str] | None = None,
        keep_open: Sequence[int] = (),
        user: str | Identity = "",
    ) -> Completed:
        command = " ".join(argv)
        self.asked.append(command)
        if argv[:2] == ["postmap", "-s"]:
            found = self.tables.get(argv[2])
            if found is None:
                return Completed(1, "", f"postmap: fatal: {argv[2]}: cannot be listed")
            return Completed(0, "".join(f"{key}\t{value}\n" for key, value in found.items()), "")
        if argv[0] == "postmap":
            return self._postmap(argv[-1], stdin.decode().split())
        if command in ("postconf", "postconf -x"):
            shown = self.parameters if command == "postconf" else self._expanded()
            return Completed(0, "".join(f"{name} = {value}\n" for name, value in shown.items()), "")
        if command == "postqueue -j":
            return Completed(0, "".join(f"{line}\n" for line in self.queue), "")
        if argv[0] == "doveconf" and command not in self.answers and not argv[1].startswith("-"):
            return Completed(0, "\n".join(self.answers[f"doveconf {name}"] for name in argv[1:]), "")
        if command.startswith("cyrus info -n"):
            shown = self._cyrus_options(argv[3])
            return Completed(0, "".join(f"{name}: {value}\n" for name, value in shown.items()), "")
        if command.endswith("/master -t"):
            return Completed(1, "", "")  # the lock is held: Postfix runs
        given = f"{command} < {stdin.decode('utf-8', 'replace')}"
        return Completed(0, self.answers[given] if given in self.answers else self.answers[command], "")

    # ---- Postfix' tools

    @property
    def parameters(self) -> dict[str, str]:
        """Postfix' effective parameters."""
        defaults = settings(self.answers["postconf -d"].split("\n"))
        return {**defaults, **main_cf_settings(self.read_text(MAIN_CF))}

    def _expanded(self) -> dict[str, str]:
        parameters = {
            name: value.replace(_NO_RELAY_DOMAINS, "").replace(_SHA256, "sha256")
            for name, value in self.parameters.items()
        }

        def expand(value: str) -> str:
            return re.sub(r"\$[{(]?(\w+)[)}]?", lambda match: expand(parameters.get(match[1], "")), value)

        return {name: expand(value) for name, value in parameters.items()}

    def _postmap(self, table: str, keys: Sequence[str]) -> Completed:
        if table not in self.tables:
            return Completed(1, "", f"postmap: fatal: open database {table}: No such file or directory")
        found = [f"{key}\t{self.tables[table][key]}\n" for key in keys if key in self.tables[table]]
        return Completed(0 if found else 1, "".join(found), "")

    # ---- Cyrus' tools

    def _cyrus_options(self, service: str) -> dict[str, str]:
        """The options of a service as Cyrus shows them."""
        defaults = (line.partition(":") for line in self.answers["cyrus info conf-default"].split("\n"))
        known = {name: value.strip() for name, colon, value in defaults if colon}
        written = imapd_conf_options(self.read_text(IMAPD_CONF))
        generic = {name: value for name, value in written.items() if name in known}
        prefix = f"{service}_"
        own = {name[len(prefix) :]: value for name, value in written.items() if name.startswith(prefix)}
        # what it does not know it keeps as it is written: options of the SASL library and of other services
        rest = {name: value for name, value in written.items() if name not in known}
        seen = {**known, **generic, **{name: value for name, value in own.items() if name in known}}
        switches = {"1": "yes", "0": "no", "on": "yes", "off": "no", "true": "yes", "false": "no", "t": "yes"}
        for name, value in known.items():
            if value in ("yes", "no"):
                seen[name] = switches.get(seen[name], seen[name])
        seen = {name: value.replace("{configdirectory}", seen["configdirectory"]) for name, value in seen.items()}
        mine = {prefix + name for name in own if name in known}
        return {**seen, **{name: value for name, value in rest.items() if name not in mine}}

    # ---- changes

    def set(self, path: str, **parameters: str) -> None:
        """Add lines to a file such as main.cf."""
        added = "".join(f"{name} = {value}\n" for name, value in parameters.items())
        self.files[path] = self.files.get(path, b"") + added.encode()

    def take(self, changes: Sequence[FileChange]) -> None:
        """Become what a plan says."""
        for change in changes:
            if change.content is None:
                self.files.pop(change.path, None)
                if change.compiled:
                    self.files.pop(change.path + change.compiled.suffix, None)
                continue
            state = self.state(change.path) or FileState("root", "root", 0o644)
            self.files[change.path] = change.content
            mode = state.mode if change.mode is None else change.mode
            self.states[change.path] = FileState(change.owner or state.owner, change.group or state.group, mode)
            if change.compiled:
                self.files[change.path + change.compiled.suffix] = b"compiled"
                self.states[change.path + change.compiled.suffix] = self.states[change.path]


def as_diff(host: Host, changes: Sequence[FileChange]) -> str:
    """What a plan does to a host, as a unified diff without context; blanks at the end of a line become dots."""
    text = ""
    for change in needed(changes, host):
        assert change.content is not None
        before = host.read(change.path)
        note = "" if change.mode is None else f" {change.owner}:{change.group} {change.mode:04o}"
        text += "".join(
            difflib.unified_diff(
                (before or b"").decode().splitlines(keepends=True),
                change.content.decode().splitlines(keepends=True),
                change.path if before is not None else "/dev/null",
                change.path + note,
                n=0,
            )
        )
    return re.sub(r"[ \t]+$", lambda match: "·" * len(match.group()), text, flags=re.MULTILINE)


def check_golden(name: str, found: str) -> None:
    """Compare a text with the golden file of that name; or, with UPDATE_GOLDEN=1, make it the golden file."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    assert found == expected, f"{path.name} differs; see tests/unit/golden/README.md"
