# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an administrator has configured on the hosts before the first call, and what runs on them."""

from __future__ import annotations

import re

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    CYRUS,
    EXIM,
    second_address,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.mail_daemons import processes

CALL = "one call"
DAEMONS = {"apache2", "cyrmaster", "cyrus-master", "dovecot", "exim4", "innd", "master", "nginx", "slapd"}
READERS = """\
# who may read
auth "localhost" {
    hosts: "localhost, 127.0.0.1, ::1, stdin"
    default: "<localhost>"
}

auth "staff" { # with a comment
  hosts: "*"
  auth: "ckpasswd -f /etc/news/users.pw"
  default: "<guest>"
  require_encryption: false
}

access "localhost" {
    users: "<localhost>"
    newsgroups: "*"
    access: RPA
    addcanlockuser: none
}
access "staff" {
    users: "*"
    newsgroups: "*"
    access: R
}
"""
# A busy machine under the lab would have innwatch close the server, and nnrpd turn readers away.
NEWS = r"""
sed -i 's/^doinnwatch:.*/doinnwatch: false/; s/^nnrpdloadlimit:.*/nnrpdloadlimit: 0/' /etc/news/inn.conf
printf 'alice:%s\\n' "$(openssl passwd -6 secret)" >/etc/news/users.pw
chgrp news /etc/news/users.pw; chmod 640 /etc/news/users.pw
systemctl restart inn2
"""
# Debian's package names a service whose program is in another package, and does not start because of it.
MAILBOXES = r"""
sed -i 's/^\thttp\t/\t#http\t/' /etc/cyrus.conf
systemctl reset-failed cyrus-imapd; systemctl restart cyrus-imapd
until ss -Hltn | grep -q :143; do sleep 0.1; done
"""
# sslyze opens many connections at a time. What is let in beside mail is refused in clear text as well.
MANY = (
    "sed -i '1a smtp_accept_max = 0\\nacl_smtp_vrfy = accept\\nacl_smtp_expn = accept' /etc/exim4/exim4.conf.template;"
    " systemctl restart exim4"
)


def settle(lab: Lab, host: Host) -> None:
    """The host has booted, has two addresses, and its daemons run."""
    lab.run_in(host, "systemctl", "is-system-running", "--wait")
    lab.shell(host, f"ip address add {second_address(host)}/24 dev eth0; useradd --create-home alice")
    if host.name in CYRUS:
        lab.shell(host, MAILBOXES)
    elif host.name in EXIM:
        lab.shell(host, MANY)
    else:
        lab.write(host, "/etc/news/readers.conf", READERS)
        lab.shell(host, NEWS)


def daemons(lab: Lab, host: Host) -> str:
    """Process id and start time of every daemon."""
    return "\n".join(line for line in processes(lab, host) if line.split()[0].strip("()") in DAEMONS)


def listening(lab: Lab, host: Host) -> str:
    """Every socket on which something listens."""
    printed = lab.ask(host, "ss", "-Hltn").splitlines()
    return "\n".join(sorted({re.split(r"\s+", line)[3] for line in printed}))
