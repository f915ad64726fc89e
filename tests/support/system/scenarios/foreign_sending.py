# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts whose administrators have settings of their own for the mail that they send, and declarations of ours on top.

Two hosts, one of each release, are each other's partner. Every case begins with the configuration that both had before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    Authority,
    distinguished,
    key_pem,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab, wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Run

HOSTS = ("f1:bookworm", "f2:trixie")
NAMES = ("f1", "f2")
MODULE = "postmaster.secure_channel.mail_domain_security"
PARTNER = "{{ 'f2' if inventory_hostname == 'f1' else 'f1' }}.example.test"
SUBMISSION, WITH_SNI, OLD_TLS, PLAIN, FILTER = 587, 2600, 2610, 10025, 10024
_USER, _PASSWORD = "relay", "relaypw"
_SERVICES = f"""{SUBMISSION} inet n - n - - smtpd
  -o syslog_name=partner -o smtpd_tls_security_level=encrypt -o smtpd_tls_chain_files=/etc/postfix/own.pem
  -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=private/auth
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject -o content_filter=
{WITH_SNI} inet n - n - - smtpd
  -o syslog_name=partner -o smtpd_tls_security_level=may -o smtpd_tls_chain_files=/etc/postfix/hoster.pem
  -o tls_server_sni_maps=hash:/etc/postfix/sni -o content_filter=
{OLD_TLS} inet n - n - - smtpd
  -o syslog_name=partner -o smtpd_tls_security_level=may -o smtpd_tls_chain_files=/etc/postfix/own.pem
  -o smtpd_tls_protocols=TLSv1.2 -o content_filter=
{PLAIN} inet n - n - - smtpd
  -o syslog_name=partner -o smtpd_tls_security_level=none -o content_filter=
127.0.0.1:{FILTER} inet n - n - - smtpd
  -o syslog_name=filter -o smtpd_tls_security_level=none -o content_filter=
  -o receive_override_options=no_header_body_checks
  -o smtpd_relay_restrictions=permit_mynetworks,reject
scan unix - - n - 2 smtp
  -o smtp_data_done_timeout=1200
"""
_LISTENER = "service auth {\n  unix_listener /var/spool/postfix/private/auth {\n    mode = 0666\n  }\n}\n"
RELAYED = {
    "domain": PARTNER,
    "tls": "secure",
    "relay_host": PARTNER,
    "relay_port": SUBMISSION,
    "username": _USER,
    "password": _PASSWORD,
}
EVERYTHING = {"domain": "*", "tls": "encrypt", "preflight": "fail"}
ENCRYPTED = {"domain": PARTNER, "tls": "encrypt", "preflight": "fail"}
_ACCOUNTS = "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = hash:/etc/postfix/theirs\n"


@dataclass(frozen=True)
class Case:
    """What a host has, and what is declared.

    Attributes:
        main: lines of main.cf.
        call: options of the module.
        theirs: rows of a table of the administrator's.
        master: lines of master.cf.
        recipient: the local part and domain of a message that must arrive.
        refused: what the call is refused with, a regular expression; empty where it must succeed.
        remedy: what helps then, a script, followed by the same call.
        instead: options that help then.
        warned: what the call warns of, a regular expression; empty for nothing in particular.
    """

    main: str
    call: Mapping[str, Any]
    theirs: str = ""
    master: str = ""
    recipient: str = f"{_USER}@PARTNER"
    refused: str = ""
    remedy: str = ""
    instead: Mapping[str, Any] = field(default_factory=dict)
    warned: str = ""


_HERE = f"{_USER}@HERE"
_LIST_SERVER = (
    f"[::1]:{FILTER} inet n - n - - smtpd -o smtpd_tls_security_level=none -o transport_maps= -o"
    " smtpd_relay_restrictions=permit_mynetworks,reject -o virtual_alias_maps=static:relay@$myhostname\n"
)
CASES = {
    # hops of the host itself
    "filter": Case(f"content_filter = scan:[127.0.0.1]:{FILTER}\n", EVERYTHING, recipient=_HERE),
    "filter of one service": Case(
        "",
        {**EVERYTHING, "tls": "secure"},
        master=f"pickup unix n - y 60 1 pickup\n  -o content_filter=scan:[127.0.0.1]:{FILTER}\n",
        recipient=_HERE,
    ),
    "filter by header": Case(
        "header_checks = regexp:/etc/postfix/theirs\n",
        EVERYTHING,
        f"/^Subject: token/ FILTER scan:[127.0.0.1]:{FILTER}\n",
        recipient=_HERE,
    ),
    "list server": Case(
        "transport_maps = hash:/etc/postfix/theirs\n",
        EVERYTHING,
        f"lists.example.test smtp:[::1]:{FILTER}\n",
        _LIST_SERVER,
        recipient="x@lists.example.test",
    ),
    "table that only answers": Case(
        "transport_maps = tcp:127.0.0.1:9999\n",
        EVERYTHING,
        master="127.0.0.1:9999 inet n n n - 0 spawn user=nobody argv=/bin/sh -c {while read x; do echo 500 no; done}\n",
        warned=r"tcp:127\.0\.0\.1:9999 \(transport_maps in /etc/postfix/main\.cf line \d+\) cannot be listed",
        recipient=_HERE,
    ),
    "ways by chance": Case(
        f"transport_maps = pipemap:{{hash:/etc/postfix/theirs, randmap:{{smtp:[::1]:{FILTER}}}}}\n",
        EVERYTHING,
        "lists.example.test others\n",
        _LIST_SERVER,
        recipient="x@lists.example.test",
    ),
    "filter elsewhere": Case(
        f"content_filter = scan:[PARTNER]:{PLAIN}\n",
        EVERYTHING,
        refused=r"content_filter in /etc/postfix/main\.cf",
        instead={"tls": "may"},
        recipient="",
    ),
    # accounts
    "accounts by sender": Case(
        f"{_ACCOUNTS}smtp_sender_dependent_authentication = yes\n", RELAYED, "@HERE alice.shop:ProviderSecret1\n"
    ),
    "account by server": Case(_ACCOUNTS, RELAYED, "PARTNER alice.shop:ProviderSecret1\n"),
    "mechanism filter": Case("smtp_sasl_mechanism_filter = cram-md5, digest-md5\n", RELAYED),
    "active attacks": Case("smtp_sasl_tls_security_options = noanonymous, noactive\n", RELAYED),
    # values that refer to others
    "roots by reference": Case(
        "smtpd_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\nsmtp_tls_CApath =\n"
        "smtp_tls_CAfile = ${nobody?{/none}:{$smtpd_tls_CAfile}}\n",
        RELAYED,
    ),
    # names of peers
    "server with names": Case(
        "",
        {"domain": PARTNER, "tls": "secure", "relay_host": PARTNER, "relay_port": WITH_SNI, "preflight": "fail"},
        refused="set servername to hostname",
        instead={"servername": "hostname"},
    ),
    "server with names, told already": Case(
        "smtp_tls_servername = hostname\n",
        {
            "domain": PARTNER,
            "tls": "secure",
            "relay_host": f"[{PARTNER}.]",
            "relay_port": WITH_SNI,
            "preflight": "fail",
        },
    ),
    # settings that go before
    "weaker row": Case(
        "smtp_tls_policy_maps = hash:/etc/postfix/theirs\n",
        EVERYTHING,
        "old.test may\nnew.test secure\n",
        refused=r"/etc/postfix/theirs line 1 demands only may for old\.test",
        remedy="sed -i /^old.test/d /etc/postfix/theirs; postmap /etc/postfix/theirs",
        recipient=_HERE,
    ),
    "older table": Case(
        "smtp_tls_per_site = hash:/etc/postfix/theirs\n",
        RELAYED,
        "old.test MUST\n",
        refused=r"main\.cf line \d+ has smtp_tls_per_site",
        remedy="postconf -X smtp_tls_per_site",
    ),
    "no STARTTLS": Case(
        "smtp_discard_ehlo_keywords = chunking, starttls\n",
        RELAYED,
        refused=r"main\.cf line \d+ sets smtp_discard_ehlo_keywords",
        remedy="postconf -e smtp_discard_ehlo_keywords=chunking",
    ),
    "no STARTTLS anywhere": Case(
        "smtp_discard_ehlo_keyword_address_maps = cidr:/etc/postfix/theirs\n",
        RELAYED,
        "0.0.0.0/0 silent-discard, starttls\n::/0 starttls\n",
        refused=r"/etc/postfix/theirs line 1 .*smtp_discard_ehlo_keyword_address_maps",
        remedy="postconf -X smtp_discard_ehlo_keyword_address_maps",
    ),
    "no logins": Case(
        "smtp_discard_ehlo_keyword_address_maps = static:auth\n",
        RELAYED,
    ),
    "TLS at once": Case(
        "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = encrypt\nrelayhost = [PARTNER]:465\n",
        RELAYED,
        refused=r"main\.cf line \d+ sets smtp_tls_wrappermode",
        remedy="postconf -X smtp_tls_wrappermode relayhost",
    ),
    "newer TLS only": Case(
        "smtp_tls_mandatory_protocols = >=TLSv1.3\n",
        {"domain": PARTNER, "tls": "secure", "relay_host": PARTNER, "relay_port": OLD_TLS, "preflight": "fail"},
        refused="smtp_tls_mandatory_protocols",
        remedy="postconf -X smtp_tls_mandatory_protocols",
    ),
    "row for all": Case(
        "smtp_tls_policy_maps = static:may\n",
        {**ENCRYPTED, "subdomains": True},
        refused=r"main\.cf line \d+ .*static:may",
        remedy="postconf -X smtp_tls_policy_maps",
    ),
    # mail that takes another way than that of its domain
    "way of one address": Case(
        "transport_maps = hash:/etc/postfix/theirs\n",
        RELAYED,
        f"relay@PARTNER smtp:[PARTNER]:{PLAIN}\n",
        refused=r"/etc/postfix/theirs line 1 ",
        remedy="echo >/etc/postfix/theirs; postmap /etc/postfix/theirs",
    ),
    "way of some addresses": Case(
        "transport_maps = regexp:/etc/postfix/theirs\n",
        ENCRYPTED,
        f"/^[^@]+@other\\.test$/ smtp:[PARTNER]:{PLAIN}\n/^re/ smtp:[PARTNER]:{PLAIN}\n",
        refused=rf"mail could no longer be sent .* port {PLAIN}",
        remedy="sed -i 2d /etc/postfix/theirs",
    ),
    "fallback": Case(
        f"smtp_fallback_relay = [PARTNER]:{PLAIN}\n",
        ENCRYPTED,
        refused=r"main\.cf line \d+ sends mail by ",
        remedy="postconf -X smtp_fallback_relay",
    ),
    "filter elsewhere, for a domain": Case(
        f"content_filter = scan:[PARTNER]:{PLAIN}\n",
        ENCRYPTED,
        refused=r"content_filter in /etc/postfix/main\.cf line \d+ ",
        remedy="postconf -X content_filter",
    ),
}


@dataclass
class Outcome:
    """What came of a case on one host.

    Attributes:
        refused: what the call says that must be refused; empty where it was not.
        untouched: whether that call has changed no file.
        result: that of the call that must succeed.
        again: that of the same call once more.
        status: what the sender's log says of the message.
        logins: with which accounts the partner was logged in to.
        put_back: whether ``state=absent`` has restored main.cf.
    """

    refused: str = ""
    untouched: bool = True
    result: dict[str, Any] = field(default_factory=dict)
    again: dict[str, Any] = field(default_factory=dict)
    status: str = ""
    logins: list[str] = field(default_factory=list)
    put_back: bool = True


Seen = TypeVar("Seen")


class ForeignSending:
    """The cases, one after the other, on both hosts side by side.

    Args:
        lab: the lab, not up yet.
        workshop: a directory for whatever the runs need.
    """

    def __init__(self, lab: Lab, workshop: Path) -> None:
        self.lab = lab
        self._workshop = workshop
        self._done: dict[str, dict[str, Outcome]] = {}

    def _on_both(self, work: Callable[[Host], Seen]) -> dict[str, Seen]:
        hosts = [self.lab.hosts[name] for name in NAMES]
        with ThreadPoolExecutor() as pool:
            return dict(zip(NAMES, pool.map(work, hosts)))

    def _partner(self, host: Host) -> Host:
        return self.lab.hosts["f2" if host.name == "f1" else "f1"]

    def begin(self) -> None:
        """Boot; both hosts are servers for each other."""
        self.lab.up(*HOSTS)
        self._ansible = Ansible(self.lab.inventory, self._workshop)
        authority = Authority("Root of partners")

        def certificate(*names: str) -> str:
            key = new_key()
            return (key_pem(key) + pem(authority.certify(key.public_key(), distinguished(names[0]), names))).decode()

        def settle(host: Host) -> None:
            for name, content in {
                "/etc/postfix/own.pem": certificate(host.fqdn),
                "/etc/postfix/hoster.pem": certificate("wildcard.hoster.test"),
                "/etc/postfix/sni": f"{host.fqdn} /etc/postfix/own.pem\n",
                "/usr/local/share/ca-certificates/partners.crt": pem(authority.certificate).decode(),
                "/etc/dovecot/conf.d/99-partner.conf": _LISTENER,
                "/tmp/services": _SERVICES,
            }.items():
                self.lab.write(host, name, content)
            self.lab.shell(
                host,
                f"useradd --create-home {_USER}; echo {_USER}:{_PASSWORD} | chpasswd; update-ca-certificates;"
                " cat /tmp/services >>/etc/postfix/master.cf; cd /etc/postfix; postmap -F hash:sni;"
                " postconf -e smtp_tls_loglevel=1; cp -a /etc/postfix /etc/postfix.before;"
                " systemctl restart dovecot postfix",
            )

        self._on_both(settle)

    def of(self, name: str) -> dict[str, Outcome]:
        """What came of a case, by host."""
        if name not in self._done:
            self._done[name] = self._run(CASES[name])
        return self._done[name]

    def _run(self, case: Case) -> dict[str, Outcome]:
        self._on_both(lambda host: self._configure(host, case))
        main = self._on_both(lambda host: self.lab.read(host, "/etc/postfix/main.cf"))
        outcomes = {name: Outcome() for name in NAMES}
        options = dict(case.call)
        if case.refused:
            before = self._on_both(self._fingerprints)
            run = self._call(options)
            after = self._on_both(self._fingerprints)
            for name, outcome in outcomes.items():
                refused = run.one(name)
                outcome.refused = refused.result.get("msg", "") if refused.status == "failed" else ""
                outcome.untouched = before[name] == after[name]
            self._on_both(lambda host: self.lab.shell(host, f"true; {case.remedy}"))
            main = self._on_both(lambda host: self.lab.read(host, "/etc/postfix/main.cf"))
            options.update(case.instead)
        starts = self._on_both(lambda host: mail_daemons.cursor(self.lab, host))
        first, again = self._call(options), self._call(options)
        for name, outcome in outcomes.items():
            outcome.result, outcome.again = first.one(name).result, again.one(name).result
        if case.recipient:
            status = self._on_both(lambda host: self._send(host, case, starts[host.name]))
            journals = self._on_both(lambda host: mail_daemons.journal_since(self.lab, host, starts[host.name]))
            for name, outcome in outcomes.items():
                outcome.status = status[name]
                journal = journals[self._partner(self.lab.hosts[name]).name]
                outcome.logins = sorted(set(re.findall(r"sasl_username=(\S+)", journal)))
        absent = {"domain": options["domain"], "state": "absent"}
        self._call(absent).assert_success()
        after = self._on_both(lambda host: self.lab.read(host, "/etc/postfix/main.cf"))
        for name, outcome in outcomes.items():
            outcome.put_back = after[name] == main[name]
        return outcomes

    def _call(self, options: Mapping[str, Any]) -> Run:
        return self._ansible.play(",".join(NAMES), [{"name": "call", MODULE: dict(options)}])

    def _filled(self, text: str, host: Host) -> str:
        return text.replace("PARTNER", self._partner(host).fqdn).replace("HERE", host.fqdn)

    def _configure(self, host: Host, case: Case) -> None:
        self.lab.shell(
            host,
            "rm -rf /etc/postfix /etc/postmaster; cp -a /etc/postfix.before /etc/postfix; postsuper -d ALL 2>/dev/null;"
            f" printf %s '{self._filled(case.theirs, host)}' >/etc/postfix/theirs; postmap /etc/postfix/theirs",
        )
        if case.master.startswith("pickup"):
            self.lab.shell(host, "sed -i '/^pickup/d' /etc/postfix/master.cf")
        for path, lines in (("/etc/postfix/main.cf", case.main), ("/etc/postfix/master.cf", case.master)):
            if lines:
                self.lab.write(host, path, self.lab.read(host, path) + self._filled(lines, host))
        self.lab.shell(host, "postfix reload 2>&1")

    def _fingerprints(self, host: Host) -> str:
        return self.lab.shell(host, "find /etc -path '/etc/post*' -type f -exec sha256sum {} +")

    def _send(self, host: Host, case: Case, start: str) -> str:
        recipient = self._filled(case.recipient, host)
        mail_daemons.send(self.lab, host, recipient, "token", sender="alice")

        def logged() -> str:
            journal = mail_daemons.journal_since(self.lab, host, start)
            lines = [line for line in journal.splitlines() if f"to=<{recipient}>" in line and "status=" in line]
            return "\n".join(lines)

        return wait_until(logged, f"the fate of mail from {host.name}")
