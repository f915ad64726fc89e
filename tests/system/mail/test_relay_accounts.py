# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts that remote hosts log in with, in both places where they can be kept, and two hosts linked by them."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import Clients
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import (
    mail_daemons,
    secret_watch,
    snapshots,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.snapshots import Snapshot
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Site

pytestmark = pytest.mark.usefixtures("secured")

MX = ("mx1", "mx2")
LIMITED, FREE, BLANK, GONE = "NTDOM\\Partner", "branch-office", "blank-one", "scanner"
KEPT = "/run/system-tests/kept-master.cf"
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
NEW_DOMAIN = """
cp --archive /etc/postfix/main.cf /run/system-tests/kept-main.cf
postconf -e "$(postconf mydestination), linked.{}" smtp_tls_loglevel=1
postfix reload
"""
OLD_DOMAIN = "cp --archive /run/system-tests/kept-main.cf /etc/postfix/main.cf; postfix reload"
Seen = TypeVar("Seen")


def _password(word: str) -> str:
    return f"{word} {secrets.token_hex(8)} \\#%'\"s"


def _middle(password: str) -> str:
    """What no quoting changes."""
    return password.split()[1]


@dataclass(frozen=True)
class Story:
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


def _on_each(lab: Lab, look: Callable[[Host], Seen]) -> dict[str, Seen]:
    with ThreadPoolExecutor() as pool:
        return dict(zip(MX, pool.map(look, (lab.hosts[name] for name in MX))))


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
        peer = lab.hosts[{"mx1": "mx2", "mx2": "mx1"}[key[0]]]
        recipient = ("--port", "587", "--timeout", "60", "--to", f"alice@{host.fqdn}")
        return clients.swaks(peer, host, *recipient, *work[key])

    with ThreadPoolExecutor() as pool:
        answers = dict(zip(work, pool.map(swaks, work)))
    return {name: {label: answers[name, label] for label in attempts} for name in MX}


def _modes(lab: Lab, path: str) -> dict[str, tuple[str, ...]]:
    """Owner, group and mode of a file on each host."""
    return _on_each(lab, lambda host: tuple(lab.ask(host, "stat", "-c", "%U %G %a", path).split()))


def _files_with(lab: Lab, host: Host, needles: Sequence[str]) -> list[str]:
    """Files on a host, and the journal, that hold one of some words, each with owner, group and mode."""
    lab.write(host, "/run/system-tests/needles", "".join(f"{needle}\n" for needle in needles), "0600")
    script = """
grep --recursive --devices=skip --binary-files=text --files-with-matches --exclude=needles --exclude-dir=host \
  --fixed-strings --file=/run/system-tests/needles /dev/shm /etc /home /root /run /srv /tmp /usr/local /var \
  | xargs --no-run-if-empty stat -c '%n %U %G %a'
journalctl --output=verbose --all --no-pager | grep --fixed-strings --file=/run/system-tests/needles || true
"""
    return lab.shell(host, script).splitlines()


@pytest.fixture(scope="module", params=sorted(PLACES))
def story(
    request: pytest.FixtureRequest, lab: Lab, ansible: Ansible, clients: Clients, workshop: Path
) -> Iterator[Story]:
    """Accounts are made, used, made again, purged and removed."""
    backend: str = request.param
    passwords = {name: _password("account") for name in (LIMITED, FREE, GONE)}
    if backend == "dovecot":
        passwords[BLANK] = ""
    limits = {LIMITED: {"allowed_senders": ["partner.test", "one@exception.test"]}}
    accounts = [{"name": name, "password": one, **limits.get(name, {})} for name, one in passwords.items()]
    kept = [one for one in accounts if one["name"] != GONE]
    if backend == "sasldb":
        _on_each(lab, lambda host: lab.shell(host, TO_SASLDB))
    try:
        taken = {"before": _on_each(lab, lambda host: snapshots.take(lab, host, "before-accounts"))}
        runs = {"check": _call(ansible, workshop, accounts, "--check", "--diff")}
        taken["checked"] = _on_each(lab, lambda host: snapshots.take(lab, host, "checked-accounts"))
        with secret_watch.all_processes() as processes:
            runs["made"] = _call(ansible, workshop, accounts, "-vvv", "--diff", backend=backend)
        path = PLACES[backend][0]
        stamps = {"made": _on_each(lab, lambda host: lab.ask(host, "stat", "-c", "%i %y", path))}
        taken["made"] = _on_each(lab, lambda host: snapshots.take(lab, host, "made-accounts"))
        runs["again"] = _call(ansible, workshop, accounts)
        stamps["again"] = _on_each(lab, lambda host: lab.ask(host, "stat", "-c", "%i %y", path))
        taken["again"] = _on_each(lab, lambda host: snapshots.take(lab, host, "accounts-again"))
        logins = _log_in(lab, clients, _attempts(passwords, backend))
        tables = [f"/etc/postfix/postmaster_{one}.db" for one in ("sender_owners", "limited_logins")]
        looked = {one: _modes(lab, one) for one in (path, *tables)}
        words = [_middle(one) for one in passwords.values() if one]
        words += [base64.b64encode(f"\0{FREE}\0{passwords[FREE]}".encode()).decode()[8:-8]]
        found = _on_each(lab, lambda host: _files_with(lab, host, words))
        runs["other backend"] = _call(
            ansible, workshop, accounts, backend={"dovecot": "sasldb", "sasldb": "dovecot"}[backend]
        )
        runs["purged"] = _call(ansible, workshop, kept, purge=True)
        late = {"gone": ("--auth", "PLAIN", "--auth-user", GONE, "--auth-password", passwords[GONE], "-tls")}
        for name, answers in _log_in(lab, clients, late).items():
            logins[name].update(answers)
        runs["removed"] = _call(ansible, workshop, [{"name": one["name"], "state": "absent"} for one in kept])
        taken["removed"] = _on_each(lab, lambda host: snapshots.take(lab, host, "accounts-removed"))
        yield Story(backend, passwords, runs, taken, frozenset(processes), logins, looked, found, stamps)
    finally:
        if backend == "sasldb":
            _on_each(lab, lambda host: lab.shell(host, BACK))


def _content(node: snapshots.Node | None) -> object:
    """Type, mode, owner, group and content; a file that was written has another inode and time."""
    return None if node is None else (*node[:4], *node[6:])


def ours(tree: Snapshot) -> Snapshot:
    """What this collection may have a say in: no mail, no logs."""
    places = ("/etc/", "/var/lib/postmaster")
    return {path: node for path, node in tree.items() if path.startswith(places)}


def test_a_check_changes_nothing_and_foretells_the_run(story: Story, host: Host) -> None:
    snapshots.assert_same(ours(story.snapshots["before"][host.name]), ours(story.snapshots["checked"][host.name]))
    foretold, done = (story.runs[name].one(host.name).result for name in ("check", "made"))
    assert foretold["changed"]
    assert done["changed"]
    assert foretold["files"] == done["files"]
    assert foretold["accounts"] == done["accounts"]


def test_the_backend_is_the_one_that_the_server_asks(story: Story, host: Host) -> None:
    assert story.runs["check"].one(host.name).result["backend"] == story.backend
    refused = story.runs["other backend"].one(host.name)
    assert refused.status == "failed"
    assert refused.result["problem"]["option"] == "backend"


def test_the_second_run_changes_nothing(story: Story, host: Host) -> None:
    assert not story.runs["again"].assert_success().changed(host.name)
    snapshots.assert_same(ours(story.snapshots["made"][host.name]), ours(story.snapshots["again"][host.name]))
    assert story.stamps["made"][host.name] == story.stamps["again"][host.name]


@pytest.mark.parametrize("label", ["right", "bounce", "free"])
def test_the_right_password_is_let_in_inside_tls(story: Story, host: Host, label: str) -> None:
    seen = story.logins[host.name][label]
    assert seen.code == 0, seen.out
    assert "235 2.7.0 Authentication successful" in seen.out
    assert "queued as" in seen.out


def test_a_wrong_password_is_not(story: Story, host: Host) -> None:
    seen = story.logins[host.name]["wrong"]
    assert seen.code == 28, seen.out  # swaks: no authentication
    assert "535 5.7.8" in seen.out


def test_nobody_is_let_in_in_clear(story: Story, host: Host) -> None:
    seen = story.logins[host.name]["clear"]
    assert seen.code == 28, seen.out
    assert "AUTH PLAIN" not in seen.out


def test_another_sender_than_allowed_is_refused(story: Story, host: Host) -> None:
    seen = story.logins[host.name]["other sender"]
    assert "235 2.7.0 Authentication successful" in seen.out
    assert re.search(r"553 5\.7\.1 <a@other\.test>: Sender address rejected", seen.out)
    assert "queued as" not in seen.out


def test_a_blank_password_is_one_where_it_can_be_kept(story: Story, host: Host) -> None:
    if story.backend == "dovecot":
        assert "queued as" in story.logins[host.name]["blank"].out
        assert "535 5.7.8" in story.logins[host.name]["blank, wrong"].out
    else:
        assert BLANK not in story.passwords


def test_a_purged_account_is_gone_and_the_others_stay(story: Story, host: Host) -> None:
    result = story.runs["purged"].assert_success().one(host.name).result
    changed = {one["name"]: one["reason"] for one in result["accounts"] if one["changed"]}
    assert changed == {GONE: "account: removed"}
    assert "535 5.7.8" in story.logins[host.name]["gone"].out


def test_nothing_is_left_when_all_are_removed(story: Story, host: Host) -> None:
    assert story.runs["removed"].assert_success().changed(host.name)
    before, after = (ours(story.snapshots[label][host.name]) for label in ("before", "removed"))
    changed = {one.path for one in snapshots.differences(before, after) if _content(one.before) != _content(one.after)}
    # a compiled table has an identity of its own each time; its source is compared
    assert not {path for path in changed if not path.endswith(".db")}, changed


def test_files_with_secrets_are_closed(story: Story, host: Host) -> None:
    path, expected = PLACES[story.backend]
    assert story.modes[path][host.name] == expected
    for table in ("sender_owners", "limited_logins"):
        assert story.modes[f"/etc/postfix/postmaster_{table}.db"][host.name] == ("root", "root", "600")


def test_no_secret_is_shown_or_lies_about(story: Story, host: Host) -> None:
    words = [_middle(one) for one in story.passwords.values() if one]
    printed = story.runs["made"].out
    assert "EXEC" in printed
    assert PLACES[story.backend][0] in printed, "no diff was shown"
    everything = b"\n".join(story.processes).decode(errors="replace")
    assert "mail_relay_account" in everything or "ansible-playbook" in everything, "nothing was watched"
    for word in words:
        assert word not in printed
        assert word not in everything
    # Dovecot's file has hashes only; a Cyrus SASL database holds what it is given
    path, expected = PLACES[story.backend]
    allowed = [] if story.backend == "dovecot" else [" ".join([path, *expected])]
    assert story.found[host.name] == allowed


# ---- two hosts, linked


@dataclass(frozen=True)
class Linked:
    """Both hosts linked to one another, twice, and taken apart."""

    made: Run
    again: Run
    undone: Run
    journal: Mapping[str, str]
    before: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]


@pytest.fixture(scope="module")
def linked(lab: Lab, ansible: Ansible, site: Site, workshop: Path) -> Iterator[Linked]:
    """The playbook link, there and back."""
    variables = workshop / "link.json"
    variables.touch(mode=0o600)
    variables.write_text(
        json.dumps(
            {
                "link_connector": "mx1",
                "link_acceptor": "mx2",
                "link_both_ways": True,
                "link_host": "{{ lab_fqdn }}",
                "link_domain": "linked.{{ lab_fqdn }}",
                "link_username": "LINK\\of-{{ lab_fqdn }}",
                "link_password": _password("link"),
                "link_recipient": "alice",
            }
        )
    )
    _on_each(lab, lambda host: lab.shell(host, NEW_DOMAIN.format(host.fqdn)))
    # the demonstration has another account for the same next hop, of which there can be only one
    own = {"domain": "{{ hostvars[{'mx1': 'mx2', 'mx2': 'mx1'}[inventory_hostname]].lab_fqdn }}", "state": "absent"}
    task = {"name": "own entry", f"{COLLECTION}.mail_domain_security": own}
    try:
        ansible.play(",".join(MX), [task]).assert_success()
        before = _on_each(lab, lambda host: snapshots.take(lab, host, "before-link"))
        starts = _on_each(lab, lambda host: mail_daemons.cursor(lab, host))
        made, again, undone = (
            site.run_playbook("link", ",".join(MX), "--extra-vars", f"@{variables}", *options)
            for options in ((), (), ("--extra-vars", "link_state=absent"))
        )
        yield Linked(
            made,
            again,
            undone,
            _on_each(lab, lambda host: mail_daemons.journal_since(lab, host, starts[host.name])),
            before,
            _on_each(lab, lambda host: snapshots.take(lab, host, "after-link")),
        )
    finally:
        _on_each(lab, lambda host: lab.shell(host, OLD_DOMAIN))
        site.run(",".join(MX)).assert_success()


def test_a_message_arrives_over_the_link_each_way(linked: Linked, host: Host, peer: Host) -> None:
    linked.made.assert_success()
    journal = linked.journal[host.name]
    account = re.escape(f"link\\of-{peer.fqdn}")
    identities = re.findall(rf" (\w+): client=\S+, sasl_method=PLAIN, sasl_username={account}", journal, re.IGNORECASE)
    assert identities
    for one in identities:
        assert re.search(rf" {one}: message-id=<link-", journal)
        assert re.search(rf" {one}: to=<alice@linked\.{re.escape(host.fqdn)}>.* status=sent", journal)


def test_the_link_is_sent_over_verified_tls(linked: Linked, host: Host, peer: Host) -> None:
    assert re.search(
        rf"Verified TLS connection established to {re.escape(peer.fqdn)}\[\S+\]:587", linked.journal[host.name]
    )


def test_linking_again_changes_nothing(linked: Linked, host: Host) -> None:
    assert not linked.again.assert_success().changed(host.name)


def test_a_link_is_undone_and_the_virtual_servers_stay(linked: Linked, host: Host) -> None:
    assert len(linked.undone.assert_success().changed(host.name)) == 2
    before, after = ours(linked.before[host.name]), ours(linked.after[host.name])
    changed = {one.path for one in snapshots.differences(before, after) if _content(one.before) != _content(one.after)}
    # a compiled table has an identity of its own each time; its source is compared
    assert not {path for path in changed if not path.endswith(".db")}, changed
