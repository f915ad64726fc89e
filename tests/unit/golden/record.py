# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask real hosts of the lab anew what the unit tests take hosts for: see README.md beside this file."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, FileState, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    SaslSocket,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import provider as cyrus_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.provider import Cyrus
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    provider as dovecot_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.provider import Dovecot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    provider as postfix_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.provider import Postfix

HERE = Path(__file__).resolve().parent
LAB = HERE.parents[1] / "lab" / "lab"
ENVIRONMENT = {**os.environ, "LAB_STATE": "/run/postmaster-golden-lab"}
HOSTS = {
    "mx1": ("bookworm", "postfix-3.7", "dovecot-2.3", TlsLibrary("OpenSSL", (3, 0))),
    "mx2": ("trixie", "postfix-3.10", "dovecot-2.4", TlsLibrary("OpenSSL", (3, 5))),
}
CYRUS_HOSTS = {
    "cy1": ("bookworm", "cyrus-3.6", TlsLibrary("OpenSSL", (3, 0))),
    "cy2": ("trixie", "cyrus-3.10", TlsLibrary("OpenSSL", (3, 5))),
}
CYRUS_FILES = ("/etc/imapd.conf", "/etc/cyrus.conf")
# the defaults, from which tests work out what any service sees, and two services by which that is judged
CYRUS_QUESTIONS = ("cyrus info version", "cyrus info conf-default", "cyrus info -n imap conf-all")
POSTFIX_FILES = ("/etc/postfix/main.cf", "/etc/postfix/master.cf")
POSTFIX_QUESTIONS = ("postconf -d", "postconf -n", "postconf -nx")
SECURED = [
    Vserver("smtp", certificate="mx.example.test"),
    Vserver("submission", certificate="mx.example.test", require_secure_channel=True, implicit_tls_port=465),
    Vserver("imap", certificate="mx.example.test", require_secure_channel=True, implicit_tls_port=993),
    Vserver("pop3", certificate="mx.example.test", require_secure_channel=True, strength="modern"),
]
CYRUS_SECURED = [
    Vserver("imap", certificate="mx.example.test", require_secure_channel=True, port=143, implicit_tls_port=993),
    Vserver("pop3", certificate="mx.example.test", strength="modern", port=110, auth_tls=("PLAIN",)),
]
SASL = SaslSocket("/var/spool/postfix/private/auth", "postfix", "postfix")


def lab(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command of the lab."""
    return subprocess.run([str(LAB), *words], input=stdin, stdout=subprocess.PIPE, check=False, env=ENVIRONMENT)


class LabHost(Host):
    """A host of the lab, as a provider sees it. Remembers what it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answers: dict[str, list[str]] = {}

    def read(self, path: str) -> bytes | None:
        done = lab("sh", self.name, "--", "cat", path)
        return done.stdout if done.returncode == 0 else None

    def query(self, argv: Sequence[str], **_options: Any) -> Completed:
        done = lab("sh", self.name, "--", *argv)
        text = done.stdout.decode()
        if argv[0] in ("dovecot", "doveconf"):
            self.answers[shlex.join(argv)] = [line.rstrip() for line in text.split("\n")]
        return Completed(done.returncode, text, "")

    def state(self, path: str) -> FileState | None:
        words = lab("sh", self.name, "--", "stat", "--dereference", "--format=%U %G %a", path).stdout.decode().split()
        return FileState(words[0], words[1], int(words[2], 8)) if words else None

    def names_in(self, directory: str) -> list[str]:
        return sorted(lab("sh", self.name, "--", "ls", "-A", directory).stdout.decode().split())

    def put(self, change: FileChange) -> None:
        """Write a file."""
        if change.content is None:
            lab("sh", self.name, "--", "rm", "-f", change.path)
            return
        lab("sh", self.name, "--", "mkdir", "-p", str(Path(change.path).parent))
        done = lab("sh", self.name, "--", "tee", change.path, stdin=change.content)
        assert done.returncode == 0, change.path


def postfix_state(host: LabHost) -> dict[str, Any]:
    """Postfix' files, and what it says about them."""
    files = {path: host.read_text(path).split("\n") for path in POSTFIX_FILES}
    answers = {}
    for question in POSTFIX_QUESTIONS:
        done = host.query(question.split())
        assert done.code == 0, question
        answers[question] = [line.rstrip() for line in done.out.split("\n")]
    return {"files": files, "answers": answers}


def dovecot_state(host: LabHost, store: Store, vservers: Sequence[Vserver], paths: Sequence[str]) -> dict[str, Any]:
    """These of Dovecot's files, and what it says when the provider does all that it does."""
    host.answers.clear()
    dovecot = Dovecot(host, store)
    dovecot.read()
    dovecot.plan(vservers)
    dovecot.offer(SASL)
    for vserver in vservers:
        dovecot.endpoints(vserver)
    return {"files": {path: host.read_text(path).split("\n") for path in paths}, "answers": dict(host.answers)}


def record(name: str, postfix_file: str, dovecot_file: str) -> None:
    """Record one host as it is, and as it is once it has been secured."""
    host = LabHost(name)
    store = Store(host, "/etc/postmaster")
    postfix, dovecot = Postfix(host, store), Dovecot(host, store)
    outgoing = [one for one in SECURED if one.protocol in Postfix.protocols]
    incoming = [one for one in SECURED if one.protocol in Dovecot.protocols]
    found: dict[str, dict[str, Any]] = {
        postfix_file: {"stock": postfix_state(host)},
        dovecot_file: {"stock": dovecot_state(host, store, incoming, ())},
    }
    drop_ins = (*dovecot.plan(incoming).changes, *(dovecot.offer(SASL) or ()))
    for change in (*postfix.plan(outgoing).changes, *drop_ins):
        host.put(change)
    # what was not asked for again has not changed
    secured = postfix_state(host)
    del secured["answers"]["postconf -d"]
    found[postfix_file]["secured"] = secured
    found[dovecot_file]["secured"] = dovecot_state(host, store, incoming, [change.path for change in drop_ins])
    for file, content in found.items():
        content["vservers"] = [one.as_result() for one in SECURED]
        (HERE / f"{file}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def cyrus_state(host: LabHost, questions: Sequence[str]) -> dict[str, Any]:
    """Cyrus' files, and what it says about them."""
    answers = {}
    for question in questions:
        done = host.query(question.split())
        assert done.code == 0, question
        answers[question] = [line.rstrip() for line in done.out.split("\n")]
    return {"files": {path: host.read_text(path).split("\n") for path in CYRUS_FILES}, "answers": answers}


def record_cyrus(name: str, file: str) -> None:
    """Record one host with Cyrus as it is, and as it is once it has been secured."""
    host = LabHost(name)
    found: dict[str, Any] = {"stock": cyrus_state(host, CYRUS_QUESTIONS)}
    for change in Cyrus(host, Store(host, "/etc/postmaster")).plan(CYRUS_SECURED).changes:
        host.put(change)
    services = ("imap", "imaps", "pop3")
    found["secured"] = cyrus_state(host, [f"cyrus info -n {service} conf-all" for service in services])
    found["vservers"] = [dataclasses.asdict(one) for one in CYRUS_SECURED]
    (HERE / f"{file}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Bring hosts up, record them, and take them down."""
    wanted = [f"{name}:{words[0]}" for name, words in HOSTS.items()]
    wanted += [f"{name}:{release}:cyrus" for name, (release, _file, _library) in CYRUS_HOSTS.items()]
    assert lab("up", *wanted).returncode == 0
    try:
        for name, (_release, cyrus_file, library) in CYRUS_HOSTS.items():
            with mock.patch.object(cyrus_module, "openssl_library", lambda found=library: found):
                record_cyrus(name, cyrus_file)
        for name, (_release, postfix_file, dovecot_file, library) in HOSTS.items():
            with (
                mock.patch.object(postfix_module, "openssl_library", lambda found=library: found),
                mock.patch.object(dovecot_module, "openssl_library", lambda found=library: found),
            ):
                record(name, postfix_file, dovecot_file)
    finally:
        lab("down")


if __name__ == "__main__":
    main()
