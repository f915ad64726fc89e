# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other services get by reference from parameters of outgoing mail, such as ``lmtp_tls_security_level``.

Where we change such a parameter they keep the value that they had, until ours is taken back.
"""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.references import referring
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import overlaid
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    expand,
    names_in,
)

# parameters of programs that do not send what our entries are about
_OTHERS = ("lmtp_", "smtpd_tls_", "smtpd_sasl_", "tlsproxy_tls_", "postscreen_")


def keep_meanings(settings: Settings, master: str) -> None:
    """Keep what other services get from the parameters that have changed.

    Args:
        settings: main.cf, in which all changes have been made.
        master: content of master.cf.

    Raises:
        Problem: master.cf refers to one of them.
    """
    given_back = _give_back(settings)
    changed = dict(settings.changed)

    def before(name: str) -> str:
        return changed[name][0] if name in changed else settings.value(name)

    for one in referring(settings.text, master, changed):
        if not one.name.startswith(_OTHERS) or one.name in given_back:
            continue
        own = {name: override.value for name, override in one.service.overrides.items()} if one.service else {}
        old, new = expand(one.value, overlaid(before, own)), expand(one.value, overlaid(settings.value, own))
        if old == new:
            continue
        if one.service:
            raise Problem(
                f"{one.place} sets {one.name} to {one.value} for the service {one.service.name}, which would become"
                f" {new or 'empty'}",
                f"write {old or 'nothing'} there instead, then run again",
                option=one.place,
            )
        settings.set(one.name, old)


def _give_back(settings: Settings) -> set[str]:
    """Restore references that mean again what they meant before; the parameters that have got one."""
    found = set()
    for name in settings.noted:
        written = settings.before(name)
        refers = name.startswith(_OTHERS) and names_in(written)
        if refers and expand(written, settings.value) == settings.kept(name):
            settings.put_back(name)
            found.add(name)
    return found
