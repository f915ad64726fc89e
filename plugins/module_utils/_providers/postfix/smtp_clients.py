# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services of master.cf that send mail (smtp(8)): those that are there, and the two that we add where needed.

TLS at once (TLS_README, "smtp_tls_wrappermode") and passwords in clear text (SASL_README, "client") are settings of a
service, not of a next hop. So mail that needs one of them gets a service of its own, and nothing changes for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import master_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import MASTER_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import same

PLAIN = "smtp"
STOCK = (PLAIN, "relay")
IMPLICIT_TLS = "postmaster-smtps"
CLEAR_AUTH = "postmaster-clear-auth"
_COMMENT = "outgoing mail, added by the Ansible collection postmaster.secure_channel"
# Postfix refuses TLS at once where the service itself does not demand TLS; the policy table may demand more.
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    IMPLICIT_TLS: {"smtp_tls_wrappermode": "yes", "smtp_tls_security_level": "encrypt"},
    CLEAR_AUTH: {"smtp_sasl_security_options": "noanonymous"},
}


def clients(master: str) -> dict[str, master_cf.Service]:
    """The services that are an smtp(8), by name, but for ours."""
    found = {one.name: one for one in master_cf.services(master) if one.type == "unix" and one.command == "smtp"}
    return {name: one for name, one in found.items() if name not in _SETTINGS}


def with_services(master: str, wanted: Iterable[str]) -> str:
    """master.cf with those of our services that are wanted, and without the others."""
    wanted = set(wanted)
    for name, settings in _SETTINGS.items():
        present = [one for one in master_cf.services(master) if one.name == name and one.type == "unix"]
        if name not in wanted:
            for _one in present:
                (first, *_others) = [one for one in master_cf.services(master) if one.name == name]
                master = master_cf.remove(master, first, _COMMENT)
            continue
        entry = {"syslog_name": f"postfix/{name}", **settings}
        if present:
            overrides = {key: one.value for key, one in present[0].overrides.items()}
            different = {key: value for key, value in entry.items() if overrides.get(key) != value}
            master = master_cf.override(master, present[0], different)
        else:
            master = master_cf.add(
                master, name, _COMMENT, entry, fields="unix  -       -       y       -       -       smtp"
            )
    return master


def refuse_hidden(services: Iterable[master_cf.Service], wanted: Mapping[str, str]) -> None:
    """Settings of main.cf that a service does not see have no effect on the mail that it sends.

    Raises:
        Problem: a service sets one of them for itself.
    """
    for service in services:
        for name, value in wanted.items():
            override = service.overrides.get(name)
            if override and not same(name, override.value, value):
                raise Problem(
                    f"{MASTER_CF} line {override.line} sets '-o {name}={override.value}' for the service"
                    f" {service.name}, so the new setting would not apply to the mail that it sends",
                    "remove that -o setting, then run again",
                    option=f"{MASTER_CF}:{override.line}",
                )
