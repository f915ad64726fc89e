# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of one kind, secured, then upgraded: one keeps changed files, one takes the packages' own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
    installing,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.clients.wire import View, Wire
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons import host_kinds, host_setup
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab, wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK, lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run

PAIRS = {"full": host_kinds.ODD, "exim": host_kinds.EXIM, "cyrus": host_kinds.CYRUS}
OLD, NEW = "bookworm", "trixie"
UNITS = {
    "full": ("postfix", "dovecot", "inn2", "slapd", "nginx"),
    "exim": ("exim4", "apache2"),
    "cyrus": ("cyrus-imapd",),
}
# Mail that waits for its turn when the host is upgraded.
QUEUED = {
    "full": "postconf -e defer_transports=local; postfix reload\n"
    "sendmail alice </dev/null; sleep 2; postqueue -p | grep -q alice",
    "exim": "exim4 -odq alice </dev/null; exim4 -bpc | grep -qx 1",
}
ARRIVES = {
    # flushed again and again: a queue manager that is being reloaded may miss it
    "full": "postconf -X defer_transports; postfix reload\n"
    "until grep -q ^From /var/mail/alice; do postqueue -f; sleep 1; done",
    "exim": "exim4 -q; until grep -q ^From /var/mail/alice; do sleep 1; done",
}
# What the tests need of INN on a busy machine, in a file that the package may have brought anew.
QUIET = (
    "sed -i 's/^doinnwatch:.*/doinnwatch: false/; s/^nnrpdloadlimit:.*/nnrpdloadlimit: 0/' /etc/news/inn.conf\n"
    "systemctl restart inn2"
)
# ucf keeps Dovecot's own files of 2.3, with which 2.4 does not start, ours or not: an administrator takes the new ones.
PACKAGED = (
    'find /etc/dovecot -name \'*.ucf-dist\' | while read -r file; do mv "$file" "${file%.ucf-dist}"; done\n'
    "if systemctl is-failed --quiet dovecot; then systemctl reset-failed dovecot; systemctl restart dovecot; fi"
)
WARNED = "journalctl --boot --output=cat -u slapd -u inn2 | grep ansible-playbook || true"
# What an older release of the collection has left on a host: nothing that waits for the next release of a daemon. With
# these files and settings neither Dovecot 2.4 nor a slapd that is linked with OpenSSL starts.
_FORMER = "/root/former"
REMEMBER = (
    f"mkdir {_FORMER}; cp /etc/dovecot/conf.d/99-postmaster-*.conf {_FORMER}\n"
    "(printf 'dn: cn=config\\nchangetype: modify\\nreplace: olcTLSCipherSuite\\n'\n"
    f"slapcat -n0 -o ldif-wrap=no | grep ^olcTLSCipherSuite) >{_FORMER}/ldif"
)
FORMER = (
    "systemctl stop dovecot slapd\n"
    "rm -f /etc/systemd/system/dovecot.service.d/postmaster-* /etc/systemd/system/slapd.service.d/postmaster-*\n"
    f"rm -f /etc/dovecot/conf.d/99-postmaster-*; cp {_FORMER}/*.conf /etc/dovecot/conf.d; systemctl daemon-reload\n"
    f"runuser -u openldap -- slapmodify -n0 -F /etc/ldap/slapd.d <{_FORMER}/ldif\n"
    "! systemctl start dovecot; ! systemctl start slapd"
)
# The lab's addresses are private ones, which Debian's Exim does not send to.
REACHABLE = "echo 'ROUTER_DNSLOOKUP_IGNORE_TARGET_HOSTS = <; 0.0.0.0 ; 127.0.0.0/8' >/etc/exim4/exim4.conf.localmacros"
# One message for a domain that only a verified host may get it for; what becomes of it in one run of the queue.
SENDS = (
    ": >/var/log/exim4/mainlog; echo test | exim4 -odq root@{}; exim4 -q\n"
    "timeout 60 sh -c 'until grep -E \" (=>|==|\\*\\*) root@{} \" /var/log/exim4/mainlog; do sleep 1; done'"
)


@dataclass(frozen=True)
class Story:
    """What became of one pair of hosts.

    Attributes:
        lab: where they are.
        hosts: the host that keeps changed files, and the one that takes the packages' own.
        secured: the first run, before the upgrade.
        before: what clients saw then.
        upgraded: what they see after the upgrade, before any run.
        units: the daemons' states then, by host.
        warned: what the daemons' journals say then of files that were replaced, by host.
        again: the first run after the upgrade; the host that keeps files is then as an older release has left it.
        after: what clients see then.
        third: the run after that.
        fates: what becomes of new mail for a domain with the level "secure", before and after that run, by host.
        arrived: whether the mail that had waited is in its mailbox, by host.
        checked: what check mode foretells; the host that takes files is then as an older release has left it.
        rotated: a renewed certificate comes to the same hosts.
        revived: whether Dovecot and slapd run after that, by host.
        absent: the run that takes everything back, again from what an older release has left.
    """

    lab: Lab
    hosts: Sequence[Host]
    secured: Run
    before: View
    upgraded: View
    units: dict[str, dict[str, str]]
    warned: dict[str, str]
    again: Run
    after: View
    third: Run
    fates: dict[str, list[str]]
    arrived: dict[str, bool]
    checked: Run
    rotated: Run
    revived: dict[str, list[str]]
    absent: Run


def tell(kind: str, lab: Lab, workshop: Path) -> Story:
    """Secure the pair, upgrade it, run again."""
    names = PAIRS[kind]
    lab.up(*(f"{name}:{OLD}:{kind}" for name in names))
    certificates = Certificates(workshop)
    ansible, wire = Ansible(lab.inventory, workshop), Wire(lab, certificates.root)

    def each(look: Callable[[Host], object]) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(look, (lab.hosts[name] for name in names)))

    def prepare(host: Host) -> None:
        host_setup.settle(lab, host)
        if kind == "exim":
            lab.shell(host, REACHABLE)
        lab.shell(host, f"mkdir -m 0700 {WORK}")
        certificates.put(lab, host)
        lab.ask(host, "update-ca-certificates")

    def look() -> View:
        return wire.look([lab.hosts[name] for name in names])

    def call(state: Callable[[Host], Sequence[host_kinds.Options]], *options: str) -> Run:
        task = {
            "name": host_setup.CALL,
            f"{COLLECTION}.mail_vserver_tls": {"vservers": "{{ wanted[inventory_hostname] }}"},
        }
        wanted = {name: state(lab.hosts[name]) for name in names}
        tasks = [{**task, "ignore_errors": True}]
        if kind == "exim" and state is host_kinds.declared:
            tasks.append(
                {
                    "name": "domains",
                    f"{COLLECTION}.mail_domain_security": {"domain": "{{ peer[inventory_hostname] }}", "tls": "secure"},
                }
            )
        peers = {name: host_kinds.peer_of(lab.hosts[name]) for name in names}
        peer = {name: lab.hosts[peers[name]].fqdn for name in names}
        return ansible.play(",".join(names), tasks, *options, wanted=wanted, peer=peer)

    def former(name: str) -> None:
        if kind == "full":
            lab.shell(lab.hosts[name], FORMER)

    fates: dict[str, list[str]] = {name: [] for name in names}

    def send() -> None:
        for name in names if kind == "exim" else ():
            there = lab.hosts[host_kinds.peer_of(lab.hosts[name])].fqdn
            fates[name].append(lab.shell(lab.hosts[name], SENDS.format(there, there)))

    each(prepare)
    install = {f"{COLLECTION}.mail_cert_install": {"certificates": "{{ certificates[inventory_hostname] }}"}}
    given = {name: installing(lab.hosts[name]) for name in names}
    ansible.play(",".join(names), [install], certificates=given).assert_success()
    secured, before = call(host_kinds.declared), look()
    if kind == "full":
        each(lambda host: lab.shell(host, REMEMBER))
    if kind in QUEUED:
        each(lambda host: lab.shell(host, QUEUED[kind]))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda one: lab.upgrade(lab.hosts[one[1]], NEW, keep=one[0] == 0), enumerate(names)))
    lab.find_again()
    each(lambda host: _settled(lab, host, kind))
    each(lambda host: lab.shell(host, PACKAGED))
    if kind == "full":
        each(lambda host: lab.shell(host, QUIET))
    units = {name: {unit: _state(lab, lab.hosts[name], unit) for unit in UNITS[kind]} for name in names}
    warned = {name: lab.shell(lab.hosts[name], WARNED) for name in names}
    upgraded = look()
    send()
    former(names[0])
    again, after = call(host_kinds.declared), look()
    send()
    third = call(host_kinds.declared)
    arrived = {
        name: kind not in ARRIVES or lab.run_in(lab.hosts[name], "timeout", "60", "sh", "-euc", ARRIVES[kind]).code == 0
        for name in names
    }
    checked = rotated = third
    if kind == "full":
        former(names[1])
        checked = call(host_kinds.declared, "--check")
        each(lambda host: lab.shell(host, f"mkdir -p -m 0700 {WORK}"))  # it was in /run
        each(lambda host: certificates.put(lab, host))
        rotated = ansible.play(",".join(names), [{**install, "name": host_setup.CALL}], certificates=given)
    revived = {name: [_state(lab, lab.hosts[name], unit) for unit in UNITS[kind]] for name in names}
    former(names[1])
    absent = call(host_kinds.absent)
    hosts = [lab.hosts[name] for name in names]
    return Story(
        lab,
        hosts,
        secured,
        before,
        upgraded,
        units,
        warned,
        again,
        after,
        third,
        fates,
        arrived,
        checked,
        rotated,
        revived,
        absent,
    )


def _state(lab: Lab, host: Host, unit: str) -> str:
    return lab.run_in(host, "systemctl", "is-active", unit).out.strip()


def _settled(lab: Lab, host: Host, kind: str) -> None:
    """Wait until no daemon is about to start."""
    wait_until(
        lambda: "activating" not in {_state(lab, host, unit) for unit in UNITS[kind]}, "daemons have started or not"
    )
    lab.run_in(host, "sh", "-c", "timeout 30 sh -c 'until ss -Hltn | grep -q :; do sleep 1; done'; sleep 3")


def lab_of(kind: str) -> Lab:
    """The lab of a pair."""
    return Lab(lab_state(kind))


def outcome(run: Run, host: Host) -> dict[str, object]:
    """What the call answered on a host; ``changed`` is None where it failed."""
    one = run.one(host.name, host_setup.CALL)
    return {**one.result, "changed": None} if one.status == "failed" else one.result


def shortened(result: dict[str, object]) -> str:
    """What went wrong, for a report."""
    return json.dumps({key: value for key, value in result.items() if key in ("msg", "changed")})[:3000]
