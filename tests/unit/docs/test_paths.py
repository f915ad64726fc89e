# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every path that the pages for contributors name is there in the checkout."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.written_examples import ROOT

PAGES = ("CONTRIBUTING.md", "docs/docsite/rst/architecture.rst", "docs/docsite/rst/extending.rst")
# Pages leave directories out where the text has named them.
TREES = ("plugins", "roles", "docs", "tests", "changelogs", "extensions")
ENDINGS = (".py", ".rst", ".md", ".yml", ".toml", ".txt", "/")
PLACEHOLDER = re.compile(r"NAME(?![A-Z])")


def paths_in(text: str) -> Iterator[str]:
    """What a page writes as code and what is a path by its look, without options and placeholders."""
    for code in re.findall(r"``?([^`\n]+)``?", text):
        for word in code.split():
            if (word.endswith(ENDINGS) or word.startswith(("tests/", "plugins/"))) and not PLACEHOLDER.search(word):
                yield word


def exists(path: str) -> bool:
    """Whether a path, which may have an asterisk, is there. A leading directory may be left out, others may not."""
    if path.startswith("/"):  # on a host, or in the cache
        return True
    wanted = path.rstrip("/")
    return any(next(found, None) for found in (ROOT.glob(wanted), *((ROOT / one).rglob(wanted) for one in TREES)))


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page: str) -> None:
    found = list(paths_in((ROOT / page).read_text()))
    assert found
    assert [path for path in found if not exists(path)] == []


@pytest.mark.parametrize(
    "planted", ["``_providers/levels.py``", "`tests/qa/no-such`", "``plugins/modules/none.py``", "``none.rst``"]
)
def test_a_planted_one_is_found(planted: str) -> None:
    assert [path for path in paths_in(planted) if not exists(path)]
