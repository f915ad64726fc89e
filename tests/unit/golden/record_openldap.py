# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask real hosts of the lab anew what the unit tests take hosts with OpenLDAP for: see README.md beside this file."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, FileState, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import (
    provider as openldap_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.provider import OpenLdap

HERE = Path(__file__).resolve().parent
LAB = HERE.parents[1] / "lab" / "lab"
ENVIRONMENT = {**os.environ, "LAB_STATE": "/run/postmaster-golden-openldap"}
HOSTS = {
    "ld1": ("bookworm", "openldap-2.5", TlsLibrary("OpenSSL", (3, 0))),
    "ld2": ("trixie", "openldap-2.6", TlsLibrary("OpenSSL", (3, 5))),
}
FILES = ("/etc/default/slapd", "/var/run/slapd/slapd.args")
STORE = "/etc/postmaster"
SECURED = Vserver("ldap", certificate="mx.example.test", require_secure_channel=True, implicit_tls_port=636)


def lab(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command of the lab."""
    return subprocess.run([str(LAB), *words], input=stdin, capture_output=True, check=False, env=ENVIRONMENT)


class LabHost(Host):
    """A host of the lab, as a provider sees it. Remembers what it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answers: dict[str, list[str]] = {}

    def read(self, path: str) -> bytes | None:
        done = lab("sh", self.name, "--", "cat", path)
        return done.stdout if done.returncode == 0 else None

    def state(self, path: str) -> FileState | None:
        return None if self.read(path) is None else FileState("root", "root", 0o644)

    def which(self, tool: str) -> str | None:
        return lab("sh", self.name, "--", "which", tool).stdout.decode().strip() or None

    def query(self, argv: Sequence[str], *, stdin: bytes = b"", **_options: Any) -> Completed:
        done = lab("sh", self.name, "--", *argv, stdin=stdin)
        out, err = done.stdout.decode(), done.stderr.decode()
        # slapd tells its version as if it were an error
        told = err if argv[0] == "slapd" else out
        self.answers[" ".join(argv)] = [line.rstrip() for line in told.split("\n")]
        return Completed(done.returncode, out, err)

    def shell(self, script: str, stdin: bytes = b"") -> None:
        """Run a script that must succeed."""
        done = lab("sh", self.name, "--", "sh", "-ec", script, stdin=stdin)
        assert done.returncode == 0, done.stderr


def state(host: LabHost, ask: Callable[[], object]) -> dict[str, Any]:
    """Files, and what the host answers to a provider."""
    host.answers.clear()
    ask()
    return {"files": {path: host.read_text(path).split("\n") for path in FILES}, "answers": dict(host.answers)}


def record(name: str, file: str) -> None:
    """Record one host as it is, and as it is once it has been secured."""
    host = LabHost(name)
    store = Store(host, STORE)
    openldap = OpenLdap(host, store)

    def ask() -> None:
        openldap.read()
        openldap.plan([SECURED])
        openldap.endpoints(SECURED)
        openldap.running()
        openldap.snapshot()
        openldap._slapd.settings_on_disk()
        openldap._slapd.listens_as_told()

    found = {"stock": state(host, ask)}
    path = shlex.quote(store.deployed_path("openldap", SECURED.certificate))
    host.shell(
        f"umask 022; mkdir -p $(dirname {path}); cd /tmp; openssl req -x509 -newkey rsa:3072 -nodes -days 30"
        f" -subj /CN={SECURED.certificate} -keyout key.pem -out leaf.pem; cat key.pem leaf.pem >{path};"
        f" chgrp openldap {path}; chmod 640 {path}"
    )
    for change in openldap.plan([SECURED]).changes:
        host.shell(f"mkdir -p $(dirname {change.path}); cat >{change.path}", change.content or b"")
    openldap._must_restart = True
    openldap.activate(host.query)
    found["secured"] = state(host, ask)
    asked = dataclasses.asdict(SECURED)
    stock = dataclasses.asdict(Vserver("ldap"))
    content = {**found, "vservers": [{name: asked[name] for name in asked if asked[name] != stock[name]}]}
    (HERE / f"{file}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Bring hosts up, record them, and take them down."""
    done = lab("up", *(f"{name}:{words[0]}:full" for name, words in HOSTS.items()))
    assert done.returncode == 0, done.stderr
    try:
        for name, (_release, file, library) in HOSTS.items():
            with mock.patch.object(openldap_module, "openssl_library", lambda found=library: found):
                record(name, file)
    finally:
        lab("down")


if __name__ == "__main__":
    main()
