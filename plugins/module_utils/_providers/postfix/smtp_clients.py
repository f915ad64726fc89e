# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services of master.cf that send mail (smtp(8)): those that are there, and those that we add where needed.

TLS at once (TLS_README, "smtp_tls_wrappermode"), passwords in clear text and whose account is used (SASL_README,
"client") are settings of a service, not of a next hop. So mail that needs one of them gets a service of its own, and
nothing changes for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import master_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import MASTER_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import same

PLAIN = "smtp"
STOCK = (PLAIN, "relay")
IMPLICIT_TLS = "postmaster-smtps"
CLEAR_AUTH = "postmaster-clear-auth"
# the same where settings of others would keep our account from being used
AUTH = "postmaster-auth"
IMPLICIT_TLS_AUTH = "postmaster-smtps-auth"
OWN_ACCOUNT = {PLAIN: AUTH, "": AUTH, IMPLICIT_TLS: IMPLICIT_TLS_AUTH, CLEAR_AUTH: CLEAR_AUTH}
_COMMENT = "outgoing mail, added by the Ansible collection postmaster.secure_channel"
# Postfix refuses TLS at once where the service itself does not demand TLS; the policy table may demand more.
_AT_ONCE = {"smtp_tls_wrappermode": "yes", "smtp_tls_security_level": "encrypt"}
_LOGIN = {
    "smtp_sasl_auth_enable": "yes",
    "smtp_sasl_type": "cyrus",
    "smtp_sasl_mechanism_filter": "",
    "smtp_sasl_tls_security_options": "noanonymous",
    "smtp_sasl_tls_verified_security_options": "noanonymous",
    "smtp_sender_dependent_authentication": "no",
    "smtp_discard_ehlo_keywords": "",
    "smtp_discard_ehlo_keyword_address_maps": "",
}
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    IMPLICIT_TLS: _AT_ONCE,
    CLEAR_AUTH: {"smtp_sasl_security_options": "noanonymous", **_LOGIN},
    AUTH: _LOGIN,
    IMPLICIT_TLS_AUTH: {**_AT_ONCE, **_LOGIN},
}
OURS = tuple(_SETTINGS)
_AT_ONCE_SERVICES = frozenset(name for name, settings in _SETTINGS.items() if "smtp_tls_wrappermode" in settings)


def starts_tls_at_once(name: str) -> bool:
    """Whether it is one of our services, and one with TLS at once."""
    return name in _AT_ONCE_SERVICES


def clients(master: str) -> dict[str, master_cf.Service]:
    """The services that are an smtp(8), by name, but for ours."""
    found = {one.name: one for one in master_cf.services(master) if one.type == "unix" and one.command == "smtp"}
    return {name: one for name, one in found.items() if name not in _SETTINGS}


def _kept(plain: master_cf.Service | None) -> dict[str, str]:
    """What the usual service sets for itself, and one of ours in its place must set too: addresses, names, times."""
    set_there = plain.overrides.items() if plain else ()
    return {
        name: one.value
        for name, one in set_there
        if not name.startswith(("smtp_sasl_", "smtp_tls_", "syslog_name")) and name not in _LOGIN
    }


def with_services(master: str, wanted: Iterable[str], accounts: str) -> str:
    """master.cf with those of our services that are wanted, and without the others.

    Args:
        master: content of master.cf.
        wanted: their names.
        accounts: our table of accounts, with its type.
    """
    wanted = set(wanted)
    for name, settings in _SETTINGS.items():
        present = [one for one in master_cf.services(master) if one.name == name and one.type == "unix"]
        if name not in wanted:
            for _one in present:
                (first, *_others) = [one for one in master_cf.services(master) if one.name == name]
                master = master_cf.remove(master, first, _COMMENT)
            continue
        entry = {"syslog_name": f"postfix/{name}", **settings}
        if "smtp_sasl_type" in settings:
            entry["smtp_sasl_password_maps"] = accounts
            entry = {**_kept(clients(master).get(PLAIN)), **entry}
        if present:
            overrides = {key: one.value for key, one in present[0].overrides.items()}
            different = {key: value for key, value in entry.items() if overrides.get(key) != value}
            master = master_cf.override(master, present[0], different)
        else:
            master = master_cf.add(
                master, name, _COMMENT, entry, fields="unix  -       -       y       -       -       smtp"
            )
    return master


def refuse_hidden(
    services: Iterable[master_cf.Service], wanted: Mapping[str, str], as_good: Callable[[str, str, str], bool]
) -> None:
    """Settings of main.cf that a service does not see have no effect on the mail that it sends.

    Args:
        services: those that send it.
        wanted: the settings.
        as_good: answers whether a parameter's value in a service will do in the place of the one that is wanted.

    Raises:
        Problem: a service sets one of them for itself.
    """
    for service in services:
        for name, value in wanted.items():
            override = service.overrides.get(name)
            if override and not same(name, override.value, value) and not as_good(name, override.value, value):
                raise Problem(
                    f"{MASTER_CF} line {override.line} sets '-o {name}={override.value}' for the service"
                    f" {service.name}, so the new setting would not apply to the mail that it sends",
                    "remove that -o setting, then run again",
                    option=f"{MASTER_CF}:{override.line}",
                )
