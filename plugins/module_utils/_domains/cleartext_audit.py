# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual servers that this host's own users use in clear text, while it demands TLS of others."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider

# They hand content out to whoever does not log in; the others are of no use without a login.
_READ_WITHOUT_LOGIN = frozenset({"nntp", "ldap", "http"})


def _in_clear(vserver: Vserver) -> bool:
    """Whether users send their password, or get content, in clear text. Strangers are not a host's own users."""
    if PROTOCOLS[vserver.protocol].strangers or vserver.require_secure_channel or vserver.port == 0:
        return False
    return bool(vserver.auth_clear) or vserver.protocol in _READ_WITHOUT_LOGIN


def uncovered(providers: Iterable[Provider]) -> tuple[list[str], list[str]]:
    """The virtual servers that let users in in clear text.

    Args:
        providers: the daemons on the host. One that does not run serves nobody.

    Returns:
        Their names, such as ``imap/default``, sorted; and daemons that could not be asked, each with the reason.
    """
    found, silent = [], []
    for provider in providers:
        try:
            if provider.running():
                found += [f"{one.protocol}/{one.name}" for one in provider.read().values() if _in_clear(one)]
        except Problem as exc:
            silent.append(f"{provider.name}: {exc.found}")
    return sorted(found), silent
