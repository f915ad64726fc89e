# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Combinations of settings of others, drawn by chance, and what an outside client can do after a call that succeeded.

A file of tests/system/corpus/foreign has the settings of some daemons: ``base`` (what every trial begins with),
``settings`` by name, and ``calls``. Each setting has the keys of a configuration (configuration.py); one that has
``known`` as well is a limit, which the pages of the daemons name, and is not drawn.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ansible_collections.postmaster.secure_channel.tests.reliability import shipped
from ansible_collections.postmaster.secure_channel.tests.reliability.chance import shuffled
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import (
    Configuration,
    filled,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.flows import Flows
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.life import Life
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.places import CHECKOUT

DIRECTORY = CHECKOUT / "tests" / "system" / "corpus" / "foreign"
MOST = 3  # settings in one trial


@dataclass
class Trial:
    """What came of one combination.

    Attributes:
        title: the settings, the call, and the host.
        succeeded: whether the call did.
        unfit: why the combination did not even work before.
        faults: what is wrong afterwards.
        said: what the call said.
        seconds: how long it took.
    """

    title: str
    succeeded: bool = False
    unfit: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    said: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        outcome = "unfit" if self.unfit else "success" if self.succeeded else "refused"
        lines = [f"{outcome:8}{self.title}, {self.seconds:.1f} s"]
        return "\n    ".join([*lines, *([f"said: {self.said}"] if self.said else []), *self.unfit, *self.faults])


def tables() -> Mapping[str, Mapping[str, Any]]:
    """All files, by name."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(DIRECTORY.glob("*.yml"))}


def combined(table: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """The base with some settings, in this order."""
    parts = [table["base"], *(table["settings"][name] for name in names)]
    files: dict[str, str] = {}
    append: dict[str, str] = {}
    for part in parts:
        files.update(part.get("files", {}))
        for path, text in part.get("append", {}).items():
            append[path] = append.get(path, "") + text
    return {
        "files": files,
        "append": append,
        "run": "\n".join(part.get("run", "") for part in parts),
        "flows": [flow for part in parts for flow in part.get("flows", ())],
    }


def drawn(seed: str, name: str, table: Mapping[str, Any], host: Host, number: int) -> tuple[str, Configuration]:
    """A combination for a host, the same for the same seed."""
    seed = f"{seed} {name} {host.release} {number}"
    fitting = [
        one
        for one, about in table["settings"].items()
        if host.release in about.get("releases", (host.release,)) and "known" not in about
    ]
    (how_many, *_others) = shuffled(f"{seed} count", range(1, MOST + 1))
    (call, *_others) = shuffled(f"{seed} call", table["calls"])
    names = shuffled(f"{seed} settings", fitting)[:how_many]
    return chosen(name, table, host, names, call)


def chosen(
    name: str, table: Mapping[str, Any], host: Host, names: Sequence[str], call: Mapping[str, Any]
) -> tuple[str, Configuration]:
    """These settings and this call."""
    about = {
        **combined(table, names),
        **{key: table[key] for key in ("host", "daemons", "login") if key in table},
        "declare": [call],
    }
    title = f"{name} on {host.release}: {', '.join(names)}; {call}"
    return title, Configuration(name, host, filled(about, host))


def tried(life: Life, title: str, meddling: str = "") -> Trial:
    """One trial. What somebody meddles with, a shell script, happens after the call; for tests of the test."""
    start = time.monotonic()
    trial = Trial(title)
    try:
        _try(life, trial, meddling)
    except AssertionError as error:
        trial.unfit.append(str(error))
    trial.seconds = time.monotonic() - start
    return trial


def _try(life: Life, trial: Trial, meddling: str) -> None:
    stage, configuration = life.stage, life.configuration
    stage.put(configuration)
    flows = Flows(stage.lab, life.outside.peer, life.sink, configuration)
    trial.unfit += flows.faults("before")
    if trial.unfit:
        return
    (call,) = configuration.declared
    done = shipped.run(stage.lab, stage.host, call.module, call.arguments)
    trial.succeeded = done.succeeded
    stage.lab.shell(stage.host, meddling)
    if done.succeeded:
        trial.faults += life.outside.faults(configuration)
    else:
        trial.said = done.complaint
    trial.faults += flows.faults("after")
