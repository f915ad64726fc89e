# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strings that mean something to a daemon, a terminal or Ansible, in the options of all modules, on stock hosts.

They are refused, but for logins, of which every sign arrives at the other server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons, snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.bad_input import (
    BadInput,
    BadInputPlay,
    Refusals,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.logins_on_the_wire import (
    Arrived,
    arrive,
)

HOSTS = ("s1:bookworm", "s2:trixie")
NAMES = tuple(one.partition(":")[0] for one in HOSTS)
CANARY = "canary-4711-geheim"
LINE = "\nmynetworks = 0.0.0.0/0"
SEEN = "take it out"

# ---- what is refused


def refused(module: str, options: Mapping[str, Any], subject: str, option: str, *words: str) -> BadInput:
    """A call that must be refused for its strings alone."""
    found, remedy = words or ("line break", SEEN)
    name = f"{module.removeprefix('mail_')}: {option}, {found}"
    return BadInput(name, module, options, subject, option, found, remedy)


def misshapen(module: str, options: Mapping[str, Any], subject: str, option: str) -> BadInput:
    """A call with a secret that is no text."""
    return refused(module, options, subject, option, "its value is not shown", "quotes")


DOMAIN, VSERVER, ACCOUNT = "domain partner.test", "virtual server smtp/default", "account relay"
OBJECT = {"domain": "partner.test", "relay_host": "mail.partner.test", "relay_port": 587}
PARTNER = {**OBJECT, "preflight": "off"}
SERVER = {"protocol": "smtp", "certificate": "mx.test"}
RELAY = {"name": "relay", "password": "x"}
STRANGE_PATHS = tuple(f"/etc/x{one}y" for one in ("${z}", " ", '"', ";", "%{u}", "\\"))
WRONG_SHAPES: Sequence[Any] = ({"a": CANARY}, {CANARY: None}, [CANARY], [[{"deep": CANARY}]], 47110815, True)
_CALLS = (
    refused("mail_domain_security", {**PARTNER, "ca_file": f"/etc/ssl/x{LINE}"}, DOMAIN, "ca_file"),
    *(
        refused("mail_domain_security", {**PARTNER, "ca_file": path}, DOMAIN, "ca_file", "'", "use")
        for path in ("/etc/ssl/${myhostname}", "/etc/ssl/a b", "/etc/ssl/a,b")
    ),
    refused("mail_domain_security", {**PARTNER, "relay_host": f"a{LINE}"}, DOMAIN, "relay_host"),
    refused("mail_domain_security", {**PARTNER, "relay_host": "fe80::1%x y"}, DOMAIN, "relay_host", "'%'", "hyphens"),
    refused("mail_domain_security", {**PARTNER, "match": [f"a{LINE}"]}, DOMAIN, "match"),
    refused("mail_domain_security", {**PARTNER, "username": f"a{LINE}", "password": "x"}, DOMAIN, "username"),
    refused("mail_domain_security", {**PARTNER, "username": "a", "password": f"x{LINE}{CANARY}"}, DOMAIN, "password"),
    refused("mail_domain_security", {**PARTNER, "inbound": {"addresses": [f"a{LINE}"]}}, DOMAIN, "inbound.addresses"),
    refused(
        "mail_domain_security",
        {**PARTNER, "username": "a" * 321, "password": "x"},
        DOMAIN,
        "username",
        "321 octets",
        "at most 320",
    ),
    refused("mail_vserver_tls", {**SERVER, "store": f"/etc/x{LINE}"}, VSERVER, "store"),
    *(refused("mail_vserver_tls", {**SERVER, "store": path}, VSERVER, "store", "'", "use") for path in STRANGE_PATHS),
    refused("mail_vserver_tls", {**SERVER, "certificate": f"a{LINE}"}, VSERVER, "certificate"),
    refused("mail_vserver_tls", {**SERVER, "auth_tls": [f"PLAIN{LINE}"]}, VSERVER, "auth_tls"),
    refused("mail_vserver_tls", {**SERVER, "server_names": [f"a{LINE}"]}, VSERVER, "server_names"),
    refused("mail_vserver_tls", {**SERVER, "addresses": ["fe80::1%a;b"]}, VSERVER, "addresses", "'%'", "hyphens"),
    refused("mail_vserver_tls", {**SERVER, "sni": [{"name": f"a{LINE}", "certificate": "x"}]}, VSERVER, "sni[0].name"),
    refused("mail_relay_account", {**RELAY, "realm": f"a{LINE}"}, ACCOUNT, "realm"),
    refused("mail_relay_account", {**RELAY, "allowed_senders": [f"a{LINE}@x.test"]}, ACCOUNT, "allowed_senders"),
    refused("mail_relay_account", {**RELAY, "password": f"{CANARY}\x1b[2J"}, ACCOUNT, "password"),
    refused(
        "mail_cert_request",
        {"name": "mx.test", "organization": "\x1b]0;owned\x07"},
        "certificate mx.test",
        "organization",
        "control character",
        SEEN,
    ),
    refused("mail_cert_install", {"name": "mx.test", "src": f"/tmp/x{LINE}"}, "certificate mx.test", "src"),
    *(
        misshapen(
            "mail_domain_security", {"domains": [{**OBJECT, "username": "u", "password": one}]}, DOMAIN, "password"
        )
        for one in WRONG_SHAPES
    ),
    # each shape in each option is a matter of unit tests
    misshapen("mail_domain_security", {**PARTNER, "username": "u", "password": {CANARY: None}}, DOMAIN, "password"),
    misshapen("mail_relay_account", {"name": "relay", "password": 47110815}, ACCOUNT, "password"),
    misshapen("mail_vserver_tls", {**SERVER, "key_passphrase": [CANARY]}, VSERVER, "key_passphrase"),
    misshapen("mail_cert_install", {"name": "mx.test", "passphrase": [CANARY]}, "certificate mx.test", "passphrase"),
)
HOSTILE = tuple(replace(one, name=f"{one.name} ({number})") for number, one in enumerate(_CALLS, 1))


@dataclass
class Awkward:
    """What came of it.

    Attributes:
        refusals: the calls that had to be refused.
        logins: what arrived of logins.
        journal: by host, the journal.
    """

    refusals: Refusals
    logins: Arrived
    journal: Mapping[str, str]


def run(lab: Lab, ansible: Ansible) -> Awkward:
    """All calls, on hosts of both releases side by side."""
    hosts = [lab.hosts[name] for name in NAMES]
    for host in hosts:
        lab.ask(host, "systemctl", "is-system-running", "--wait")
        snapshots.prepare(lab, host)
    play = BadInputPlay("awkward", HOSTILE)
    starts = {host.name: mail_daemons.cursor(lab, host) for host in hosts}
    run = ansible.play(",".join(NAMES), play.tasks, "-vvv", "--diff", strategy="free")
    journal = {host.name: mail_daemons.journal_since(lab, host, starts[host.name]) for host in hosts}
    refusals = Refusals(run, play, {host.name: snapshots.hashes(lab, host) for host in hosts}, journal)
    logins = arrive(lab, ansible, NAMES)
    words = ("journalctl", "--no-pager", "--output=verbose", "--all")
    return Awkward(refusals, logins, {host.name: lab.ask(host, *words) for host in hosts})
