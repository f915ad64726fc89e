# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts in a lab of their own, one of each release, on which a daemon's user puts what he likes where he can.

Root's own secret lies beside. The administrator has noted things in attributes of the configuration's files, and lets
somebody read them by an access control list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    ROOT_ON_HOST,
    Certificates,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import MAIN
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run

HOSTS = ("f1:bookworm", "f2:trixie")
NAMES = ("f1", "f2")
DAEMON = "postfix"  # its user is who plants
THEIRS = "/srv/daemon"
STICKY = "/var/tmp"
SECRET = "/root/secret"
WEB_ROOT, WEB_USER, CLOSED = "/srv/web", "www-data", "/root/closed"
ANSWER = ".well-known/acme-challenge/token"
STORE = "/etc/postmaster"
DEPLOYED = f"{STORE}/deployed/postfix"
COPY = f"{DEPLOYED}/{MAIN}.pem"
WITH_ATTRIBUTES = ("/etc/postfix/main.cf", "/etc/postfix/master.cf", COPY)
NOTED = f"{WORK}/attributes"
_PATIENCE = 30  # seconds; whoever waits on a pipe waits for ever

PLANTS: Mapping[str, str] = {
    "link": f"ln -s {SECRET}",
    "dangling link": f"ln -s {SECRET}-new",
    "pipe": "mkfifo",
    "directory": "mkdir",
}
REQUEST = {"name": "new.example.test", "key_type": "ECDSA_P256"}
EXPORT = {"name": MAIN, "passphrase": "correct horse battery"}
SMTP = {"protocol": "smtp", "certificate": MAIN}

# Another program has the port, by the name of the daemon's.
_LISTEN = 'import socketserver as s; s.TCPServer(("", 8465), s.BaseRequestHandler).serve_forever()'
_STRANGER = (
    f"cp -L /usr/bin/python3 {WORK}/smtpd",
    f"systemd-run --quiet --collect --unit=stranger {WORK}/smtpd -c '{_LISTEN}'",
    "until ss -Hltn | grep -q :8465; do sleep 0.1; done",
)
# Prints owner, mode and all attributes of files. With "give", an access control list and a note are given first.
ATTRIBUTES = f"""
import json, os, struct, sys
nobody = 0xFFFFFFFF
entries = [(1, 6, nobody), (2, 4, 33), (4, 0, nobody), (16, 4, nobody), (32, 0, nobody)]
listed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries)
found = {{}}
for path in filter(os.path.exists, sys.argv[2:]):
    if sys.argv[1] == "give":
        os.setxattr(path, "system.posix_acl_access", listed)
        os.setxattr(path, "user.owner", b"Ada")
    state = os.stat(path)
    names = [name for name in os.listxattr(path) if not name.startswith("security.")]
    attributes = {{name: os.getxattr(path, name).hex() for name in names}}
    found[path] = [state.st_uid, state.st_gid, oct(state.st_mode), attributes]
print(json.dumps(found), file=open("{NOTED}", "a"))
"""


def _attributes(what: str) -> str:
    return f"python3 {WORK}/attributes.py {what} {' '.join(WITH_ATTRIBUTES)}"


@dataclass(frozen=True)
class Refused:
    """A call that has to be refused: its name, the option at fault, and the directory."""

    call: str
    option: str
    directory: str


@dataclass(frozen=True)
class Outcome:
    """What happened.

    Attributes:
        run: the play.
        refused: the calls that had to be refused.
        snapshots: by host, those before and after these calls.
        attributes: by host, those of the files in WITH_ATTRIBUTES after each step.
        secrets: by host, what has become of root's secret, and of a directory that only root can enter.
    """

    run: Run
    refused: Sequence[Refused]
    snapshots: Mapping[str, tuple[snapshots.Snapshot, snapshots.Snapshot]]
    attributes: Mapping[str, Sequence[Mapping[str, Any]]]
    secrets: Mapping[str, str]

    def result(self, host: Host, call: str) -> Mapping[str, Any]:
        """What a call answered."""
        return self.run.one(host.name, call).result


class ForeignDirectories:
    """The scenario.

    Args:
        lab: a lab that is not up yet.
        directory: an empty directory to work in.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self._directory = directory

    def begin(self) -> Outcome:
        """Boot the hosts, and let everything happen."""
        self.lab.up(*HOSTS)
        certificates = Certificates(self._directory)

        def prepare(host: Host) -> None:
            self.lab.ask(host, "systemctl", "is-system-running", "--wait")
            snapshots.prepare(self.lab, host)
            certificates.put(self.lab, host)
            self.lab.ask(host, "update-ca-certificates")
            self.lab.write(host, f"{WORK}/attributes.py", ATTRIBUTES)
            self.lab.write(host, SECRET, "root's own\n", "0600")
            self.lab.ask(host, "mkdir", "--mode=0700", CLOSED)

        with ThreadPoolExecutor() as pool:
            list(pool.map(prepare, self.lab.hosts.values()))
        play = Play()
        self._secure(play)
        refused = self._plant(play)
        self._go_back(play)
        self._answer(play)
        run = Ansible(self.lab.inventory, self._directory).play("f1,f2", play.tasks, strategy="free")
        hosts = self.lab.hosts
        return Outcome(
            run,
            refused,
            {name: (self._load(hosts[name], "planted"), self._load(hosts[name], "refused")) for name in NAMES},
            {name: self._noted(hosts[name]) for name in NAMES},
            {
                name: self.lab.shell(hosts[name], f"stat -c '%U %a' {SECRET} {CLOSED}; cat {SECRET}*; ls {CLOSED}")
                for name in NAMES
            },
        )

    def _load(self, host: Host, label: str) -> snapshots.Snapshot:
        return snapshots.load(self.lab, host, label)

    def _noted(self, host: Host) -> Sequence[Mapping[str, Any]]:
        return [json.loads(line) for line in self.lab.read(host, NOTED).splitlines()]

    @staticmethod
    def _secure(play: Play) -> None:
        given = {"name": MAIN, "trust_store": ROOT_ON_HOST, "names": ["{{ lab_fqdn }}"]}
        play.call("install", "mail_cert_install", {**given, "src": f"{WORK}/{MAIN}.pem"})
        play.shell("note", _attributes("give"))
        play.call("secure", "mail_vserver_tls", SMTP)
        play.shell("note again", _attributes("give"))
        play.shell("take the port", *_STRANGER)
        play.call(
            "fail", "mail_vserver_tls", {"protocol": "submission", "certificate": MAIN, "implicit_tls_port": 8465}
        )
        play.shell("give the port back", "systemctl stop stranger")
        play.shell("noted after a failure", _attributes("look"))
        play.shell("spoil the copy", f"echo >>{COPY}")
        play.call("correct", "mail_vserver_tls", SMTP)
        play.shell("noted after the correction", _attributes("look"))

    @staticmethod
    def _plant(play: Play) -> list[Refused]:
        """Plant, call all that must be refused, and look whether anything has changed."""
        as_daemon = f"runuser -u {DAEMON} --"
        scripts = [f"install -d -o {DAEMON} {THEIRS} {STICKY}/daemon", f"chown {DAEMON} {DEPLOYED}"]
        for plant, command in PLANTS.items():
            scripts += [f"{as_daemon} {command} '{where}/{plant}'" for where in (THEIRS, STICKY)]
        scripts += [f"{as_daemon} ln -s /root {STICKY}/way", f"{as_daemon} mv {COPY} {DEPLOYED}/kept"]
        scripts += [f"{as_daemon} ln -s {SECRET} {COPY}", snapshots.script("planted")]
        play.shell("plant", *scripts)
        refused: list[Refused] = []

        def call(module: str, options: Mapping[str, Any], option: str, directory: str) -> None:
            check = len(refused) % 2 == 1  # a real run would only do the same again
            name = f"{module} {sorted(options.items())} {'check' if check else 'real'}"
            play.call(name, module, options, check_mode=check, timeout=_PATIENCE)
            refused.append(Refused(name, option, directory))

        for where in (THEIRS, STICKY):
            for plant in PLANTS:
                call("mail_cert_request", {**REQUEST, "csr_path": f"{where}/{plant}"}, "csr_path", where)
                call("mail_cert_export", {**EXPORT, "path": f"{where}/{plant}"}, "path", where)
        for plant in PLANTS:
            call(
                "mail_cert_request", {**REQUEST, "state": "absent", "csr_path": f"{THEIRS}/{plant}"}, "csr_path", THEIRS
            )
        for place, directory in (("way/file", "way"), ("daemon/file", "daemon")):
            call("mail_cert_request", {**REQUEST, "csr_path": f"{STICKY}/{place}"}, "csr_path", f"{STICKY}/{directory}")
        for _check in (False, True):
            call("mail_cert_request", {**REQUEST, "csr_path": "relative/file"}, "csr_path", "relative/file")
            call("mail_cert_request", {**REQUEST, "store": f"{THEIRS}/store"}, "store", THEIRS)
            call("mail_vserver_tls", SMTP, "", DEPLOYED)
        play.shell("refused", snapshots.script("refused"))
        return refused

    @staticmethod
    def _go_back(play: Play) -> None:
        """Do what the messages say, and do the same again; then remove everything."""
        play.shell("follow the remedy", f"chown root {DEPLOYED}; rm {COPY}; mv {DEPLOYED}/kept {COPY}")
        play.call("after the remedy", "mail_vserver_tls", SMTP)
        play.call("in /tmp", "mail_cert_request", {**REQUEST, "csr_path": f"{STICKY}/request.csr"})
        play.call("absent", "mail_vserver_tls", {"protocol": "smtp", "state": "absent"})
        play.shell("noted at the end", _attributes("look"))

    @staticmethod
    def _answer(play: Play) -> None:
        """Answer a CA's question in a web root of the web server's user, who then puts a link on the way."""
        as_user = f"runuser -u {WEB_USER} --"
        variables = {
            "certificates_acme_webroot": WEB_ROOT,
            "__certificates_challenges": {"http-01": [{"resource": ANSWER, "resource_value": "the answer"}]},
        }

        def role(name: str, file: str) -> None:
            include = {"name": f"{COLLECTION}.certificates", "tasks_from": f"acme/{file}.yml"}
            tasks = [{"name": name, "ansible.builtin.include_role": include, "vars": variables}]
            ignored = [{"name": f"{name}: refused", "ansible.builtin.meta": "noop"}]
            play.tasks.append({"block": tasks, "rescue": ignored})

        serve = f"systemd-run --quiet --collect --unit=web python3 -m http.server --directory={WEB_ROOT} 80"
        play.shell("a web root", f"install -d -o {WEB_USER} {WEB_ROOT}", serve)
        role("answer", "http-01")
        look = f"cat {WEB_ROOT}/{ANSWER}; stat -c ' %U %a' {WEB_ROOT}/{ANSWER}"
        play.shell("answered", f"({look}) >{WORK}/answer")
        role("take the answer away", "http-01-end")
        play.shell("taken away", f"if test -e {WEB_ROOT}/{ANSWER}; then exit 1; fi")
        play.shell("plant in the web root", f"{as_user} rm -r {WEB_ROOT}/.well-known/acme-challenge")
        play.shell("and a link", f"{as_user} ln -s {CLOSED} {WEB_ROOT}/.well-known/acme-challenge")
        role("answer through a link", "http-01")
