# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done beside files of others names no path, by which it could be done elsewhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
STAGING = PLUGINS / "module_utils/_host/staging.py"
# by a path they change whatever is there by then; fchmod() and fchown() change what was opened
BY_PATH = {"chmod", "chown", "lchown", "chflags", "truncate", "mkfifo", "mknod", "utime"}
IN_DIRECTORY = {
    "open",
    "symlink",
    "mkdir",
    "rmdir",
    "unlink",
    "link",
    "rename",
    "replace",
    "remove",
    "removedirs",
    "makedirs",
}
PRIVATE = {"private_files.py", "bounded_copy.py", "mirror.py"}  # what they do is done where only root can enter
HELD = {"dir_fd", "src_dir_fd", "dst_dir_fd"}


def calls_in(text, module="os"):
    """The functions of a module that are called, with the names of their arguments."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == module:
                yield node.func.attr, {one.arg for one in node.keywords}


def loose_calls_in(text):
    """Calls in the code of staging that name a path."""
    for name, arguments in calls_in(text):
        if name in BY_PATH or (name in IN_DIRECTORY and not arguments & HELD):
            yield name
    yield from (name for name, _arguments in calls_in(text, "shutil"))


def test_staging_works_in_held_directories():
    assert "rename" in {name for name, _arguments in calls_in(STAGING.read_text())}
    assert list(loose_calls_in(STAGING.read_text())) == []


@pytest.mark.parametrize(
    "line",
    ["os.chmod(path, 0o644)", "os.rename(staged, target)", "os.chown(path, 0, 0, dir_fd=here)", "shutil.copy(a, b)"],
)
def test_planted_call(line):
    assert len(list(loose_calls_in(line))) == 1


def test_nothing_is_given_away_by_its_path():
    files = [path for path in PLUGINS.rglob("*.py") if path.name not in PRIVATE]
    found = {
        (path.name, name)
        for path in files
        for name, arguments in calls_in(path.read_text())
        if name in BY_PATH or (name == "symlink" and not arguments & HELD)
    }
    assert found == set()
