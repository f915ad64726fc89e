# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run many commands side by side.

As JSON, {label: [PROGRAM, ARGUMENT...]} in, {label: [exit code, output, errors]} out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def run(argv: list[str]) -> tuple[int, str, str]:
    """Run one."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def main() -> None:
    """Run all that standard input names."""
    commands = json.load(sys.stdin)
    with ThreadPoolExecutor(8) as pool:
        print(json.dumps(dict(zip(commands, pool.map(run, commands.values())))))


if __name__ == "__main__":
    main()
