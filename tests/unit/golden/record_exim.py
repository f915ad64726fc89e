# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask real hosts with Exim anew what the unit tests take hosts for: see README.md beside this file."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, FileState, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import NamedCertificate, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.expressions import OPTIONS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    CONFIG_DIRECTORY,
    MAIN_DIRECTORY,
    SETTINGS,
    TEMPLATE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.provider import Exim

HERE = Path(__file__).resolve().parent
LAB = HERE.parents[1] / "lab" / "lab"
ENVIRONMENT = {**os.environ, "LAB_STATE": "/run/postmaster-golden-exim-lab"}
HOSTS = {"mx1": ("bookworm", "exim-4.96"), "mx2": ("trixie", "exim-4.98")}
QUESTIONS = ("-bV", "-bP disable_ipv6 " + " ".join(OPTIONS), "-bP macros", "-bP authenticators")
SPLIT = ("dc_use_split_config='false'", "dc_use_split_config='true'")
SECURED = [
    Vserver("smtp", certificate="mx.example.test"),
    Vserver(
        "submission",
        certificate="sub.example.test",
        alternative_certificate="sub-ec.example.test",
        sni=(NamedCertificate("mail.example.org", "org.example.test"),),
        require_secure_channel=True,
        strength="modern",
        implicit_tls_port=465,
    ),
    Vserver("smtp", "partner", certificate="mx.example.test", addresses=("10.88.0.11",), port=2525),
]


def lab(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command of the lab."""
    return subprocess.run([str(LAB), *words], input=stdin, stdout=subprocess.PIPE, check=False, env=ENVIRONMENT)


class LabHost(Host):
    """A host of the lab, as the provider sees it. Its files are fetched at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        packed = lab("sh", name, "--", "tar", "cC", "/", "etc/exim4", "etc/default/exim4").stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            found = {f"/{one.name}": archive.extractfile(one) for one in archive.getmembers() if one.isfile()}
            self.files = {path: stream.read() for path, stream in found.items() if stream}

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def state(self, path: str) -> FileState | None:
        return FileState("root", "root", 0o644) if path in self.files else None

    def names_in(self, directory: str) -> list[str]:
        return sorted(os.path.basename(path) for path in self.files if os.path.dirname(path) == directory)

    def query(self, argv: Sequence[str], **_options: Any) -> Completed:
        done = lab("sh", self.name, "--", *argv)
        return Completed(done.returncode, done.stdout.decode(), "")

    def put(self, changes: Sequence[FileChange]) -> None:
        """Write files, or remove them, and have Exim's configuration made of them."""
        for change in changes:
            words = ["rm", change.path] if change.content is None else ["tee", change.path]
            assert lab("sh", self.name, "--", *words, stdin=change.content or b"").returncode == 0, change.path
        assert self.query(["update-exim4.conf"]).code == 0
        for change in changes:
            self.files.pop(change.path, None)
            if change.content is not None:
                self.files[change.path] = change.content


def state(host: LabHost, paths: Sequence[str]) -> dict[str, Any]:
    """These files, and what Exim says of itself."""
    files = {path: host.read_text(path).split("\n") for path in paths}
    answers = {}
    for question in QUESTIONS:
        done = host.query(["exim4", *question.split()])
        assert done.code == 0, question
        # the macros that are built in say nothing about the configuration
        answers[f"exim4 {question}"] = [line.rstrip() for line in done.out.split("\n") if not line.startswith("_")]
    return {"files": files, "answers": answers}


def secured(host: LabHost) -> dict[str, Any]:
    """What Exim says once the planned files are there; then everything is taken back."""
    store = Store(host, "/etc/postmaster")
    before = dict(host.files)
    changes = Exim(host, store).plan(SECURED).changes
    host.put(changes)
    found = state(host, [change.path for change in changes if change.path != TEMPLATE])
    host.put(Exim(host, store).plan([dataclasses.replace(one, present=False) for one in SECURED]).changes)
    assert host.files == before
    return found


def main() -> None:
    """Bring hosts up, record them, and take them down."""
    assert lab("up", *(f"{name}:{words[0]}:exim" for name, words in HOSTS.items())).returncode == 0
    try:
        for name, (_release, file) in HOSTS.items():
            host = LabHost(name)
            parts = (MAIN_DIRECTORY, f"{CONFIG_DIRECTORY}/conf.d/auth")
            paths = [SETTINGS, TEMPLATE, "/etc/default/exim4"]
            paths += [path for path in sorted(host.files) if os.path.dirname(path) in parts]
            content: dict[str, Any] = {"stock": state(host, paths), "secured": secured(host)}
            host.put([FileChange(SETTINGS, host.read_text(SETTINGS).replace(*SPLIT).encode())])
            content["split"] = secured(host)
            content["vservers"] = [dataclasses.asdict(one) for one in SECURED]
            (HERE / f"{file}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    finally:
        lab("down")


if __name__ == "__main__":
    main()
