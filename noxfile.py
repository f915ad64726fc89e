# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions of nox. What they do is written in antsibull-nox.toml.

``make`` runs them with the right cache; ``nox --list`` shows them.
"""

# /// script
# dependencies = ["nox", "antsibull-nox >= 1.10"]
# ///

from __future__ import annotations

import antsibull_nox
import nox

antsibull_nox.load_antsibull_nox_toml()


def docs_site(session: nox.Session) -> None:
    """Build the documentation as a web site."""
    session.install(
        "ansible-core >= 2.19, < 2.22", "antsibull-docs >= 2.24, < 3", "sphinx >= 8", "sphinx-ansible-theme >= 0.10"
    )
    session.run("python", "tests/qa/docs_site.py")


def execution_environment(session: nox.Session) -> None:
    """Ask ansible-builder what an execution environment with the collection needs."""
    session.install("ansible-core >= 2.19, < 2.22", "ansible-builder >= 3.1, < 4")
    session.run("python", "tests/qa/execution_environment.py")


nox.session(name="docs-site", default=False)(docs_site)
nox.session(name="execution-environment", default=False)(execution_environment)

if __name__ == "__main__":
    nox.main()
