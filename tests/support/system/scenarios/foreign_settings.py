# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What administrators have in the configuration of slapd, INN, nginx, Apache and Exim before we come, and remedies.

Steps: each brings something about on the host, and then makes calls, in check mode and without. What a step brings
about is what the remedies of the step before tell the administrator to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
    installing,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons import host_setup
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import MAIN, vserver
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import (
    COLLECTION,
    Ansible,
    Result,
    Run,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.foreign_directories import (
    ATTRIBUTES,
    NOTED,
)

HOSTS = {
    "full": ("ff1:bookworm:full", "ff2:trixie:full"),
    "exim": ("fe1:bookworm:exim", "fe2:trixie:exim"),
}
SPLIT = "fe2"
CA, OLD = "/etc/ldap/ca.pem", "/etc/ldap/old.pem"
OTHER = "/etc/ssl/other.pem"
SNAKEOIL = "/etc/ssl/certs/ssl-cert-snakeoil.pem"

LDAP_FILES = f"""
cp /usr/local/share/ca-certificates/system-tests.crt {CA}; cp {WORK}/{MAIN}.pem {OLD}; chown openldap {OLD}
ldapmodify -Q -Y EXTERNAL -H ldapi:/// <<'END'
dn: cn=config
changetype: modify
replace: olcTLSCACertificateFile
olcTLSCACertificateFile: {CA}
-
replace: olcTLSCertificateFile
olcTLSCertificateFile: {OLD}
-
replace: olcTLSCertificateKeyFile
olcTLSCertificateKeyFile: {OLD}
END
mv {CA} {CA}.gone
"""
LDAP_WITHOUT_CA = """
ldapmodify -Q -Y EXTERNAL -H ldapi:/// <<'END'
dn: cn=config
changetype: modify
delete: olcTLSCACertificateFile
END
"""
NGINX_FILES = f"""
cat {SNAKEOIL} /etc/ssl/private/ssl-cert-snakeoil.key >{OTHER}
cat >/etc/nginx/conf.d/other.conf <<'END'
server {{
    listen 8444 ssl;
    server_name other.example.test;
    ssl_certificate {OTHER};
    ssl_certificate_key {OTHER};
}}
END
systemctl reload nginx; mv {OTHER} {OTHER}.gone
"""
NGINX_SITES = f"""
echo here >/var/www/html/index.html
mv {OTHER}.gone {OTHER}
cat >/etc/nginx/conf.d/sites.conf <<'END'
server {{
    listen 80;
    server_name rewritten.example.test;
    root /var/www/html;
    rewrite ^ https://$host$request_uri? permanent;
}}
server {{
    listen 80;
    server_name partly.example.test;
    root /var/www/html;
    location / {{
        return 301 https://$host$request_uri;
    }}
}}
server {{
    server_name certbot.example.test;
    root /var/www/html;
    listen 443 ssl; # managed by Certbot
    ssl_certificate {OTHER}; # managed by Certbot
    ssl_certificate_key {OTHER}; # managed by Certbot
}}
server {{
    if ($host = certbot.example.test) {{
        return 301 https://$host$request_uri;
    }} # managed by Certbot
    listen 80;
    server_name certbot.example.test;
    return 404; # managed by Certbot
}}
server {{
    listen 80;
    server_name webmail.customer.example *.customer.example;
    root /var/www/html;
}}
END
systemctl reload nginx
"""
# the lines that are named go, and the server block with the content answers on port 80
NGINX_REMEDIES = """
sed -i '/rewrite/d; /location/,/}/d; s/listen 443 ssl;.*/listen 80;/; /ssl_certificate/d; /if (/,$d' \
    /etc/nginx/conf.d/sites.conf
sed -i '$d' /etc/nginx/conf.d/sites.conf
cat >>/etc/nginx/conf.d/sites.conf <<'END'
server {
    listen 80;
    server_name webmail.customer.example *.customer.example;
    root /var/www/html;
}
END
systemctl reload nginx
"""
INN_KEYS = "printf 'verifycancels: false\\nrefusecybercancels: false\\n' >>/etc/news/inn.conf; systemctl restart inn2"
REWRITING = """\
    RewriteEngine on
    RewriteCond %{SERVER_NAME} =certbot.example.test
    RewriteRule ^ https://%{SERVER_NAME}%{REQUEST_URI} [END,NE,R=permanent]
"""
APACHE_SITES = f"""
sites=/etc/apache2/sites-available
site() {{
    printf '<VirtualHost *:%s>\\n    ServerName %s\\n    DocumentRoot /var/www/html\\n' "$1" "$2"
    cat
    echo '</VirtualHost>'
}}
tls() {{
    printf '    SSLEngine on\\n    SSLCertificateFile {SNAKEOIL}\\n'
    printf '    SSLCertificateKeyFile /etc/ssl/private/ssl-cert-snakeoil.key\\n'
}}
site 80 certbot.example.test >$sites/certbot.conf <<'END'
{REWRITING}END
tls | site 443 certbot.example.test >$sites/certbot-le-ssl.conf
{{
    site 80 one-file.example.test </dev/null
    tls | site 443 one-file.example.test
}} >$sites/one-file.conf
site 80 location.example.test >$sites/location.conf <<'END'
    <Location />
        RedirectPermanent / https://location.example.test/
    </Location>
END
site 80 inside.example.test >$sites/inside.conf <<'END'
    RewriteOptions InheritBefore
END
cat >/etc/apache2/conf-available/inside.conf <<'END'
RewriteEngine on
RewriteCond %{{REMOTE_ADDR}} ^(10\\.88\\.|fd88:)
RewriteRule ^ - [END]
END
a2enmod -q ssl rewrite; a2enconf -q inside
a2ensite -q certbot certbot-le-ssl one-file location inside; systemctl restart apache2
"""
APACHE_REMEDIES = """
cd /etc/apache2/sites-available
sed -i '/Rewrite/d' certbot.conf; sed -i '/Location/d; /Redirect/d' location.conf
sed -i '/<VirtualHost \\*:443>/,$d' one-file.conf
sed -i 's/InheritBefore/Inherit/' inside.conf
systemctl reload apache2
"""
MACROS = f"""\
MAIN_TLS_ENABLE = yes
MAIN_TLS_CERTIFICATE = {SNAKEOIL}
MAIN_TLS_PRIVATEKEY = /etc/ssl/private/ssl-cert-snakeoil.key
"""
EXIM_MACROS = f"""
usermod -a -G ssl-cert Debian-exim
cd /etc/exim4
cat >{WORK}/macros <<'END'
{MACROS}END
case $(hostname) in
{SPLIT}*)
    sed -i "s/^dc_use_split_config=.*/dc_use_split_config='true'/" update-exim4.conf.conf
    cp {WORK}/macros conf.d/main/01_tls_local
    ;;
*)
    cat {WORK}/macros exim4.conf.template >{WORK}/template
    cat {WORK}/template >exim4.conf.template
    ;;
esac
cp -a /etc/exim4 {WORK}/exim4-before
systemctl restart exim4
"""


def _site(name: str) -> Mapping[str, Any]:
    return vserver("http", name=f"{name}.example.test")


@dataclass(frozen=True)
class Call:
    """One call of mail_vserver_tls.

    Attributes:
        options: its options.
        refused: what its problem says, as a regular expression; empty where it is carried out.
    """

    options: Mapping[str, Any]
    refused: str = ""


ABSENT = {"protocol": "ldap", "state": "absent"}
# What is brought about, and the calls that follow, by their names.
STEPS: Mapping[str, Sequence[tuple[str, Mapping[str, Call]]]] = {
    "full": [
        (
            LDAP_FILES + NGINX_FILES + INN_KEYS,
            {
                "ldap without its CA": Call(vserver("ldap"), f"could not be started again: {CA} is not there"),
                "http beside a site without its certificate": Call(vserver("http"), f"refuses its own .*{OTHER}"),
                "imap beside these": Call(vserver("imap")),
                "nntp with old keys": Call(vserver("nntp")),
            },
        ),
        (
            LDAP_WITHOUT_CA + NGINX_SITES,
            {
                "ldap once the CA is not asked for": Call(vserver("ldap")),
                "http that rewrites": Call(_site("rewritten"), "for ever.*sites.conf:5|sites.conf:5.*for ever"),
                "http that redirects what is in a location": Call(_site("partly"), "for ever"),
                "http as certbot leaves it": Call(
                    _site("certbot"),
                    r"only redirects.*content \(/etc/nginx/conf.d/sites.conf:\d+\), without lines about TLS",
                ),
            },
        ),
        (
            NGINX_REMEDIES + f"mv {OLD} {OLD}.gone",
            {
                "http that rewrote": Call(_site("rewritten")),
                "http that redirected": Call(_site("partly")),
                "http without certbot": Call(_site("certbot")),
                "http of another name": Call(vserver("http", name="webmail.customer.example")),
                "ldap without what it had before": Call(ABSENT, f"could not be started again: {OLD} is not there"),
            },
        ),
        (f"mv {OLD}.gone {OLD}", {"ldap as before": Call(ABSENT)}),
    ],
    "exim": [
        (
            EXIM_MACROS + APACHE_SITES,
            {
                "smtp with macros behind ours": Call(vserver("submission")),
                "http as certbot leaves it": Call(
                    _site("certbot"), "certbot.conf:6.*for ever.*a2dissite certbot-le-ssl"
                ),
                "http with both in one file": Call(_site("one-file"), "Remove that <VirtualHost> section"),
                "http that redirects what is in a location": Call(_site("location"), "for ever|only redirects"),
                "http that some get in clear text": Call(_site("inside"), "inside.conf:3 comes before the redirect"),
            },
        ),
        (
            APACHE_REMEDIES,
            {
                "http with certbot's second file": Call(_site("certbot"), "a2dissite certbot-le-ssl"),
                "http in one file": Call(_site("one-file")),
                "http that redirected": Call(_site("location")),
                "http that some got in clear text": Call(_site("inside")),
            },
        ),
        (
            "a2dissite -q certbot-le-ssl && systemctl reload apache2",
            {
                "http without certbot": Call(_site("certbot")),
                "submission as before": Call({"protocol": "submission", "state": "absent"}),
            },
        ),
    ],
}
WITH_ATTRIBUTES = {
    "full": ("/etc/nginx/conf.d/sites.conf", "/etc/default/slapd"),
    "exim": (
        "/etc/apache2/sites-available/location.conf",
        "/etc/exim4/exim4.conf.template",
        "/etc/exim4/conf.d/main/01_tls_local",
    ),
}
PAGES = {"full": ("rewritten", "partly", "certbot"), "exim": ("certbot", "one-file", "location", "inside")}


@dataclass
class Outcome:
    """What became of it.

    Attributes:
        runs: the run of each step.
        daemons: processes of daemons before and after the calls of each step, by host.
        pages: what curl gets, by host and site.
        left: what is there in the end that was not there before, by host.
        attributes: owner, mode and extended attributes of files before and after the calls of each step, by host.
    """

    runs: list[Run] = field(default_factory=list)
    daemons: list[Mapping[str, tuple[str, str]]] = field(default_factory=list)
    pages: dict[str, Answer] = field(default_factory=dict)
    left: dict[str, Answer] = field(default_factory=dict)
    attributes: dict[str, Sequence[Any]] = field(default_factory=dict)

    def of(self, host: str, call: str, how: str) -> Result:
        """The result of a call on a host, in check mode ("check") or without ("run")."""
        (found,) = [one for run in self.runs for one in run.of(host) if one.task == f"{call}, {how}"]
        return found


def run(lab: Lab, ansible: Ansible, kind: str, certificates: Certificates) -> Outcome:
    """Take all steps on both hosts of a kind."""
    found = Outcome()
    for host in lab.hosts.values():
        lab.run_in(host, "systemctl", "is-system-running", "--wait")
        lab.ask(host, "mkdir", "-m", "0700", WORK)
        certificates.put(lab, host)
        lab.write(host, f"{WORK}/attributes.py", ATTRIBUTES)
        lab.ask(host, "update-ca-certificates")
        if kind == "full":
            lab.shell(host, host_setup.NEWS)
    installed = {host.name: installing(host) for host in lab.hosts.values()}
    install = {f"{COLLECTION}.mail_cert_install": {"certificates": "{{ certificates[inventory_hostname] }}"}}
    ansible.play("all", [install], certificates=installed).assert_success()
    for happens, calls in STEPS[kind]:
        for host in lab.hosts.values():
            lab.shell(host, f"{happens}\npython3 {WORK}/attributes.py give {' '.join(WITH_ATTRIBUTES[kind])}")
        before = {name: host_setup.daemons(lab, host) for name, host in lab.hosts.items()}
        tasks = [
            {
                "name": f"{name}, {how}",
                f"{COLLECTION}.mail_vserver_tls": call.options,
                "check_mode": how == "check",
                "ignore_errors": True,
            }
            for name, call in calls.items()
            for how in ("check", "run")
        ]
        found.runs.append(ansible.play("all", tasks, strategy="free"))
        found.daemons.append({name: (before[name], host_setup.daemons(lab, host)) for name, host in lab.hosts.items()})
        for host in lab.hosts.values():
            lab.shell(host, f"python3 {WORK}/attributes.py look {' '.join(WITH_ATTRIBUTES[kind])}")
    for name, host in lab.hosts.items():
        found.attributes[name] = [json.loads(line) for line in lab.read(host, NOTED).splitlines()]
        for page in PAGES[kind]:
            site = f"{page}.example.test"
            found.pages[f"{name} {page}"] = lab.run_beside(
                *("curl", "--silent", "--show-error", "--insecure", "--location", "--max-redirs", "5", "--output"),
                *("/dev/null", "--write-out", "%{http_code} %{num_redirects} %{url_effective}"),
                *("--resolve", f"{site}:80:{host.address}", "--resolve", f"{site}:443:{host.address}"),
                f"http://{site}/",
            )
        if kind == "exim":
            found.left[name] = lab.run_in(host, "diff", "--recursive", f"{WORK}/exim4-before", "/etc/exim4")
    return found
