# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What applies to those who hand in mail (RFC 6409), and what applied to them before.

A service that we make has restrictions of its own, as in the sample that Debian ships: those of main.cf are meant for
port 25, and may refuse all who log in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand, words

RELAY = "smtpd_relay_restrictions"
ONLY_LOGINS = "permit_sasl_authenticated,reject"
# All lists of restrictions but the one that says who may hand in mail.
_LISTS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
)
_BEFORE_DATA = _LISTS[:4]
PARAMETERS = (RELAY, *_LISTS)
OWN_RESTRICTIONS = dict.fromkeys(_LISTS, "")
_KEYWORDS = "smtpd_discard_ehlo_keywords"
_NEEDED_KEYWORDS = ("auth", "starttls")
# Settings of main.cf with which nobody could log in there, or only somebody else could connect.
_IN_THE_WAY = {
    "smtpd_tls_req_ccert": "no",
    "smtpd_upstream_proxy_protocol": "",
    "smtpd_sasl_exceptions_networks": "",
    "smtpd_discard_ehlo_keyword_address_maps": "",
}
_SECURITY_OPTIONS = ("smtpd_sasl_security_options", "smtpd_sasl_tls_security_options")
_ENDS = ("reject", "defer")
_WITHOUT_LOGIN = {
    "permit_mynetworks": "hosts of mynetworks",
    "permit_inet_interfaces": "this host itself",
    "permit_tls_clientcerts": "hosts with a certificate that relay_clientcerts knows",
    "permit_tls_all_clientcerts": "hosts with a certificate that is trusted",
    "permit": "everybody",
}
_OWN_DOMAINS = "hosts that send to this host's own domains"
_NOT_ANONYMOUS = "noanonymous"
_SASL_SOCKET = "private/auth"  # within the queue directory, where a chrooted smtpd(8) can reach it


def settings(
    auth_tls: tuple[str, ...] | None, offered: str | None, before: Mapping[str, str], *, made: bool
) -> dict[str, str]:
    """The settings for logins, and for them alone.

    Args:
        auth_tls: the mechanisms that the declaration names; None for none.
        offered: what it says of mechanisms before TLS, in Postfix' words; None for nothing.
        before: the parameters as the service would see them without us.
        made: whether we have made the service.
    """
    found = {"smtpd_sasl_auth_enable": "yes"}
    for name in _SECURITY_OPTIONS:
        value = expand(before.get(name, ""), lambda one: before.get(one, ""))
        if made or (auth_tls is not None and name != _SECURITY_OPTIONS[0]):
            value = _NOT_ANONYMOUS
        # what stands remains forbidden
        found[name] = value if _NOT_ANONYMOUS in words(value) else ", ".join([_NOT_ANONYMOUS, *words(value)])
    if offered is not None:
        found[_SECURITY_OPTIONS[0]] = offered
    found[RELAY] = ONLY_LOGINS
    if before.get("smtpd_sasl_auth_enable") != "yes":
        found.update(smtpd_sasl_type="dovecot", smtpd_sasl_path=_SASL_SOCKET)
    return found


def surroundings(parameters: Mapping[str, str]) -> dict[str, str]:
    """Settings of a service of ours because of main.cf's, which are meant for others.

    Args:
        parameters: those of main.cf.
    """
    found = {name: value for name, value in _IN_THE_WAY.items() if parameters.get(name, "") not in ("", "no", value)}
    discarded = words(parameters.get(_KEYWORDS, ""))
    kept = [one for one in discarded if one.lower() not in _NEEDED_KEYWORDS]
    if kept != discarded:
        found[_KEYWORDS] = ", ".join(kept)
    return found


def let_in(parameters: Mapping[str, str]) -> list[str]:
    """Who may hand in mail without a login, in words.

    Args:
        parameters: as the service sees them, with the parameters that they name put in.
    """
    relay, *others = (words(parameters.get(name, "")) for name in (RELAY, *_BEFORE_DATA))
    deciding = relay or words(parameters.get("smtpd_recipient_restrictions", ""))
    found = list(_rights(deciding))
    if not set(deciding) & set(_ENDS):
        found.append(_OWN_DOMAINS)
    # whom one list refuses, another one does not help
    closed = [list(_rights(one)) for one in others if set(one) & set(_ENDS)]
    return [one for one in found if all(one in rights for rights in closed)]


def _rights(restrictions: list[str]) -> Iterator[str]:
    """Whom a list lets in, up to where it ends."""
    for number, word in enumerate(restrictions):
        if word in _ENDS:
            return
        if word in _WITHOUT_LOGIN:
            yield _WITHOUT_LOGIN[word]
        elif word.startswith("check_") and word != "check_sasl_access" and number + 1 < len(restrictions):
            yield f"those whom {word} {restrictions[number + 1]} lets in"
