# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples in the modules' documentation, as a reader would copy them."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.postmaster.secure_channel.tests.support.system.places import CHECKOUT
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION

# In this order each module prepares the next one.
ORDER = (
    "mail_cert_request",
    "mail_cert_install",
    "mail_cert_export",
    "mail_cert_info",
    "mail_vserver_tls",
    "mail_domain_security",
    "mail_relay_account",
    "mail_tls_info",
)
MODULES = CHECKOUT / "plugins" / "modules"


@dataclass(frozen=True)
class Example:
    """One example: a command line, or tasks.

    Attributes:
        module: short name of the module whose documentation shows it.
        title: what tells it from the module's others.
        argv: the command line, empty for tasks.
        tasks: the tasks, none for a command line; those that are not ours lead to one of ours or use its result.
    """

    module: str
    title: str
    argv: tuple[str, ...] = ()
    tasks: Sequence[dict[str, Any]] = ()

    @property
    def name(self) -> str:
        """Its name among all examples."""
        return f"{self.module}: {self.title}"

    @property
    def looks_away(self) -> bool:
        """Whether it connects to mx2, which has to serve then."""
        return "mx2.example.test" in f"{self.argv} {self.tasks}"

    @property
    def times(self) -> int:
        """How often it is run: tasks that change something once more, but for those that would undo what they did."""
        exchanges = "'state': 'previous'" in str(self.tasks)
        return 1 if self.argv or self.module.endswith("_info") or exchanges else 2


def _examples_text(module: Path) -> str:
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXAMPLES":
            return str(ast.literal_eval(node.value))
    raise AssertionError(f"{module} has no examples")


def _command_lines(text: str) -> list[tuple[str, ...]]:
    """The command lines among the comments; one may go on in the next line, indented."""
    comments = "\n".join(line[1:].strip() for line in text.splitlines() if line.startswith("#"))
    joined = re.sub(r"\n(?=-)", " ", comments)
    return [tuple(shlex.split(line)) for line in joined.splitlines() if line.startswith("ansible ")]


def _is_ours(task: Mapping[str, Any]) -> bool:
    return any(key.startswith(COLLECTION) for key in task)


def _groups(tasks: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Each of our tasks, with the ones after it that use its result, and with the others that lead to it."""
    groups: list[list[dict[str, Any]]] = []
    leading: list[dict[str, Any]] = []
    registered = ""
    for task in tasks:
        if _is_ours(task):
            groups.append([*leading, task])
            leading = []
            registered = task.get("register", "")
        elif registered and registered in str(task):
            groups[-1].append(task)
        else:
            leading.append(task)
    groups[-1] += leading  # nothing of ours comes after them
    return groups


def documented(sender: str = "postfix") -> list[Example]:
    """Every example of every module, but for those that name another daemon than the one that sends the host's mail."""
    found = []
    for module in ORDER:
        text = _examples_text(MODULES / f"{module}.py")
        found += [Example(module, " ".join(argv[4:]), argv=argv) for argv in _command_lines(text)]
        for group in _groups(yaml.safe_load(text)):
            found.append(Example(module, next(filter(_is_ours, group))["name"], tasks=group))
    others = [f"'provider': '{daemon}'" for daemon in ("postfix", "exim") if daemon != sender]
    return [one for one in found if not any(other in str(one.tasks) for other in others)]


def documented_modules() -> set[str]:
    """The modules that there are."""
    return {path.stem for path in MODULES.glob("mail_*.py")}
