# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions of nox. What they do is written in antsibull-nox.toml.

``make`` runs them with the right cache; ``nox --list`` shows them.
"""

# /// script
# dependencies = ["nox", "antsibull-nox >= 1.10"]
# ///

import antsibull_nox
import nox

antsibull_nox.load_antsibull_nox_toml()

if __name__ == "__main__":
    nox.main()
