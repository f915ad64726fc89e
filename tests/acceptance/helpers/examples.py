# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples in the modules' documentation, as somebody would copy them from there."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.postmaster.secure_channel.tests.acceptance.helpers.runs import COLLECTION

MODULES = Path(__file__).resolve().parents[3] / "plugins" / "modules"


@dataclass(frozen=True)
class Example:
    """One example: a command line, or tasks of which the first is one of ours.

    Attributes:
        module: short name of the module whose documentation shows it.
        title: what tells it from the module's others.
        argv: the command line, empty for tasks.
        tasks: the tasks, none for a command line.
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
    def only_looks(self) -> bool:
        """Whether it changes nothing in any case."""
        return "--check" in self.argv or self.module.endswith("_info")

    @property
    def times(self) -> int:
        """How often it is worth being run."""
        return 1 if self.only_looks else 2


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


def _groups(tasks: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Each of our tasks with the tasks after it that make use of its result."""
    groups: list[list[dict[str, Any]]] = []
    for task in tasks:
        if any(key.startswith(COLLECTION) for key in task):
            groups.append([])
        groups[-1].append(task)
    return groups


def documented() -> list[Example]:
    """Every example of every module, in an order in which one prepares the next."""
    found = []
    for module in ("mail_cert_request", "mail_cert_install", "mail_vserver_tls", "mail_domain_security", "mail_tls_info"):
        text = _examples_text(MODULES / f"{module}.py")
        found += [Example(module, " ".join(argv[4:]), argv=argv) for argv in _command_lines(text)]
        found += [Example(module, group[0]["name"], tasks=group) for group in _groups(yaml.safe_load(text))]
    return found


def documented_modules() -> set[str]:
    """The modules that there are."""
    return {path.stem for path in MODULES.glob("mail_*.py")}
