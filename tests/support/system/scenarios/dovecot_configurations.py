# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts in a lab of their own, one of each release, whose Dovecot is configured in the ways that people do it.

Each configuration is written anew over Debian's own files; then Dovecot is secured, and looked at from the other host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.configured_hosts import (
    MAIN,
    ROOT,
    ConfiguredHosts,
    written,
)

HOSTS = ("v1:bookworm", "v2:trixie")
NAMES = ("v1", "v2")
RSA, WILD, SINGLE = "rsa", "wild", "single"
WILD_NAME, SINGLE_NAME, OTHER_NAME = "*.a.example.test", "x.a.example.test", "y.a.example.test"
DOVECOT = "/etc/dovecot"
DOVECOT_CONF = f"{DOVECOT}/dovecot.conf"
ELSEWHERE = "/srv/mail/dovecot.conf"
TRUSTING = f"{DOVECOT}/local.conf"
UNIT_PART = "/etc/systemd/system/dovecot.service.d/own.conf"
IMAP: Mapping[str, Any] = {"protocol": "imap", "certificate": MAIN}
SUBMISSION: Mapping[str, Any] = {"protocol": "submission", "certificate": MAIN, "require_secure_channel": True}
REQUIRED = {**IMAP, "require_secure_channel": True}
NAMED = {
    **REQUIRED,
    "alternative_certificate": RSA,
    "sni": [{"name": WILD_NAME, "certificate": WILD}, {"name": SINGLE_NAME, "certificate": SINGLE}],
}

# A whole configuration in one file, by release: mail, logins and users are not where Debian's own files look for them.
_ONE_FILE = {
    "bookworm": """protocols = imap
ssl = required
ssl_cert = </etc/dovecot/private/dovecot.pem
ssl_key = </etc/dovecot/private/dovecot.key
mail_location = maildir:~/Mail
auth_mechanisms = plain login
passdb {
  driver = pam
}
userdb {
  driver = passwd
}
""",
    "trixie": """dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
protocols = imap
ssl = required
ssl_server_cert_file = /etc/dovecot/private/dovecot.pem
ssl_server_key_file = /etc/dovecot/private/dovecot.key
mail_driver = maildir
mail_path = ~/Mail
auth_mechanisms = plain login
passdb pam {
}
userdb passwd {
}
""",
}
_RESTART = "systemctl reset-failed dovecot; systemctl restart dovecot"
# bash has sockets; the address of IPv4 is in the networks that are trusted
_IN_CLEAR = (
    'bash -c \'exec 3<>/dev/tcp/{{ ansible_host }}/143; printf "a LOGIN relay relaypw\\r\\nb LOGOUT\\r\\n" >&3;'
    " timeout 20 cat <&3'"
)
_PREPARATION = f"""
mkdir -p /srv/mail; cp -a {DOVECOT} {WORK}/dovecot
useradd -m relay; echo relay:relaypw | chpasswd
cd /home/relay; mkdir -p Mail/cur Mail/new Mail/tmp; printf 'Subject: 1\\n\\n1\\n' >Mail/new/1.1.one
chown -R relay: Mail
"""
_TREE = f"(cd {DOVECOT}; find . -type f -exec sha256sum {{}} + | sort -k 2; find . -type l -printf '%p %l\\n')"


def one_file(more: str = "", path: str = DOVECOT_CONF) -> str:
    """A script that writes the whole configuration into one file."""
    cases = "\n".join(f"{release})\n{written(text, path)}\n;;" for release, text in _ONE_FILE.items())
    return f"case {{{{ lab_release }}}} in\n{cases}\nesac\n" + (written(more, path, ">>") if more else "")


class DovecotConfigurations(ConfiguredHosts):
    """The scenario.

    Args:
        lab: a lab that is not up yet.
        directory: an empty directory to work in.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        super().__init__(lab, directory, HOSTS, _TREE)

    def happen(self) -> None:
        """Boot the hosts, and let everything happen."""
        self.begin({RSA: ".", WILD: WILD_NAME, SINGLE: SINGLE_NAME}, _PREPARATION)
        self._whole()
        self._names()
        self._layers()
        self._demands()
        self._remedies()
        self.play()

    # ---- steps

    def _configure(self, case: str, *scripts: str) -> None:
        """Debian's files with what the administrator has made of them."""
        fresh = f"rm -rf {DOVECOT} {UNIT_PART}; cp -a {WORK}/dovecot {DOVECOT}"
        self._configured(case, fresh, *scripts, "systemctl daemon-reload", _RESTART)

    def _mailbox(self, name: str) -> None:
        place, trusted = "{{ lab_fqdn }}", f"--cacert {ROOT}"
        self._from_peer(
            name,
            f"curl -sS {trusted} -u relay:relaypw -X 'EXAMINE INBOX' imaps://{place}/ 2>&1",
            f"curl -sSv {trusted} imaps://{place}/ 2>&1 | grep -o 'AUTH=[A-Z]*'",
            _IN_CLEAR,
        )

    # ---- what happens

    def _whole(self) -> None:
        """One file, and a submission server that has Dovecot check passwords."""
        self._configure("one file", one_file())
        self._call("one file: submission alone", SUBMISSION)
        self._from_peer(
            "one file: log in",
            "swaks --server {{ lab_fqdn }}:587 -tls --auth LOGIN --auth-user relay --auth-password relaypw"
            " --quit-after AUTH",
        )
        self._call("one file: check", REQUIRED, SUBMISSION, check_mode=True)
        self._call("one file: secure", REQUIRED, SUBMISSION)
        self._mailbox("one file: look")
        self._call("one file: again", REQUIRED, SUBMISSION)
        self._absent("one file", REQUIRED, SUBMISSION)
        self._mailbox("one file: look again")

    def _names(self) -> None:
        """A wildcard and a name below it, in one file that has a block for the protocol already."""
        self._configure("names", one_file("protocol imap {\n  mail_max_userip_connections = 20\n}\n"))
        self._call("names: secure", NAMED)
        seen = []
        for name in (SINGLE_NAME, SINGLE_NAME.upper(), OTHER_NAME, "{{ lab_fqdn }}"):
            for kind in ("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"):
                session = (
                    f"openssl s_client -connect {{{{ lab_fqdn }}}}:993 -servername {name} -sigalgs {kind}:RSA+SHA256"
                )
                only = "" if kind.startswith("ecdsa") else " -tls1_2 -cipher aRSA"
                seen.append(f"echo {name} {kind} $({session}{only} </dev/null 2>/dev/null | grep ^subject)")
        self._from_peer("names: look", *seen)
        self._call("names: again", NAMED)
        self._call("names: taken out", REQUIRED)
        self._absent("names", NAMED)

    def _layers(self) -> None:
        """A link to a file elsewhere, which includes its own directories and local.conf."""
        more = "!include_try parts/*.conf\n!include_try local.conf\n"
        self._configure(
            "layers",
            f"rm -r {DOVECOT}/conf.d; mkdir {DOVECOT}/parts",
            f"echo 'mail_max_userip_connections = 20' >{DOVECOT}/parts/limits.conf",
            f"echo 'imap_idle_notify_interval = 60s' >{DOVECOT}/local.conf",
            one_file(more, ELSEWHERE),
            f"ln -sf {ELSEWHERE} {DOVECOT_CONF}",
        )
        self._call("layers: secure", REQUIRED)
        self._mailbox("layers: look")
        self._call("layers: again", REQUIRED)
        self._absent("layers", REQUIRED)

    def _demands(self) -> None:
        """TLS 1.3 alone, and nothing in clear text, as the administrator demands it already."""
        self._configure("demands", written("ssl = required\nssl_min_protocol = TLSv1.3\n", f"{DOVECOT}/local.conf"))
        old = "openssl s_client -connect {{ lab_fqdn }}:993 -tls1_2 </dev/null 2>&1 | grep 'Cipher is'"
        self._call("demands: secure", IMAP)
        self._from_peer("demands: look", old, _IN_CLEAR)
        self._call("demands: again", IMAP)
        self._call("demands: loosen", {**IMAP, "require_secure_channel": False, "strength": "intermediate"})
        self._from_peer("demands: look at less", old)
        self._call("demands: taken out", IMAP)
        self._absent("demands", IMAP)

    def _remedies(self) -> None:
        """What is refused, and then what the message says is done."""
        self._configure(
            "elsewhere",
            one_file(path=ELSEWHERE),
            f"mkdir -p $(dirname {UNIT_PART})",
            written(f"[Service]\nExecStart=\nExecStart=/usr/sbin/dovecot -F -c {ELSEWHERE}\n", UNIT_PART),
        )
        self._call("elsewhere: refused", REQUIRED)
        self._call("elsewhere: refused for submission", SUBMISSION)
        self._play.shell(
            "elsewhere: follow",
            f"mv {ELSEWHERE} {DOVECOT_CONF}; sed -i 's, -c {ELSEWHERE},,' {UNIT_PART}",
            "systemctl daemon-reload; systemctl restart dovecot.service",
        )
        self._call("elsewhere: after", REQUIRED)
        self._mailbox("elsewhere: look")
        self._absent("elsewhere", REQUIRED)
        self._configure("block", one_file("protocol imap {\n  !include_try conf.d/99-*.conf\n}\n"))
        self._call("block: refused", REQUIRED)
        self._play.shell("block: follow", f"sed -i 's,conf.d/99-,conf.d/98-,' {DOVECOT_CONF}", _RESTART)
        self._call("block: after", REQUIRED)
        self._mailbox("block: look")
        self._configure("trusted", written("login_trusted_networks = 127.0.0.1 10.88.0.0/24\n", TRUSTING))
        self._call("trusted: first", REQUIRED)
        self._from_peer("trusted: look at first", _IN_CLEAR)
        self._play.shell("trusted: follow", f"sed -i 's, 10.*,,' {TRUSTING}", _RESTART)
        self._call("trusted: after", REQUIRED)
        self._from_peer("trusted: look", _IN_CLEAR)

    # ---- what was seen

    def certificates(self, host: Host) -> dict[tuple[str, str], str]:
        """The names in the certificates that clients got, by the name that they asked for and the type of key."""
        found = {}
        for name, kind, rest in re.findall(r"(?m)^(\S+) (\w+?)_\w+ ?(.*)$", self.seen(host, "names: look")):
            found[name, kind] = re.sub(r".*CN *= *", "", rest)
        return found
