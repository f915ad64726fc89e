# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples on the pages of the documentation: blocks of code in reStructuredText and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
RST = ROOT / "docs" / "docsite" / "rst"
PROMPT = re.compile(r"[$#] ")
_RST_BLOCK = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?P<language>\S+)\n"
    r"(?P<options>(?:(?P=indent) +:.*\n)*)"
    r"\n(?P<text>(?:(?P=indent) +.*\n|\n)+)",
    re.MULTILINE,
)
_MD_BLOCK = re.compile(r"^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_CAPTION = re.compile(r":caption: (.*)")


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        page: the page, relative to the repository.
        line: number of its first line.
        language: what the page says it is; ``text`` is not to be run.
        text: what it says, without indentation.
        caption: the file that it belongs into; empty for none.
    """

    page: str
    line: int
    language: str
    text: str
    caption: str = ""

    @property
    def name(self) -> str:
        """Where to look for it."""
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The command lines of a console block, without prompts.

        Raises:
            ValueError: something in it has no prompt, such as output, which belongs into a block of its own.
        """
        joined = re.sub(r"\\\n\s*", "", self.text)
        for line in joined.strip().splitlines():
            if not PROMPT.match(line):
                raise ValueError(f"{self.name}: no command, since it does not begin with a prompt: {line}")
        return [PROMPT.sub("", line, count=1) for line in joined.strip().splitlines()]


def pages() -> list[Path]:
    """Every page with examples."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/lab/README.md")]
    return [*found, *sorted(RST.glob("*.rst")), *sorted((ROOT / "roles").glob("*/README.md"))]


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of one page, in order."""
    content = page.read_text()
    for match in (_RST_BLOCK if page.suffix == ".rst" else _MD_BLOCK).finditer(content):
        caption = _CAPTION.search(match.groupdict().get("options") or "")
        yield Block(
            page=str(page.relative_to(ROOT)),
            line=content.count("\n", 0, match.start("text")) + 1,
            language=match["language"],
            text=dedent(match["text"]),
            caption=caption[1] if caption else "",
        )


def all_blocks() -> list[Block]:
    """The blocks of all pages."""
    return [block for page in pages() for block in blocks_of(page)]
