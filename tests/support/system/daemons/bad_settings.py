# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests that hosts of a kind cannot fulfil, and administrators' own settings that stand against a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    CYRUS,
    EXIM,
    FULL,
    RSA,
    vserver,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.bad_input import BadInput, served

KEPT = WORK + "/kept"
LATER, OWN_FILE = "/etc/dovecot/local.conf", "/etc/dovecot/conf.d/50-own.conf"
CLOSED = "service imap-login {\\n  inet_listener imaps {\\n    port = 0\\n  }\\n}\\n"
# What the two languages of Dovecot call a certificate.
SYNTAX = (
    "C=/etc/ssl/certs/ssl-cert-snakeoil.pem K=/etc/ssl/private/ssl-cert-snakeoil.key"
    '; case $(dovecot --version) in 2.3*) OWN="ssl_cert = <$C\\nssl_key = <$K" ;;'
    ' *) OWN="ssl_server_cert_file = $C\\nssl_server_key_file = $K" ;; esac'
)
SITE, LINKED = "/etc/nginx/sites-available/default", "/etc/nginx/sites-enabled/default"
# Postfix' programs wait until a file is a few seconds old.
HAND_MADE_SERVICE = (
    f"cp -a /etc/postfix/master.cf {KEPT}; postconf -P smtp/inet/smtpd_tls_security_level=none"
    "; touch -d '1 minute ago' /etc/postfix/master.cf"
)
OWN = (
    "ssl_certificate /etc/ssl/certs/ssl-cert-snakeoil.pem; ssl_certificate_key /etc/ssl/private/ssl-cert-snakeoil.key;"
)
HAND_MADE_SITE = f"cp -a {SITE} {KEPT}; sed -i '/^server {{/a {OWN}' {SITE}"
NOT_SERVED = served(
    "a protocol that no installed daemon serves",
    dict(vserver("ldap")),
    "protocol",
    "no daemon that can serve ldap is installed",
    "apt install slapd",
)
STRANGE_STORE = served(
    "a store whose path has a meaning in the daemon's file",
    dict(vserver("imap", store="/etc/x{y};$z")),
    "store",
    "there is '{'",
    "use letters",
)
NEWS_IN_CLEAR = served(
    "news that are to refuse clear text on a port that begins with it",
    dict(vserver("nntp", port=119)),
    "require_secure_channel",
    "on port 119 Cyrus answers LIST, HEAD, STAT, CHECK and IHAVE in clear text",
    "set port to 0",
)
ASKED = (
    STRANGE_STORE,
    served(
        "two virtual servers on one socket",
        {
            "vservers": [
                vserver("imap", name="one", port=1144, implicit_tls_port=0),
                vserver("pop3", name="other", port=1144, implicit_tls_port=0),
            ]
        },
        "port",
        "1144",
        "port",
        subject="virtual server pop3/other",
    ),
    served(
        "a certificate that does not cover the name",
        dict(vserver("imap", server_names=["mail.example.org"])),
        "server_names",
        "does not cover mail.example.org",
        "subject_alt_names",
    ),
    served(
        "an option of a service in master.cf",
        dict(vserver("smtp", RSA, require_secure_channel=False)),
        "/etc/postfix/master.cf",
        "smtpd_tls_security_level",
        "remove",
        before=HAND_MADE_SERVICE,
        after=f"cp -a {KEPT} /etc/postfix/master.cf",
    ),
    *(
        served(
            f"Dovecot: {name}",
            dict(vserver("imap", RSA)),
            f"{path}:{line}",
            f"settings of your own override it: {found}",
            f"remove it from {path}",
            before=f"{SYNTAX}; printf '{text}' >{path}",
            after=f"rm {path}",
        )
        for name, path, text, line, found in (
            ("a later block", LATER, "protocol imap {\\n  ssl_min_protocol = TLSv1.1\\n}\\n", 2, "'ssl_min_protocol"),
            ("a later setting", LATER, "# mine\\nssl = no\\n", 2, "'ssl = no' in"),
            ("a later listener", LATER, CLOSED, 3, "'service imap-login/inet_listener imaps/port = 0'"),
            ("a certificate for a name", OWN_FILE, "local_name {{ lab_fqdn }} {\\n'\"$OWN\"'\\n}\\n", 2, "'ssl_"),
            ("a certificate for an address", OWN_FILE, "local {{ ansible_host }} {\\n'\"$OWN\"'\\n}\\n", 2, "'ssl_"),
            (
                "a block in a block",
                OWN_FILE,
                "local {{ ansible_host }} {\\n  protocol imap {\\n    ssl_cipher_list = ALL\\n  }\\n}\\n",
                3,
                "'ssl_cipher_list = ALL' in the block 'local ",
            ),
        )
    ),
    served(
        "a site with TLS of its own",
        dict(vserver("http", RSA)),
        LINKED,
        "ssl_certificate",
        "remove",
        before=HAND_MADE_SITE,
        after=f"cp -a {KEPT} {SITE}",
    ),
)
BAD: Mapping[tuple[str, str], Sequence[BadInput]] = {
    FULL: ASKED,
    EXIM: (NOT_SERVED, STRANGE_STORE),
    CYRUS: (NOT_SERVED, STRANGE_STORE, NEWS_IN_CLEAR),
}
