# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Daemons that serve, and could not go on with the files that are there by now; and what the remedies tell to do.

Each trouble is brought about behind the daemon's back. Then come a call about it in check mode and without, a call
about another daemon of the same host, the remedy, and the first call again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
    installing,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons import host_setup
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import MAIN, vserver
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run

HOSTS = {
    "full": ("bf1:bookworm:full", "bf2:trixie:full"),
    "exim": ("be1:bookworm:exim", "be2:trixie:exim"),
    "cyrus": ("bc1:bookworm:cyrus", "bc2:trixie:cyrus"),
}
SPLIT = "be2"  # Exim's configuration is in many files there
MODULE = "mail_vserver_tls"
SNAKEOIL, SNAKEOIL_KEY = "/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/ssl/private/ssl-cert-snakeoil.key"
OTHER = "/etc/ssl/other"  # a pair of the administrator's, for another site or name
UNITS = {
    "postfix": "$(systemctl is-active --quiet postfix@- && echo postfix@- || echo postfix)",
    "dovecot": "dovecot",
    "nginx": "nginx",
    "inn": "inn2",
    "exim": "exim4",
    "apache": "apache2",
    "cyrus": "cyrus-imapd",
}


@dataclass(frozen=True)
class Trouble:
    """What has become of a daemon's files while it serves.

    Attributes:
        name: what it is.
        kind: the kind of hosts that it is for.
        daemon: whose it is.
        begin: shell commands by which it comes about.
        remedy: shell commands that do what the message says; empty where there is nothing to do.
        call: the virtual server that is called for.
        refused: what the message says, as a regular expression; empty where the call itself ends the trouble.
        place: file, and line if there is one, that the message names, as a regular expression.
        other: a virtual server of another daemon, for which nothing is in the way.
        before: a virtual server that is set up before the trouble; None for none.
    """

    name: str
    kind: str
    daemon: str
    begin: str
    remedy: str
    call: Mapping[str, Any]
    refused: str
    place: str
    other: Mapping[str, Any] | None = None
    before: Mapping[str, Any] | None = None


def _copy(daemon: str) -> str:
    return f"$(find /etc/postmaster -path '*{daemon}*' -name '{MAIN}*' -type f)"


def _absent(protocol: str) -> Mapping[str, Any]:
    return {"protocol": protocol, "state": "absent"}


def _postfix(name: str, begin: str, remedy: str, refused: str, place: str) -> Trouble:
    return Trouble(
        name,
        "full",
        "postfix",
        begin,
        remedy,
        vserver("submission"),
        refused,
        place,
        vserver("ldap", strength="modern"),
    )


def _dovecot(name: str, text: str, refused: str, place: str = r"/conf\.d/98-test\.conf:\d+$") -> Trouble:
    path = "/etc/dovecot/conf.d/98-test.conf"
    begin = f"cat >{path} <<'END'\n{text}END"
    return Trouble(name, "full", "dovecot", begin, f"rm {path}", vserver("imap"), refused, place, vserver("http"))


def _web(daemon: str, name: str, begin: str, remedy: str, refused: str, place: str) -> Trouble:
    kind, other = ("full", "imap") if daemon == "nginx" else ("exim", "submission")
    return Trouble(name, kind, daemon, begin, remedy, vserver("http"), refused, place, vserver(other))


def _cyrus(name: str, begin: str, remedy: str, refused: str, place: str) -> Trouble:
    return Trouble(name, "cyrus", "cyrus", begin, remedy, vserver("imap"), refused, place)


def _mended(kind: str, daemon: str, protocol: str) -> Trouble:
    """The daemon's copy of a certificate of ours is gone, and the call puts it back."""
    wanted = vserver(protocol)
    return Trouble(f"{daemon} without its copy", kind, daemon, f"rm {_copy(daemon)}", "", wanted, "", "", before=wanted)


NGINX_SITE = f"""
cat {SNAKEOIL} >{OTHER}.pem; cat {SNAKEOIL_KEY} >{OTHER}.key
cat >/etc/nginx/conf.d/other.conf <<'END'
server {{
    listen 8444 ssl;
    server_name other.example.test;
    ssl_certificate {OTHER}.pem;
    ssl_certificate_key {OTHER}.key;
}}
END
systemctl reload nginx
"""
APACHE_SITE = f"""
cat {SNAKEOIL} >{OTHER}.pem; cat {SNAKEOIL_KEY} >{OTHER}.key
cat >/etc/apache2/sites-available/other.conf <<'END'
Listen 8444
<VirtualHost *:8444>
    ServerName other.example.test
    SSLEngine on
    SSLCertificateFile {OTHER}.pem
    SSLCertificateKeyFile {OTHER}.key
</VirtualHost>
END
a2enmod -q ssl; a2ensite -q other; systemctl restart apache2
until ss -Hltn | grep -q :8444; do sleep 0.1; done; sleep 1
"""
NO_NGINX_SITE = "rm /etc/nginx/conf.d/other.conf; systemctl reload nginx"
NO_APACHE_SITE = "a2dissite -q other; systemctl reload apache2"
OTHER_KIND = f"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 >{OTHER}.key 2>/dev/null"
SAME_KIND = f"openssl genrsa 2048 >{OTHER}.key 2>/dev/null"
ITS_KEY = f"cat {SNAKEOIL_KEY} >{OTHER}.key"


def _exim(name: str, line: str, refused: str) -> Trouble:
    begin = f"""
case $(hostname) in
{SPLIT}*) echo '{line}' >/etc/exim4/conf.d/main/99_test ;;
*) sed -i '1i {line}' /etc/exim4/exim4.conf.template ;;
esac"""
    remedy = f"""
case $(hostname) in
{SPLIT}*) rm /etc/exim4/conf.d/main/99_test ;;
*) sed -i 1d /etc/exim4/exim4.conf.template ;;
esac"""
    place = r"/etc/exim4/(?:conf\.d/main/99_test:1|exim4\.conf\.template:1)$"
    return Trouble(name, "exim", "exim", begin, remedy, vserver("submission"), refused, place, vserver("http"))


TROUBLES = (
    _postfix(
        "a line of master.cf that is broken",
        "echo 'broken line' >>/etc/postfix/master.cf",
        "sed -i '$d' /etc/postfix/master.cf",
        "bad field count",
        r"/etc/postfix/master\.cf:\d+$",
    ),
    _postfix(
        "an owner of mail that is gone",
        "echo 'mail_owner = gone' >>/etc/postfix/main.cf",
        "sed -i '$d' /etc/postfix/main.cf",
        "the user gone, which mail_owner names, does not exist",
        r"/etc/postfix/main\.cf:\d+$",
    ),
    _postfix(
        "a group of postdrop that is gone",
        "echo 'setgid_group = gone' >>/etc/postfix/main.cf",
        "sed -i '$d' /etc/postfix/main.cf",
        "the group gone, which setgid_group names, does not exist",
        r"/etc/postfix/main\.cf:\d+$",
    ),
    Trouble(
        "a certificate of before that is gone",
        "full",
        "postfix",
        f"mv {SNAKEOIL} {SNAKEOIL}.gone",
        f"mv {SNAKEOIL}.gone {SNAKEOIL}",
        _absent("smtp"),
        f"get back the settings of before, and {SNAKEOIL}, which they name, is not there any more",
        r"/etc/postfix/main\.cf:\d+$",
        vserver("ldap"),
        {**vserver("smtp"), "require_secure_channel": False},
    ),
    _mended("full", "postfix", "submission"),
    _dovecot("an included file that is gone", "!include gone.conf\n", "No matches"),
    _dovecot("a setting that there is not", "nosuch_setting = yes\n", "(?i)unknown setting"),
    _dovecot(
        "a user of a service that is gone",
        "service imap {\n  unix_listener other {\n    user = gone\n  }\n}\n",
        "the user gone does not exist",
        r"/conf\.d/98-test\.conf:3$",
    ),
    _dovecot(
        "a plugin that is not installed",
        "protocol imap {\n  mail_plugins = nosuch\n}\n",
        "the plugin nosuch, which imap is to load",
        r"/conf\.d/98-test\.conf:2$",
    ),
    Trouble(
        "a certificate of a name that is gone",
        "full",
        "dovecot",
        f"""
case $(dovecot --version) in
2.4*) set ssl_server_cert_file ssl_server_key_file '' ;;
*) set ssl_cert ssl_key '<' ;;
esac
printf 'local_name other.example.test {{\\n %s = %s\\n %s = %s\\n}}\\n' "$1" "$3{OTHER}.pem" "$2" "$3{OTHER}.pem" \
    >/etc/dovecot/conf.d/98-test.conf; rm -f {OTHER}.pem
""",
        "rm /etc/dovecot/conf.d/98-test.conf",
        vserver("imap"),
        f"(?i)open.*{OTHER}",
        r"/conf\.d/98-test\.conf:2$",
        vserver("nntp"),
    ),
    _mended("full", "dovecot", "imap"),
    _web(
        "nginx",
        "a certificate of another site that is gone",
        f"{NGINX_SITE}rm {OTHER}.pem",
        NO_NGINX_SITE,
        f"cannot load certificate .{OTHER}.pem",
        r"/etc/nginx/conf\.d/other\.conf:4$",
    ),
    _web(
        "nginx",
        "a key of another site that is of another kind",
        NGINX_SITE + OTHER_KIND,
        f"{ITS_KEY}; {NO_NGINX_SITE}",
        f"{OTHER}.key is not the key of {OTHER}.pem",
        r"/etc/nginx/conf\.d/other\.conf:5$",
    ),
    _mended("full", "nginx", "http"),
    _exim("an option that there is not", "nosuch_option = 3", "nosuch_option"),
    _exim("an included file that is gone", ".include /etc/exim4/gone", "/etc/exim4/gone"),
    _mended("exim", "exim", "submission"),
    _web(
        "apache",
        "a certificate of another virtual host that is gone",
        f"{APACHE_SITE}rm {OTHER}.pem",
        NO_APACHE_SITE,
        f"{OTHER}.pem' does not exist or is empty",
        r"other\.conf:5$",
    ),
    _web(
        "apache",
        "a key of another virtual host that is not its own",
        APACHE_SITE + SAME_KIND,
        f"{ITS_KEY}; {NO_APACHE_SITE}",
        f"{OTHER}.key is not the key of {OTHER}.pem",
        r"other\.conf:6$",
    ),
    _mended("exim", "apache", "http"),
    _cyrus(
        "a program of the start that is not installed",
        "sed -i '/^START/a\\\\  other cmd=\"nosuch -r\"' /etc/cyrus.conf",
        "sed -i '/nosuch/d' /etc/cyrus.conf",
        "the program /usr/lib/cyrus/bin/nosuch, which is to run at the start, is not installed",
        r"/etc/cyrus\.conf:\d+$",
    ),
    _cyrus(
        "a program of a service that is not installed",
        'sed -i \'/^SERVICES/a\\\\  other cmd="nosuch -s" listen="1234"\' /etc/cyrus.conf',
        "sed -i '/nosuch/d' /etc/cyrus.conf",
        "the program /usr/lib/cyrus/bin/nosuch of the service other is not installed",
        r"/etc/cyrus\.conf:\d+$",
    ),
    _cyrus(
        "an option that is broken",
        "echo 'broken line here' >>/etc/imapd.conf",
        "sed -i '$d' /etc/imapd.conf",
        "invalid option name on line",
        r"/etc/imapd\.conf(?::\d+)?$",
    ),
    _cyrus(
        "a directory of databases that is gone",
        "sed -i 's,^configdirectory: /var/lib/cyrus,&-gone,' /etc/imapd.conf",
        "sed -i 's,^\\(configdirectory: /var/lib/cyrus\\)-gone,\\1,' /etc/imapd.conf",
        "/var/lib/cyrus-gone, the configdirectory, is not there",
        r"/etc/imapd\.conf:\d+$",
    ),
    _mended("cyrus", "cyrus", "imap"),
)


def _state(daemon: str) -> str:
    """Shell commands that print which process serves, since when, and on which of the usual ports."""
    ports = "ss -Hltn '( sport = :25 or sport = :143 or sport = :80 )' | awk '{ print $4 }' | sort"
    return f"systemctl show --property=ActiveState,MainPID,ActiveEnterTimestampMonotonic {UNITS[daemon]}; {ports}"


def _add(play: Play, trouble: Trouble) -> None:
    name = trouble.name
    if trouble.before:
        play.call(f"before: {name}", MODULE, trouble.before)
    play.shell(f"begin: {name}", trouble.begin, _state(trouble.daemon))
    play.call(f"check: {name}", MODULE, trouble.call, check_mode=True)
    play.call(f"run: {name}", MODULE, trouble.call)
    play.shell(f"then: {name}", _state(trouble.daemon))
    if trouble.other:
        play.call(f"other: {name}", MODULE, trouble.other)
        play.call(f"other again: {name}", MODULE, _absent(trouble.other["protocol"]))
    if trouble.remedy:
        play.shell(f"remedy: {name}", trouble.remedy)
        play.call(f"again: {name}", MODULE, trouble.call)
    play.call(f"undone: {name}", MODULE, _absent(trouble.call["protocol"]))


def prepare(lab: Lab, ansible: Ansible, kind: str, certificates: Certificates) -> None:
    """Hosts of a kind as their administrator has set them up, with certificates in the store."""
    for host in lab.hosts.values():
        lab.run_in(host, "systemctl", "is-system-running", "--wait")
        lab.ask(host, "mkdir", "-m", "0700", WORK)
        certificates.put(lab, host)
        lab.ask(host, "update-ca-certificates")
        if kind == "full":
            lab.shell(host, host_setup.NEWS)
        if kind == "cyrus":
            lab.shell(host, host_setup.MAILBOXES)
        if host.name == SPLIT:
            settings = "/etc/exim4/update-exim4.conf.conf"
            use = f"sed -i \"s/^dc_use_split_config=.*/dc_use_split_config='true'/\" {settings}"
            lab.shell(host, f"{use}; systemctl restart exim4")
    installed = {host.name: installing(host) for host in lab.hosts.values()}
    install = {f"{COLLECTION}.mail_cert_install": {"certificates": "{{ certificates[inventory_hostname] }}"}}
    ansible.play("all", [install], certificates=installed).assert_success()


def run(lab: Lab, ansible: Ansible, kind: str, certificates: Certificates) -> Run:
    """One trouble after the other, on both hosts of a kind."""
    prepare(lab, ansible, kind, certificates)
    play = Play()
    for trouble in troubles(kind):
        _add(play, trouble)
    return ansible.play("all", play.tasks, strategy="free")


def troubles(kind: str) -> Sequence[Trouble]:
    """Those of one kind of hosts."""
    return [one for one in TROUBLES if one.kind == kind]
