# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unit tests in a copy of the checkout, which may be broken deliberately."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.reliability.shipped import PACKAGE
from ansible_collections.postmaster.secure_channel.tests.support.system.places import CHECKOUT

TREES = ("plugins", "tests/unit", "tests/support", "tests/reliability", "pyproject.toml")


def failed(tests: Sequence[str], appended: Mapping[str, str]) -> list[str]:
    """The tests that fail in a copy with something appended to some files.

    Args:
        tests: files of tests.
        appended: by path below the checkout, Python.
    """
    with tempfile.TemporaryDirectory(prefix="reliability-") as directory:
        copy = Path(directory, PACKAGE)
        for tree in TREES:
            source, target = CHECKOUT / tree, copy / tree
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "golden"))
            else:
                shutil.copy(source, target)
        for name, text in appended.items():
            with (copy / name).open("a") as stream:
                stream.write(text)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "-rfE", *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": directory, "PYTEST_ADDOPTS": "", "ANSIBLE_COLLECTIONS_PATH": directory},
            capture_output=True,
            text=True,
            check=False,
        )
    found = [line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    assert found or done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return found
