# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines with which Exim obeys our table of domains: routers and transports of our own.

A domain with an entry is taken by a router of ours before Debian's see it. The router puts the entry into
``$address_data``, and the transport's options and the authenticators look into that. Mail of one domain goes over a
connection of its own, so that no message travels by the policy of another one.

Facts: Exim specification, chapters 9 (lookups), 11 (expansions), 15 (routers), 30 (smtp transport), 43 (TLS and DANE),
61 (events). For the words of a strength see _tls/gnutls.py.
"""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import DOMAINS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import within_a_line
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.gnutls import (
    LEAST_128_BITS,
    priorities,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS

CA_FILE = "POSTMASTER_OUT_CA_FILE"  # the macro that keeps which file of roots was asked for
_ROOTS = "POSTMASTER_OUT_ROOTS"  # the one that says which roots are in force
DEFAULT_STRENGTH = "intermediate"  # of entries that earlier releases have made
ROUTER = "postmaster_to_"  # how the names of our routers begin
TRANSPORT = "postmaster_smtp"  # with an s at the end where TLS starts at once

_DOMAIN = "POSTMASTER_OUT_DOMAIN"  # the macro with the domain as our tables have it
_ENTRY = f"${{lookup{{{_DOMAIN}}}partial0-lsearch{{{DOMAINS}}}}}"
# Debian's file of exceptions goes before a host that takes all mail.
_NO_HOST_OF_ITS_OWN = (
    f"${{if and{{{{!eq{{{_ENTRY}}}{{}}}}{{or{{{{eq{{${{extract{{host}}{{{_ENTRY}}}}}}}{{}}}}"
    f"{{eq{{${{extract{{shared}}{{{_ENTRY}}}}}}}{{yes}}}}{{eq{{${{extract{{entry}}{{{_ENTRY}}}}}}}{{*}}}}}}}}}}{{yes}}{{no}}}}"
)
_PRIVATE = (  # what Debian's router for mail exchangers leaves out
    "<; 0.0.0.0 ; 127.0.0.0/8 ; 192.168.0.0/16 ; 172.16.0.0/12 ; 10.0.0.0/8 ; 169.254.0.0/16 ; 255.255.255.255 ;"
    " ::/128 ; ::1/128 ; fc00::/7 ; fe80::/10 ; 100::/64"
)


def said(key: str) -> str:
    """What the entry says."""
    return f"${{extract{{{key}}}{{$address_data}}}}"


def _if_said(key: str, then: str, otherwise: str = "") -> str:
    return f"${{extract{{{key}}}{{$address_data}}{{{then}}}{{{otherwise}}}}}"


_DEMANDING = "encrypt : verify : secure : fingerprint : dane-only"


def _at(*levels: str) -> str:
    """Every host, at some levels; none at the others."""
    return f"${{if inlist{{{said('level')}}}{{{' : '.join(levels)}}}{{*}}}}"


# A domain that a client gives in UTF-8 (RFC 6531) is the one that has its ASCII form.
_ROUTERS = f"""\
.ifdef _HAVE_I18N
{_DOMAIN} = ${{utf8_domain_to_alabel:$domain}}
.else
{_DOMAIN} = $domain
.endif
POSTMASTER_OUT_TRANSPORT = ${{extract{{tls}}{{$address_data}}{{{TRANSPORT}s}}{{{TRANSPORT}}}}}

{ROUTER}hub:
  debug_print = "R: {ROUTER}hub for $local_part@$domain"
  driver = manualroute
  domains = ${{if exists{{CONFDIR/hubbed_hosts}}{{partial-lsearch;CONFDIR/hubbed_hosts}}fail}}
  condition = {_NO_HOST_OF_ITS_OWN}
  address_data = {_ENTRY}
  route_data = ${{lookup{{$domain}}partial-lsearch{{CONFDIR/hubbed_hosts}}}}
  transport = POSTMASTER_OUT_TRANSPORT

{ROUTER}host:
  debug_print = "R: {ROUTER}host for $local_part@$domain"
  driver = manualroute
  domains = ! +local_domains
  condition = ${{extract{{host}}{{{_ENTRY}}}{{yes}}{{no}}}}
  address_data = {_ENTRY}
  route_data = <;{said("host")}:{said("port")}
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


# Exim's word for the roots that GnuTLS knows is "system".
_DEFAULT_ROOTS = f"""\
.ifdef REMOTE_SMTP_SMARTHOST_TLS_VERIFY_CERTIFICATES
{_ROOTS} = REMOTE_SMTP_SMARTHOST_TLS_VERIFY_CERTIFICATES
.else
{_ROOTS} = system
.endif
"""


def routers(ca_file: str) -> str:
    """The lines for the section of routers.

    Args:
        ca_file: file of the CA certificates that peers are verified against; empty for those of the administrator's
            smarthost, or the system's.
    """
    return (
        f"{CA_FILE} = {within_a_line(ca_file, CA_FILE)}\n{_ROOTS} = {CA_FILE}\n" if ca_file else _DEFAULT_ROOTS
    ) + _ROUTERS


# Names that the certificate must carry: those of the entry, or the domain itself as Postfix' level "secure" has it.
_DOMAINS_OWN = (
    rf"\N(?im)^(?:(?:.+\.)?\N${{rxquote:{_DOMAIN}}}\N|\*\.\N${{rxquote:${{sg{{{_DOMAIN}}}{{\N^[^.]+\.\N}}{{}}}}}}\N)$\N"
)
_NAMES = _if_said("names", "$value", _DOMAINS_OWN)
_NAMED = (
    f"${{if match{{${{certextract{{subj_altname,dns}}{{$tls_out_peercert}}}}}}{{{_NAMES}}}"
    "{}{the certificate is for none of the names that the domain's entry asks for}}"
)
_PRINTED = (
    f"${{if inlist{{${{sha256:$tls_out_peercert}}}}{{{said('prints')}}}"
    "{}{the certificate has none of the fingerprints that the domain's entry asks for}}"
)
# With hosts_require_dane mail to a host without records would be bounced.
_RECORDED = "${if eq{$tls_out_tlsa_usage}{0}{no TLSA records of the host can be used}}"


def _level_is(level: str, then: str, otherwise: str) -> str:
    return f"${{if eq{{{said('level')}}}{{{level}}}{{{then}}}{{{otherwise}}}}}"


def _required_ciphers() -> str:
    """GnuTLS' priority string where TLS is demanded; empty, which is Exim's default, at other levels.

    An entry without a strength is one of an earlier release.
    """
    chosen = priorities(STRENGTHS[DEFAULT_STRENGTH])
    for name in STRENGTHS:
        if name != DEFAULT_STRENGTH:
            chosen = f"${{if eq{{{said('strength')}}}{{{name}}}{{{priorities(STRENGTHS[name])}}}{{{chosen}}}}}"
    keys = f"${{if eq{{{said('bits')}}}{{128}}{{:{LEAST_128_BITS}}}}}"
    return f"${{if inlist{{{said('level')}}}{{{_DEMANDING}}}{{{chosen}{keys}}}}}"


# The peer's own certificate is number 0 of its chain. Any words refuse it.
_HAS_NAMES = f"${{if or{{{{eq{{{said('level')}}}{{secure}}}}{{!eq{{{said('names')}}}{{}}}}}}{{{_NAMED}}}}}"
_REFUSAL = (
    "${if and{{eq{$event_name}{tls:cert}}{eq{$event_data}{0}}}{"
    + _level_is("fingerprint", _PRINTED, _level_is("dane-only", _RECORDED, _HAS_NAMES))
    + "}}"
)
# As Debian's transport for a smarthost has it, where the entry has no account of its own.
_DEBIANS_LOGIN = (
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
    builtin_name_check = f"${{if and{{{{eq{{{said('level')}}}{{verify}}}}{{eq{{{said('names')}}}{{}}}}}}{{*}}}}"
    login = f"${{if or{{{{!eq{{{said('account')}}}{{}}}}{{!eq{{{said('host')}}}{{}}}}}}{{}}{{{_DEBIANS_LOGIN}}}}}"
    return f"""\
{name}:
  debug_print = "T: {name} for $local_part@$domain"
  driver = smtp
{more}  multi_domain = false
  connection_max_messages = 1
  hosts_avoid_tls = {_at("none")}
  hosts_require_tls = {_at(_DEMANDING)}
  tls_require_ciphers = {_required_ciphers()}
  tls_verify_hosts = {_at("verify", "secure")}
  tls_verify_certificates = {_ROOTS}
  tls_verify_cert_hostnames = {builtin_name_check}
  tls_sni = ${{if isip{{$host}}{{}}{{$host}}}}
  event_action = {_REFUSAL}
  hosts_try_dane = {_at("dane", "dane-only")}
  hosts_require_auth = {_if_said("account", "*")}
.ifdef DCconfig_smarthost DCconfig_satellite
  hosts_try_auth = <; {login}
.endif
{_HOOKS}"""


def transports() -> str:
    """The lines for the section of transports."""
    return _transport(TRANSPORT) + "\n" + _transport(TRANSPORT + "s", "  protocol = smtps\n")
