# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts that remote hosts log in with, on mx1 and mx2, in one of the places where they can be kept."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import Clients
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import (
    secret_watch,
    snapshots,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.snapshots import Snapshot
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import (
    MX,
    PEER_OF,
    on_each,
)

LIMITED, FREE, BLANK, GONE = "NTDOM\\Partner", "branch-office", "blank-one", "scanner"
# Signs that mean something to a shell, a daemon or a format, and what is longer than a line of base64.
AWKWARD: Mapping[str, tuple[str, str]] = {
    "umlauts": ("umlauts", "Grüße, 日本 {} ß"),
    "signs": ("signs.of-many_kinds", "$1${{x}} {} %{{u}} `id` $(id) ^^ ~ ;|&<>: "),
    "long": ("l" * 60, "{} " + "x" * 230),
}
KEPT = f"{WORK}/kept-master.cf"
# The submission server that mail_vserver_tls has set up asks Dovecot; here an administrator decides otherwise.
TO_SASLDB = f"""
cp --archive /etc/postfix/master.cf {KEPT}
printf '%s\\n' 'pwcheck_method: auxprop' 'auxprop_plugin: sasldb' 'mech_list: PLAIN' >/etc/postfix/sasl/smtpd.conf
for service in submission submissions; do
    postconf -P $service/inet/smtpd_sasl_type=cyrus $service/inet/smtpd_sasl_path=smtpd
done
postfix reload
"""
BACK = f"""
cp --archive {KEPT} /etc/postfix/master.cf
rm -f /etc/postfix/sasl/smtpd.conf /var/spool/postfix/etc/sasldb2
postfix reload
"""
PLACES = {
    "dovecot": ("/etc/dovecot/postmaster-accounts", ("root", "dovecot", "640")),
    "sasldb": ("/var/spool/postfix/etc/sasldb2", ("root", "postfix", "640")),
}


def new_password(word: str) -> str:
    return f"{word} {secrets.token_hex(8)} \\#%'\"s"


def middle(password: str) -> str:
    """What no quoting changes."""
    (found,) = re.findall(r"\b[0-9a-f]{16}\b", password)
    return str(found)


@dataclass(frozen=True)
class Accounts:
    """What was done with one kind of accounts on mx1 and mx2 at once, and what came of it."""

    backend: str
    passwords: Mapping[str, str]
    runs: Mapping[str, Run]
    snapshots: Mapping[str, Mapping[str, Snapshot]]
    processes: frozenset[bytes]
    logins: Mapping[str, Mapping[str, Answer]]
    modes: Mapping[str, Mapping[str, tuple[str, ...]]]
    found: Mapping[str, Sequence[str]]
    stamps: Mapping[str, Mapping[str, str]]


def _call(ansible: Ansible, workshop: Path, accounts: Sequence[Mapping[str, Any]], *options: str, **others: Any) -> Run:
    """One call on both hosts; the passwords come from a file, as from a vault."""
    variables = workshop / "accounts.json"
    variables.touch(mode=0o600)
    variables.write_text(json.dumps({"accounts": accounts}))
    task = {"name": "accounts", f"{COLLECTION}.mail_relay_account": {"accounts": "{{ accounts }}", **others}}
    return ansible.play(",".join(MX), [task], *options, "--extra-vars", f"@{variables}")


def _attempts(passwords: Mapping[str, str], backend: str) -> dict[str, tuple[str, ...]]:
    """Sessions of swaks: who logs in how, and as which sender."""

    def login(name: str, password: str, sender: str, *channel: str) -> tuple[str, ...]:
        return ("--auth", "PLAIN", "--auth-user", name, "--auth-password", password, "--from", sender, *channel)

    found = {
        "right": login(LIMITED, passwords[LIMITED], "a@partner.test", "-tls"),
        "other sender": login(LIMITED, passwords[LIMITED], "a@other.test", "-tls"),
        "bounce": login(LIMITED, passwords[LIMITED], "<>", "-tls"),
        "wrong": login(LIMITED, "wrong", "a@partner.test", "-tls"),
        "clear": login(LIMITED, passwords[LIMITED], "a@partner.test"),
        "free": login(FREE, passwords[FREE], "any@body.test", "-tls"),
        **{label: login(name, passwords[name], "any@body.test", "-tls") for label, (name, _form) in AWKWARD.items()},
    }
    if backend == "dovecot":
        found["blank"] = login(BLANK, "<>", "any@body.test", "-tls")  # swaks' word for nothing
        found["blank, wrong"] = login(BLANK, "x", "any@body.test", "-tls")
    return found


def _log_in(lab: Lab, clients: Clients, attempts: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, Answer]]:
    """Every attempt at each host, from the other one."""
    work = {(name, label): attempt for name in MX for label, attempt in attempts.items()}

    def swaks(key: tuple[str, str]) -> Answer:
        host = lab.hosts[key[0]]
        peer = lab.hosts[PEER_OF[key[0]]]
        recipient = ("--port", "587", "--timeout", "60", "--to", f"alice@{host.fqdn}")
        return clients.swaks(peer, host, *recipient, *work[key])

    with ThreadPoolExecutor() as pool:
        answers = dict(zip(work, pool.map(swaks, work)))
    return {name: {label: answers[name, label] for label in attempts} for name in MX}


def _modes(lab: Lab, path: str) -> dict[str, tuple[str, ...]]:
    """Owner, group and mode of a file on each host."""
    return on_each(lab, MX, lambda host: tuple(lab.ask(host, "stat", "-c", "%U %G %a", path).split()))


def _files_with(lab: Lab, host: Host, needles: Sequence[str]) -> list[str]:
    """Files on a host, and the journal, that hold one of some words, each with owner, group and mode."""
    lab.write(host, f"{WORK}/needles", "".join(f"{needle}\n" for needle in needles), "0600")
    script = f"""
grep --recursive --devices=skip --binary-files=text --files-with-matches --exclude=needles --exclude-dir=host \
  --fixed-strings --file={WORK}/needles /dev/shm /etc /home /root /run /srv /tmp /usr/local /var \
  | xargs --no-run-if-empty stat -c '%n %U %G %a'
journalctl --output=verbose --all --no-pager | grep --fixed-strings --file={WORK}/needles || true
"""
    return lab.shell(host, script).splitlines()


def run(lab: Lab, ansible: Ansible, clients: Clients, workshop: Path, backend: str) -> Accounts:
    """Accounts are made, used, made again, purged and removed."""
    passwords = {name: new_password("account") for name in (LIMITED, FREE, GONE)}
    passwords.update({name: form.format(secrets.token_hex(8)) for name, form in AWKWARD.values()})
    if backend == "dovecot":
        passwords[BLANK] = ""
    limits = {LIMITED: {"allowed_senders": ["partner.test", "one@exception.test"]}}
    accounts = [{"name": name, "password": one, **limits.get(name, {})} for name, one in passwords.items()]
    kept = [one for one in accounts if one["name"] != GONE]
    if backend == "sasldb":
        on_each(lab, MX, lambda host: lab.shell(host, TO_SASLDB))
    try:
        taken = {"before": on_each(lab, MX, lambda host: snapshots.take(lab, host, "before-accounts"))}
        runs = {"check": _call(ansible, workshop, accounts, "--check", "--diff")}
        taken["checked"] = on_each(lab, MX, lambda host: snapshots.take(lab, host, "checked-accounts"))
        with secret_watch.all_processes() as processes:
            runs["made"] = _call(ansible, workshop, accounts, "-vvv", "--diff", backend=backend)
        path = PLACES[backend][0]
        stamps = {"made": on_each(lab, MX, lambda host: lab.ask(host, "stat", "-c", "%i %y", path))}
        taken["made"] = on_each(lab, MX, lambda host: snapshots.take(lab, host, "made-accounts"))
        runs["again"] = _call(ansible, workshop, accounts)
        stamps["again"] = on_each(lab, MX, lambda host: lab.ask(host, "stat", "-c", "%i %y", path))
        taken["again"] = on_each(lab, MX, lambda host: snapshots.take(lab, host, "accounts-again"))
        logins = _log_in(lab, clients, _attempts(passwords, backend))
        tables = [f"/etc/postfix/postmaster_{one}.db" for one in ("sender_owners", "limited_logins")]
        looked = {one: _modes(lab, one) for one in (path, *tables)}
        words = [middle(one) for one in passwords.values() if one]
        words += [base64.b64encode(f"\0{FREE}\0{passwords[FREE]}".encode()).decode()[8:-8]]
        found = on_each(lab, MX, lambda host: _files_with(lab, host, words))
        runs["other backend"] = _call(
            ansible, workshop, accounts, backend={"dovecot": "sasldb", "sasldb": "dovecot"}[backend]
        )
        runs["purged"] = _call(ansible, workshop, kept, purge=True)
        late = {"gone": ("--auth", "PLAIN", "--auth-user", GONE, "--auth-password", passwords[GONE], "-tls")}
        for name, answers in _log_in(lab, clients, late).items():
            logins[name].update(answers)
        runs["removed"] = _call(ansible, workshop, [{"name": one["name"], "state": "absent"} for one in kept])
        taken["removed"] = on_each(lab, MX, lambda host: snapshots.take(lab, host, "accounts-removed"))
        return Accounts(backend, passwords, runs, taken, frozenset(processes), logins, looked, found, stamps)
    finally:
        if backend == "sasldb":
            on_each(lab, MX, lambda host: lab.shell(host, BACK))


def content(node: snapshots.Node | None) -> object:
    """Type, mode, owner, group and content; a file that was written has another inode and time."""
    return None if node is None else (*node[:4], *node[6:])


def own_files(tree: Snapshot) -> Snapshot:
    """What this collection may have a say in: no mail, no logs."""
    places = ("/etc/", "/var/lib/postmaster")
    return {path: node for path, node in tree.items() if path.startswith(places)}
