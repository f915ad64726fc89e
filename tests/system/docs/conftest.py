# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page "First steps", followed word for word by somebody who has the collection's tarball and two stock mail hosts.

What differs from the page: Ansible itself is installed already, and the public CA is Debian's pebble in the lab. Where
that CA is, and how to reach the lab's hosts, is in files of variables beside those of the page.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.postmaster.secure_channel.tests.support.written_examples import ROOT, RST, Block, blocks_of

HOSTS = ("mx1:trixie", "mx2:bookworm", "ca1:trixie:acme")
MAIL_HOSTS = ("mx1", "mx2")
PAGE = RST / "first_steps.rst"
LAB = ROOT / "tests" / "lab" / "lab"
(PEBBLE,) = (ROOT / "tests").rglob("pebble.sh")
# What a reader does before, or would do elsewhere: install Ansible, and fetch or build tarballs.
NOT_HERE = (
    "sudo ",
    "python3 -m venv",
    "~/ansible/bin/pip",
    "export PATH=",
    "ansible-galaxy collection build",
    "ansible-galaxy collection download",
    "ansible-galaxy collection install --offline collections/",
)
MARK = "\x01"


@dataclass(frozen=True)
class Done:
    """A command of the page, and what came of it."""

    command: str
    code: int
    out: str


class Lab:
    """The hosts.

    Args:
        state: directory of the lab.
    """

    def __init__(self, state: Path) -> None:
        self.state = state

    def __call__(self, *words: str, given: str = "") -> str:
        """What a command of the lab prints, which must succeed."""
        environment = {**os.environ, "LAB_STATE": str(self.state)}
        done = subprocess.run([LAB, *words], env=environment, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        return done.stdout

    def sh(self, host: str, script: str, given: str = "") -> str:
        """What a shell script prints in a host."""
        return self("sh", host, "--", "sh", "-euc", script, given=given)

    def inventory(self) -> dict[str, Any]:
        """The hosts with their variables, and how to connect from inside the lab's network."""
        found: dict[str, Any] = json.loads((self.state / "inventory" / "hosts.json").read_text())["lab"]
        options = [
            f"UserKnownHostsFile={self.state}/known_hosts",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
        ]
        words = ["-F", "none", *(word for option in options for word in ("-o", option))]
        found["vars"]["ansible_ssh_common_args"] = shlex.join(words)
        return found


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Two stock mail hosts that trust the public CA, and know that they do, and that CA."""
    lab = Lab(Path(os.environ["LAB_STATE"]))
    try:
        lab("up", *HOSTS)
        hosts = lab.inventory()["hosts"]
        ca = hosts["ca1"]
        root = lab.sh("ca1", f"set -- {ca['lab_fqdn']} {ca['ansible_host']}\n{PEBBLE.read_text()}")
        for name in MAIL_HOSTS:
            lab.sh(name, "cat >/usr/local/share/ca-certificates/public.crt && update-ca-certificates", given=root)
        records = {"host": f"{hosts['mx1']['lab_fqdn']}.", "addresses": [hosts["mx1"]["ansible_host"]]}
        lab.sh("ca1", f"curl -sf -d '{json.dumps(records)}' http://{ca['ansible_host']}:8055/add-a")
        yield lab
    finally:
        lab("down")


def _script(blocks: Sequence[Block], project: str) -> str:
    """The commands of all blocks, each between marks; files appear when the page shows them."""
    lines = []
    for block in blocks:
        if block.caption:
            path = shlex.quote(block.caption)
            lines.append(f"mkdir -p $(dirname {path}); printf %s {shlex.quote(block.text)} >{path}")
            continue
        for command in block.commands:
            if not command.startswith(NOT_HERE):
                lines += [f"printf '{MARK}%s\\n' {shlex.quote(command)}", command, f"printf '{MARK}%s\\n' $?"]
                if command == f"cd {project}":
                    lines.append("cp -r ~/lab/. .")
    return "\n".join(lines) + "\n"


def _done(output: str) -> list[Done]:
    parts = [part.split("\n", 1) for part in output.split(MARK)[1:]]
    return [Done(ran[0], int(code[0]), ran[1]) for ran, code in zip(parts[::2], parts[1::2])]


@dataclass(frozen=True)
class Followed:
    """What came of following the page."""

    done: Sequence[Done]
    project: Path

    def of(self, command: str) -> Done:
        """The command that begins like this."""
        (found,) = [one for one in self.done if one.command.startswith(command)]
        return found


def _write(directory: Path, files: Mapping[str, Any]) -> None:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(yaml.safe_dump(content))


@pytest.fixture(scope="session")
def followed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """All commands of the page, run one after the other."""
    home = tmp_path_factory.mktemp("home")
    subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", str(home)], cwd=ROOT, check=True)
    inventory = lab.inventory()
    ca = inventory["hosts"]["ca1"]["lab_fqdn"]
    pebble = {
        "certificates_acme_directory": f"https://{ca}:14000/dir",
        "certificates_acme_validate_certs": False,
    }
    _write(home / "lab", {"group_vars/all/lab.yml": inventory["vars"], "host_vars/mx1.example.test.yml": pebble})
    blocks = [block for block in blocks_of(PAGE) if block.caption or block.language == "console"]
    script = home / "follow.sh"
    script.write_text(_script(blocks, "~/mail"))
    kept = ("PATH", "LC_ALL", "NO_COLOR", "PYTHONPYCACHEPREFIX", "POSTMASTER_CACHE")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"HOME": str(home), "LAB_STATE": str(lab.state), "ANSIBLE_NOCOWS": "1"}
    done = subprocess.run(
        [LAB, "exec", "--", "bash", "-c", f"cd {home} && exec bash follow.sh 2>&1"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    (home / "output.txt").write_text(done.stdout)
    return Followed(_done(done.stdout), home / "mail")
