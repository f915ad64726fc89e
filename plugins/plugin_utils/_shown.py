# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate that a server shows, and the one that is declared for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.declaration import shown_certificates

Live = Mapping[str, Mapping[str, Any]]


def live_certificates(certificates: Sequence[Mapping[str, Any]]) -> Live:
    """The live certificates of a store by name.

    Args:
        certificates: what mail_cert_info found on the host.
    """
    return {one["name"]: one["live"] for one in certificates if one["live"]}


def other_than_declared(endpoint: Mapping[str, Any], vserver: Mapping[str, Any], live: Live) -> Iterator[str]:
    """Why what a server showed is not what is declared; nothing where it is.

    Args:
        endpoint: what mail_tls_info saw there, with a chain.
        vserver: the virtual server behind it.
        live: the live certificates of the host's store by name.
    """
    declared = shown_certificates(vserver, endpoint["server_name"])
    missing = [name for name in declared if name not in live]
    yield from (f"the declared certificate {name} is not in the host's store" for name in missing)
    leaf = endpoint["chain"][0]
    if declared and leaf["sha256"] not in [live[name]["sha256"] for name in declared if name in live]:
        shown = leaf["subject"] or ", ".join(leaf["names"])
        yield f"it shows another certificate ({shown}, serial {leaf['serial']}) than {' or '.join(declared)}"
