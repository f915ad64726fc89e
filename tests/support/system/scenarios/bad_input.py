# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds of bad input, and the play that tries one after the other on hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Run

ODD = WORK + "/odd"  # a path with what is no usual file
_GONE = f"rm -rf {ODD}"
SPARE = "spare.example.test"  # a certificate that is asked for, and of which only bad answers come


@dataclass(frozen=True)
class BadInput:
    """One kind of bad input.

    Attributes:
        name: what it is.
        module: the module that is called.
        options: how it is called.
        subject: the object that the error has to name, empty where it is the whole host.
        option: the option or file that it has to name.
        found: words that its finding has to contain.
        remedy: words that its remedy has to contain.
        before: shell commands that bring the host into that state.
        after: shell commands that undo it.
        staged: whether new files are beside the old ones by then, which changes the time of their directory.
    """

    name: str
    module: str
    options: Mapping[str, Any]
    subject: str
    option: str
    found: str
    remedy: str
    before: str = ""
    after: str = ""
    staged: bool = False

    @property
    def call(self) -> str:
        """Name of the task that makes the call."""
        return f"call: {self.name}"


def answered(kind: str, found: str, remedy: str, option: str = "content") -> BadInput:
    """A kind of answer from the CA, in a file for each host."""
    file = f"{{{{ lookup('ansible.builtin.file', answers ~ '/{kind}-' ~ inventory_hostname) }}}}"
    options = {"name": SPARE, "content": file}
    return BadInput(f"certificate: {kind}", "mail_cert_install", options, f"certificate {SPARE}", option, found, remedy)


def handed(kind: str, found: str, **others: Any) -> BadInput:
    """Something that is no answer from the CA, at a path on the host."""
    options = {"name": SPARE, "src": ODD}
    subject = f"certificate {SPARE}"
    return BadInput(f"src: {kind}", "mail_cert_install", options, subject, "src", found, "", after=_GONE, **others)


def requested(kind: str, found: str, **others: Any) -> BadInput:
    """A request whose copy is to go to a path where something else is."""
    options = {"name": "odd.example.test", "csr_path": ODD}
    remedy = "move it away, or choose another place"
    subject = "certificate odd.example.test"
    return BadInput(kind, "mail_cert_request", options, subject, "csr_path", found, remedy, after=_GONE, **others)


def served(name: str, options: Mapping[str, Any], option: str, found: str, remedy: str, **others: Any) -> BadInput:
    """A virtual server with a bad option, or on a broken host."""
    subject = others.pop("subject", f"virtual server {options.get('protocol')}/default")
    return BadInput(name, "mail_vserver_tls", options, subject, option, found, remedy, **others)


def sent(name: str, options: Mapping[str, Any], option: str, found: str, remedy: str, **others: Any) -> BadInput:
    """A remote domain with a bad option, or on a broken host."""
    subject = others.pop("subject", "domain partner.test")
    return BadInput(name, "mail_domain_security", options, subject, option, found, remedy, **others)


def vserver(protocol: str, **options: Any) -> dict[str, Any]:
    """A virtual server that would be changed."""
    return {"protocol": protocol, "certificate": "{{ lab_fqdn }}", "strength": "legacy", **options}


def partner(**options: Any) -> dict[str, Any]:
    """A domain without an entry."""
    return {"domain": "partner.test", "relay_host": "mail.partner.test", "relay_port": 587, **options}


# ---- shell commands that break a host and mend it

KEPT = WORK + "/kept"
MENDED = f"cp -a {KEPT} /etc/postfix/main.cf"
SPOILED = "/etc/dovecot/conf.d/97-spoiled.conf"
UNSPOILED = f"rm {SPOILED}"
# On Debian 12 the unit that systemctl names is not the one that holds the daemon, and is done sooner.
STOP_POSTFIX = "systemctl stop postfix; while pgrep -x master; do sleep 0.1; done"
START_POSTFIX = "systemctl start postfix; until ss -Hltn | grep -q :587; do sleep 0.1; done"
STOP_DOVECOT = "systemctl stop dovecot"
START_DOVECOT = "systemctl start dovecot; until ss -Hltn | grep -q :993; do sleep 0.1; done"


def spoil_main_cf(line: str) -> str:
    """Add a line to main.cf, some time ago: Postfix' programs wait until a file is a few seconds old."""
    return (
        f"cp -a /etc/postfix/main.cf {KEPT}; echo '{line}' >>/etc/postfix/main.cf"
        "; touch -d '1 minute ago' /etc/postfix/main.cf"
    )


def spoil_dovecot(line: str) -> str:
    """Give Dovecot a file with this line."""
    return f"echo '{line}' >{SPOILED}"


# ---- what is not installed, on old1 and old2, which nobody needs afterwards

NOT_INSTALLED = (
    served(
        "Dovecot's POP3 server is not installed",
        vserver("pop3"),
        "protocol",
        "Dovecot does not serve pop3",
        "install the package dovecot-pop3d",
        before="dpkg --purge dovecot-pop3d",
    ),
    served(
        "Postfix is not installed",
        vserver("smtp"),
        "protocol",
        "no daemon that can serve smtp is installed",
        "apt install postfix",
        before="dpkg --purge postfix",
    ),
    sent(
        "Postfix is not installed, outgoing",
        partner(),
        "",
        "no daemon that sends mail is installed",
        "apt install postfix",
        subject="",
    ),
    served(
        "no daemon is installed",
        vserver("imap"),
        "protocol",
        "no daemon that can serve imap is installed",
        "dovecot-imapd for dovecot or cyrus-imapd for cyrus",
        before="dpkg --purge --force-depends dovecot-imapd dovecot-core",
    ),
)


# ---- the play


class BadInputPlay(Play):
    """The play that makes the calls one after the other, with a snapshot before and after each.

    None is taken between calls that need no preparation: whatever one of them had changed would show in the snapshot
    after the last, if only as a time of change.

    Args:
        label: the beginning of its snapshots' labels.
        kinds: the bad input.

    Attributes:
        snapshots: for each kind, by name, the labels of the snapshots before and after its call.
    """

    def __init__(self, label: str, kinds: Sequence[BadInput]) -> None:
        super().__init__()
        self.snapshots: dict[str, tuple[str, str]] = {}
        self._due: list[str] = []  # shell commands for the next task
        for _same, some in groupby(enumerate(kinds), lambda one: one[0] if one[1].before else -1):
            self._add([bad for _number, bad in some], f"{label}-{len(self.tasks)}")
        self._do("the end")

    def _add(self, kinds: Sequence[BadInput], label: str) -> None:
        """Calls between the same two snapshots."""
        before, after = f"{label}-before", f"{label}-after"
        self._due += [kinds[0].before, snapshots.script(before)]
        self._do(label)
        for bad in kinds:
            self.call(bad.call, bad.module, bad.options)
        self._due += [snapshots.script(after), kinds[0].after]
        self.snapshots.update(dict.fromkeys((bad.name for bad in kinds), (before, after)))

    def _do(self, name: str) -> None:
        """One task for everything between two calls."""
        self.shell(name, *self._due)
        self._due.clear()


@dataclass(frozen=True)
class Refusals:
    """The outcome of the calls."""

    run: Run
    play: BadInputPlay
    hashes: dict[str, dict[str, str]]
    journal: dict[str, str]
