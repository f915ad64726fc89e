# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entry point behind the shell wrappers next to this file: ``run.py PROGRAM ARGUMENTS...``."""

from __future__ import annotations

import sys

try:
    from postmaster_lab import cli
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(cli.main(sys.argv[1], sys.argv[2:]))
