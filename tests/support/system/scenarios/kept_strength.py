# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts whose administrators allow less TLS than any strength does, or only clients with certificates.

Two hosts of a kind in a lab of their own, one of each release. For each daemon the same happens: a call that leaves the
strength out, the same again, a call that asks for one by name, one that asks for the strictest, and again one that
leaves it out; in the end everything is taken back. The hosts look at each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_setup import NEWS, READERS
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.configured_hosts import (
    MAIN,
    ROOT,
    ConfiguredHosts,
    written,
)

READERS_CONF = "/etc/news/readers.conf"
HOSTS = {
    "full": ("s1:bookworm:full", "s2:trixie:full"),
    "exim": ("s3:bookworm:exim", "s4:trixie:exim"),
}
_SUITES = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
_GNUTLS = "NORMAL:-AES-128-GCM:-AES-128-CBC:-AES-128-CCM:-CHACHA20-POLY1305:-GROUP-ALL:+GROUP-SECP384R1"
_LDIF = "ldapmodify -Q -Y EXTERNAL -H ldapi:/// <<END\ndn: cn=config\nchangetype: modify\n"
_OWN = "/etc/ldap/own.pem"
_NGINX_MORE, _APACHE_MORE = "/etc/nginx/conf.d/more.conf", "/etc/apache2/conf-enabled/more.conf"
_LDAP_FILES = (
    f"cp {ROOT} /etc/ldap/outside.pem; chmod 644 /etc/ldap/outside.pem\n"
    f"cp {WORK}/{MAIN}.pem {_OWN}; chown openldap {_OWN}"
)

# What a client offers, by the word for it: what the administrators here bar, and what they allow.
OFFERS = {
    "aes128": "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
    "x25519": "-tls1_3 -groups X25519",
    "aes256": f"-tls1_2 -cipher {_SUITES}",
    "p384": "-tls1_3 -groups P-384",
}
BARRED, ALLOWED = ("aes128", "x25519"), ("aes256", "p384")


@dataclass(frozen=True)
class Daemon:
    """A daemon, and what its administrator has set.

    Attributes:
        options: what is declared of it.
        port: where clients find it.
        start: how TLS begins there, as options of s_client.
        tree: the state of its configuration, as shell.
        strict: sets narrower suites and groups, as shell.
        certificates: demands a certificate of every client, as shell; empty where it cannot.
        loosening: has OpenSSL itself allow more than the strictest, in place of what we say, as shell, and takes
            that back; with the file that it is in.
    """

    options: Mapping[str, Any]
    port: int
    start: str
    tree: str
    strict: str
    certificates: str = ""
    loosening: tuple[str, str, str] = ("", "", "")


def _ldap(**values: str) -> str:
    return _LDIF + "-\n".join(f"replace: {name}\n{name}: {value}\n" for name, value in values.items()) + "END"


DAEMONS: Mapping[str, Mapping[str, Daemon]] = {
    "full": {
        "nginx": Daemon(
            {"protocol": "http", "require_secure_channel": True},
            443,
            "",
            "find /etc/nginx -type f | sort | xargs sha256sum",
            written(f"ssl_ciphers {_SUITES};\nssl_ecdh_curve secp384r1;\n", "/etc/nginx/conf.d/strict.conf")
            + "\nsystemctl reload nginx",
            written(
                f"ssl_verify_client on;\nssl_client_certificate {ROOT};\n",
                "/etc/nginx/conf.d/strict.conf",
            )
            + "\nsystemctl reload nginx",
            (
                written("ssl_conf_command Protocol TLSv1.2;\n", _NGINX_MORE),
                f"rm {_NGINX_MORE}",
                _NGINX_MORE,
            ),
        ),
        "postfix": Daemon(
            {"protocol": "smtp"},
            25,
            "-starttls smtp",
            "sha256sum /etc/postfix/*.cf",
            f"postconf -e smtpd_tls_ciphers=high tls_high_cipherlist={_SUITES} 'tls_eecdh_auto_curves = P-384, X448'\n"
            "postfix reload",
        ),
        "dovecot": Daemon(
            {"protocol": "imap", "require_secure_channel": True},
            143,
            "-starttls imap",
            "find /etc/dovecot -type f | sort | xargs sha256sum",
            written(f"ssl_cipher_list = {_SUITES}\nssl_curve_list = P-384\n", "/etc/dovecot/conf.d/50-own.conf")
            + "\ndoveadm reload",
        ),
        "inn": Daemon(
            {"protocol": "nntp", "require_secure_channel": True},
            119,
            "-starttls nntp",
            "sha256sum /etc/news/*.conf",
            written(
                f'tlsciphers: "{_SUITES}"\ntlsciphers13: "TLS_AES_256_GCM_SHA384"\ntlseccurve: "secp384r1"\n',
                "/etc/news/inn.conf",
                ">>",
            ),
        ),
        "slapd": Daemon(
            {"protocol": "ldap", "require_secure_channel": True},
            389,
            "-starttls ldap",
            "slapcat -n0 -o ldif-wrap=no -a '(objectClass=olcGlobal)'"
            " | grep -E '^olc(TLS|Sec|Local|Sasl|Req|Dis)' | sed 's,$, /,' | sort",
            f"{_LDAP_FILES}\n"
            + _ldap(olcTLSCertificateFile=_OWN, olcTLSCertificateKeyFile=_OWN)
            + "\nif ldd $(command -v slapd) | grep -q gnutls; then\n"
            + _ldap(olcTLSCipherSuite=_GNUTLS)
            + "\nelse\n"
            + _ldap(olcTLSCipherSuite=_SUITES, olcTLSECName="secp384r1")
            + "\nfi",
            _ldap(olcTLSCACertificateFile="/etc/ldap/outside.pem", olcTLSVerifyClient="demand"),
        ),
    },
    "exim": {
        "apache": Daemon(
            {"protocol": "http", "require_secure_channel": True},
            443,
            "",
            "find /etc/apache2 -type f | sort | xargs sha256sum",
            "a2enmod -q ssl; sed -i 's/^\\(\\s*\\)Listen 443/\\1#/' /etc/apache2/ports.conf\n"
            + written(
                f"SSLCipherSuite {_SUITES}\nSSLCipherSuite TLSv1.3 TLS_AES_256_GCM_SHA384\n"
                "SSLOpenSSLConfCmd Curves secp384r1\n",
                "/etc/apache2/conf-enabled/strict.conf",
            )
            + "\nsystemctl restart apache2",
            written(
                f"SSLVerifyClient require\nSSLCACertificateFile {ROOT}\n",
                "/etc/apache2/conf-enabled/strict.conf",
            )
            + "\nsystemctl restart apache2",
            (
                written("SSLOpenSSLConfCmd MinProtocol TLSv1.2\n", _APACHE_MORE),
                f"rm {_APACHE_MORE}",
                _APACHE_MORE,
            ),
        ),
        "exim": Daemon(
            {"protocol": "smtp"},
            25,
            "-starttls smtp",
            "find /etc/exim4 -type f | sort | xargs sha256sum",
            written(f"tls_require_ciphers = {_GNUTLS}\n", "/etc/exim4/exim4.conf.localmacros")
            + "\nsystemctl restart exim4; until ss -Hltn | grep -q :25; do sleep 0.1; done",
            written(
                f"MAIN_TLS_ENABLE = yes\nMAIN_TLS_VERIFY_HOSTS = *\nMAIN_TLS_VERIFY_CERTIFICATES = {ROOT}\n",
                "/etc/exim4/exim4.conf.localmacros",
            )
            + "\nsystemctl restart exim4; until ss -Hltn | grep -q :25; do sleep 0.1; done",
        ),
    },
}


class KeptStrength(ConfiguredHosts):
    """The scenario, for the daemons of one kind of host.

    Args:
        lab: a lab that is not up yet.
        directory: an empty directory to work in.
        kind: one of HOSTS.
    """

    def __init__(self, lab: Lab, directory: Path, kind: str) -> None:
        super().__init__(lab, directory, HOSTS[kind], "true")
        self._kind = kind

    def happen(self) -> None:
        """Boot the hosts, and let everything happen."""
        self.begin({}, f"{written(READERS, READERS_CONF)}\n{NEWS}" if self._kind == "full" else "true")
        for name, daemon in DAEMONS[self._kind].items():
            self._narrower(name, daemon)
            if daemon.certificates:
                self._client_certificates(name, daemon)
        self.play()

    def _look(self, task: str, daemon: Daemon, *offers: str) -> None:
        """Offer one thing at a time from the other host."""
        session = f"openssl s_client -connect {{{{ lab_fqdn }}}}:{daemon.port} {daemon.start}"
        looks = [
            f"echo {offer}: $({session} {OFFERS[offer]} </dev/null 2>&1 | grep -m 1 'Cipher is')" for offer in offers
        ]
        self._from_peer(task, *looks)

    def _narrower(self, name: str, daemon: Daemon) -> None:
        declared = {**daemon.options, "certificate": MAIN}
        self._tree = daemon.tree
        self._configured(name, daemon.strict)
        self._call(f"{name}: secure", declared)
        self._look(f"{name}: look", daemon, *OFFERS)
        self._call(f"{name}: again", declared)
        self._call(f"{name}: by name", {**declared, "strength": "intermediate"})
        self._look(f"{name}: look at what is asked for", daemon, *OFFERS)
        more, no_more, _path = daemon.loosening
        if more:
            self._play.shell(f"{name}: loosen", more)
            self._call(f"{name}: loosened", {**declared, "strength": "modern"})
            self._play.shell(f"{name}: loosen no more", no_more)
        self._call(f"{name}: strictest", {**declared, "strength": "modern"})
        self._look(f"{name}: look at the strictest", daemon, *ALLOWED)
        self._call(f"{name}: taken out", declared)
        self._look(f"{name}: look at what stood", daemon, *OFFERS)
        self._call(f"{name}: required no more", {"protocol": declared["protocol"], "certificate": MAIN})
        self._absent(name, declared)

    def _client_certificates(self, name: str, daemon: Daemon) -> None:
        case = f"{name} and clients"
        declared = {**daemon.options, "certificate": MAIN}
        self._configured(case, daemon.certificates)
        self._call(f"{case}: secure", declared)
        asks = {"-starttls smtp": "EHLO x\\r\\n", "": "GET / HTTP/1.0\\r\\n\\r\\n"}.get(daemon.start, "")
        session = f"openssl s_client -quiet -connect {{{{ lab_fqdn }}}}:{daemon.port} {daemon.start}"
        self._from_peer(f"{case}: look", f"(sleep 1; printf '{asks}'; sleep 1) | {session} 2>&1")
        self._call(f"{case}: again", declared)
        self._absent(case, declared)
