# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where clients find declared virtual servers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: endpoints
short_description: Where clients find declared virtual servers
version_added: 0.1.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Turns virtual servers, as M(postmaster.secure_channel.mail_vserver_tls) takes them, into the endpoints that
    M(postmaster.secure_channel.mail_tls_info) looks at, for each the port with STARTTLS and, where it has one, the
    port on which TLS starts at once.
  - A virtual server with C(addresses) is looked at there, under the first of its C(server_names). One with C(sni) is
    looked at under each name, but for wildcards. One with C(state=absent) is left out.
positional: host
options:
  _input:
    description:
      - The virtual servers.
    type: list
    elements: dict
    required: true
  host:
    description:
      - Name by which clients know the host.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Look at everything a host is declared to serve
  postmaster.secure_channel.mail_tls_info:
    endpoints: "{{ vservers_list | postmaster.secure_channel.endpoints('mx1.example.test') }}"
  delegate_to: mx2
"""

RETURN = r"""
_value:
  description: The endpoints.
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.declaration import (
    clients_view,
    ports,
    present,
)


def endpoints(vservers: Sequence[Mapping[str, Any]], host: str) -> list[dict[str, Any]]:
    """Endpoints of virtual servers.

    Args:
        vservers: dictionaries with the options of mail_vserver_tls.
        host: name by which clients know the host.

    Raises:
        AnsibleFilterError: a protocol is not known.
    """
    found: list[dict[str, Any]] = []
    for vserver in present(vservers):
        protocol = PROTOCOLS.get(vserver["protocol"])
        if protocol is None:
            raise AnsibleFilterError(f"the protocol {vserver['protocol']!r} is not one of {', '.join(PROTOCOLS)}")
        for place, name in clients_view(vserver, host):
            for port, registered, tls in zip(
                ports(vserver), (protocol.port, protocol.implicit_tls_port), ("starttls", "implicit")
            ):
                if not port:
                    continue
                endpoint: dict[str, Any] = {"host": place, "protocol": protocol.name, "tls": tls}
                if tls == "implicit" or port != registered:
                    endpoint["port"] = port
                if name != place:
                    endpoint["server_name"] = name
                found.append(endpoint)
    return found


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"endpoints": endpoints}
