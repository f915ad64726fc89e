# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of others by which mail would leave past what is declared, and the remedies of the messages about them.

A file of tests/system/corpus/ways has cases by name. The keys are those of a configuration (configuration.py), and
``warned``, words that a warning must have; without it none may name a line of a file. ``remedy`` is what the message
advises: keys that take the place of those of the case, or come after them (``run``), with which it must come through
whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import yaml

from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import (
    Configuration,
    filled,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.life import REFUSED, WHOLE
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.pair import Pair
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.stage import Stage
from ansible_collections.postmaster.secure_channel.tests.support.system.places import CHECKOUT

DIRECTORY = CHECKOUT / "tests" / "system" / "corpus" / "ways"
REMEDY = "remedy"
Seen = TypeVar("Seen")


def cases(daemon: str) -> Mapping[str, Mapping[str, Any]]:
    """All cases of a daemon, each with its remedy as one of its own, by name."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, about in yaml.safe_load((DIRECTORY / f"{daemon}.yml").read_text()).items():
        base = {"daemons": [daemon], **{key: value for key, value in about.items() if key != REMEDY}}
        found[name] = base
        if REMEDY in about:
            own = about[REMEDY]
            rest = {key: value for key, value in base.items() if key != "refused"}
            found[f"{name}: {REMEDY}"] = {**rest, **own, "run": base.get("run", "") + own.get("run", "")}
    return found


def on_both(pair: Pair, look: Callable[[Stage], Seen]) -> list[Seen]:
    """Do something on both hosts side by side."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(look, pair.stages.values()))


def live(pair: Pair, name: str, about: Mapping[str, Any]) -> None:
    """Have a case come through on both hosts, or be refused, as it says."""

    def on(stage: Stage) -> None:
        here = filled(about, stage.host)
        verdict = pair.life(Configuration(name, stage.host, here)).live()
        print(verdict, flush=True)
        assert verdict.outcome == (REFUSED if "refused" in here else WHOLE), str(verdict)
        assert re.search(here.get("refused", ""), verdict.message), str(verdict)
        if verdict.outcome == WHOLE:
            said = " ".join(verdict.warnings)
            assert re.search(here["warned"], said) if here.get("warned") else not re.search(r" line \d", said), said

    on_both(pair, on)
