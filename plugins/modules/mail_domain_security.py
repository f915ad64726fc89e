#!/usr/bin/python

# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_domain_security
short_description: Say how mail to a remote domain is encrypted and with which account it is handed over
version_added: 0.1.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Demands TLS of the servers that take a remote domain's mail, and logs in there with an account, for outgoing mail of
    Postfix (3.6 to 3.10), and of Exim (4.94 to 4.98 as Debian packages it, with GnuTLS).
  - Postfix looks both up by the next hop that mail really takes. Where a transport table or C(relayhost) routes a
    domain elsewhere, an entry for the domain itself would silently have no effect; so this module works the next hop
    out and writes the entry for that.
  - Exim looks them up by the domain itself, and routers of this collection send the domain's mail the way that Debian's
    would. There an entry holds for its domain alone, and an account only for the mail of its domain.
  - A message that cannot be sent as demanded stays in the queue; it is neither bounced nor sent in another way.
  - Entries that somebody else made stay as they are. Own entries come first.
extends_documentation_fragment:
  - postmaster.secure_channel._attributes
  - postmaster.secure_channel._attributes.actiongroup_secure_channel
requirements:
  - python >= 3.9
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Accounts are never shown.
  idempotent:
    support: full
options:
  domain:
    description:
      - The recipients' domain. A name in Unicode is taken in its ASCII form.
      - V(*) stands for all outgoing mail. Every other entry, of this call or of an earlier one, is an exception to it.
        What stood in the configuration before is put back with O(state=absent).
      - Either this or O(domains) is needed.
    type: str
  tls:
    description:
      - What is demanded. Mail that cannot be sent like that stays in the queue.
      - V(none) sends in clear text.
      - V(may) uses TLS where it is offered.
      - V(encrypt) demands TLS but looks at no certificate.
      - V(verify) demands a trusted certificate for the name of the mail exchanger, which comes from DNS.
      - V(secure) demands a trusted certificate for the domain, or for O(relay_host), itself.
      - V(fingerprint) demands one of O(fingerprints), whoever has signed the certificate.
      - V(dane) demands what the peer's TLSA records say (RFC 7672). A peer that publishes none is treated as with
        V(may); a peer whose records cannot be used, as with V(encrypt) by Postfix.
      - V(dane-only) demands TLSA records and sends to no peer without them.
      - V(dane) and V(dane-only) need a resolver that validates DNSSEC; without one the call fails, since the daemon
        would silently treat V(dane) as V(may). With Exim C(/etc/resolv.conf) must have the option C(trust-ad) too.
      - Only V(verify), V(secure), V(fingerprint) and V(dane-only) are authenticated; of the others the module warns. It
        also warns of a domain that is protected less than all other mail, and of one whose TLSA records would count if
        it had no entry.
    type: str
    choices: [none, may, encrypt, verify, secure, fingerprint, dane, dane-only]
    default: secure
  match:
    description:
      - Host names of which the peer's certificate must carry one, in place of the level's own. A name with a leading
        full stop stands for all names below it.
      - Only with O(tls=verify) and O(tls=secure).
    type: list
    elements: str
  fingerprints:
    description:
      - SHA-256 fingerprints, one of which must be that of the peer's certificate or of its public key. 64 hexadecimal
        digits, with or without colons. Name the next certificate's too before the peer changes it.
      - Exim compares with the certificate's alone.
      - Only with O(tls=fingerprint), which needs at least one.
    type: list
    elements: str
  subdomains:
    description:
      - Whether the entry holds for all names below the domain too. An entry for one of these goes before it.
      - Together with an account this needs O(relay_host).
    type: bool
    default: false
  relay_host:
    description:
      - Host that takes the domain's mail, a name or an address without brackets. Left out, the routing stays as it is.
    type: str
  relay_port:
    description:
      - TCP port of O(relay_host), from 1 to 65535.
    type: int
    default: 25
  implicit_tls:
    description:
      - Whether TLS starts at once on that port; otherwise STARTTLS is used. Needs a O(tls) that encrypts.
      - Left out, TLS starts at once on port 465 and on no other.
      - With Postfix such mail gets a service of its own in C(master.cf).
    type: bool
  username:
    description:
      - Account to log in with, sent byte for byte, so that C(DOMAIN\\user) arrives as it is. No colon can be in it.
      - Needs O(password), and a O(tls) that encrypts or O(auth_cleartext).
      - A peer that offers no login at all gets the mail without one from Postfix, and none from Exim.
    type: str
  password:
    description:
      - Password of the account. An empty string is a blank password, which is not the same as none.
      - A wrong one leaves the mail in the queue.
    type: str
  update_password:
    description:
      - With V(on_create) a password that is kept for this account at this host already stays as it is.
    type: str
    choices: [always, on_create]
    default: always
  auth_cleartext:
    description:
      - Consent to send the password of this entry in clear text, where its O(tls) does not encrypt. Needs
        O(relay_host). No other entry is touched; with Postfix such mail gets a service of its own in C(master.cf).
    type: bool
    default: false
  inbound:
    description:
      - What is demanded of the domain's own mail when it comes in on port 25. Left out, nothing is.
      - Sessions claim to be the partner's by a sender (C(MAIL FROM)) in the domain, with O(subdomains) also in one
        below it, or by where they come from. All others go on as before; so do bounces, which have no sender, unless
        they come from the partner's addresses.
      - What is not as demanded is refused with a temporary error (C(450)), so that the partner tries again. With
        Postfix' own C(plaintext_reject_code) you choose another code for clear text.
      - The demand goes before your own C(smtpd_sender_restrictions), which count as before. A service on port 25, or
        behind postscreen(8), that would not see it is an error.
      - It holds for whoever hands in mail with such a sender, also from networks you trust, but not for this host's own
        programs that connect from a loopback address, such as content filters.
      - Needs Postfix, and a server there that offers TLS (M(postmaster.secure_channel.mail_vserver_tls)). The entry
        still says with O(tls) how mail is sent to the domain.
      - Not with O(domain=*). To refuse clear text from everybody, see
        O(postmaster.secure_channel.mail_vserver_tls#module:require_secure_channel).
    type: dict
    version_added: 0.3.0
    suboptions:
      required:
        description:
          - Whether TLS is demanded. With V(false) nothing is, and no other suboption may be given.
        type: bool
        default: true
      addresses:
        description:
          - Where the partner's mail comes from, whoever the sender is. Addresses, networks (V(192.0.2.0/24),
            V(2001:db8::/32)), or names of hosts; a name with a leading full stop stands for all names below it.
          - A name counts only where the client's address leads to it and it leads back to that address. Anybody whose
            DNS does not answer is let in in clear text then, so addresses are surer.
        type: list
        elements: str
      certificate_fingerprints:
        description:
          - SHA-256 fingerprints of certificates, or of public keys, of which the partner's hosts must show one. Written
            as O(fingerprints) are.
          - All clients of this host's servers are then asked for a certificate (C(smtpd_tls_ask_ccert)); who signed it
            does not matter. Sessions without the right one are refused when the message itself is due, at the end of
            C(smtpd_data_restrictions). It is an error where something there would let mail pass before.
        type: list
        elements: str
  state:
    description:
      - V(absent) removes what this module wrote for the domain.
    type: str
    choices: [present, absent]
    default: present
  domains:
    description:
      - Many domains in one call, each with the options above. The call is done as a whole or not at all.
    type: list
    elements: dict
    suboptions:
      domain:
        description: See O(domain).
        type: str
        required: true
      tls:
        description: See O(tls).
        type: str
        choices: [none, may, encrypt, verify, secure, fingerprint, dane, dane-only]
        default: secure
      match:
        description: See O(match).
        type: list
        elements: str
      fingerprints:
        description: See O(fingerprints).
        type: list
        elements: str
      subdomains:
        description: See O(subdomains).
        type: bool
        default: false
      relay_host:
        description: See O(relay_host).
        type: str
      relay_port:
        description: See O(relay_port).
        type: int
        default: 25
      implicit_tls:
        description: See O(implicit_tls).
        type: bool
      username:
        description: See O(username).
        type: str
      password:
        description: See O(password).
        type: str
      update_password:
        description: See O(update_password).
        type: str
        choices: [always, on_create]
        default: always
      auth_cleartext:
        description: See O(auth_cleartext).
        type: bool
        default: false
      inbound:
        description: See O(inbound).
        type: dict
        version_added: 0.3.0
        suboptions:
          required:
            description: See O(inbound.required).
            type: bool
            default: true
          addresses:
            description: See O(inbound.addresses).
            type: list
            elements: str
          certificate_fingerprints:
            description: See O(inbound.certificate_fingerprints).
            type: list
            elements: str
      state:
        description: See O(state).
        type: str
        choices: [present, absent]
        default: present
  purge:
    description:
      - Whether what this module wrote for any other domain is removed. Entries of others are never touched.
    type: bool
    default: false
  ca_file:
    description:
      - PEM file on the host with the CA certificates that peers are verified against, for all domains.
      - Left out, the daemon's own setting stays; where it has none, the system's certificates are used.
    type: path
  preflight:
    description:
      - Whether this host connects to the servers concerned before a level that encrypts is demanded of them anew, and
        names those that mail could not be sent to any more. With O(domain=*) these are also the servers of mail that is
        in the queue now. Nobody is connected to where nothing becomes stricter, as in a second run, and none of the
        mail is sent.
      - V(warn) names them in warnings and in RV(unreachable_domains), and goes on.
      - V(fail) fails before anything is changed, in check mode too. A server that does not answer at all at the moment
        is only warned of, since it takes no mail at any level.
      - V("off") connects to nobody and does not look into the queue. YAML takes the word without quotes for a boolean,
        which Ansible takes for the same.
      - Needs Postfix. With another daemon V(warn) sees nothing, and V(fail) is an error.
      - Routing and mail exchangers are worked out as the daemon does it. A domain is good when one of the first five
        addresses does what the level asks, by trust, name or fingerprint. TLSA records are not looked at; with
        O(tls=dane-only) it is seen only whether TLS comes about, and with O(tls=dane) nobody is connected to. Nor are
        MTA-STS policies.
      - In one call no more than 100 destinations are tried, 16 at a time, each conversation for no more than 10
        seconds, and all for no more than a minute. RV(untried_domains) counts the rest. Domains with the same next hop
        and demand count once. TLS older than 1.2 is not tried.
    type: str
    choices: ["off", warn, fail]
    default: warn
    version_added: 0.3.0
  mta_sts:
    description:
      - Whether the MTA-STS policies (RFC 8461) of domains without an entry are followed. Postfix then asks the daemon
        of the package C(postfix-mta-sts-resolver), which must answer at 127.0.0.1 port 8461, after all other tables.
      - V(false) takes that back. Left out, it stays as it is. Where somebody else has named that daemon in
        C(smtp_tls_policy_maps), it stays there.
      - Not together with V(dane) or V(dane-only) for O(domain=*), since Postfix would then follow a policy in place of
        TLSA records, which RFC 8461 section 2 forbids.
      - Exim cannot do that, so V(true) is an error there.
    type: bool
    version_added: 0.3.0
  provider:
    description:
      - The daemon that sends the host's mail. With V(auto) it is the one that is installed and runs.
    type: str
    choices: [auto, exim, postfix]
    default: auto
    version_added: 0.3.0
seealso:
  - module: postmaster.secure_channel.mail_vserver_tls
  - name: Postfix TLS_README
    description: What the levels mean.
    link: https://www.postfix.org/TLS_README.html
  - name: Exim specification
    description: Transports over TLS, and DANE.
    link: https://www.exim.org/exim-html-current/doc/html/spec_html/ch-encrypted_smtp_connections_using_tlsssl.html
"""

EXAMPLES = r"""
# From the command line, for one host:
# ansible mx1 -m postmaster.secure_channel.mail_domain_security -a "domain=partner.example tls=secure"

- name: Send mail to a partner over verified TLS only
  postmaster.secure_channel.mail_domain_security:
    domain: partner.example
    tls: secure

- name: Hand mail for a partner over to its submission server, with an account
  postmaster.secure_channel.mail_domain_security:
    domains:
      - domain: partner.example
        tls: secure
        relay_host: mail.partner.example
        relay_port: 587
        username: 'PARTNER\relay'
        password: "{{ partner_password }}"
      - domain: former.example
        state: absent

- name: Take a partner's mail over TLS only, also what comes from the partner's network
  postmaster.secure_channel.mail_domain_security:
    domain: partner.example
    tls: secure
    inbound:
      addresses: [192.0.2.0/24]
    provider: postfix # Exim cannot do this

- name: TlsRequirement TLS for all outgoing mail, unless that would cut somebody off
  postmaster.secure_channel.mail_domain_security:
    domains:
      - domain: "*"
        tls: encrypt
      - domain: partner.example
        tls: secure
    preflight: fail
    provider: postfix # Exim cannot do this

- name: Send no mail in clear text, but for one domain that cannot do better
  postmaster.secure_channel.mail_domain_security:
    domains:
      - domain: "*"
        tls: encrypt
      - domain: old.example
        tls: may

- name: Know a partner by its certificate alone, whoever has signed it
  postmaster.secure_channel.mail_domain_security:
    domain: closed.example
    subdomains: true
    tls: fingerprint
    fingerprints:
      - 6F:3C:51:0D:9A:3E:77:04:5D:0E:5B:6A:21:5C:8C:0B:D5:9E:0E:19:4F:BB:7B:80:6D:12:8C:75:1A:93:44:E2

- name: Have all mail taken by a provider's server with TLS from the start, and keep the account that is there
  postmaster.secure_channel.mail_domain_security:
    domain: customer.example
    tls: secure
    relay_host: smtp.provider.example
    relay_port: 465
    username: relay
    password: "{{ partner_password }}"
    update_password: on_create

- name: Have a host that sends with Exim hand all mail to a server of the own network, over TLS
  postmaster.secure_channel.mail_domain_security:
    provider: exim
    domain: "*"
    tls: secure
    relay_host: relay.example

- name: Keep nothing but what one domain needs
  postmaster.secure_channel.mail_domain_security:
    domain: partner.example
    tls: secure
    purge: true
"""

RETURN = r"""
domains:
  description: One entry for each domain, also for those that were purged.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: The domain in lower case and ASCII form.
      type: str
      sample: partner.example
    next_hop:
      description:
        - What Postfix looks the policy up by, or the way that Exim sends the mail; empty for a domain that is removed.
      type: str
      sample: "[mail.partner.example]:587"
    other_next_hops:
      description:
        - What else the policy is looked up by, for subdomains and for mail that goes another way because of its sender.
          The account is used for none of them.
      type: list
      elements: str
      sample: [.partner.example]
    tls:
      description: The level; empty for a domain that is removed.
      type: str
      sample: secure
    authenticated:
      description: Whether the peer's identity is always checked before mail leaves.
      type: bool
    inbound:
      description:
        - What is demanded of the domain's own mail when it comes in, V(tls), or V(certificate) for TLS with the right
          certificate; empty for nothing.
      type: str
      sample: ""
    changed:
      description: Whether something was changed for this domain, or would be.
      type: bool
    reason:
      description: Why, in words. A password is never among them.
      type: str
      sample: "TLS policy: none -> [mail.partner.example]:587 secure; account: set"
provider:
  description: The daemon that sends this host's mail.
  returned: success
  type: str
  sample: postfix
reason:
  description: Why something was changed, or that nothing had to be.
  returned: success
  type: str
  sample: all 2 domains are as desired
files:
  description: Paths of the files that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/postfix/postmaster_tls_policy, /etc/postfix/main.cf]
mta_sts:
  description: Whether the MTA-STS policies of domains without an entry are followed.
  returned: success
  type: bool
uncovered_vservers:
  description:
    - Virtual servers of this host, as C(protocol/name), that its own users use in clear text although mail to others
      must be encrypted. Told in a warning as well. Only looked for where a domain demands encryption.
  returned: success
  type: list
  elements: str
  sample: [imap/default]
unreachable_domains:
  description:
    - Domains whose mail could not be sent any more as this call demands, as the preflight has seen it. Told in a
      warning as well. Empty with O(preflight=off), and where nothing becomes stricter.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: The domain; V(*) for the host that takes all outgoing mail.
      type: str
      sample: old.example
    next_hop:
      description: Where its mail goes.
      type: str
      sample: old.example
    cause:
      description:
        - V(no_tls) where TLS is not to be had, V(certificate) where the certificate is not what is demanded.
        - V(no_answer) where no server was reached, or none spoke SMTP. Then it is not known what it would do.
      type: str
      sample: no_tls
    reason:
      description: What was seen at each of its servers.
      type: str
      sample: "mx.old.example (192.0.2.25 port 25): the server does not offer STARTTLS"
untried_domains:
  description: How many domains the preflight has not tried because there were too many, or it took too long.
  returned: success
  type: int
  sample: 0
stuck_mail:
  description:
    - Mail to the domains of this call that waits in the queue because TLS could not be had as demanded, as the daemon
      says it, for each domain. Looked for in every run but with O(preflight=off). Told in a warning as well. A message
      for which nothing has been tried since the demand is not among it.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: The recipients' domain.
      type: str
      sample: old.example
    messages:
      description: Number of messages.
      type: int
      sample: 1
    queue_ids:
      description: By what the daemon knows them; of very many only the first 20.
      type: list
      elements: str
      sample: [4gLdZT1PJZz3w]
    reason:
      description: Why the first of them waits, in the daemon's words.
      type: str
      sample: "TLS is required, but was not offered by host mx.old.example[192.0.2.25]"
problem:
  description: The fault in parts, also told in RV(ignore:msg).
  returned: failure, unless an option was malformed
  type: dict
  contains:
    host:
      description: Name of the host.
      type: str
    object:
      description: The object concerned.
      type: str
    option:
      description: The option or the file at fault, empty where there is none.
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

from ansible_collections.postmaster.secure_channel.plugins.module_utils._argspec import (
    PASSWORD,
    PURGE,
    STATE,
    Spec,
    objects,
    one_or_many,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.service import CallOptions, Domains
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import STORE_DIRECTORY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import DiscreetModule, run
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import provider_choices
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import DomainProvider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import run_service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.levels import LEVELS

ELEMENT: Spec = {
    "domain": {"type": "str"},
    "tls": {"type": "str", "choices": list(LEVELS), "default": "secure"},
    "match": {"type": "list", "elements": "str"},
    "fingerprints": {"type": "list", "elements": "str"},
    "subdomains": {"type": "bool", "default": False},
    "relay_host": {"type": "str"},
    "relay_port": {"type": "int", "default": 25},
    "implicit_tls": {"type": "bool"},
    "username": {"type": "str"},
    **PASSWORD,
    "auth_cleartext": {"type": "bool", "default": False},
    "inbound": {
        "type": "dict",
        "options": {
            "required": {"type": "bool", "default": True},
            "addresses": {"type": "list", "elements": "str"},
            "certificate_fingerprints": {"type": "list", "elements": "str"},
        },
    },
    **STATE,
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Make the host treat the domains as desired, and answer the module's result."""
    service = Domains(Site.of(module, STORE_DIRECTORY), CallOptions.of(module.params))
    return run_service(module, service, objects(module.params, ELEMENT, "domains"))


def main() -> None:
    """Run the module."""
    spec = one_or_many(ELEMENT, "domains", "domain")
    spec["argument_spec"].update(
        PURGE,
        ca_file={"type": "path"},
        preflight={"type": "str", "choices": ["off", "warn", "fail"], "default": "warn"},
        mta_sts={"type": "bool"},
        provider={"type": "str", "choices": provider_choices(DomainProvider), "default": "auto"},
    )
    run(DiscreetModule(supports_check_mode=True, **spec), work)


if __name__ == "__main__":
    main()
