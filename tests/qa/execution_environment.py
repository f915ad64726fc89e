# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The built artefact says what an execution environment needs, and ansible-builder understands it. ``make build``.

As far as that goes without a container engine.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

NEEDED = {"pip": ("cryptography", "jmespath"), "bindep": ("openssh-client ",)}
DEFINITION = """
version: 3
images: {base_image: {name: "debian:trixie"}}
dependencies:
  python_interpreter: {package_system: python3}
  ansible_core: {package_pip: "ansible-core >= 2.19"}
  ansible_runner: {package_pip: ansible-runner}
  galaxy: {collections: [{name: postmaster.secure_channel}]}
"""


def run(*words: str | Path) -> None:
    """Run a program, which must succeed."""
    subprocess.run(words, check=True)


def main() -> None:
    """Build, install and ask."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        run("ansible-galaxy", "collection", "build", "--output-path", place)
        (artefact,) = place.glob("*.tar.gz")
        run(
            "ansible-galaxy",
            "collection",
            "install",
            "--offline",
            "--no-deps",
            "--force",
            "-p",
            place / "collections",
            artefact,
        )
        found = {kind: place / kind for kind in NEEDED}
        written = [word for kind, path in found.items() for word in (f"--write-{kind}", path)]
        run("ansible-builder", "introspect", *written, place / "collections")
        for kind, packages in NEEDED.items():
            text = found[kind].read_text()
            assert all(package in text for package in packages), f"{kind}: {text}"
        (place / "execution-environment.yml").write_text(DEFINITION)
        context = place / "context"
        run("ansible-builder", "create", "-f", place / "execution-environment.yml", "--context", context)
        assert "postmaster.secure_channel" in (context / "_build" / "requirements.yml").read_text()
    print("execution environment: ansible-builder finds", NEEDED)


if __name__ == "__main__":
    main()
