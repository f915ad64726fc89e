# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix as administrators have set it up, on two hosts that look at each other before and after our calls.

Each story begins with Debian's configuration, to which lines are added; then the module is called, twice, and the other
host looks; then everything is taken back, and the files are compared with what the administrator wrote.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.openssl_ca import (
    OpensslAuthority,
    new_request,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Result

NAMES = ("r1", "r2")
HOSTS = ("r1:bookworm", "r2:trixie")
OTHERS = ("other.example.test", "named.example.test")  # more certificates
PASSWORD = "relaypw"
_PEER = {"peer": "{{ hostvars[{'r1': 'r2', 'r2': 'r1'}[inventory_hostname]] }}"}
_ADDRESS, _FQDN = "{{ peer.ansible_host }}", "{{ peer.lab_fqdn }}"
_ADDRESS_IPV6 = "[{{ peer.ansible_host | regex_replace('^10.88.0.', 'fd88::') }}]"
_FILES = "/etc/postfix/main.cf /etc/postfix/master.cf"
_MX = "{{ lab_fqdn }}"
SMTP: Mapping[str, Any] = {"protocol": "smtp", "certificate": _MX}
SUBMISSION: Mapping[str, Any] = {"protocol": "submission", "certificate": _MX, "require_secure_channel": True}


def _show(what: str, server: str, *options: str) -> str:
    """Shell commands that print, behind a word, the end of an SMTP session with the other host."""
    session = f"swaks --server {server} --ehlo me.example.test --from relay@{_FQDN} {' '.join(options)}"
    return f"echo {what}: $({session} 2>&1 | grep '^<[~*-]' | tail -2 | head -1)"


def _log_in(port: int, how: str) -> str:
    options = f"--port {port} {how} --auth PLAIN --au relay --ap {PASSWORD} --to x@else.example --quit-after RCPT"
    return _show(f"login {port}", _ADDRESS, options)


def _in_clear(port: int, address: str) -> str:
    """Shell commands that print what becomes of a message that is handed in without TLS."""
    session = (
        f"curl -sv 'smtp://{address}:587' --mail-from a@x.example --mail-rcpt b@x.example --upload-file /etc/hostname"
    )
    return f"echo clear {port}: $({session} 2>&1 | grep '^< [345]' | tail -1)"


# several times, since two servers in one place take turns
_IN_CLEAR = "; ".join(4 * [_in_clear(587, address) for address in (_ADDRESS, _ADDRESS_IPV6)])
_PROXIED = (
    "--proxy-version 1 --proxy-family TCP4 --proxy-source 192.0.2.1 --proxy-source-port 4321"
    f" --proxy-dest {_ADDRESS} --proxy-dest-port 587"
)
_LOG_IN = "; ".join((_log_in(587, "--tls"), _log_in(465, "--tls-on-connect")))


def _subject(name: str) -> str:
    """The subject of the certificate that the other host shows to clients that ask for a name."""
    session = f"openssl s_client -starttls smtp -connect {_ADDRESS}:25 -servername {name} </dev/null 2>/dev/null"
    return f"echo {name}: $({session} | openssl x509 -noout -subject)"


@dataclass(frozen=True)
class Story:
    """What an administrator has, and what is called.

    Attributes:
        name: what it is about.
        lines: of main.cf.
        services: of master.cf.
        vservers: the virtual servers that are called for, one call after the other.
        look: shell commands on the other host after the last call.
        before: shell commands on the host, before the call.
        running: shell commands that have Postfix use its files.
        found: words of the refusal; empty where nothing is refused.
        remedy: shell commands that do what the refusal says.
    """

    name: str
    lines: str = ""
    services: str = ""
    vservers: Sequence[Mapping[str, Any]] = (SMTP,)
    look: str = "true"
    before: str = "true"
    running: str = "postfix reload"
    found: str = ""
    remedy: str = ""


_SEND = (
    f"echo hello | sendmail -f relay@{_MX} relay@{_FQDN}; sleep 0.1; postqueue -f;"
    " for i in $(seq 100); do test -n \"$(postqueue -p | grep '^[0-9A-F]')\" || break; sleep 0.1; done"
)
STORIES = (
    Story(
        "client certificate by reference",
        lines="smtpd_tls_cert_file = {work}/full.pem\nsmtpd_tls_key_file = {work}/full.pem.key\n"
        "smtp_tls_cert_file = $smtpd_tls_cert_file\nsmtp_tls_key_file = ${smtpd_tls_key_file}\n"
        "smtpd_tls_ask_ccert = yes\nsmtpd_tls_received_header = yes\n",
        look=_SEND,
    ),
    Story(
        "second listeners and restrictions for port 25",
        lines="smtpd_client_restrictions = reject_unknown_client_hostname\nsmtpd_helo_restrictions = reject\n"
        "smtpd_recipient_restrictions = permit_auth_destination, reject\n",
        services="0.0.0.0:587 inet n - y - - smtpd\n  -o smtpd_tls_security_level=may\n"
        "  -o smtpd_helo_restrictions= -o smtpd_client_restrictions= -o smtpd_recipient_restrictions=\n",
        vservers=(SUBMISSION,),
        look=f"{_IN_CLEAR}; {_LOG_IN}",
    ),
    Story(
        "networks without a login",
        services="submission inet n - y - - smtpd\n  -o smtpd_tls_security_level=encrypt\n"
        "  -o smtpd_relay_restrictions=permit_mynetworks,permit_sasl_authenticated,reject\n",
        vservers=(SUBMISSION,),
        look=_LOG_IN,
    ),
    Story(
        "certificates by name of somebody else",
        lines="tls_server_sni_maps = hash:/etc/postfix/sni_map\n",
        before="cat {work}/full.pem.key {work}/full.pem > /etc/postfix/cust.pem;"
        " echo mail.cust-a.test /etc/postfix/cust.pem > /etc/postfix/sni_map; postmap -F /etc/postfix/sni_map",
        vservers=({**SMTP, "certificate": OTHERS[0], "sni": [{"name": OTHERS[1], "certificate": OTHERS[1]}]},),
        look="; ".join(map(_subject, ("mail.cust-a.test", "named.example.test", "any.example.test"))),
    ),
    Story(
        "filter that gives mail back in clear text",
        services="127.0.0.1:10025 inet n - n - - smtpd\n  -o content_filter=\n",
        vservers=({**SMTP, "require_secure_channel": True, "refuse_strangers_in_clear": True},),
    ),
    Story(
        "listens on loopback still",
        lines="inet_interfaces = loopback-only\n",
        running="systemctl restart postfix; postconf -e inet_interfaces=all; postfix reload",
        look=_show("port 25", _ADDRESS, "--port 25 --quit-after EHLO"),
    ),
    Story(
        "behind a load balancer",
        services="submission inet n - y - - smtpd\n  -o smtpd_upstream_proxy_protocol=haproxy\n",
        vservers=({**SUBMISSION, "implicit_tls_port": 0},),
        look=_log_in(587, f"--tls {_PROXIED}"),
    ),
    Story(
        "host that is kept out at some of its addresses",
        lines="smtpd_delay_reject = no\nmynetworks = 10.88.0.0/24 [fd88::]/64\n"
        "smtpd_client_restrictions = permit_mynetworks, reject\n",
        look=_show("port 25", _ADDRESS, "--port 25 --quit-after EHLO"),
    ),
    Story(
        "host that is kept out",
        lines="smtpd_delay_reject = no\n"
        f"smtpd_client_restrictions = check_client_access inline:{{ {_ADDRESS}=permit }}, reject\n",
        look=_show("port 25", _ADDRESS, "--port 25 --quit-after EHLO"),
    ),
    Story(
        "stricter than the defaults",
        lines="smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\n",
        services="submissions inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes\n"
        "  -o smtpd_tls_req_ccert=no -o smtpd_tls_mandatory_protocols=>=TLSv1.3\n",
        vservers=(SMTP, {"protocol": "submission", "certificate": _MX}),
        look=f"{_in_clear(25, _ADDRESS)}; "
        + "; ".join(
            f"echo {version}: $(openssl s_client -{version} -connect {_ADDRESS}:465 </dev/null 2>&1 | grep -c BEGIN)"
            for version in ("tls1_2", "tls1_3")
        ),
    ),
    Story(
        "service for the host alone",
        services="localhost:587 inet n - y - - smtpd\n",
        vservers=(SUBMISSION,),
        found="has a service localhost:587 on port 587 for this host alone",
        remedy="sed -i 's/^localhost:587/localhost:1587/' /etc/postfix/master.cf",
    ),
    Story(
        "setting on port 25 that outranks main.cf",
        services="{{ ansible_host }}:smtp inet n - y - - smtpd\n  -o smtpd_tls_security_level=none\n",
        found="sets '-o smtpd_tls_security_level=none' for the service",
        remedy="sed -i '/-o smtpd_tls_security_level=none/d' /etc/postfix/master.cf",
    ),
    Story(
        "another program on the port",
        services="{{ ansible_host }}:587 inet n n n - 0 spawn user=nobody argv=/bin/cat\n",
        vservers=(SUBMISSION,),
        found="that runs spawn, not smtpd",
        remedy="sed -i /spawn/d /etc/postfix/master.cf; postfix reload; sleep 1",
    ),
)
REFUSED = tuple(one for one in STORIES if one.found)


class ForeignPostfix:
    """The stories, and what came of them.

    Args:
        lab: the lab, not up yet.
        workshop: an empty directory.
    """

    def __init__(self, lab: Lab, workshop: Path) -> None:
        self.lab = lab
        self._workshop = workshop

    def begin(self) -> None:
        """Boot two hosts that have certificates of one CA; tell all stories."""
        self.lab.up(*HOSTS)
        self.ansible = Ansible(self.lab.inventory, self._workshop)
        authority = OpensslAuthority(self._workshop / "authority", "Story")
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: self._settle(host, authority), self.lab.hosts.values()))
        self.run = self.ansible.play("r*", self._tasks())

    def _settle(self, host: Host, authority: OpensslAuthority) -> None:
        lab = self.lab
        lab.shell(host, f"mkdir -p {WORK}; useradd --create-home relay; systemctl is-system-running --wait || true")
        lab.ask(host, "chpasswd", given=f"relay:{PASSWORD}\n")
        for name, file in ((host.fqdn, "full.pem"), *((one, f"{one}.pem") for one in OTHERS)):
            csr, key = new_request(name)
            lab.write(host, f"{WORK}/{file}", authority.answer(csr))
            lab.write(host, f"{WORK}/{file}.key", key, "0600")
        lab.write(host, "/usr/local/share/ca-certificates/story.crt", authority.root.read_text())
        lab.shell(
            host, f"update-ca-certificates; for one in main.cf master.cf; do cp -a /etc/postfix/$one {WORK}; done"
        )

    def _tasks(self) -> list[dict[str, Any]]:
        play = Play()
        for name, file in ((_MX, "full.pem"), *((one, f"{one}.pem") for one in OTHERS)):
            source = f"{WORK}/{file}"
            play.call(f"install {name}", "mail_cert_install", {"name": name, "src": source, "key_src": f"{source}.key"})
        for story in STORIES:
            self._tell(play, story)
        return [{**task, "vars": _PEER} for task in play.tasks]

    def _tell(self, play: Play, story: Story) -> None:
        written = [
            f"cp -a {WORK}/main.cf {WORK}/master.cf /etc/postfix; {story.before.replace('{work}', WORK)}",
            f"printf %s {shlex.quote(story.lines.replace('{work}', WORK))} >> /etc/postfix/main.cf",
            f"printf %s {shlex.quote(story.services)} >> /etc/postfix/master.cf",
            f"postconf -e smtp_tls_loglevel=1; {story.running}; cat {_FILES} > {WORK}/written",
        ]
        play.shell(f"write: {story.name}", *written)
        if story.found:
            play.call(f"refused: {story.name}", "mail_vserver_tls", story.vservers[0])
            play.shell(f"follow: {story.name}", story.remedy, f"cat {_FILES} > {WORK}/written")
        for number, vserver in enumerate(story.vservers):
            play.call(f"call {number}: {story.name}", "mail_vserver_tls", vserver)
        play.call(f"again: {story.name}", "mail_vserver_tls", story.vservers[-1])
        play.shell(f"look: {story.name}", story.look)
        for protocol in sorted({vserver["protocol"] for vserver in story.vservers}):
            absent = {"protocol": protocol, "state": "absent"}
            play.call(f"absent {protocol}: {story.name}", "mail_vserver_tls", absent)
        play.shell(f"compare: {story.name}", f"cat {_FILES} | diff {WORK}/written - && echo same")

    def result(self, host: str, task: str) -> Result:
        """What a task did on a host."""
        return self.run.one(host, task)

    def warnings(self, host: str, story: str) -> list[str]:
        """What the first call of a story warned of."""
        return list(self.result(host, f"call 0: {story}").result.get("warnings", ()))

    def seen(self, host: str, story: str) -> list[str]:
        """What the host saw of the other one."""
        return str(self.result(host, f"look: {story}").result["stdout"]).splitlines()
