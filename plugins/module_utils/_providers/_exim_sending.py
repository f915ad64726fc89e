# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines with which Exim obeys our table of domains: routers, transports and authenticators of our own.

A domain with an entry is taken by a router of ours before Debian's see it. The router puts the entry into
``$address_data``, and the transport's options and the authenticators look into that. Mail of one domain goes over a
connection of its own, so that no message travels by the policy of another one.

Facts: Exim specification, chapters 9 (lookups), 11 (expansions), 15 (routers), 30 (smtp transport), 33 and 34
(authentication), 43 (TLS and DANE), 61 (events).
"""

from __future__ import annotations

DOMAINS = "/etc/exim4/postmaster_domains"
ACCOUNTS = "/etc/exim4/postmaster_accounts"
ROOTS = "POSTMASTER_OUT_ROOTS"  # the macro that keeps where the roots are
SYSTEM_ROOTS = "system"  # Exim's word for those that GnuTLS knows
ROUTER = "postmaster_to_"  # how the names of our routers begin

_ENTRY = f"${{lookup{{$domain}}partial0-lsearch{{{DOMAINS}}}}}"
_PRIVATE = (  # what Debian's router for mail exchangers leaves out
    "<; 0.0.0.0 ; 127.0.0.0/8 ; 192.168.0.0/16 ; 172.16.0.0/12 ; 10.0.0.0/8 ; 169.254.0.0/16 ; 255.255.255.255 ;"
    " ::/128 ; ::1/128 ; fc00::/7 ; fe80::/10 ; 100::/64"
)


def _said(key: str) -> str:
    """What the entry says."""
    return f"${{extract{{{key}}}{{$address_data}}}}"


def _if_said(key: str, then: str, otherwise: str = "") -> str:
    return f"${{extract{{{key}}}{{$address_data}}{{{then}}}{{{otherwise}}}}}"


def _at(*levels: str) -> str:
    """Every host, at some levels; none at the others."""
    return f"${{if inlist{{{_said('level')}}}{{{' : '.join(levels)}}}{{*}}}}"


_ROUTERS = f"""\
POSTMASTER_OUT_TRANSPORT = ${{extract{{tls}}{{$address_data}}{{postmaster_smtps}}{{postmaster_smtp}}}}

{ROUTER}host:
  debug_print = "R: {ROUTER}host for $local_part@$domain"
  driver = manualroute
  domains = ! +local_domains
  condition = ${{extract{{host}}{{{_ENTRY}}}{{yes}}{{no}}}}
  address_data = {_ENTRY}
  route_data = <; {_said("host")}:{_said("port")}
  host_find_failed = defer
  transport = POSTMASTER_OUT_TRANSPORT
  no_more

.ifdef DCconfig_internet
{ROUTER}exchanger:
  debug_print = "R: {ROUTER}exchanger for $local_part@$domain"
  driver = dnslookup
  domains = ! +local_domains
  condition = ${{extract{{level}}{{{_ENTRY}}}{{yes}}{{no}}}}
  address_data = {_ENTRY}
.ifdef ROUTER_DNSLOOKUP_IGNORE_TARGET_HOSTS
  ignore_target_hosts = ${{if match_domain{{$domain}}{{+relay_to_domains}}{{}}{{ROUTER_DNSLOOKUP_IGNORE_TARGET_HOSTS}}}}
.else
  ignore_target_hosts = ${{if match_domain{{$domain}}{{+relay_to_domains}}{{}}{{{_PRIVATE}}}}}
.endif
  transport = POSTMASTER_OUT_TRANSPORT
  no_more
.endif

.ifdef DCconfig_smarthost DCconfig_satellite
{ROUTER}smarthost:
  debug_print = "R: {ROUTER}smarthost for $local_part@$domain"
  driver = manualroute
  domains = ! +local_domains
  condition = ${{extract{{level}}{{{_ENTRY}}}{{yes}}{{no}}}}
  address_data = {_ENTRY}
  route_list = * DCsmarthost byname
  host_find_failed = ignore
  transport = POSTMASTER_OUT_TRANSPORT
  no_more
.endif
"""


def routers(roots: str) -> str:
    """The lines for the section of routers.

    Args:
        roots: file or directory of the CA certificates that peers are verified against, or Exim's word for the
            system's.
    """
    return f"{ROOTS} = {roots}\n{_ROUTERS}"


# Names that the certificate must carry: those of the entry, or the domain itself as Postfix' level "secure" has it.
_NAMES = _if_said("names", "$value", r"\N(?im)^(?:.+\.)?\N${rxquote:$domain}\N$\N")
_NAMED = (
    f"${{if match{{${{certextract{{subj_altname,dns}}{{$tls_out_peercert}}}}}}{{{_NAMES}}}"
    "{}{the certificate is for none of the names that the domain's entry asks for}}"
)
_PRINTED = (
    f"${{if inlist{{${{sha256:$tls_out_peercert}}}}{{{_said('prints')}}}"
    "{}{the certificate has none of the fingerprints that the domain's entry asks for}}"
)
# The peer's own certificate is number 0 of its chain. Any words refuse it.
_REFUSAL = (
    "${if and{{eq{$event_name}{tls:cert}}{eq{$event_data}{0}}}"
    f"{{${{if eq{{{_said('level')}}}{{fingerprint}}{{{_PRINTED}}}"
    f"{{${{if or{{{{eq{{{_said('level')}}}{{secure}}}}{{!eq{{{_said('names')}}}{{}}}}}}{{{_NAMED}}}}}}}}}}}}}"
)
# As Debian's transport for a smarthost has it, where the entry has no account of its own.
_PASSWD_CLIENT = (
    "${if exists{CONFDIR/passwd.client}{${lookup{$host}nwildlsearch{CONFDIR/passwd.client}{$host_address}}}{}}"
)
# What an administrator sets for Debian's transports holds for ours too.
_HOOKS = """\
.ifdef REMOTE_SMTP_HEADERS_REWRITE
  headers_rewrite = REMOTE_SMTP_HEADERS_REWRITE
.endif
.ifdef REMOTE_SMTP_RETURN_PATH
  return_path = REMOTE_SMTP_RETURN_PATH
.endif
.ifdef REMOTE_SMTP_HELO_DATA
  helo_data = REMOTE_SMTP_HELO_DATA
.endif
.ifdef REMOTE_SMTP_INTERFACE
  interface = REMOTE_SMTP_INTERFACE
.endif
.ifdef DCconfig_internet
.ifdef DKIM_DOMAIN
  dkim_domain = DKIM_DOMAIN
.endif
.ifdef DKIM_IDENTITY
  dkim_identity = DKIM_IDENTITY
.endif
.ifdef DKIM_SELECTOR
  dkim_selector = DKIM_SELECTOR
.endif
.ifdef DKIM_PRIVATE_KEY
  dkim_private_key = DKIM_PRIVATE_KEY
.endif
.ifdef DKIM_CANON
  dkim_canon = DKIM_CANON
.endif
.ifdef DKIM_STRICT
  dkim_strict = DKIM_STRICT
.endif
.ifdef DKIM_SIGN_HEADERS
  dkim_sign_headers = DKIM_SIGN_HEADERS
.endif
.ifdef DKIM_TIMESTAMPS
  dkim_timestamps = DKIM_TIMESTAMPS
.endif
.endif
.ifdef TLS_DH_MIN_BITS
  tls_dh_min_bits = TLS_DH_MIN_BITS
.endif
.ifdef REMOTE_SMTP_TLS_CERTIFICATE
  tls_certificate = REMOTE_SMTP_TLS_CERTIFICATE
.endif
.ifdef REMOTE_SMTP_PRIVATEKEY
  tls_privatekey = REMOTE_SMTP_PRIVATEKEY
.endif
.ifdef REMOTE_SMTP_TRANSPORTS_HEADERS_REMOVE
  headers_remove = REMOTE_SMTP_TRANSPORTS_HEADERS_REMOVE
.endif
.ifdef IGNORE_SMTP_LINE_LENGTH_LIMIT
  message_linelength_limit = 1G
.endif
"""


def _transport(name: str, more: str = "") -> str:
    builtin_name_check = "${if and{{eq{%s}{verify}}{eq{%s}{}}}{*}}" % (_said("level"), _said("names"))
    return f"""\
{name}:
  debug_print = "T: {name} for $local_part@$domain"
  driver = smtp
{more}  multi_domain = false
  connection_max_messages = 1
  hosts_avoid_tls = {_at("none")}
  hosts_require_tls = {_at("encrypt", "verify", "secure", "fingerprint", "dane-only")}
  tls_verify_hosts = {_at("verify", "secure")}
  tls_verify_certificates = {ROOTS}
  tls_verify_cert_hostnames = {builtin_name_check}
  tls_sni = ${{if isip{{$host}}{{}}{{$host}}}}
  event_action = {_REFUSAL}
  hosts_try_dane = {_at("dane", "dane-only")}
  hosts_require_dane = {_at("dane-only")}
  hosts_require_auth = {_if_said("account", "*")}
.ifdef DCconfig_smarthost DCconfig_satellite
  hosts_try_auth = <; ${{if or{{{{!eq{{{_said("account")}}}{{}}}}{{!eq{{{_said("host")}}}{{}}}}}}{{}}{{{_PASSWD_CLIENT}}}}}
.endif
{_HOOKS}"""


def transports() -> str:
    """The lines for the section of transports."""
    return _transport("postmaster_smtp") + "\n" + _transport("postmaster_smtps", "  protocol = smtps\n")


def authenticators() -> str:
    """The lines for the section of authenticators.

    The accounts' parts are kept in base64, so that no sign in them means anything to a lookup. A circumflex stands for
    a zero byte in what a plaintext authenticator sends, and two of them for one; so none can follow a zero byte, and
    what begins with one is not sent by PLAIN.
    """
    login = f"${{lookup{{{_said('account')}}}lsearch{{{ACCOUNTS}}}{{$value}}fail}}"
    user, password = (f"${{base64d:${{extract{{{key}}}{{{login}}}}}}}" for key in ("user", "password"))
    allowed = (
        r"{match{$transport_name}{\N^postmaster_smtps?$\N}}"
        f"{{!eq{{{_said('account')}}}{{}}}}{{or{{{{def:tls_out_cipher}}{{eq{{{_said('clear')}}}{{yes}}}}}}}}"
    )
    fits_plain = rf"{{!match{{{user}}}{{\N^\^\N}}}}{{!match{{{password}}}{{\N^\^\N}}}}"

    def doubled(value: str) -> str:
        return rf"${{sg{{{value}}}{{\N\^\N}}{{^^}}}}"

    return f"""\
postmaster_out_plain:
  driver = plaintext
  public_name = PLAIN
  client_condition = ${{if and{{{allowed}{fits_plain}}}{{yes}}{{no}}}}
  client_send = <; ^{doubled(user)}^{doubled(password)}

postmaster_out_login:
  driver = plaintext
  public_name = LOGIN
  client_condition = ${{if and{{{allowed}}}{{yes}}{{no}}}}
  client_send = <; ; {doubled(user)} ; {doubled(password)}

postmaster_out_cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5
  client_condition = ${{if and{{{allowed}}}{{yes}}{{no}}}}
  client_name = {user}
  client_secret = {password}
"""
