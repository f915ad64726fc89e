# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask real web servers of the lab anew what the unit tests take them for: see README.md beside this file."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers import registry

HERE = Path(__file__).resolve().parent
LAB = HERE.parents[1] / "lab" / "lab"
ENVIRONMENT = {**os.environ, "LAB_STATE": "/run/postmaster-golden-lab"}
HOSTS = {
    "web1": ("bookworm:full", "nginx", "nginx-1.22"),
    "web2": ("trixie:full", "nginx", "nginx-1.26"),
    "web3": ("bookworm:exim", "apache", "apache-2.4-debian-12"),
    "web4": ("trixie:exim", "apache", "apache-2.4-debian-13"),
}
# kept out of the recordings, where they would only be long
LEFT_OUT = (
    "/etc/nginx/mime.types",
    "/etc/nginx/modules-enabled/",
    "/etc/apache2/mods-enabled/",
    "/etc/apache2/conf-enabled/charset",
    "/etc/apache2/conf-enabled/localized",
    "/etc/apache2/conf-enabled/other-vhosts",
    "/etc/apache2/conf-enabled/security",
    "/etc/apache2/conf-enabled/serve-cgi",
)
SECURED = Vserver("http", certificate="mx.example.test", require_secure_channel=True, implicit_tls_port=443)


def lab(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command of the lab."""
    return subprocess.run([str(LAB), *words], input=stdin, capture_output=True, check=False, env=ENVIRONMENT)


class LabHost(Host):
    """A host of the lab, as a provider sees it. Remembers what it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: dict[str, list[str]] = {}
        self.answers: dict[str, list[str]] = {}

    def read(self, path: str) -> bytes | None:
        if path.startswith(LEFT_OUT):
            return b""
        done = lab("sh", self.name, "--", "cat", path)
        found = done.stdout if done.returncode == 0 else None
        if found is not None:
            self.files[path] = found.decode().split("\n")
        return found

    def which(self, tool: str) -> str | None:
        return lab("sh", self.name, "--", "which", tool).stdout.decode().strip() or None

    def query(self, argv: Sequence[str], **_options: Any) -> Completed:
        done = lab("sh", self.name, "--", *argv)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.answers[shlex.join(argv)] = (out or err).split("\n")
        return Completed(done.returncode, out, err)

    def state(self, path: str) -> None:
        return None


def recorded(host: LabHost, provider: str, vservers: Sequence[Vserver]) -> dict[str, Any]:
    """What a web server shows when its provider does all that it does."""
    host.files.clear()
    host.answers.clear()
    found = registry.installed_providers(host, Store(host, "/etc/postmaster"))[provider]
    found.capabilities()
    found.read()
    found.plan(vservers)
    for vserver in vservers:
        found.endpoints(vserver)
    return {"files": dict(host.files), "answers": dict(host.answers)}


def put(host: LabHost, path: str, content: bytes) -> None:
    """Write a file."""
    assert lab("sh", host.name, "--", "mkdir", "-p", os.path.dirname(path)).returncode == 0
    assert lab("sh", host.name, "--", "tee", path, stdin=content).returncode == 0


def record(name: str, provider: str, file: str) -> None:
    """Record one host as it is, and as it is once it has been secured."""
    host = LabHost(name)
    certificate = Store(host, "/etc/postmaster").deployed_path(provider, SECURED.certificate)
    made = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mx -keyout /tmp/k -out /tmp/c"
    )
    assert lab("sh", name, "--", *made.split()).returncode == 0
    put(host, certificate, lab("sh", name, "--", "cat", "/tmp/k", "/tmp/c").stdout)
    found = {"stock": recorded(host, provider, [SECURED])}
    planned = registry.installed_providers(host, Store(host, "/etc/postmaster"))[provider].plan([SECURED])
    for change in planned.changes:
        put(host, change.path, change.content or b"")
    found["secured"] = recorded(host, provider, [SECURED])
    (HERE / f"{file}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Bring hosts up, record them, and take them down."""
    assert lab("up", *(f"{name}:{words[0]}" for name, words in HOSTS.items())).returncode == 0
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: record(name, *HOSTS[name][1:]), HOSTS))
    finally:
        lab("down")


if __name__ == "__main__":
    main()
