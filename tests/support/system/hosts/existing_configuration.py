# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the administrator of old1 and old2 has written into their configuration over the years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import Clients
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK

# where the file that /etc/postfix/main.cf leads to is kept
MAIN_CF = {"old1": "/srv/house/main.cf", "old2": "/etc/postfix/main.cf"}
MASTER_CF = "/etc/postfix/master.cf"
TRANSPORT = "/etc/postfix/transport"
HOUSE = "/etc/dovecot/conf.d/98-house.conf"
LOCAL = "/etc/dovecot/local.conf"
FOREIGN = (TRANSPORT, TRANSPORT + ".db", HOUSE, LOCAL)

# No newline at the end of either: that happens.
MAIN_CF_LINES = """

# House rules. Ask Ada before you change anything below.
message_size_limit=20480000
   # an indented comment
mynetworks =
\t127.0.0.0/8
# a comment inside a value
    [::1]/128
smtpd_client_restrictions   =   permit_mynetworks  ,   permit\t
smtpd_tls_auth_only=no
# ours since 2014: house.test has its own way
transport_maps=hash:/etc/postfix/transport
#smtpd_tls_security_level = none
smtpd_helo_required = yes"""

MASTER_CF_LINES = """
#our own filter, see the wiki
filter    unix  -       n       n       -       10      pipe
  flags=Rq user=nobody null_sender=
  argv=/bin/cat   ${sender}  --  ${recipient}
127.0.0.1:10025 inet n  -\tn  -  -  smtpd
\t-o content_filter=
   # a comment inside an entry
\t-o  smtpd_banner=inner
# the end. No line after this one!"""

# What somebody has made of the sample; only the settings are hers.
SUBMISSION = """
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/house
    # fifty clients share an address
  -o smtpd_client_connection_count_limit=70
  -o smtpd_tls_security_level=may
"""

HOUSE_LINES = """# House rules for Dovecot.
   protocol imap {
\tmail_max_userip_connections=70
  # more phones than people
 }
"""


def write(lab: Lab, host: Host) -> None:
    """Configure a host by hand, and keep a copy of what Debian had put there."""
    lab.shell(host, f"for name in main.cf master.cf; do cp /etc/postfix/$name {WORK}/$name.stock; done")
    _append(lab, host, "/etc/postfix/main.cf", MAIN_CF_LINES)
    _append(lab, host, MASTER_CF, (SUBMISSION if host.name == "old2" else "") + MASTER_CF_LINES)
    lab.write(host, TRANSPORT, "# the house\nhouse.test  smtp:[10.88.0.12]:25\n", "0644")
    lab.write(host, HOUSE, HOUSE_LINES, "0640")
    lab.write(host, LOCAL, "#nothing here yet", "0640")
    script = {
        "old1": "mkdir /srv/house; mv /etc/postfix/main.cf /srv/house/; ln -s /srv/house/main.cf /etc/postfix/main.cf",
        "old2": "chgrp mail /etc/postfix/main.cf; chmod 0640 /etc/postfix/main.cf; chmod 0604 /etc/postfix/master.cf",
    }
    lab.shell(host, f"{script[host.name]}; postmap {TRANSPORT}; postfix reload; doveadm reload")


def _append(lab: Lab, host: Host, path: str, lines: str) -> None:
    lab.ask(host, "sh", "-euc", 'cat >>"$1"', "sh", path, given=lines)


# ---- what is left of it


@dataclass(frozen=True)
class Kept:
    """One of the hosts after the site playbook has been run on it.

    Attributes:
        before: main.cf and master.cf as the playbook found them.
        after: both as it has left them.
        settings: what Postfix says of SETTINGS.
        dovecot: what Dovecot says of its IMAP server.
        refusals: by port, why clients cannot verify the host's certificate there.
        suites: HOST:PORT -> TLS version -> the cipher suites that sslyze finds on RSA_PORTS.
        letter: a message that was sent here, as it has arrived at the other end.
    """

    before: Mapping[str, str]
    after: Mapping[str, str]
    settings: Sequence[str]
    dovecot: str
    refusals: Mapping[str, str]
    suites: Mapping[str, Mapping[str, Sequence[str]]]
    letter: str


SETTINGS = ("message_size_limit", "mynetworks", "smtpd_helo_required", "transport_maps")
RSA_PORTS = (587, 993)
RECEIVER_OF = {"old1": "mx2", "old2": "mx1"}


def look(lab: Lab, clients: Clients, names: Sequence[str]) -> Mapping[str, Kept]:
    """What the hosts are like now."""
    suites = clients.suites(*(lab.hosts[name] for name in names), ports=RSA_PORTS)

    def one(name: str) -> Kept:
        host, receiver = lab.hosts[name], lab.hosts[RECEIVER_OF[name]]
        token = f"letter from {name}"
        mail_daemons.send(lab, host, f"alice@{receiver.fqdn}", token)
        return Kept(
            {"main.cf": _stock(lab, host, "main.cf"), "master.cf": _stock(lab, host, "master.cf")},
            {"main.cf": lab.read(host, MAIN_CF[name]), "master.cf": lab.read(host, MASTER_CF)},
            lab.ask(host, "postconf", "-h", *SETTINGS).splitlines(),
            lab.ask(host, "doveconf", "-f", "protocol=imap", "-n"),
            clients.refusals(host),
            suites,
            mail_daemons.wait_for_message(lab, receiver, "alice", token),
        )

    with ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(one, names)))


def _stock(lab: Lab, host: Host, name: str) -> str:
    """What Debian put there, and what the administrator has appended."""
    appended = {"main.cf": MAIN_CF_LINES, "master.cf": (SUBMISSION if host.name == "old2" else "") + MASTER_CF_LINES}
    return lab.read(host, f"{WORK}/{name}.stock") + appended[name]
