# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual servers that this host's own users can use without TLS, although it requires TLS of others."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider

# These give out content without a login; the others are useless without one.
_READ_WITHOUT_LOGIN = frozenset({"nntp", "ldap", "http"})


def _in_clear(vserver: Vserver) -> bool:
    """Whether users may log in or read without TLS. Servers for strangers do not count."""
    if PROTOCOLS[vserver.protocol].strangers or vserver.require_secure_channel or vserver.port == 0:
        return False
    return bool(vserver.auth_clear) or vserver.protocol in _READ_WITHOUT_LOGIN


def cleartext_vservers(providers: Iterable[Provider]) -> tuple[list[str], list[str]]:
    """The virtual servers that users can use without TLS.

    Args:
        providers: the daemons on the host. Those that do not run are left out.

    Returns:
        Their names, such as ``imap/default``, sorted; and daemons that could not be asked, each with the reason.
    """
    found, unknown = [], []
    for provider in providers:
        try:
            if provider.running():
                found += [f"{one.protocol}/{one.name}" for one in provider.read().values() if _in_clear(one)]
        except Problem as exc:
            unknown.append(f"{provider.name}: {exc.found}")
    return sorted(found), unknown
