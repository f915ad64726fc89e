# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask real hosts of the lab anew how INN is configured and what it says: see README.md beside this file."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, FileState, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn import provider as inn_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.provider import Inn

HERE = Path(__file__).resolve().parent
LAB = HERE.parents[1] / "lab" / "lab"
ENVIRONMENT = {**os.environ, "LAB_STATE": "/run/postmaster-golden-lab-inn"}
HOSTS = {"news1": ("bookworm", "inn-2.7.1", (3, 0)), "news2": ("trixie", "inn-2.7.3", (3, 5))}
FILES = ("/etc/news/inn.conf", "/etc/news/readers.conf")
PLUGINS = "/usr/lib/x86_64-linux-gnu/sasl2"
SECURED = [
    Vserver("nntp", certificate="mx.example.test", require_secure_channel=True, implicit_tls_port=563),
    Vserver(
        "nntp",
        "second",
        certificate="news.example.test",
        strength="modern",
        addresses=("10.88.0.11",),
        port=1119,
        implicit_tls_port=563,
    ),
]


def lab(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command of the lab."""
    return subprocess.run([str(LAB), *words], input=stdin, capture_output=True, check=False, env=ENVIRONMENT)


class LabHost(Host):
    """A host of the lab, as a provider sees it. Remembers what it was asked.

    Attributes:
        answers: what tools print, by the variables that they were given and the command line.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.answers: dict[str, list[str]] = {}

    def read(self, path: str) -> bytes | None:
        done = lab("sh", self.name, "--", "cat", path)
        return done.stdout if done.returncode == 0 else None

    def state(self, path: str) -> FileState | None:
        done = lab("sh", self.name, "--", "stat", "-L", "-c", "%U %G %a", path)
        words = done.stdout.decode().split()
        return FileState(words[0], words[1], int(words[2], 8)) if done.returncode == 0 else None

    def names_in(self, directory: str) -> list[str]:
        done = lab("sh", self.name, "--", "ls", "-A", directory)
        return sorted(done.stdout.decode().split()) if done.returncode == 0 else []

    def query(self, argv: Sequence[str], *, environment: dict[str, str] | None = None, **_options: Any) -> Completed:
        variables = [f"{name}={value}" for name, value in (environment or {}).items()]
        done = lab("sh", self.name, "--", "env", *variables, *argv)
        text = done.stdout.decode()
        self.answers[" ".join((*variables, *argv))] = text.split("\n")
        return Completed(done.returncode, text, done.stderr.decode())

    def put(self, change: FileChange) -> None:
        """Write a file."""
        if change.content is None:
            return
        lab("sh", self.name, "--", "mkdir", "-p", os.path.dirname(change.path))
        done = lab("sh", self.name, "--", "tee", change.path, stdin=change.content)
        assert done.returncode == 0, change.path


def asked(host: LabHost, store: Store, paths: Sequence[str]) -> dict[str, Any]:
    """These files, and what the host says when the provider does all that it does."""
    host.answers.clear()
    inn = Inn(host, store)
    inn.read()
    inn.plan(SECURED[:1])
    inn.endpoints(SECURED[0])
    inn.running()
    return {"files": {path: host.read_text(path).split("\n") for path in paths}, "answers": dict(host.answers)}


def record(name: str, file: str) -> None:
    """Record one host as it is, and as it is once it has been secured."""
    host = LabHost(name)
    store = Store(host, "/etc/postmaster")
    found: dict[str, Any] = {"stock": asked(host, store, FILES)}
    found["stock"]["files"] |= {f"{PLUGINS}/{plugin}": [""] for plugin in host.names_in(PLUGINS)}
    changes = Inn(host, store).plan(SECURED).changes
    for change in changes:
        host.put(change)
    for one in SECURED:  # INN takes a certificate that is not there for none
        host.put(FileChange(store.deployed_path("inn", one.certificate), b"certificate\n"))
    paths = [change.path for change in changes if change.content is not None]
    paths += [store.deployed_path("inn", one.certificate) for one in SECURED]
    found["secured"] = asked(host, store, paths)
    found["vservers"] = [dataclasses.asdict(one) for one in SECURED]
    (HERE / f"{file}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Bring hosts up, record them, and take them down."""
    assert lab("up", *(f"{name}:{words[0]}:full" for name, words in HOSTS.items())).returncode == 0
    try:
        for name, (_release, file, version) in HOSTS.items():
            library = TlsLibrary("OpenSSL", version)
            with mock.patch.object(inn_module, "openssl_library", lambda found=library: found):
                record(name, file)
    finally:
        lab("down")


if __name__ == "__main__":
    main()
