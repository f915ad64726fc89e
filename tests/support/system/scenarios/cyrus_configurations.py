# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts with Cyrus in a lab of their own, one of each release, with options that an administrator has set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_setup import MAILBOXES
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.configured_hosts import (
    MAIN,
    ROOT,
    ConfiguredHosts,
    written,
)

HOSTS = ("w1:bookworm:cyrus", "w2:trixie:cyrus")
NAMES = ("w1", "w2")
IMAPD_CONF, CYRUS_CONF, OWN_CONF = "/etc/imapd.conf", "/etc/cyrus.conf", "/etc/imapd-own.conf"
IMAP: Mapping[str, Any] = {"protocol": "imap", "certificate": MAIN}
_RESTART = """systemctl reset-failed cyrus-imapd; systemctl restart cyrus-imapd
until ss -Hltn | grep -q :143; do sleep 0.1; done"""
_TREE = f"sha256sum {IMAPD_CONF} {CYRUS_CONF}"


class CyrusConfigurations(ConfiguredHosts):
    """The scenario.

    Args:
        lab: a lab that is not up yet.
        directory: an empty directory to work in.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        super().__init__(lab, directory, HOSTS, _TREE)

    def happen(self) -> None:
        """Boot the hosts, and let everything happen."""
        self.begin({}, f"{MAILBOXES}\ncp {IMAPD_CONF} {CYRUS_CONF} {WORK}")
        self._demands()
        self._other_file()
        self._client_certificates()
        self.play()

    def _configure(self, case: str, *scripts: str) -> None:
        fresh = f"cp {WORK}/imapd.conf {IMAPD_CONF}; cp {WORK}/cyrus.conf {CYRUS_CONF}"
        self._configured(case, fresh, *scripts, _RESTART)

    def _demands(self) -> None:
        """TLS 1.3 alone for one service, its own mechanisms, and nothing in clear text."""
        own = "imap_tls_versions: tls1_3\nimap_sasl_mech_list: PLAIN\nimap_tls_required: yes\nimap_allowplaintext: no\n"
        own += "imap_tls_eccurve: secp384r1\n"
        self._configure("demands", written(own, IMAPD_CONF, ">>"))
        session = f"openssl s_client -verify_return_error -CAfile {ROOT} -connect {{{{ lab_fqdn }}}}"
        looks = [
            f"echo {port} {version} $({session}:{port} {more} -{version} </dev/null 2>&1 | grep 'Cipher is')"
            for port, more in ((143, "-starttls imap"), (993, ""))
            for version in ("tls1_2", "tls1_3", "tls1_3 -groups P-256", "tls1_3 -groups P-384")
        ]
        self._call("demands: secure", IMAP)
        self._from_peer("demands: look", *looks)
        self._call("demands: again", IMAP)
        self._call("demands: loosen", {**IMAP, "strength": "intermediate", "auth_tls": ["PLAIN", "LOGIN"]})
        self._from_peer("demands: look at less", *looks)
        self._call("demands: taken out", IMAP)
        self._play.shell("demands: mechanisms", "runuser -u cyrus -- cyrus info -n imap conf | grep mech_list")
        self._absent("demands", IMAP)

    def _other_file(self) -> None:
        """A service with a file of its own; then what the message says is done."""
        self._configure(
            "file",
            f"(cat {IMAPD_CONF}; echo 'tls_versions: tls1_3') >{OWN_CONF}; chmod 644 {OWN_CONF}",
            f"sed -i 's,cmd=\"imapd ,cmd=\"imapd -C {OWN_CONF} ,' {CYRUS_CONF}",
        )
        self._call("file: refused", IMAP)
        self._play.shell(
            "file: follow",
            f"sed -i 's, -C {OWN_CONF},,' {CYRUS_CONF}; echo 'imap_tls_versions: tls1_3' >>{IMAPD_CONF}",
            _RESTART,
        )
        self._call("file: after", IMAP)

    def _client_certificates(self) -> None:
        """Nobody gets in without a certificate of his own, at a port that is added neither."""
        own = f"imap_tls_client_certs: require\nimap_tls_client_ca_file: {ROOT}\n"
        self._configure("clients", written(own, IMAPD_CONF, ">>"))
        session = "openssl s_client -quiet -connect {{ lab_fqdn }}:993"
        self._call("clients: secure", IMAP)
        self._from_peer("clients: look", f"(sleep 1; printf 'a LOGOUT\\r\\n'; sleep 1) | {session} 2>&1")
        self._call("clients: again", IMAP)
        self._absent("clients", IMAP)
