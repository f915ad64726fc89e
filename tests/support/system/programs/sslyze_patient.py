# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run sslyze's own command with more patience: ``sslyze_patient.py ARGUMENT...``.

The command gives each connection five seconds, which on a busy machine is no finding, and has no option for it.
"""

from __future__ import annotations

import functools

from sslyze.__main__ import main
from sslyze.cli import command_line_parser

SECONDS = 60

if __name__ == "__main__":
    patient = functools.partial(command_line_parser.ServerNetworkConfiguration, network_timeout=SECONDS)
    command_line_parser.ServerNetworkConfiguration = patient
    main()
