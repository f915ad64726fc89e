#!/usr/bin/python

# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_tls_info
short_description: Report what mail servers show on the wire
version_added: 0.1.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Connects to mail servers as a client would and reports which TLS version and cipher are negotiated, which
    certificates are sent, whether they can be verified, and whether use in clear text is refused.
  - The connections start on the host that the task runs on. Check a server from another host than its own. Some servers
    treat a client on the same host as secure, and refuse it nothing.
  - Connections to the host itself come from another of its addresses, such as C(127.0.0.2), unless O(source) is given,
    because Dovecot treats a connection within one address as secure.
  - A server that cannot be reached, or is badly configured, is a result and not a failure of the module. See
    RV(endpoints[].error), RV(endpoints[].verified) and RV(endpoints[].clear_text).
  - Nothing is delivered, and there is no login. Only made-up credentials are sent.
extends_documentation_fragment:
  - postmaster.secure_channel._attributes
  - postmaster.secure_channel._attributes.info_module
  - postmaster.secure_channel._attributes.actiongroup_secure_channel
  - postmaster.secure_channel._cryptography_dep
options:
  host:
    description:
      - Name or IP address of the server.
      - Either this or O(endpoints) is required.
    type: str
  protocol:
    description:
      - The protocol. Required with O(host).
    type: str
    choices: [smtp, submission, imap, pop3, nntp, ldap, http]
  port:
    description:
      - TCP port, from 1 to 65535.
      - If left out, it is the protocol's registered port. With O(tls=starttls) that is 25 for C(smtp), 587 for
        C(submission), 143 for C(imap), 110 for C(pop3), 119 for C(nntp), 389 for C(ldap) and 80 for C(http). With
        O(tls=implicit) it is 465 for C(submission), 993 for C(imap), 995 for C(pop3), 563 for C(nntp), 636 for C(ldap)
        and 443 for C(http), and none for C(smtp).
    type: int
  tls:
    description:
      - How TLS starts. V(starttls) begins in clear text and asks for TLS, V(implicit) begins with TLS.
      - HTTP has no STARTTLS. There V(starttls) only checks how clear text is handled, and RV(endpoints[].tls) is null.
        Use V(implicit) for the rest.
    type: str
    choices: [starttls, implicit]
    default: starttls
  server_name:
    description:
      - The name to ask for (SNI), which must be among the certificate's subject alternative names.
      - If left out, it is O(host).
    type: str
  ca_file:
    description:
      - PEM file on the host that the task runs on, with the CA certificates to trust.
      - If this and O(ca_content) are left out, it is the system's own store. On Debian that can contain the self-signed
        certificate from the host's installation, which no other host trusts. So with the system's store, a
        certificate that has signed itself is never verified.
    type: path
  ca_content:
    description:
      - The CA certificates to trust, PEM text. Cannot be combined with O(ca_file).
    type: str
    version_added: 0.5.0
  source:
    description:
      - IP address to connect from, one of those of the host that the task runs on.
      - If left out, the system chooses, with the exception described above.
    type: str
  proxy_protocol:
    description:
      - Version of the PROXY protocol in which to tell the server first who connects, as a load balancer such as HAProxy
        does. The server must trust the address from which the module connects.
      - If left out, the module connects as a client does.
    type: int
    choices: [1, 2]
    version_added: 0.5.0
  endpoints:
    description:
      - Many servers in one call, each with the options above. They are checked in parallel.
    type: list
    elements: dict
    suboptions:
      host:
        description: See O(host).
        type: str
        required: true
      protocol:
        description: See O(protocol).
        type: str
        required: true
        choices: [smtp, submission, imap, pop3, nntp, ldap, http]
      port:
        description: See O(port).
        type: int
      tls:
        description: See O(tls).
        type: str
        choices: [starttls, implicit]
        default: starttls
      server_name:
        description: See O(server_name).
        type: str
      ca_file:
        description: See O(ca_file).
        type: path
      ca_content:
        description: See O(ca_content).
        type: str
        version_added: 0.5.0
      source:
        description: See O(source).
        type: str
      proxy_protocol:
        description: See O(proxy_protocol).
        type: int
        choices: [1, 2]
        version_added: 0.5.0
  timeout:
    description:
      - Seconds for one conversation with a server, more than 0 and at most 120. There are one to eight conversations
        with each server, depending on the other options; there is only one if the server does not respond in it.
      - The time that the system's resolver takes is not counted.
    type: float
    default: 10
  clear_text:
    description:
      - Whether to try to use the servers without TLS.
      - An SMTP server is asked C(MAIL FROM:<>), an IMAP server C(LOGIN) with the made-up user C(x), a POP3 server
        C(USER x), a news server for an article that does not exist, an LDAP server for the entries of its suffixes, a
        web server for its page C(/). A server that accepts passwords in clear text may log a failed login.
      - Where that is refused, other commands that a client may use before TLS are tried as well, for addresses, groups
        and articles that do not exist, so that nothing changes. SMTP C(VRFY), C(EXPN), C(ETRN); IMAP C(AUTHENTICATE),
        C(EXAMINE), C(LIST); POP3 C(AUTH), C(APOP), C(STAT); NNTP C(LIST), C(NEWGROUPS), C(NEWNEWS), C(GROUP), C(HEAD),
        C(BODY), C(STAT), C(OVER), C(XOVER), C(HDR), C(XHDR), C(CHECK), C(IHAVE), C(POST); LDAP a search below the
        suffix, a comparison, and Who am I? (RFC 4532). A server that carries out any of them does not refuse clear
        text.
      - A web server refuses clear text when it answers with a redirection to C(https), or with code 400 or 426. It
        offers a login in clear text when it answers with code 401. Forms for passwords are not looked for.
    type: bool
    default: true
  versions:
    description:
      - Whether to try each TLS version separately.
    type: bool
    default: false
  injection:
    description:
      - Whether to test if a command that is sent together with the request for TLS takes effect inside TLS
        (CVE-2011-0411). Has no effect where TLS starts at once.
    type: bool
    default: false
seealso:
  - module: postmaster.secure_channel.mail_vserver_tls
  - module: postmaster.secure_channel.mail_cert_install
  - name: RFC 8314
    description: Cleartext considered obsolete, the use of TLS for email submission and access.
    link: https://www.rfc-editor.org/rfc/rfc8314
"""

EXAMPLES = r"""
# From the command line, to see what mx1 sees of mx2:
# ansible mx1 -m postmaster.secure_channel.mail_tls_info -a "host=mx2.example.test protocol=imap"

- name: Check one server
  postmaster.secure_channel.mail_tls_info:
    host: mx2.example.test
    protocol: imap
    tls: implicit
  register: mx2_imap

- name: Check all servers of a host from another one, trusting your own root CA
  postmaster.secure_channel.mail_tls_info:
    endpoints:
      - host: mx2.example.test
        protocol: smtp
        ca_file: /etc/ssl/certs/example-root.pem
      - host: mx2.example.test
        protocol: submission
        ca_file: /etc/ssl/certs/example-root.pem
      - host: mx2.example.test
        protocol: imap
        tls: implicit
        ca_file: /etc/ssl/certs/example-root.pem
    versions: true
  register: mx2

- name: Insist on verified certificates that last for another two weeks
  ansible.builtin.assert:
    that:
      - mx2.endpoints | rejectattr('verified') | length == 0
      - mx2.endpoints | map(attribute='days_left') | min >= 14
    fail_msg: "{{ mx2.reason }}"
"""

RETURN = r"""
endpoints:
  description: One entry for each server, in the order of the request.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The server as given.
      type: str
      sample: mx2.example.test
    port:
      description: TCP port.
      type: int
      sample: 143
    protocol:
      description: The protocol.
      type: str
      sample: imap
    implicit_tls:
      description: Whether TLS started at once.
      type: bool
      sample: false
    server_name:
      description: The name that was asked for and checked.
      type: str
      sample: mx2.example.test
    reachable:
      description: Whether a connection was made.
      type: bool
      sample: true
    address:
      description: IP address of the server. Null where there was no TLS session.
      type: str
      sample: 10.88.0.12
    source:
      description: IP address from which the connection was made. Null where there was no TLS session.
      type: str
      sample: 10.88.0.11
    greeting:
      description:
        - The server's first line. For a web server, the first line of its answer to a request for the page C(/).
        - Null where there was no TLS session.
      type: str
      sample: "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] Dovecot (Debian) ready."
    capabilities:
      description: What the server offers, as the protocol writes it. Null where there was no TLS session.
      type: dict
      contains:
        before_tls:
          description: Before TLS. Empty where TLS starts at once.
          type: list
          elements: str
          sample: [IMAP4REV1, STARTTLS, LOGINDISABLED]
        inside_tls:
          description:
            - Inside TLS.
            - For a web server these are the fields C(Strict-Transport-Security) (HSTS), C(WWW-Authenticate),
              C(Location), C(Upgrade), C(Alt-Svc) and C(Server) of its answer to a request for the page C(/).
          type: list
          elements: str
          sample: [IMAP4REV1, AUTH=PLAIN]
    tls:
      description: The TLS session. Null where there was none.
      type: dict
      contains:
        version:
          description: TLS version.
          type: str
          sample: TLSv1.3
        cipher:
          description: Cipher suite by its OpenSSL name.
          type: str
          sample: TLS_AES_256_GCM_SHA384
        bits:
          description: Strength of the cipher.
          type: int
          sample: 256
        group:
          description: Key exchange group. Null with Python older than 3.15, which does not know it.
          type: str
          sample: X25519MLKEM768
    verified:
      description: Whether chain, dates, purpose and name of the certificate were checked and are good.
      type: bool
      sample: true
    verify_error:
      description: >-
        The TLS library's reason if they are not, with what the clock of the host that looks says where a certificate
        has expired or is not valid yet. Null otherwise.
      type: str
      sample: self-signed certificate
    stapled:
      description:
        - Whether the server sends an OCSP response with a certificate that clients must refuse without one
          (must-staple, RFC 7633). If it does not, RV(endpoints[].verified) is false. What the response says is not
          looked at.
        - Null for other certificates, and where it cannot be told, as where the server speaks TLS 1.3 alone.
      type: bool
      sample: false
    chain:
      description: The certificates as the server sent them, its own first.
      type: list
      elements: dict
      contains:
        subject:
          description: Subject, in the form of RFC 4514.
          type: str
          sample: CN=mx2.example.test
        issuer:
          description: Issuer, in the form of RFC 4514.
          type: str
          sample: CN=Example Root
        serial:
          description: Serial number in hexadecimal.
          type: str
          sample: 0A1B2C
        not_before:
          description: Start of its validity in UTC, ISO 8601.
          type: str
          sample: "2026-01-01T00:00:00Z"
        not_after:
          description: End of its validity in UTC, ISO 8601.
          type: str
          sample: "2026-07-01T00:00:00Z"
        days_left:
          description: Whole days until it expires, negative once it has.
          type: int
          sample: 170
        names:
          description: DNS names among its subject alternative names.
          type: list
          elements: str
          sample: [mx2.example.test]
        purposes:
          description: Extended key usages. Empty where there is no restriction.
          type: list
          elements: str
          sample: [serverAuth]
        key_type:
          description: Type of key.
          type: str
          sample: ECDSA_P256
        key_size:
          description: Size of the key in bits.
          type: int
          sample: 256
        signature_algorithm:
          description: How the issuer signed it.
          type: str
          sample: ecdsa-with-SHA256
        must_staple:
          description: Whether clients must require a stapled OCSP response (TLS feature extension, RFC 7633).
          type: bool
        sha256:
          description: SHA-256 hash of the certificate in hexadecimal.
          type: str
        spki_sha256:
          description: SHA-256 hash of its public key in hexadecimal.
          type: str
        tlsa_3_1_1:
          description: Data of a TLSA record for it (RFC 6698).
          type: str
    whole_chain:
      description:
        - Whether RV(endpoints[].chain) is all that was sent. Before version 3.10, Python shows only the server's own
          certificate. Null where there was no TLS session.
      type: bool
      sample: true
    names:
      description: DNS names of the server's own certificate.
      type: list
      elements: str
      sample: [mx2.example.test]
    days_left:
      description: Whole days until the server's own certificate expires. Null where none was seen.
      type: int
      sample: 170
    clear_text:
      description:
        - What the server does with a client that does not use TLS. Null with O(clear_text=false), and where the server
          could not be reached or did not respond.
      type: dict
      contains:
        refused:
          description:
            - Whether use in clear text is refused. A public mail exchanger on port 25 must not refuse it (RFC 3207).
            - Null where the server's answer does not say.
          type: bool
          sample: true
        auth_offered:
          description: Whether a login is offered in clear text. Null where that is not known.
          type: bool
          sample: false
        evidence:
          description: What was asked, and the server's own words.
          type: str
          sample: >-
            LOGINDISABLED is announced, LOGIN was answered with 'l NO [PRIVACYREQUIRED] Plaintext authentication
            disallowed on non-secure (SSL/TLS) connections.'
        own_address:
          description:
            - Whether it was asked from the server's own address and was not refused there. Some servers trust that
              address, so this does not tell what they do with other clients.
          type: bool
          sample: false
        answered:
          description:
            - Further commands that the server has carried out in clear text, each with its answer. Empty where it
              refused them all, and where use in clear text is not refused anyway.
          type: list
          elements: str
          sample: ["LIST with '215 List of newsgroups follows:'"]
    versions:
      description: Which TLS versions the server accepts. Null unless O(versions=true) and there was a TLS session.
      type: dict
      contains:
        accepted:
          description: Versions with which a handshake was completed.
          type: list
          elements: str
          sample: [TLSv1.2, TLSv1.3]
        refused:
          description: Versions with which none was completed.
          type: list
          elements: str
          sample: [TLSv1, TLSv1.1]
        unknown:
          description: Versions that could not be tried, for instance because the connecting host does not support them.
          type: list
          elements: str
          sample: []
    injection:
      description:
        - Whether a command that was sent before TLS takes effect inside TLS. Null unless O(injection=true) and there
          was a TLS session that began with STARTTLS.
      type: dict
      contains:
        vulnerable:
          description: Whether it does. Null where it could not be tried.
          type: bool
          sample: false
        evidence:
          description: What was seen.
          type: str
          sample: a command sent before TLS was not answered inside TLS
    error:
      description:
        - Why there was no TLS session, or what went wrong inside it. Null if nothing did. For a certificate that cannot
          be verified, see RV(endpoints[].verify_error) instead.
      type: str
      sample: "STARTTLS was answered with '454 4.7.0 TLS not available due to local problem'"
    error_code:
      description:
        - The kind of error. C(resolve) means that the name has no address, C(refused) that nothing listens,
          C(unreachable) that there is no route or no answer, C(timeout) that the server stopped responding, C(closed)
          that it hung up, C(rejected) that it greeted with a refusal, C(protocol) that it does not speak the protocol,
          C(no_starttls) that it does not offer STARTTLS, C(starttls_refused) that it offers STARTTLS but refuses it,
          C(handshake) that the TLS handshake failed, C(certificate) that a certificate could not be read,
          C(unsupported) that the connecting host cannot use TLS as needed. Null if there was none.
      type: str
      sample: starttls_refused
reason:
  description: Everything in one sentence.
  returned: success
  type: str
  sample: >-
    1 of 2 endpoints show a certificate that can be verified; 2 refuse clear text, 0 do not; pop3 on mx2.example.test
    port 110: self-signed certificate
problem:
  description: The fault in parts, the same as in RV(ignore:msg).
  returned: failure, unless an option was malformed
  type: dict
  contains:
    host:
      description: Name of the host that the task ran on.
      type: str
    object:
      description: The object concerned.
      type: str
    option:
      description: The option at fault, empty where there is none.
      type: str
    found:
      description: What was found.
      type: str
    remedy:
      description: What to do.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._argspec import Spec, objects, one_or_many
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import require_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import DiscreetModule, run
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import CERTIFICATES, HOST, PATH, SERVER
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls_info.options import parse, parse_checks
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls_info.report import look_at_all, summarised

ELEMENT: Spec = {
    "host": {"type": "str", "kind": SERVER},
    "protocol": {"type": "str", "choices": list(PROTOCOLS)},
    "port": {"type": "int"},
    "tls": {"type": "str", "choices": ["starttls", "implicit"], "default": "starttls"},
    "server_name": {"type": "str", "kind": HOST},
    "ca_file": {"type": "path", "kind": PATH},
    "ca_content": {"type": "str", "kind": CERTIFICATES},
    "source": {"type": "str", "kind": SERVER},
    "proxy_protocol": {"type": "int", "choices": [1, 2]},
}
CHECKS: Spec = {
    "timeout": {"type": "float", "default": 10},
    "clear_text": {"type": "bool", "default": True},
    "versions": {"type": "bool", "default": False},
    "injection": {"type": "bool", "default": False},
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Look at the servers, and answer the module's result."""
    checks = parse_checks(module.params)
    questions = [parse(element) for element in objects(module.params, ELEMENT, "endpoints")]
    found = look_at_all(questions, checks)
    return {"changed": False, "endpoints": found, "reason": summarised(found)}


def main() -> None:
    """Run the module."""
    spec = one_or_many(ELEMENT, "endpoints", "host")
    spec["argument_spec"].update(CHECKS)
    spec["argument_spec"]["endpoints"]["options"]["protocol"]["required"] = True
    module = DiscreetModule(
        title="{protocol} on {host}", supports_check_mode=True, required_by={"host": ["protocol"]}, **spec
    )
    require_cryptography(module)
    run(module, work)


if __name__ == "__main__":
    main()
