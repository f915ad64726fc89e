# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts that only send: policies of every level, and what becomes of mail to good and bad servers.

Each message has its own recipient: queue and logs are searched for it.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab, wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import remote_servers

LEVELS = ("none", "may", "encrypt", "verify", "secure", "fingerprint")
PEERS = ("good", "self", "expired", "wrong", "plain")
LOGINS = ("right", "wrong", "blank", "implicit", "consent", "refused")
CA = "/etc/ssl/peers-root.pem"
TABLE = "/etc/postfix/postmaster_tls_policy"
CAPTURE = f"{WORK}/outgoing.pcap"
MODULE = "mail_domain_security"
_HELD = "deferred transport"  # Postfix' words for mail that defer_transports holds back
# Messages by domain: PEER and options of the entry; and whether it is kept since the peer offers less than it demands.
STRENGTH: dict[str, tuple[str, dict[str, Any], bool]] = {
    "may.old.test": ("old", {"tls": "may"}, False),
    "encrypt.old.test": ("old", {"tls": "encrypt"}, True),
    "legacy.old.test": ("old", {"strength": "legacy"}, True),
    "may.cbc.test": ("cbc", {"tls": "may"}, False),
    "encrypt.cbc.test": ("cbc", {"tls": "encrypt"}, True),
    "secure.cbc.test": ("cbc", {}, True),
    "legacy.cbc.test": ("cbc", {"strength": "legacy"}, False),
    "secure.gcm.test": ("gcm", {}, False),
    "modern.gcm.test": ("gcm", {"strength": "modern"}, True),
    "modern.good.test": ("good", {"strength": "modern"}, False),
    "secure.short.test": ("short", {}, False),
}
DOMAINS = {
    **{domain: peer for domain, (peer, _options, _kept) in STRENGTH.items()},
    "bits.short.test": "short",
    "bits.good.test": "good",
    "star.cbc.test": "cbc",
    **{f"{level}.{peer}.test": peer for level in LEVELS for peer in PEERS},
    "free.plain.test": "plain",
    "mapped.good.test": "plain",  # the transport table sends it elsewhere
    "mapped.plain.test": "good",
    "relayed.good.test": "plain",  # relayhost sends it elsewhere
    "star.good.test": "good",
    "star.plain.test": "plain",
    "old.plain.test": "plain",
}


@dataclass(frozen=True)
class Fate:
    """What became of a message.

    Attributes:
        reason: why it waits in the queue; empty where it was handed over.
        sender_log: what its sender's log says of it.
        peer: the peer that has taken it; empty for none.
        peer_log: what that peer's log says of the conversation.
    """

    reason: str
    sender_log: str
    peer: str
    peer_log: str


@dataclass
class Outgoing:
    """The outcome of all phases.

    Attributes:
        fates: by host and message.
        runs: the runs of Ansible, by phase.
        wire: by host, all packets of the first phase.
        main_cf: by host, main.cf before and after.
        readable: by host, files with a password in them that others can read.
        listed: by host, modes and names of our tables.
        passwords: of the accounts, by name.
        refused: by host, all configuration before and after each of the calls that their preflight has refused.
        connections: by host, how many the peers have seen during a call that changes nothing.
    """

    fates: dict[str, dict[str, Fate]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    wire: dict[str, bytes] = field(default_factory=dict)
    main_cf: dict[str, tuple[str, str]] = field(default_factory=dict)
    readable: dict[str, str] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)
    journal: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)
    connections: dict[str, int] = field(default_factory=dict)


@contextmanager
def recorded(lab: Lab, host: Host, into: dict[str, bytes]) -> Iterator[None]:
    """Record all packets of mail ports."""
    ports = ("port", "25", "or", "port", "465")
    lab.shell(host, f"mkdir -p {WORK}")
    how = ("--interface=eth0", "--immediate-mode", "--buffer-size=65536", "-U", "-w", CAPTURE)  # KiB, for busy machines
    recorder = lab.start_in(host, "tcpdump", *how, *ports)
    assert recorder.stderr
    while "listening on" not in recorder.stderr.readline():
        assert recorder.poll() is None, "tcpdump does not start"
    try:
        yield
    finally:
        lab.ask(host, "pkill", "tcpdump")
        _out, said = recorder.communicate()
    assert "\n0 packets dropped by kernel" in said, said
    into[host.name] = base64.b64decode(lab.ask(host, "base64", "--wrap=0", CAPTURE))


def _send(lab: Lab, host: Host, recipients: Sequence[str], sender: str) -> None:
    script = "".join(
        f"printf 'Subject: test\\n\\nbody\\n' | sendmail -f {sender}@{host.fqdn} {one}\n" for one in recipients
    )
    lab.shell(host, script)


def _queue(lab: Lab, host: Host) -> dict[str, str]:
    """By recipient, why a message waits; empty for one that has not been tried yet."""
    lines = lab.ask(host, "postqueue", "-j").splitlines()
    return {
        recipient["address"]: recipient.get("delay_reason", "")
        for line in lines
        for recipient in json.loads(line)["recipients"]
    }


def _configuration(lab: Lab, host: Host) -> str:
    """The whole configuration: names, modes, times and contents."""
    return lab.shell(
        host,
        "for d in /etc/postfix /etc/postmaster; do test ! -d $d ||"
        " find $d -type f -printf '%p %m %u:%g %T@\n' -exec sha256sum {} +; done | sort",
    )


def _hold(lab: Lab, host: Host, recipients: Sequence[str], main_cf: str) -> None:
    """Have mail wait in the queue, and configure the host as it was."""
    lab.shell(host, "postconf -e defer_transports=smtp; systemctl reload postfix")
    _send(lab, host, recipients, "root")
    wait_until(lambda: all(_HELD in _queue(lab, host).get(one, "") for one in recipients), f"a queue on {host.name}")
    lab.write(host, "/etc/postfix/main.cf", main_cf)


def _fates(lab: Lab, host: Host, peer: Host, recipients: Mapping[str, str], starts: tuple[str, str]) -> dict[str, Fate]:
    """Wait until each message is handed over or has been tried in vain.

    Args:
        lab: the lab.
        host: the sender.
        peer: the host of all peers.
        recipients: by message, its recipient.
        starts: where the journals of both began.
    """

    def settled() -> bool:
        queue = _queue(lab, host)
        if any(_HELD in queue.get(one, "") for one in recipients.values()):
            lab.ask(host, "postqueue", "-f")
            return False
        if not all(queue.get(one, "gone") for one in recipients.values()):
            return False
        # between two stages of the queue a message is seen in neither: only the log tells that it is gone
        log = mail_daemons.journal_since(lab, host, starts[0])
        return all(queue.get(one) or re.search(rf"to=<{re.escape(one)}>.* status=", log) for one in recipients.values())

    wait_until(settled, f"the fate of mail of {host.name}")
    queue = _queue(lab, host)
    own, other = (mail_daemons.journal_since(lab, one, start) for one, start in zip((host, peer), starts))
    found = {}
    for name, recipient in recipients.items():
        lines = [line for line in own.splitlines() if f"to=<{recipient}>" in line]
        who, peer_log = remote_servers.taken(other, host, recipient)
        found[name] = Fate(queue.get(recipient, ""), "\n".join(lines), who, peer_log)
    return found


def encodings(password: str) -> list[bytes]:
    """A password as it could be seen: as it is, in AUTH LOGIN, and in AUTH PLAIN."""
    plain = f"\0{remote_servers.USER}\0{password}".encode()
    return [password.encode(), base64.b64encode(password.encode()), base64.b64encode(plain)]


def _account(peer: str, user: str, password: str, **options: Any) -> dict[str, Any]:
    return {"relay_host": peer, "username": user, "password": password, **options}


def levels(about: remote_servers.RemoteServers, passwords: Mapping[str, str]) -> list[dict[str, Any]]:
    """The policies of the first phase."""
    found: list[dict[str, Any]] = []
    for level in LEVELS:
        more = {"fingerprints": [about.fingerprint]} if level == "fingerprint" else {}
        found += [{"domain": f"{level}.{peer}.test", "tls": level, **more} for peer in PEERS]
    auth = "auth.peer.test"
    logins = {
        "right.login.test": _account(f"right.{auth}", remote_servers.USER, passwords["right"]),
        "wrong.login.test": _account(f"wrong.{auth}", remote_servers.USER, passwords["wrong"]),
        "blank.login.test": _account(f"blank.{auth}", remote_servers.BLANK_USER, ""),
        "implicit.login.test": _account(f"implicit.{auth}", remote_servers.USER, passwords["right"], relay_port=465),
        "consent.login.test": _account(
            "clear.peer.test", remote_servers.USER, passwords["right"], tls="none", auth_cleartext=True
        ),
        "refused.login.test": _account(
            "refused.plain.peer.test", remote_servers.USER, passwords["refused"], tls="encrypt"
        ),
    }
    found += [{"domain": domain, **options} for domain, options in logins.items()]
    found += [{"domain": domain, **options} for domain, (_peer, options, _kept) in STRENGTH.items()]
    return [*found, {"domain": "mapped.good.test"}, {"domain": "mapped.plain.test"}]


FIRST = {
    **{f"{level} {peer}": f"x@{level}.{peer}.test" for level in LEVELS for peer in PEERS},
    **{f"{name} login": f"x@{name}.login.test" for name in LOGINS},
    "no entry": "x@free.plain.test",
    "mapped good": "x@mapped.good.test",
    "mapped plain": "x@mapped.plain.test",
}
OF_STRENGTH = {domain: f"x@{domain}" for domain in STRENGTH}


def run(lab: Lab, ansible: Ansible, names: Sequence[str], peer: Host) -> Outgoing:
    """Run all phases."""
    outcome = Outgoing(passwords={name: f"pw-{name}-{secrets.token_hex(8)}" for name in ("right", "wrong", "refused")})
    about = remote_servers.set_up(lab, peer, DOMAINS, outcome.passwords["right"])
    hosts = [lab.hosts[name] for name in names]
    before = {}
    for host in hosts:
        outcome.fates[host.name] = {}
        lab.write(host, CA, about.ca)
        lab.shell(host, "systemctl restart postfix")  # its chroot learns nothing of names otherwise
        before[host.name] = lab.read(host, "/etc/postfix/main.cf")

    def call(phase: str, /, **options: Any) -> None:
        task = {"name": phase, f"postmaster.secure_channel.{MODULE}": options}
        outcome.runs[phase] = ansible.play(",".join(names), [task], "-vvv", "--diff").assert_success()

    def phase(recipients: Mapping[str, str], sender: str = "root", held: Sequence[str] = ()) -> None:
        def one(host: Host) -> None:
            starts = mail_daemons.cursor(lab, host), mail_daemons.cursor(lab, peer)
            own = {name: f"{host.name}.{recipient}" for name, recipient in recipients.items()}
            _send(lab, host, [recipient for name, recipient in own.items() if name not in held], sender)
            outcome.fates[host.name].update(_fates(lab, host, peer, own, starts))

        with ThreadPoolExecutor() as pool:
            list(pool.map(one, hosts))

    def on_all(script: str) -> None:
        for host in hosts:
            lab.shell(host, script)

    # every level, and accounts; a transport table of somebody else routes two domains
    on_all(
        "printf 'mapped.good.test smtp:[good.peer.test]:25\\nmapped.plain.test smtp:[plain.peer.test]:25\\n'"
        " >/etc/postfix/theirs; postmap /etc/postfix/theirs; postconf -e transport_maps=hash:/etc/postfix/theirs"
    )
    own = levels(about, outcome.passwords)
    for policy in own:  # the certificate's names stand for the peer, not for the domain
        if policy["domain"] in ("mapped.good.test", "mapped.plain.test"):
            policy["match"] = ["good.peer.test"]
    call("levels", domains=own, ca_file=CA)
    on_all(f"sed -i 's/ protocols=.*//' {TABLE}; postmap {TABLE}")  # as earlier releases have left it
    call("levels updated", domains=own, ca_file=CA)
    call("levels again", domains=own, ca_file=CA)
    with ThreadPoolExecutor() as pool:
        recorders = [recorded(lab, host, outcome.wire) for host in hosts]
        for recorder in recorders:
            recorder.__enter__()
        try:
            phase({**FIRST, **OF_STRENGTH})
        finally:
            list(pool.map(lambda one: one.__exit__(None, None, None), recorders))
    for host in hosts:
        words = " ".join(f"-e {word}" for word in outcome.passwords.values())
        outcome.readable[host.name] = lab.shell(
            host, f"grep -rlF {words} /etc /var/log /var/spool/postfix /tmp /run 2>/dev/null | xargs -r stat -c '%a %n'"
        )
        outcome.listed[host.name] = lab.shell(host, "stat -c '%a %U %n' /etc/postfix/postmaster_*").splitlines()
        outcome.journal[host.name] = lab.ask(host, "journalctl", "--no-pager", "--output=cat")
    # relayhost, and a relay for one sender
    on_all(
        "postsuper -d ALL; postconf -X transport_maps; postconf -e relayhost=[good.peer.test]:25;"
        " for n in $(hostname -f); do echo special@$n [self.peer.test]:25; done >/etc/postfix/by_sender;"
        " postmap /etc/postfix/by_sender;"
        " postconf -e sender_dependent_relayhost_maps=hash:/etc/postfix/by_sender; systemctl reload postfix"
    )
    call("relays", domains=[{"domain": "relayed.good.test", "match": ["good.peer.test"]}], purge=True, ca_file=CA)
    phase({"relayhost": "x@relayed.good.test"})
    phase({"relay of a sender": "y@relayed.good.test"}, sender="special")
    # all outgoing mail, while some of it waits in the queue
    on_all("postsuper -d ALL")
    call("nothing", domains=[], purge=True)
    held = {"star good": "x@star.good.test", "star plain": "x@star.plain.test"}
    for host in hosts:
        _hold(lab, host, [f"{host.name}.{recipient}" for recipient in held.values()], before[host.name])
        outcome.refused[host.name] = [_configuration(lab, host)]
    everything = [{"domain": "*", "tls": "encrypt"}, {"domain": "old.plain.test", "tls": "may"}]
    for options in (("--check",), ()):
        task = {"name": "refused", f"postmaster.secure_channel.{MODULE}": {"domains": everything, "preflight": "fail"}}
        outcome.runs[" ".join(("refused", *options))] = ansible.play(",".join(names), [task], *options)
        for host in hosts:
            outcome.refused[host.name].append(_configuration(lab, host))
    call("everything", domains=everything)
    phase({**held, "star exception": "x@old.plain.test", "star cbc": "x@star.cbc.test"}, held=tuple(held))
    start = mail_daemons.cursor(lab, peer)
    call("everything again", domains=everything)
    seen = mail_daemons.journal_since(lab, peer, start)
    outcome.connections = {host.name: seen.count(f": connect from {host.fqdn}[") for host in hosts}
    call("nothing again", domains=[], purge=True)
    on_all("postqueue -f")
    for host in hosts:
        mail_daemons.wait_for_empty_queue(lab, host)
        outcome.main_cf[host.name] = (before[host.name], lab.read(host, "/etc/postfix/main.cf"))
    return outcome
