# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The endpoints of declared virtual servers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: endpoints
short_description: List the endpoints of declared virtual servers
version_added: 0.1.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Turns virtual servers, as M(postmaster.secure_channel.mail_vserver_tls) takes them, into endpoints for
    M(postmaster.secure_channel.mail_tls_info). For each there is the port with STARTTLS and, where it has one, the port
    on which TLS starts at once.
  - A virtual server with C(addresses) has endpoints at these, under the first of its C(server_names). One with C(sni)
    has them under each name except wildcards. Virtual servers with C(state=absent) are left out.
positional: host, certificates, roots
options:
  _input:
    description:
      - The virtual servers.
    type: list
    elements: dict
    required: true
  host:
    description:
      - The host's name for clients.
    type: str
    required: true
  certificates:
    description:
      - The C(certificates) that M(postmaster.secure_channel.mail_cert_info) found on the host. With them, a virtual
        server with C(addresses) and without C(server_names) has its endpoints under the first name of its certificate,
        unless that covers O(host).
    type: list
    elements: dict
    default: []
    version_added: 0.5.0
  roots:
    description:
      - The CA certificates to trust, PEM text, by the name of the certificate; those under C(*) for all others. Where
        there are none, it is the store of the host that looks.
    type: dict
    default: {}
    version_added: 0.5.0
seealso:
  - module: postmaster.secure_channel.mail_tls_info
  - module: postmaster.secure_channel.mail_vserver_tls
  - plugin: postmaster.secure_channel.posture_faults
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at everything that a host is declared to serve
  postmaster.secure_channel.mail_tls_info:
    endpoints: "{{ vservers_list | postmaster.secure_channel.endpoints('mx1.example.test') }}"
  delegate_to: mx2
"""

RETURN = r"""
_value:
  description: The endpoints, as the option O(postmaster.secure_channel.mail_tls_info#module:endpoints) takes them.
  type: list
  elements: dict
  contains:
    host:
      description: Host name or address to connect to.
      type: str
      sample: mx1.example.test
    protocol:
      description: The protocol.
      type: str
      sample: imap
    tls:
      description: V(starttls) or V(implicit).
      type: str
      sample: implicit
    port:
      description: TCP port. Only there where it is not the registered one, or with V(implicit).
      type: int
      sample: 993
    server_name:
      description: The name to ask for. Only there where it differs from C(host).
      type: str
      sample: imap.example.test
    ca_content:
      description: The CA certificates to trust. Only there where O(roots) has some.
      type: str
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.declaration import (
    clients_view,
    ports,
    shown_certificates,
)
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._inventory import present_vservers


def endpoints(
    vservers: Sequence[Mapping[str, Any]],
    host: str,
    certificates: Sequence[Mapping[str, Any]] = (),
    roots: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The endpoints of virtual servers.

    Args:
        vservers: dictionaries with the options of mail_vserver_tls.
        host: the host's name for clients.
        certificates: what mail_cert_info found on the host.
        roots: the CA certificates to trust, PEM, by the name of the certificate.

    Raises:
        AnsibleFilterError: a protocol is not known.
    """
    found: list[dict[str, Any]] = []
    given = roots or {}
    names = {one["name"]: one["live"]["names"] for one in certificates if one["live"]}
    for vserver, protocol in present_vservers(vservers):
        for place, name in clients_view(vserver, host, names):
            trusted = [given.get(one, given.get("*", "")) for one in shown_certificates(vserver, name)]
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
                if trusted and all(trusted):
                    endpoint["ca_content"] = "".join(dict.fromkeys(trusted))
                found.append(endpoint)
    return found


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"endpoints": endpoints}
