# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What pages and settings lead to exists: in the repository, and in the artefact that users install."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.postmaster.secure_channel.tests.support.written_examples import ROOT

MARKDOWN = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
LABEL = "ansible_collections.postmaster.secure_channel.docsite"


def links(text: str) -> Iterator[str]:
    """The relative links in Markdown."""
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


@pytest.fixture(scope="module")
def artefact(tmp_path_factory) -> set[str]:
    """The files in the artefact, by path."""
    place = tmp_path_factory.mktemp("artefact")
    environment = {**os.environ, "ANSIBLE_LOCAL_TEMP": str(place / "tmp")}
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(place)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    (path,) = place.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return set(archive.getnames())


@pytest.mark.parametrize("page", MARKDOWN)
def test_links_lead_somewhere_in_the_repository(page: str) -> None:
    found = list(links((ROOT / page).read_text()))
    assert [target for target in found if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("page", MARKDOWN)
def test_links_lead_somewhere_in_the_artefact(artefact: set[str], page: str) -> None:
    assert page in artefact
    assert [target for target in links((ROOT / page).read_text()) if target not in artefact] == []


def test_the_artefact_has_what_users_need_and_nothing_of_the_workshop(artefact: set[str]) -> None:
    for name in (
        "meta/execution-environment.yml",
        "meta/ee-requirements.txt",
        "meta/ee-bindep.txt",
        "docs/docsite/rst",
    ):
        assert name in artefact
    assert [name for name in artefact if name.startswith((".", "tests", "Makefile", "extensions"))] == []


def test_the_readme_says_where_make_works() -> None:
    before = (ROOT / "README.md").read_text().split("# make demo", maxsplit=1)[0]
    assert "checkout of the repository" in before.rsplit("\n\n", 2)[-2]


def test_references_between_pages_exist() -> None:
    pages = list((ROOT / "docs" / "docsite" / "rst").glob("*.rst"))
    text = "".join(page.read_text() for page in pages)
    made = set(re.findall(rf"^\.\. _{LABEL}\.(\w+):$", text, re.MULTILINE))
    assert {page.stem for page in pages} <= made
    assert set(re.findall(rf"<{LABEL}\.(\w+)>", text)) <= made


def _commands(content: object) -> Iterator[str]:
    """What hooks and workflows run."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key in ("entry", "run"):
                yield str(value)
            else:
                yield from _commands(value)
    elif isinstance(content, list):
        for one in content:
            yield from _commands(one)


@pytest.mark.parametrize(
    "path", [".pre-commit-config.yaml", *sorted(Path(ROOT).glob(".github/workflows/*.yml"))], ids=str
)
def test_hooks_and_workflows_run_the_commands_that_there_are(path: str | Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = list(_commands(yaml.safe_load((ROOT / path).read_text())))
    assert commands
    for command in commands:
        words = command.split()
        if words[0] == "make":
            assert words[1] in targets
        elif words[0].startswith("."):
            assert os.access(ROOT / words[0], os.X_OK)
        else:
            assert words[0] == "apt-get"
