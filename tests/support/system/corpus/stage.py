# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host on which one configuration after the other is put, each on what Debian has set up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.tests.reliability import shipped
from ansible_collections.postmaster.secure_channel.tests.support.authorities import Authority, pem
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
    installing,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import Configuration
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.flows import users_script
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import second_address
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import config_snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab

KEPT = "/var/tmp/corpus.tar"
PARTNERS_ROOT = "/usr/local/share/ca-certificates/partners.crt"
# What belongs to each daemon, and how it is started again.
PLACES: Mapping[str, Sequence[str]] = {
    "postfix": ("/etc/postfix", "/etc/aliases", "/etc/aliases.db"),
    "dovecot": ("/etc/dovecot",),
    "exim": ("/etc/exim4", "/etc/aliases"),
    "cyrus": ("/etc/imapd.conf", "/etc/cyrus.conf"),
    "inn": ("/etc/news",),
    "slapd": ("/etc/ldap", "/var/lib/ldap", "/etc/default/slapd"),
    "nginx": ("/etc/nginx",),
    "apache": ("/etc/apache2",),
}
UNITS = {"exim": "exim4", "cyrus": "cyrus-imapd", "inn": "inn2", "apache": "apache2"}
OURS = ("/etc/postmaster", "/var/lib/postmaster-secure-channel", "/etc/letsencrypt")
# A server of news waits for five seconds before it ends by itself.
STOP = {"inn2": "systemctl kill --signal=KILL inn2; rm -f /run/news/*"}
CLEAR = """
systemctl reset-failed
systemctl stop 'postmaster-nntp-*' || :
! command -v postsuper >/dev/null || postsuper -d ALL 2>/dev/null
{stops}
rm -rf {paths} /etc/systemd/system/postmaster-nntp-* /var/vmail /srv/*
find /var/mail /home -type f -path '*[Mm]ail*' -delete
tar --extract --file={tar} --absolute-names {kept}
"""
# Some are started before they listen.
READY = {"cyrus-imapd": "timeout 30 sh -c 'until ss -Hltn | grep -qE \":(143|993) \"; do sleep 0.1; done'"}
PREPARE: Mapping[str, str] = {
    "full": """
sed -i 's/^doinnwatch:.*/doinnwatch: false/; s/^nnrpdloadlimit:.*/nnrpdloadlimit: 0/' /etc/news/inn.conf
systemctl restart inn2
""",
    "exim": "",
    "cyrus": """
sed -i 's/^\\thttp\\t/\\t#http\\t/' /etc/cyrus.conf
systemctl reset-failed cyrus-imapd; systemctl restart cyrus-imapd
until ss -Hltn | grep -q :143; do sleep 0.1; done
echo Secret-Of-Alice | saslpasswd2 -p -c alice; chgrp sasl /etc/sasldb2; adduser --quiet cyrus sasl
""",
}


@dataclass
class Stage:
    """A host.

    Attributes:
        lab: the lab.
        host: the host.
        kind: its kind.
    """

    lab: Lab
    host: Host
    kind: str
    _touched: set[str] = field(default_factory=set)
    _kept: set[str] = field(default_factory=set)

    def prepare(self, certificates: Certificates, partners: Authority) -> None:
        """The host has booted; its certificates are in the store, and Debian's settings are kept."""
        self.lab.run_in(self.host, "systemctl", "is-system-running", "--wait")
        self.lab.shell(self.host, f"ip address add {second_address(self.host)}/24 dev eth0; {users_script()}")
        self.lab.shell(self.host, PREPARE[self.kind])
        config_snapshots.prepare(self.lab, self.host)
        certificates.put(self.lab, self.host)
        self.lab.write(self.host, PARTNERS_ROOT, pem(partners.certificate).decode())
        self.lab.ask(self.host, "update-ca-certificates")
        shipped.ship(self.lab, self.host)
        done = shipped.run(self.lab, self.host, "mail_cert_install", {"certificates": installing(self.host)})
        assert done.succeeded, done.complaint
        places = [*(path for paths in PLACES.values() for path in paths), *OURS]
        script = 'for path; do test ! -e "$path" || echo "$path"; done'
        self._kept = set(self.lab.ask(self.host, "sh", "-c", script, "sh", *places).split())
        self.lab.ask(self.host, "tar", "--create", f"--file={KEPT}", "--absolute-names", *sorted(self._kept))

    def put(self, configuration: Configuration) -> None:
        """Put a configuration in place of the one before."""
        daemons = sorted(self._touched | set(configuration.daemons))
        units = [UNITS.get(one, one) for one in daemons]
        paths = [*OURS, *(path for one in daemons for path in PLACES[one])]
        stops = "\n".join(STOP.get(unit, f"systemctl stop {unit}") for unit in units)
        kept = " ".join(self._kept & set(paths))
        self.lab.shell(self.host, CLEAR.format(stops=stops, paths=" ".join(paths), tar=KEPT, kept=kept))
        self._touched = set(configuration.daemons)
        for path, content in configuration.about.get("files", {}).items():
            self._write(path, "rm -f", ">", content)
        for path, content in configuration.about.get("append", {}).items():
            self._write(path, "test -e", ">>", content)
        script = configuration.about.get("run", "")
        ready = "\n".join(READY[unit] for unit in units if unit in READY)
        self.lab.shell(self.host, f"{script}\nsystemctl daemon-reload; systemctl start {' '.join(units)}\n{ready}")

    def _write(self, path: str, before: str, how: str, content: str) -> None:
        script = f'mkdir -p "$(dirname "$1")" && {before} "$1" && cat {how}"$1"'
        self.lab.ask(self.host, "sh", "-euc", script, "sh", path, given=content)
