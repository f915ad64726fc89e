# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts in a lab of their own, one of each release, whose Dovecot is configured in the ways that people do it.

Each configuration is written anew over Debian's own files; then Dovecot is secured, and looked at from the other host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.openssl_ca import (
    OpensslAuthority,
    new_request,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run

HOSTS = ("v1:bookworm", "v2:trixie")
NAMES = ("v1", "v2")
MAIN, RSA, WILD, SINGLE = "main", "rsa", "wild", "single"
WILD_NAME, SINGLE_NAME, OTHER_NAME = "*.a.example.test", "x.a.example.test", "y.a.example.test"
ROOT = "/usr/local/share/ca-certificates/outside.crt"
DOVECOT = "/etc/dovecot"
DOVECOT_CONF = f"{DOVECOT}/dovecot.conf"
ELSEWHERE = "/srv/mail/dovecot.conf"
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
# bash has sockets
_IN_CLEAR = (
    'bash -c \'exec 3<>/dev/tcp/{{ lab_fqdn }}/143; printf "a LOGIN relay relaypw\\r\\nb LOGOUT\\r\\n" >&3;'
    " timeout 20 cat <&3'"
)
_TREE = f"(cd {DOVECOT}; find . -type f -exec sha256sum {{}} + | sort -k 2; find . -type l -printf '%p %l\\n')"


def _written(text: str, path: str = DOVECOT_CONF, end: str = ">") -> str:
    return f"cat {end}{path} <<'END'\n{text}END"


def one_file(more: str = "", path: str = DOVECOT_CONF) -> str:
    """A script that writes the whole configuration into one file."""
    cases = "\n".join(f"{release})\n{_written(text, path)}\n;;" for release, text in _ONE_FILE.items())
    return f"case {{{{ lab_release }}}} in\n{cases}\nesac\n" + (_written(more, path, ">>") if more else "")


class DovecotConfigurations:
    """The scenario.

    Args:
        lab: a lab that is not up yet.
        directory: an empty directory to work in.

    Attributes:
        run: the play.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self._directory = directory
        self._play = Play()
        self.run = Run(0, "")

    def begin(self) -> None:
        """Boot the hosts, and let everything happen."""
        self.lab.up(*HOSTS)
        outside = OpensslAuthority(self._directory / "outside", "Outside")
        made = {}
        for name, host_name in ((WILD, WILD_NAME), (SINGLE, SINGLE_NAME)):
            made[name] = self._certified(outside, host_name)

        def prepare(host: Host) -> None:
            self.lab.ask(host, "systemctl", "is-system-running", "--wait")
            self.lab.shell(host, f"mkdir -p {WORK} /srv/mail; cp -a {DOVECOT} {WORK}/dovecot; useradd -m relay")
            self.lab.ask(host, "chpasswd", given="relay:relaypw\n")
            self.lab.shell(
                host,
                "cd /home/relay; mkdir -p Mail/cur Mail/new Mail/tmp; printf 'Subject: 1\\n\\n1\\n' >Mail/new/1.1.one\n"
                "chown -R relay: Mail",
            )
            self.lab.write(host, ROOT, outside.root.read_text())
            self.lab.ask(host, "update-ca-certificates")
            own = {MAIN: self._certified(outside, host.fqdn), RSA: self._certified(outside, host.fqdn, rsa=True)}
            for name, content in {**made, **own}.items():
                self.lab.write(host, f"{WORK}/{name}.pem", content, "0600")

        with ThreadPoolExecutor() as pool:
            list(pool.map(prepare, self.lab.hosts.values()))
        self._install()
        self._whole()
        self._names()
        self._layers()
        self._demands()
        self._remedies()
        peers = {"v1": "v2", "v2": "v1"}
        ansible = Ansible(self.lab.inventory, self._directory)
        self.run = ansible.play(",".join(NAMES), self._play.tasks, strategy="free", peers=peers)

    @staticmethod
    def _certified(authority: OpensslAuthority, name: str, *, rsa: bool = False) -> str:
        request, key = new_request(name, rsa=rsa)
        return key + authority.answer(request)

    # ---- steps

    def _configure(self, case: str, *scripts: str) -> None:
        """Debian's files with what the administrator has made of them; the tree is written down."""
        fresh = f"rm -rf {DOVECOT} {UNIT_PART}; cp -a {WORK}/dovecot {DOVECOT}"
        self._play.shell(f"{case}: configure", fresh, *scripts, "systemctl daemon-reload", _RESTART, _TREE)

    def _call(self, name: str, *vservers: Mapping[str, Any], **keywords: Any) -> None:
        self._play.call(name, "mail_vserver_tls", {"vservers": list(vservers)}, **keywords)

    def _tree(self, name: str) -> None:
        self._play.shell(name, _TREE)

    def _from_peer(self, name: str, *scripts: str) -> None:
        """Look from the other host, whatever is seen."""
        self._play.shell(name, "set +e", *scripts, "true")
        self._play.tasks[-1]["delegate_to"] = "{{ peers[inventory_hostname] }}"

    def _mailbox(self, name: str) -> None:
        place, trusted = "{{ lab_fqdn }}", f"--cacert {ROOT}"
        self._from_peer(
            name,
            f"curl -sS {trusted} -u relay:relaypw -X 'EXAMINE INBOX' imaps://{place}/ 2>&1",
            f"curl -sSv {trusted} imaps://{place}/ 2>&1 | grep -o 'AUTH=[A-Z]*'",
            _IN_CLEAR,
        )

    def _absent(self, case: str, *vservers: Mapping[str, Any]) -> None:
        self._call(f"{case}: absent", *({"protocol": one["protocol"], "state": "absent"} for one in vservers))
        self._tree(f"{case}: put back")

    # ---- what happens

    def _install(self) -> None:
        names = {MAIN: "{{ lab_fqdn }}", RSA: "{{ lab_fqdn }}", WILD: WILD_NAME, SINGLE: SINGLE_NAME}
        certificates = [
            {"name": name, "src": f"{WORK}/{name}.pem", "names": [host_name], "trust_store": ROOT}
            for name, host_name in names.items()
        ]
        call = {f"{COLLECTION}.mail_cert_install": {"certificates": certificates}}
        self._play.tasks.append({"name": "install", **call})

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
            f"mkdir {DOVECOT}/parts; echo 'mail_max_userip_connections = 20' >{DOVECOT}/parts/limits.conf",
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
        self._configure("demands", _written("ssl = required\nssl_min_protocol = TLSv1.3\n", f"{DOVECOT}/local.conf"))
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
            _written(f"[Service]\nExecStart=\nExecStart=/usr/sbin/dovecot -F -c {ELSEWHERE}\n", UNIT_PART),
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

    # ---- what was seen

    def result(self, host: Host, task: str) -> Mapping[str, Any]:
        """What a call answered."""
        return self.run.one(host.name, task).result

    def seen(self, host: Host, task: str) -> str:
        """What a script printed."""
        return str(self.result(host, task)["stdout"]).replace("\r", "")

    def certificates(self, host: Host) -> dict[tuple[str, str], str]:
        """The names in the certificates that clients got, by the name that they asked for and the type of key."""
        found = {}
        for name, kind, rest in re.findall(r"(?m)^(\S+) (\w+?)_\w+ ?(.*)$", self.seen(host, "names: look")):
            found[name, kind] = re.sub(r".*CN *= *", "", rest)
        return found


def trees(texts: Sequence[str]) -> list[list[str]]:
    """The last lines of what scripts printed that are a tree of files."""
    return [[line for line in text.splitlines() if "./" in line] for text in texts]
