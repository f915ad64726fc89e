# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that show a fault, and remedies: each is followed as the message says it, and then the same call is made again.

Where the message gives a command, it is that very command that is followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import vserver
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.broken_daemons import (
    MODULE,
    prepare,
)

HOSTS = {
    "full": ("rf1:bookworm:full", "rf2:trixie:full"),
    "exim": ("re1:bookworm:exim", "re2:trixie:exim"),
    "cyrus": ("rc1:bookworm:cyrus", "rc2:trixie:cyrus"),
}


@dataclass(frozen=True)
class Fault:
    """A fault, and what is done about it.

    Attributes:
        name: what it is.
        kind: the kind of hosts that it is for.
        begin: shell commands by which it comes about.
        call: options of the module.
        found: what the message finds, as a regular expression.
        remedy: what the message tells to do, as a regular expression.
        follow: shell commands that do so; empty for the command that the remedy has in quotation marks.
        module: the module that is called.
        first: options of a call that is made before; empty for none.
        then: shell commands that succeed where the remedy has led to what it should.
    """

    name: str
    kind: str
    begin: str
    call: Mapping[str, Any]
    found: str
    remedy: str
    follow: str = ""
    module: str = MODULE
    first: Mapping[str, Any] = field(default_factory=dict)
    then: str = "true"


def _down(kind: str, daemon: str, protocol: str, kill: str) -> Fault:
    """A daemon has ended, and systemd may not have noticed."""
    gone = f"{kill}; sleep 1"

    return Fault(f"{daemon} that has ended", kind, gone, vserver(protocol), "does not run", "start it \\('systemctl")


def _defaults(name: str, line: str, found: str, follow: str) -> Fault:
    path = "/etc/default/exim4"
    begin = f'echo "{line}" >>{path}; systemctl restart exim4; sleep 1'
    return Fault(name, "exim", begin, vserver("submission"), found, "remove .*then .*run again", follow)


def _issued(name: str, extension: str = "") -> str:
    """A certificate becomes live, as if it had been requested with an extension and installed."""
    return (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=$(hostname -f)"
        f" -addext subjectAltName=DNS:$(hostname -f) {extension} -keyout /root/key.pem -out /root/cert.pem 2>/dev/null"
        f" && umask 077 && cat /root/key.pem /root/cert.pem >/etc/postmaster/live/{name}.pem"
    )


_MX = {**vserver("smtp"), "require_secure_channel": False}
_NOTES = "/etc/postmaster/originals/postfix.json"
FAULTS = (
    _down("full", "Postfix", "submission", "postfix stop 2>/dev/null"),
    _down("full", "Dovecot", "imap", "doveadm stop"),
    _down("full", "slapd", "ldap", "kill $(cat /run/slapd/slapd.pid)"),
    Fault(
        "notes that are damaged",
        "full",
        f"head -c 20 {_NOTES} >/root/notes; cat /root/notes >{_NOTES}",
        {**_MX, "strength": "modern"},
        f"{_NOTES} is damaged",
        f"remove it \\('rm {_NOTES}'\\)",
        first=_MX,
    ),
    Fault(
        "notes that do not tell",
        "full",
        "true",
        {"protocol": "smtp", "state": "absent"},
        "nobody knows what was there before",
        "take the settings out yourself \\('postconf -X",
        then="if grep /etc/postmaster /etc/postfix/main.cf; then exit 1; fi; postfix check",
    ),
    Fault(
        "a file for readers that INN refuses",
        "full",
        "printf 'broken {\\n' >>/etc/news/readers.conf",
        vserver("nntp"),
        "not understood|refuses",
        "fix the file",
        "sed -i '$d' /etc/news/readers.conf",
    ),
    Fault(
        "a setting of INN that is there twice",
        "full",
        "printf 'tlscertfile: /a\\ntlscertfile: /b\\n' >>/etc/news/inn.conf",
        vserver("nntp"),
        "(?i)tlscertfile",
        "fix /etc/news/inn.conf until 'innconfval -C' prints nothing|keep one of these lines",
        "sed -i '/^tlscertfile: .[ab]$/d' /etc/news/inn.conf",
    ),
    Fault(
        "a protocol that Dovecot is told not to serve",
        "full",
        "echo 'protocols = imap' >/etc/dovecot/conf.d/98-test.conf; systemctl reload dovecot",
        vserver("pop3"),
        "Dovecot does not serve pop3",
        "add pop3 to Dovecot's protocols setting",
        "echo 'protocols = imap pop3' >/etc/dovecot/conf.d/98-test.conf",
    ),
    Fault(
        "a certificate that clients must refuse without a stapled response",
        "full",
        _issued("staple", "-addext tlsfeature=status_request"),
        vserver("pop3", "staple"),
        "the certificate staple is must-staple .* and dovecot sends none",
        "request it with mail_cert_request and must_staple set to false",
        _issued("staple"),
    ),
    _down("exim", "Exim", "submission", "kill $(pgrep -o -x exim4)"),
    _down("exim", "Apache", "http", "apache2ctl stop"),
    Fault(
        "a configuration of one piece",
        "exim",
        "cp /var/lib/exim4/config.autogenerated /etc/exim4/exim4.conf; systemctl restart exim4",
        vserver("submission"),
        "/etc/exim4/exim4.conf replaces the configuration",
        "remove it",
        "rm /etc/exim4/exim4.conf",
    ),
    _defaults(
        "ports on Exim's command line",
        "SMTPLISTENEROPTIONS='-oX 25:2525 -oP /run/exim4/exim.pid'",
        "-oX",
        "sed -i '$d' /etc/default/exim4",
    ),
    Fault(
        "root certificates that Exim cannot read",
        "exim",
        "cp /usr/local/share/ca-certificates/system-tests.crt /etc/exim4/roots.pem; chmod 600 /etc/exim4/roots.pem",
        {"domain": "partner.example", "tls": "verify", "ca_file": "/etc/exim4/roots.pem", "preflight": "off"},
        "cannot be read by Debian-exim",
        "make it world-readable \\('chmod",
        module="mail_domain_security",
    ),
    Fault(
        "a line of our table that somebody has written",
        "exim",
        "echo 'other.example: something' >>/etc/exim4/postmaster_domains",
        {"domain": "second.example", "tls": "encrypt", "preflight": "off"},
        "this entry is not one that was written here",
        "remove that line",
        "sed -i '$d' /etc/exim4/postmaster_domains",
        module="mail_domain_security",
    ),
    Fault(
        "a virtual host that does not rewrite",
        "exim",
        "sed -i '/DocumentRoot/a RewriteEngine off' /etc/apache2/sites-available/000-default.conf;"
        " a2enmod -q rewrite; systemctl restart apache2",
        {**vserver("http"), "strength": "modern"},
        "keeps the site from redirecting",
        "remove that line",
        "sed -i '/RewriteEngine off/d' /etc/apache2/sites-available/000-default.conf",
    ),
    _down("cyrus", "Cyrus", "imap", "kill $(systemctl show --property=MainPID --value cyrus-imapd)"),
    Fault(
        "a service that is defined twice",
        "cyrus",
        'sed -i \'/^SERVICES/a\\\\  imap cmd="imapd" listen="1144"\' /etc/cyrus.conf',
        vserver("pop3"),
        "the service imap is defined twice",
        "give one of them another name",
        'sed -i \'s/^  imap cmd="imapd"/  other cmd="imapd"/\' /etc/cyrus.conf',
    ),
    Fault(
        "a service with options of its own",
        "cyrus",
        "printf 'allowplaintext: yes\\n' | cat /etc/imapd.conf - >/etc/imapd-news.conf;"
        " sed -i 's/cmd=\"nntpd /cmd=\"nntpd -C \\/etc\\/imapd-news.conf /' /etc/cyrus.conf",
        vserver("nntp", require_secure_channel=False),
        "read another file than /etc/imapd.conf",
        "move that file's options to /etc/imapd.conf, with 'nntp_' before their names, remove -C",
        "sed -i 's, -C /etc/imapd-news.conf,,' /etc/cyrus.conf; echo 'nntp_allowplaintext: yes' >>/etc/imapd.conf",
    ),
)


def _add(play: Play, fault: Fault) -> None:
    if fault.first:
        play.call(f"first: {fault.name}", fault.module, fault.first)
    play.shell(f"begin: {fault.name}", fault.begin)
    play.call(fault.name, fault.module, fault.call, register="called")
    command = "called.problem.remedy | regex_findall(\"'([^']+)'\") | first"
    play.shell(f"follow: {fault.name}", fault.follow or f"{{{{ {command} }}}}")
    play.call(f"again: {fault.name}", fault.module, fault.call)
    play.shell(f"then: {fault.name}", fault.then)


def faults(kind: str) -> Sequence[Fault]:
    """Those of one kind of hosts."""
    return [one for one in FAULTS if one.kind == kind]


def run(lab: Lab, ansible: Ansible, kind: str, certificates: Certificates) -> Run:
    """One fault after the other, on both hosts of a kind."""
    prepare(lab, ansible, kind, certificates)
    play = Play()
    for fault in faults(kind):
        _add(play, fault)
    return ansible.play("all", play.tasks, strategy="free")
