# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A figure is right where it is what was wanted, and where anything was looked at; choices are the same for a seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.reliability import figures
from ansible_collections.postmaster.secure_channel.tests.reliability.chance import shuffled
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure


@pytest.mark.parametrize(
    ("figure", "right"),
    [
        (Figure("load", "lost", 0, 100), True),
        (Figure("load", "lost", 1, 100), False),
        (Figure("load", "lost", 0, 0), False),
        (Figure("load", "calls", 0, 9, None), True),
        (Figure("load", "calls", 0, 9, None, least=1), False),
        (Figure("load", "calls", 3, 9, None, least=1), True),
    ],
)
def test_what_is_right(figure: Figure, right: bool) -> None:
    assert figure.right is right
    assert figures.table([figure]).endswith("WRONG") is not right


def test_examples_are_shown_of_what_is_wrong_only(tmp_path: Path) -> None:
    some = [Figure("a", "good", 0, 1, examples=("hidden",)), Figure("b", "bad", 1, 1, examples=("shown",))]
    figures.save(some, tmp_path, "how to repeat it")
    text = (tmp_path / "figures.txt").read_text()
    assert "shown" in text
    assert "hidden" not in text
    assert text.startswith("how to repeat it\n")
    kept = json.loads((tmp_path / "figures.json").read_text())
    assert [one["right"] for one in kept["figures"]] == [True, False]


def test_a_seed_decides() -> None:
    items = range(50)
    assert shuffled("1", items) == shuffled("1", items) != shuffled("2", items)
    assert sorted(shuffled("1", items)) == list(items)
