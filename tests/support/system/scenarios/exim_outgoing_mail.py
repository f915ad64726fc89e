# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts with Exim that only send, one with each form of Debian's configuration.

Policies of every level, and what becomes of mail to the good and bad servers of tests/system/mail. Each message has its
own recipient. It is put into the queue and then tried once, whatever Exim remembers of its host.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab, wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.places import PROGRAMS
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.documentation_examples import (
    documented,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import outgoing_mail, remote_servers
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.outgoing_mail import (
    CA,
    FIRST,
    MODULE,
    OF_STRENGTH,
    Fate,
)

SENDERS = ("so1", "so2")
PEERS, NAMES = "peers", "names"
HOSTS = ("so1:bookworm:exim", "so2:trixie:exim", f"{PEERS}:trixie:resolving", f"{NAMES}:trixie:names")
RESOLV_CONF = "/etc/resolv.conf"
MAINLOG = "/var/log/exim4/mainlog"
SETTINGS = "/etc/exim4/update-exim4.conf.conf"
SPLIT = "so2"
# The lab's addresses are private ones, which Debian's Exim does not send to.
REACHABLE = "ROUTER_DNSLOOKUP_IGNORE_TARGET_HOSTS = <; 0.0.0.0 ; 127.0.0.0/8\n"
MACROS = {True: "/etc/exim4/conf.d/main/000_localmacros", False: "/etc/exim4/exim4.conf.localmacros"}
HUBS = "mapped.good.test: good.peer.test\nmapped.plain.test: plain.peer.test byname\n"
STAR = {"star good": "x@star.good.test", "star plain": "x@star.plain.test", "star exception": "x@old.plain.test"}
# The peers that take mail of these domains, the level that is demanded, and whose certificate the TLSA records name.
DANE = {
    "right": ("good", "dane-only", "good"),
    "differs": ("self", "dane", "good"),
    "bare": ("plain", "dane", ""),
    "missing": ("wrong", "dane-only", ""),
}
SMARTHOST = {
    "smarthost": "x@relayed.good.test",
    "smarthost in clear": "x@free.plain.test",
    "smarthost login": "x@right.login.test",
}
BITS = {domain: f"x@{domain}" for domain in ("bits.short.test", "bits.good.test")}  # keys of 128 bits are demanded
HARD = '^^ha:rd\\pw$1${x}; <"^'  # signs that mean something to Exim


@dataclass
class Sending:
    """The outcome of all phases.

    Attributes:
        fates: by host and message.
        runs: the runs of Ansible, by phase.
        wire: by host, all packets of the first phase.
        snapshots: by host, Exim's configuration before and after, each file with its mode.
        listed: by host, owners and modes of our tables.
        readable: by host, files with a password in them, with their modes.
        routes: by host, what Exim says of the way of an address.
        passwords: of the accounts, by name.
        examples: the runs of each example of the documentation, by its title.
    """

    fates: dict[str, dict[str, Fate]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    wire: dict[str, bytes] = field(default_factory=dict)
    snapshots: dict[str, tuple[str, str]] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)
    readable: dict[str, list[str]] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    examples: dict[str, list[Run]] = field(default_factory=dict)


def tree(lab: Lab, host: Host) -> str:
    """Exim's configuration: modes, owners and sums of all files."""
    return lab.shell(
        host, "cd /etc/exim4; find . -printf '%p %m %u %g\\n' | sort; find . -type f | sort | xargs sha256sum"
    )


def send(lab: Lab, host: Host, recipients: Mapping[str, str], peer: Host) -> dict[str, Fate]:
    """Try to deliver each message once, and see what becomes of it."""
    start = mail_daemons.cursor(lab, peer)
    script = f": >{MAINLOG}\n" + "".join(
        f"printf 'Subject: test\\n\\nbody\\n' | exim4 -odq -f root@{host.fqdn} {one}\n" for one in recipients.values()
    )
    lab.shell(host, script)
    ids = re.findall(r"^\S+ \S+ (\S+) <= ", lab.read(host, MAINLOG), re.MULTILINE)
    assert len(ids) == len(recipients)
    for one in ids:
        lab.ask(host, "exim4", "-M", one)

    def log() -> str:
        return lab.read(host, MAINLOG)

    def settled() -> bool:
        lines = log().splitlines()
        return all(
            any(re.search(rf" (=>|==|\*\*) {re.escape(one)} ", line) for line in lines) for one in recipients.values()
        )

    wait_until(settled, f"the fate of mail of {host.name}")
    own, queue = log(), lab.ask(host, "exim4", "-bp")
    found = {}
    for name, recipient in recipients.items():
        (number,) = set(re.findall(rf"(\S+) (?:=>|==|\*\*) {re.escape(recipient)} ", own))
        lines = [line for line in own.splitlines() if number in line]
        waits = [line for line in lines if f" == {recipient} " in line and number in queue]
        other = mail_daemons.journal_since(lab, peer, start) if not waits else ""
        found[name] = Fate(waits[-1] if waits else "", "\n".join(lines), *remote_servers.taken(other, host, recipient))
    return found


def run(lab: Lab, ansible: Ansible) -> Sending:
    """Run all phases."""
    outcome = Sending(passwords={name: f"pw-{name}-{secrets.token_hex(8)}" for name in ("right", "wrong", "refused")})
    outcome.passwords["right"] += HARD
    peer, hosts = lab.hosts[PEERS], [lab.hosts[name] for name in SENDERS]
    about = remote_servers.set_up(lab, peer, outgoing_mail.DOMAINS, outcome.passwords["right"])
    for host in hosts:
        outcome.fates[host.name] = {}
        lab.write(host, CA, about.ca)
        lab.write(host, MACROS[host.name == SPLIT], REACHABLE)
        lab.write(host, "/etc/exim4/hubbed_hosts", HUBS)
        if host.name == SPLIT:
            lab.shell(host, f"sed -i \"s/^dc_use_split_config=.*/dc_use_split_config='true'/\" {SETTINGS}")
        # without runs of the queue, which would try messages as well
        lab.write(host, "/etc/default/exim4", "EXIMSERVICE='-bdf'\nQUEUERUNNER='no'\n")
        lab.shell(host, "systemctl restart exim4")
    before = {host.name: tree(lab, host) for host in hosts}
    resolving = {host.name: lab.read(host, RESOLV_CONF) for host in hosts}

    def call(phase: str, /, **options: Any) -> None:
        task = {"name": phase, f"postmaster.secure_channel.{MODULE}": {"provider": "exim", **options}}
        outcome.runs[phase] = ansible.play(",".join(SENDERS), [task], "-vvv", "--diff").assert_success()

    def phase(recipients: Mapping[str, str]) -> None:
        def one(host: Host) -> None:
            own = {name: f"{host.name}.{recipient}" for name, recipient in recipients.items()}
            outcome.fates[host.name].update(send(lab, host, own, peer))

        with ThreadPoolExecutor() as pool:
            list(pool.map(one, hosts))

    def on_all(script: str) -> None:
        for host in hosts:
            lab.shell(host, script)

    # every level, and accounts; Debian's file of exceptions routes two domains
    own = outgoing_mail.levels(about, outcome.passwords)
    own += [{"domain": domain, "require_128_bit": True} for domain in BITS]
    for policy in own:
        if policy["domain"] == "mapped.plain.test":
            policy["tls"] = "encrypt"
    call("levels", domains=own, ca_file=CA)
    on_all("sed -i 's/ strength=intermediate//' /etc/exim4/postmaster_domains")  # as earlier releases have left it
    call("levels updated", domains=own, ca_file=CA)
    call("levels again", domains=own, ca_file=CA)
    with ExitStack() as stack:
        for host in hosts:
            stack.enter_context(outgoing_mail.recorded(lab, host, outcome.wire))
        phase({**FIRST, **OF_STRENGTH, **BITS})
    for host in hosts:
        lab.ask(host, "rm", outgoing_mail.CAPTURE)
        outcome.listed[host.name] = lab.shell(host, "stat -c '%a %U %G %n' /etc/exim4/postmaster_*").splitlines()
        outcome.readable[host.name] = _with_passwords(lab, host, list(outcome.passwords.values()))
        outcome.routes[host.name] = lab.ask(host, "exim4", "-bt", "x@right.login.test")
    call("nothing", domains=[], purge=True)
    for host in hosts:
        outcome.snapshots[host.name] = (before[host.name], tree(lab, host))
    # all outgoing mail
    everything = [{"domain": "*", "tls": "encrypt"}, {"domain": "old.plain.test", "tls": "may"}]
    call("everything", domains=everything)
    phase(STAR)
    # what the peers' TLSA records say, in a signed zone, asked by a resolver that validates
    _sign(lab, about)
    pinned = [{"domain": f"{name}.dane.test", "tls": level} for name, (_peer, level, _of) in DANE.items()]
    call("dane", domains=pinned, purge=True, ca_file=CA)
    phase({f"dane {name}": f"x@{name}.dane.test" for name in DANE})
    for host in hosts:
        lab.write(host, RESOLV_CONF, resolving[host.name])
    # what the documentation shows
    for example in documented(sender="exim"):
        if example.module == MODULE and example.tasks:
            for _turn in range(example.times):
                run = ansible.play(",".join(SENDERS), example.tasks, partner_password=outcome.passwords["right"])
                outcome.examples.setdefault(example.title, []).append(run.assert_success())
    # a smarthost that wants an account, which the administrator has set up as Debian has it
    on_all(
        f"sed -i \"s/^dc_eximconfig_configtype=.*/dc_eximconfig_configtype='smarthost'/;"
        f" s/^dc_smarthost=.*/dc_smarthost='right.auth.peer.test'/\" {SETTINGS}; rm -f /etc/exim4/hubbed_hosts\n"
        f"echo '*.auth.peer.test:{remote_servers.BLANK_USER}:' >/etc/exim4/passwd.client\n"
        "echo 'REMOTE_SMTP_SMARTHOST_TLS_VERIFY_CERTIFICATES = " + CA + "' >>/etc/exim4/exim4.conf.localmacros\n"
        "cp /etc/exim4/exim4.conf.localmacros /etc/exim4/conf.d/main/000_localmacros; systemctl restart exim4"
    )
    account = {"username": remote_servers.USER, "password": outcome.passwords["right"]}
    call("smarthost", domains=[{"domain": "relayed.good.test"}, {"domain": "right.login.test", **account}], purge=True)
    phase(SMARTHOST)
    return outcome


def _sign(lab: Lab, about: remote_servers.RemoteServers) -> None:
    """Have the senders ask a resolver on the peers' host; another host is the whole of DNS, signed."""
    names, peer = lab.hosts[NAMES], lab.hosts[PEERS]
    network = peer.address.rpartition(".")[0]
    lines = []
    for name, (taker, _level, known) in DANE.items():
        lines.append(f"{name}.dane.test. MX 10 {taker}.peer.test.")
        lines.append(f"{taker}.peer.test. A {network}.{remote_servers.SERVICES[taker][0]}")
        lines += [f"_25._tcp.{taker}.peer.test. TLSA 3 0 1 {about.fingerprint}"] if known else []
    lab.shell(names, "mkdir -p /etc/nsd/records")
    lab.write(names, "/etc/nsd/records/fixed", "".join(f"{line}\n" for line in lines))
    lab.write(names, "/etc/nsd/signed_zone.sh", (PROGRAMS / "signed_zone.sh").read_text())
    lab.ask(names, "sh", "/etc/nsd/signed_zone.sh", names.address)
    own = lab.read(peer, RESOLV_CONF)
    lab.write(peer, "/run/validating_resolver.sh", (PROGRAMS / "validating_resolver.sh").read_text())
    lab.write(
        peer,
        "/etc/unbound/unbound.conf.d/lab.conf",
        f"server:\n    interface: {peer.address}\n    access-control: {network}.0/24 allow\n",
    )
    lab.ask(peer, "sh", "/run/validating_resolver.sh", names.address, given=lab.read(names, "/etc/nsd/root.key"))
    lab.write(peer, RESOLV_CONF, own)
    lab.shell(peer, "systemctl restart postfix")
    for name in SENDERS:
        lab.write(lab.hosts[name], RESOLV_CONF, f"nameserver {peer.address}\noptions trust-ad\n")


def _with_passwords(lab: Lab, host: Host, passwords: Sequence[str]) -> list[str]:
    """Files with a password in them, as it is or in base64, with their modes."""
    words = [form for one in passwords for form in (one, base64.b64encode(one.encode()).decode())]
    lab.write(host, "/root/words", "".join(f"{one}\n" for one in words), "0600")
    found = lab.shell(
        host,
        "grep -rlFf /root/words /etc /var/log /var/spool/exim4 /var/lib/exim4 /tmp /run 2>/dev/null"
        " | xargs -r stat -c '%a %G %n'; journalctl --no-pager --output=cat | grep -cFf /root/words || true",
    )
    lab.ask(host, "rm", "/root/words")
    return found.splitlines()
