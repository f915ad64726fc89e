# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets: every option that carries one has a value that occurs nowhere else, which is then looked for everywhere.

With -vvv and --diff, without pipelining, with fact cache and the callback plugins that write results down.
"""

from __future__ import annotations

import json
import re
import secrets
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.reliability import grounds, traced_modules
from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import FULL, PARTNER
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure
from ansible_collections.postmaster.secure_channel.tests.reliability.grounds import Ground
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.openssl_ca import OpensslAuthority
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import secret_watch
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Run

PART = "secrets"
ROOT = f"{WORK}/secrets-root.pem"
BUNDLE, EXPORT = f"{WORK}/bundle.p12", "/root/reliability/secret.p12"
LINEAGE, IMPORTED = "secret", "imported"
OPTIONS = (
    "mail_cert_request key_passphrase",
    "mail_cert_install key_passphrase",
    "mail_cert_install passphrase",
    "mail_cert_install content",
    "mail_vserver_tls key_passphrase",
    "mail_cert_export passphrase",
    "mail_cert_export key_passphrase",
    "mail_relay_account password",
    "mail_domain_security password",
)
# On a host a secret may be in these files, which root alone can read.
KEEPS = re.compile(r"/etc/postfix/postmaster_sasl_password|/etc/exim4/|/etc/postmaster/")
_PAUSE = 0.005
_AWKWARD = "\\#%'\"$`;|&<>* ü="


class Canaries:
    """One value for each use of a secret, with characters that lead careless programs astray.

    Plays have them as variables, as from a vault. A value that stands in a task itself is written down by callbacks
    that show a task's arguments, such as junit, whatever its module does.
    """

    def __init__(self) -> None:
        self.middles: dict[str, str] = {}
        self.values: dict[str, str] = {}

    def new(self, name: str) -> str:
        """The variable with a value that occurs nowhere else."""
        middle = secrets.token_hex(12)
        self.middles[name] = middle
        self.values[name] = f"{_AWKWARD}{middle}{_AWKWARD}."
        return self.variable(name)

    @staticmethod
    def variable(name: str) -> str:
        """How a play refers to a value."""
        return f"{{{{ canaries['{name}'] }}}}"

    def write(self, path: Path) -> None:
        """Write the variables for a play."""
        path.touch(0o600)
        path.write_text(json.dumps({"canaries": self.values}))

    def seen_in(self, text: str) -> list[str]:
        """Names of those in a text; no quoting changes what is looked for."""
        return [name for name, middle in self.middles.items() if middle in text]


def play(ground: Ground, canaries: Canaries, authority: Path) -> Play:
    """Every module with every secret, first rightly and then wrongly."""
    fqdn = ground.host.fqdn
    key, account, domain, export = (canaries.new(word) for word in ("key", "account", "domain", "export"))
    found = Play()
    found.call(
        "request", "mail_cert_request", {"name": LINEAGE, "common_name": fqdn, "key_passphrase": key}, register="asked"
    )
    sign = {
        "name": "sign",
        "ansible.builtin.command": {"cmd": f"python3 {authority / 'sign.py'}", "stdin": "{{ asked.requests[0].csr }}"},
        "delegate_to": "localhost",
        "register": "signed",
    }
    found.tasks.append(sign)
    answer = {"name": LINEAGE, "content": "{{ signed.stdout }}", "key_passphrase": key, "trust_store": ROOT}
    bundle = {
        "name": IMPORTED,
        "src": BUNDLE,
        "names": [fqdn],
        "passphrase": canaries.variable("bundle"),
        "trust_store": ROOT,
    }
    vserver = {"protocol": "submission", "certificate": LINEAGE, "key_passphrase": key, "require_secure_channel": True}
    backup = {"name": LINEAGE, "path": EXPORT, "passphrase": export, "key_passphrase": key}
    partner = {"name": "canary", "password": account}
    relay = {
        "domain": PARTNER,
        "tls": "encrypt",
        "relay_host": "relay.example",
        "username": "canary",
        "password": domain,
    }
    calls: tuple[tuple[str, Mapping[str, Any], str], ...] = (
        ("mail_cert_install", answer, "key_passphrase"),
        ("mail_cert_install", bundle, "passphrase"),
        ("mail_vserver_tls", vserver, "key_passphrase"),
        ("mail_cert_export", backup, "passphrase"),
        ("mail_relay_account", partner, "password"),
        ("mail_domain_security", {**relay, "provider": "postfix"}, "password"),
    )
    for module, arguments, _secret in calls:
        found.call(f"{module}: check", module, arguments, check_mode=True)
        found.call(f"{module}: right", module, arguments)
    for module, arguments, secret in calls:
        wrong = {**arguments, secret: canaries.new(f"{module}, wrong")}
        found.call(f"{module}: wrong", module, wrong, check_mode=True)
        for word, value in (
            ("dict", {"of": canaries.new(f"{module}, dict")}),
            ("list", [canaries.new(f"{module}, list")]),
        ):
            found.call(f"{module}: {word}", module, {**arguments, secret: value}, check_mode=True)
        broken = {**arguments, secret: canaries.new(f"{module}, unknown option"), "no_such_option": True}
        found.call(f"{module}: unknown option", module, broken)
    return found


class Temporary:
    """What lies in a directory for temporary files, looked at again and again; modules' arguments are among it.

    Attributes:
        seen: all files.
        open: those that others could have read.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seen: set[str] = set()
        self.open: set[str] = set()

    def look(self) -> None:
        """Look once."""
        for path in self.directory.rglob("*"):
            try:
                if path.is_file():
                    self.seen.add(str(path))
                    if not self._closed(path):
                        self.open.add(str(path))
            except OSError:  # gone by now
                continue

    def _closed(self, path: Path) -> bool:
        """Whether a file's mode, or a directory above it, keeps others out."""
        inside = [path, *(one for one in path.parents if self.directory in (one, *one.parents))]
        return any(not stat.S_IMODE(one.stat().st_mode) & 0o077 for one in inside)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look until the end."""
        enough = threading.Event()

        def watch() -> None:
            while not enough.wait(_PAUSE):
                self.look()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            enough.set()
            watcher.join()


class TalkativeAnsible(Ansible):
    """Ansible with everything that writes results down, and no pipelining."""

    def environment(self, results: Path) -> dict[str, str]:
        """The environment of a run."""
        return {
            **super().environment(results),
            "ANSIBLE_CALLBACKS_ENABLED": "system_test_results,ansible.builtin.tree,ansible.builtin.junit",
            "ANSIBLE_CALLBACK_TREE_DIR": str(self.directory / "tree"),
            "JUNIT_OUTPUT_DIR": str(self.directory / "junit"),
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.directory / "facts"),
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "local"),
            "ANSIBLE_LOG_PATH": str(self.directory / "log"),
        }


SIGN = """
import sys
sys.path.insert(0, {collections!r})
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates import openssl_ca
from pathlib import Path
authority = object.__new__(openssl_ca.OpensslAuthority)
authority._directory = Path({directory!r})
print(authority.answer(sys.stdin.read()), end="")
"""
MAKE_BUNDLE = f"""
openssl req -new -newkey rsa:2048 -noenc -keyout {WORK}/b.key -out {WORK}/b.csr \\
    -subj /CN=$1 -addext subjectAltName=DNS:$1 2>/dev/null
"""


def measure(lab: Lab, hosts: Sequence[Ground], workshop: Path, collections: str) -> list[Figure]:
    """Use every secret on each host that has a place for it, and look for it everywhere."""
    workshop.mkdir()
    found: dict[str, tuple[list[str], int]] = {}
    for ground in (one for one in hosts if one.kind == FULL):
        for what, (faults, of) in _one(lab, ground, workshop / ground.host.name, collections).items():
            before = found.get(what, ([], 0))
            found[what] = ([*before[0], *faults], before[1] + of)
    return [Figure(PART, what, len(faults), of, 0, faults) for what, (faults, of) in found.items()]


def _one(lab: Lab, ground: Ground, place: Path, collections: str) -> dict[str, tuple[list[str], int]]:
    """The same on one host: what was found, among how many."""
    place.mkdir()
    host = ground.host
    canaries = Canaries()
    authority = OpensslAuthority(place / "ca", "Secrets")
    (place / "ca" / "sign.py").write_text(SIGN.format(collections=collections, directory=str(place / "ca")))
    lab.write(host, ROOT, authority.root.read_text())
    canaries.new("bundle")
    _bundle(lab, host, authority, canaries.values["bundle"])
    traced_modules.prepare(lab, host)
    ansible_place = place / "ansible"
    ansible_place.mkdir()
    inventory = traced_modules.inventory(lab, [host.name], place / "hosts.json", pipelining=False)
    ansible = TalkativeAnsible(inventory, ansible_place)
    wanted = play(ground, canaries, place / "ca")
    canaries.write(place / "canaries.json")
    local = ansible_place / "local"
    local.mkdir(mode=0o700)
    temporary = Temporary(local)
    with secret_watch.all_processes() as processes, temporary.watched():
        run = ansible.play(host.name, wanted.tasks, "-vvv", "--diff", "--extra-vars", f"@{place / 'canaries.json'}")
    assert re.search(r"PUT .* TO .*/AnsiballZ_mail_", run.out), "no module went through a file: there is pipelining"
    return {
        **_on_control(run, ansible_place, canaries, temporary),
        **_on_host(lab, host, canaries),
        "command lines and environments with one": _hits(
            [one.decode(errors="replace") for one in processes], canaries, "a process"
        ),
        "calls that did not go as they should": _outcomes(run, host),
        "secrets that a client cannot use afterwards": _read_back(lab, host, canaries),
    }


def _bundle(lab: Lab, host: Host, authority: OpensslAuthority, passphrase: str) -> None:
    """A PKCS#12 file with a passphrase on the host."""
    lab.ask(host, "sh", "-euc", MAKE_BUNDLE, "sh", host.fqdn)
    lab.write(host, f"{WORK}/b.pem", authority.answer(lab.read(host, f"{WORK}/b.csr")))
    argv = ("openssl", "pkcs12", "-export", "-inkey", f"{WORK}/b.key", "-in", f"{WORK}/b.pem", "-out", BUNDLE)
    lab.ask(host, *argv, "-passout", "stdin", given=passphrase + "\n")


def _hits(texts: Sequence[str], canaries: Canaries, where: str) -> tuple[list[str], int]:
    """In how many texts there is one."""
    return [f"{name} in {where}" for text in texts for name in canaries.seen_in(text)], len(texts)


def _on_control(run: Run, place: Path, canaries: Canaries, temporary: Temporary) -> dict[str, tuple[list[str], int]]:
    """What Ansible printed, returned, and left on the control node."""
    results = [f"{one.task}: {json.dumps(one.result, default=str)}" for one in run.results if one.ours]
    shown = [
        f"{name} in the result of {text.partition(': {')[0]}" for text in results for name in canaries.seen_in(text)
    ]
    plays = set(place.glob("play-*.yml"))
    files = [path for path in place.rglob("*") if path.is_file() and path not in plays]
    left = [
        f"{name} in {path.relative_to(place)}"
        for path in files
        for name in canaries.seen_in(path.read_text(errors="replace"))
    ]
    printed = run.out.splitlines()
    return {
        "lines of output with one, with -vvv and --diff": (
            [f"{name} in the output" for line in printed for name in canaries.seen_in(line)],
            len(printed),
        ),
        "results with one": (shown, len(results)),
        "files of callbacks, fact cache and log with one": (left, len(files)),
        "temporary files of Ansible that others could read": (sorted(temporary.open), len(temporary.seen)),
    }


def _on_host(lab: Lab, host: Host, canaries: Canaries) -> dict[str, tuple[list[str], int]]:
    """Traces, files and journal."""
    traces = traced_modules.lines(lab, host)
    started = [line for trace in traces for line in trace if "execve(" in line]
    modes = {}
    for trace in traces:
        for path, some in traced_modules.files_with(trace, canaries.middles.values()).items():
            modes[f"{path}"] = some
    opened = [
        f"{path}: {', '.join(oct(one) for one in some)}"
        for path, some in modes.items()
        if any(one & 0o077 for one in some)
    ]
    journal = lab.ask(host, "journalctl", "--output=verbose", "--all", "--no-pager").splitlines()
    lab.write(host, f"{WORK}/needles", "".join(one + "\n" for one in canaries.middles.values()), "0600")
    search = (
        "grep --recursive --devices=skip --binary-files=text --files-with-matches --exclude=needles"
        " --exclude-dir=traces --exclude-dir=host --fixed-strings"
        f" --file={WORK}/needles {secret_watch.PLACES} | xargs -r stat -c '%n %U %a'"
    )
    files = [line.split() for line in lab.shell(host, search).splitlines()]
    known = [f"{path} ({user}, {mode})" for path, user, mode in files if not KEEPS.match(path) or int(mode, 8) & 0o077]
    return {
        "programs that got one as argument or variable": _hits(started, canaries, "a program"),
        "files written with one that others could read": (opened, len(modes)),
        "files with one afterwards, but those that have to have it": (known, len(files)),
        "lines of the journal with one": _hits(journal, canaries, "the journal"),
    }


def _outcomes(run: Run, host: Host) -> tuple[list[str], int]:
    """Right calls succeed, wrong ones do not."""
    ours = [one for one in run.of(host.name) if one.ours]
    wrong = []
    for one in ours:
        fails = one.task.endswith((": dict", ": list", ": unknown option"))
        if not one.task.endswith(": wrong") and (one.status == "failed") != fails:
            wrong.append(f"{host.name}: {one.task}: {one.status}: {one.result.get('msg')}")
    return wrong, len(ours)


def _read_back(lab: Lab, host: Host, canaries: Canaries) -> tuple[list[str], int]:
    """What was set is what a client, openssl or Postfix then finds."""
    values = canaries.values
    faults = []
    looks = {"account": {"login": 587, "host": host.fqdn, "user": "canary", "password": values["account"]}}
    lab.shell(host, f"cp {ROOT} /usr/local/share/ca-certificates/secrets.crt; update-ca-certificates >/dev/null 2>&1")
    seen = grounds.observe(lab, host, looks)["account"]
    if seen != "in":
        faults.append(f"account: {seen}")
    opened = lab.run_in(
        host, "openssl", "pkcs12", "-in", EXPORT, "-passin", "stdin", "-noout", given=values["export"] + "\n"
    )
    if opened.code != 0:
        faults.append(f"export: {opened.err}")
    table = "postmap -s $(postconf -h default_database_type):/etc/postfix/postmaster_sasl_password"
    stored = lab.run_in(host, "sh", "-c", table).out.splitlines()
    if not any(line.endswith(f"canary:{values['domain']}") for line in stored):
        faults.append(f"domain: not among {len(stored)} lines of the table")
    return faults, 3
