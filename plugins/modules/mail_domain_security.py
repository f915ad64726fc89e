#!/usr/bin/python

# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_domain_security
short_description: Require TLS for mail to and from a remote domain, and log in to its relay
version_added: 0.1.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Requires TLS of the servers that take a remote domain's mail, and logs in there with an account, for outgoing mail
    of Postfix (3.6 to 3.10), and of Exim (4.94 to 4.98 as packaged by Debian, with GnuTLS).
  - Postfix looks both up by the next hop that mail really takes. Where a transport table or C(relayhost) routes a
    domain elsewhere, an entry for the domain itself would silently have no effect, so this module determines the next
    hop and writes the entry for that.
  - Exim looks them up by the domain itself, and routers of this collection send the domain's mail the way that Debian's
    would. There an entry applies to its domain alone, and an account only to the mail of its domain.
  - A message that cannot be sent as required stays in the queue; it is neither bounced nor sent in another way.
  - Entries made by others stay as they are. This module's entries take precedence.
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
      - The recipients' domain. Unicode names are converted to ASCII.
      - V(*) means all outgoing mail. Every other entry, from this call or an earlier one, is an exception to it.
        O(state=absent) restores the previous configuration.
      - Either this or O(domains) is needed.
    type: str
  tls:
    description:
      - What is required. Mail that cannot be sent like that stays in the queue.
      - V(none) sends in clear text.
      - V(may) uses TLS where it is offered.
      - V(encrypt) requires TLS but checks no certificate.
      - V(verify) requires a trusted certificate for the name of the mail exchanger, which comes from DNS.
      - V(secure) requires a trusted certificate for the domain, or for O(relay_host), itself.
      - V(fingerprint) requires one of O(fingerprints), whoever issued the certificate.
      - V(dane) requires what the peer's TLSA records say (RFC 7672). A peer without records is treated as with V(may);
        with Postfix, a peer whose records are unusable is treated as with V(encrypt).
      - V(dane-only) requires TLSA records, and does not send to a peer without them.
      - V(dane) and V(dane-only) need a resolver that validates DNSSEC. Without one the call fails, because the daemon
        would silently treat V(dane) as V(may). With Exim C(/etc/resolv.conf) must have the option C(trust-ad) too.
      - Only V(verify), V(secure), V(fingerprint) and V(dane-only) authenticate the peer; the module warns of the
        others. It also warns of a domain that is protected less than all other mail, and of one whose TLSA records
        would be used if it had no entry.
    type: str
    choices: [none, may, encrypt, verify, secure, fingerprint, dane, dane-only]
    default: secure
  match:
    description:
      - Host names, one of which must be in the peer's certificate, instead of the level's default. A leading full stop
        means all names below.
      - Only with O(tls=verify) and O(tls=secure).
    type: list
    elements: str
  fingerprints:
    description:
      - SHA-256 fingerprints, one of which must be that of the peer's certificate or public key. 64 hexadecimal digits,
        with or without colons. Add the next certificate's fingerprint before the peer changes certificates.
      - Exim compares with the certificate only.
      - Only with O(tls=fingerprint), which needs at least one.
    type: list
    elements: str
  subdomains:
    description:
      - Whether the entry also applies to all names below the domain. An entry for one of these takes precedence.
      - Together with an account this needs O(relay_host).
    type: bool
    default: false
  relay_host:
    description:
      - Host that takes the domain's mail, a name or an address. If left out, routing stays as it is.
    type: str
  relay_port:
    description:
      - TCP port of O(relay_host), from 1 to 65535.
    type: int
    default: 25
  implicit_tls:
    description:
      - Whether TLS starts at once on that port; otherwise STARTTLS is used. Needs a O(tls) that encrypts.
      - If left out, TLS starts at once on port 465 only.
      - With Postfix such mail gets a service of its own in C(master.cf).
    type: bool
  servername:
    description:
      - Name that the peer is told it is wanted under (SNI), for servers that show the right certificate only then.
        V(hostname) is the name under which the server was found, V(nexthop) that of the next hop; anything else is sent
        as it is.
      - If left out, Postfix' own setting decides, C(smtp_tls_servername). Its default is to send no name.
      - Not with O(tls=none), and not with V(dane) and V(dane-only), which send the name of the TLSA records.
      - Needs Postfix. Exim always sends the name under which the server was found.
    type: str
  username:
    description:
      - Account to log in with, sent byte for byte, so that C(DOMAIN\\user) works. It cannot contain a colon. At most
        320 bytes.
      - Needs O(password), and a O(tls) that encrypts or O(auth_cleartext).
      - To a peer that offers no login at all, Postfix sends without one, and Exim does not send.
    type: str
  password:
    description:
      - Password of the account, sent byte for byte. At most 1000 bytes, without control characters, and without spaces
        at its ends. It must be text; a number needs quotes.
      - An empty string is a blank password, which is not the same as none.
      - With a wrong one, mail stays in the queue.
    type: str
  update_password:
    description:
      - With V(on_create), a password that is already stored for this account at this host stays as it is.
    type: str
    choices: [always, on_create]
    default: always
  auth_cleartext:
    description:
      - Allows the password of this entry to be sent in clear text, where its O(tls) does not encrypt. Needs
        O(relay_host). No other entry is affected; with Postfix such mail gets a service of its own in C(master.cf).
    type: bool
    default: false
  strength:
    description:
      - How strong TLS must be where O(tls) demands it, following the TLSRef guideline 6.0. A peer that offers less gets
        no mail; it stays in the queue.
      - V(modern) is TLS 1.3 only. V(intermediate) is TLS 1.2 with forward secrecy and authenticated encryption, and
        TLS 1.3. V(legacy) adds older TLS 1.2 cipher suites, none below 128 bits. Nothing allows TLS 1.1; for a peer
        without anything newer there is O(tls=may).
      - If left out, it is V(intermediate). Not with V(none), V(may) and V(dane), which stay as lenient as the daemon
        is.
      - What the daemon's own settings for mail that needs TLS bar (C(smtp_tls_mandatory_protocols),
        C(smtp_tls_mandatory_exclude_ciphers), C(smtp_tls_exclude_ciphers) and C(smtp_tls_mandatory_ciphers) of Postfix)
        stays barred as well.
      - It is about versions and cipher suites. The groups for the key exchange are those of the daemon.
    type: str
    choices: [modern, intermediate, legacy]
    version_added: 0.5.0
  require_128_bit:
    description:
      - Whether the keys of the peer's certificates must have at least 128 bits of security as well, which is 3072 bits
        for RSA. No O(strength) has a cipher below 128 bits.
      - Only with O(tls=verify) and O(tls=secure).
      - Needs Exim. Postfix looks at no peer's key, so that V(true) is an error there.
    type: bool
    default: false
    version_added: 0.5.0
  inbound:
    description:
      - What is required of the domain's own mail when it comes in on port 25. If left out, nothing is.
      - A session counts as the partner's by a sender (C(MAIL FROM)) in the domain, with O(subdomains) also below it, or
        by the client's address or name. All other sessions are unaffected; so are bounces, which have no sender, unless
        they come from the partner's addresses.
      - Mail that does not meet the requirement is refused with a temporary error (C(450)), so that the partner tries
        again. Postfix' C(plaintext_reject_code) sets another code for clear text.
      - The requirement is checked before your own C(smtpd_sender_restrictions), which still apply. A service on port
        25, or behind postscreen(8), that would not see it is an error.
      - It applies to everybody who submits mail with such a sender, also from networks you trust, but not to programs
        that connect from a loopback address, such as content filters.
      - Needs Postfix, and a server there that offers TLS (M(postmaster.secure_channel.mail_vserver_tls)). The entry
        still says with O(tls) how mail is sent to the domain.
      - Not with O(domain=*). To refuse clear text from everybody, see
        O(postmaster.secure_channel.mail_vserver_tls#module:require_secure_channel).
    type: dict
    version_added: 0.3.0
    suboptions:
      required:
        description:
          - Whether TLS is required. With V(false), no other suboption may be given.
        type: bool
        default: true
      addresses:
        description:
          - Where the partner's mail comes from, whoever the sender is. Addresses, networks (V(192.0.2.0/24),
            V(2001:db8::/32)), or host names; a leading full stop means all names below.
          - A name counts only if the client's address resolves to it and it resolves back to that address. If DNS does
            not answer, the client is admitted in clear text, so addresses are more reliable.
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
      servername:
        description: See O(servername).
        type: str
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
      strength:
        description: See O(strength).
        type: str
        choices: [modern, intermediate, legacy]
        version_added: 0.5.0
      require_128_bit:
        description: See O(require_128_bit).
        type: bool
        default: false
        version_added: 0.5.0
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
      - PEM file on the host with the CA certificates that peers are verified against, for all domains. Its path may
        have letters of ASCII, digits, and C(/ . _ + -), since a daemon's file names it.
      - Left out, the daemon's own setting stays; where it has none, the system's certificates are used.
    type: path
  preflight:
    description:
      - Whether this host connects to the servers concerned before TLS is newly required of them, and reports those to
        which mail could no longer be sent. With O(domain=*) this includes the servers for mail that is in the queue
        now. Where nothing becomes stricter, as in a second run, no connections are made. No mail is sent.
      - V(warn) reports them in warnings and in RV(unreachable_domains), and continues.
      - V(fail) fails before anything is changed, in check mode too. A server that does not answer at all only causes a
        warning, since it takes no mail at any level.
      - V("off") makes no connections and does not look into the queue. Without quotes, YAML reads the word as a
        boolean, which has the same effect.
      - Needs Postfix. With another daemon V(warn) has no effect, and V(fail) is an error.
      - Routes and mail exchangers are determined as the daemon does it. A domain passes if one of the first five
        addresses meets the level, by trust, name or fingerprint. TLSA records and MTA-STS policies are not looked up;
        with O(tls=dane-only) only TLS itself is tried, and with O(tls=dane) nothing.
      - One call tries at most 100 destinations, 16 at a time, for at most 10 seconds each and one minute in all.
        RV(untried_domains) counts the rest. Domains with the same next hop and requirement count once. Versions of TLS
        and cipher suites are offered as O(strength) says.
    type: str
    choices: ["off", warn, fail]
    default: warn
    version_added: 0.3.0
  mta_sts:
    description:
      - Whether the MTA-STS policies (RFC 8461) of domains without an entry are followed. Postfix then asks the daemon
        of the package C(postfix-mta-sts-resolver), which must answer at 127.0.0.1 port 8461, after all other tables.
      - V(false) undoes that. If left out, it stays as it is. An entry for that daemon in C(smtp_tls_policy_maps) that
        somebody else made stays there.
      - Not together with V(dane) or V(dane-only) for O(domain=*), because Postfix would then follow a policy instead of
        TLSA records, which RFC 8461 section 2 forbids.
      - Exim does not support it, so V(true) is an error there.
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

- name: Accept a partner's mail over TLS only, also whatever comes from the partner's network
  postmaster.secure_channel.mail_domain_security:
    domain: partner.example
    tls: secure
    inbound:
      addresses: [192.0.2.0/24]
    provider: postfix # Exim cannot do this

- name: Require TLS for all outgoing mail, unless that would cut somebody off
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

- name: Demand TLS 1.3 of one partner, and allow another one older cipher suites of TLS 1.2
  postmaster.secure_channel.mail_domain_security:
    domains:
      - domain: partner.example
        strength: modern
      - domain: old.example
        strength: legacy

- name: Recognize a partner by its certificate alone, whoever issued it
  postmaster.secure_channel.mail_domain_security:
    domain: closed.example
    subdomains: true
    tls: fingerprint
    fingerprints:
      - 6F:3C:51:0D:9A:3E:77:04:5D:0E:5B:6A:21:5C:8C:0B:D5:9E:0E:19:4F:BB:7B:80:6D:12:8C:75:1A:93:44:E2

- name: Reach a partner whose server shows the right certificate only to clients that ask for it by name (SNI)
  postmaster.secure_channel.mail_domain_security:
    domain: hosted.example
    tls: secure
    servername: hostname
    provider: postfix # Exim always does this

- name: Relay a domain's mail through a provider's server with TLS from the start, and keep the stored password
  postmaster.secure_channel.mail_domain_security:
    domain: customer.example
    tls: secure
    relay_host: smtp.provider.example
    relay_port: 465
    username: relay
    password: "{{ partner_password }}"
    update_password: on_create

- name: Have a host with Exim relay all mail through a server of its own network, over TLS
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
        - The key under which Postfix looks up the policy, or the route by which Exim sends; empty for a domain that is
          removed.
      type: str
      sample: "[mail.partner.example]:587"
    other_next_hops:
      description:
        - Other keys for the policy, for subdomains and for mail that is routed by its sender. The account is used for
          none of them.
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
    strength:
      description:
        - The least that TLS must be; empty where it is not demanded, and for a domain that is removed. Stricter
          settings of the daemon apply as well.
      type: str
      sample: intermediate
    require_128_bit:
      description: Whether short keys of the peer's certificates are refused.
      type: bool
    inbound:
      description:
        - What is required of the domain's own incoming mail, V(tls), or V(certificate) for TLS with the right
          certificate; empty for nothing.
      type: str
      sample: ""
    changed:
      description: Whether something was changed for this domain, or would be.
      type: bool
    reason:
      description: Why, in words. A password is never among them.
      type: str
      sample: "TLS policy: none -> [mail.partner.example]:587 secure strength=intermediate; account: set"
provider:
  description: The daemon that sends this host's mail.
  returned: success
  type: str
  sample: postfix
reason:
  description: Why something was changed, or that nothing had to be changed.
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
    - Virtual servers of this host, as C(protocol/name), that its own users can use in clear text although mail to
      others must be encrypted. There is a warning as well. Only checked if a domain requires encryption.
  returned: success
  type: list
  elements: str
  sample: [imap/default]
unreachable_domains:
  description:
    - Domains whose mail could no longer be sent as this call requires, according to the preflight. There is a warning
      as well. Empty with O(preflight=off), and where nothing becomes stricter.
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
        - V(no_tls) where TLS is not available, V(certificate) where the certificate does not meet the requirement.
        - V(no_login) where a server offers no mechanism that the host can log in with.
        - V(no_answer) where no server was reached, or none spoke SMTP, so that nothing is known.
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
    - Mail to the domains of this call that waits in the queue because TLS is not available as required, according to
      the daemon, for each domain. Checked in every run except with O(preflight=off). There is a warning as well.
      Messages that have not been tried since the change are not included.
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
      description: The daemon's names for them; at most the first 20.
      type: list
      elements: str
      sample: [4gLdZT1PJZz3w]
    reason:
      description: Why the first of them waits, in the daemon's words.
      type: str
      sample: "TLS is required, but was not offered by host mx.old.example[192.0.2.25]"
problem:
  description: The fault in parts, the same as in RV(ignore:msg).
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
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import (
    provider_choices,
    senders,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import run_service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import (
    FINGERPRINT,
    HOST,
    LOGIN,
    NETWORK,
    WRITTEN_PATH,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.domain_levels import LEVELS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS

ELEMENT: Spec = {
    "domain": {"type": "str", "kind": HOST},
    "tls": {"type": "str", "choices": list(LEVELS), "default": "secure"},
    "match": {"type": "list", "elements": "str", "kind": HOST},
    "fingerprints": {"type": "list", "elements": "str", "kind": FINGERPRINT},
    "subdomains": {"type": "bool", "default": False},
    "relay_host": {"type": "str", "kind": HOST},
    "relay_port": {"type": "int", "default": 25},
    "implicit_tls": {"type": "bool"},
    "servername": {"type": "str", "kind": HOST},
    "username": {"type": "str", "kind": LOGIN},
    **PASSWORD,
    "auth_cleartext": {"type": "bool", "default": False},
    "strength": {"type": "str", "choices": list(STRENGTHS)},
    "require_128_bit": {"type": "bool", "default": False},
    "inbound": {
        "type": "dict",
        "options": {
            "required": {"type": "bool", "default": True},
            "addresses": {"type": "list", "elements": "str", "kind": NETWORK},
            "certificate_fingerprints": {"type": "list", "elements": "str", "kind": FINGERPRINT},
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
        ca_file={"type": "path", "kind": WRITTEN_PATH},
        preflight={"type": "str", "choices": ["off", "warn", "fail"], "default": "warn"},
        mta_sts={"type": "bool"},
        provider={"type": "str", "choices": provider_choices(senders()), "default": "auto"},
    )
    run(DiscreetModule(title="domain {domain}", supports_check_mode=True, **spec), work)


if __name__ == "__main__":
    main()
