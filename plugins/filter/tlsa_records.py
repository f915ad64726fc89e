# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TLSA records of declared virtual servers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tlsa_records
short_description: Make the TLSA records of declared virtual servers
version_added: 0.2.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Returns, for each port with TLS of the virtual servers with certain certificates, the TLSA record that pins their
    keys for DANE (RFC 7672). During a key rollover, a record has the values of both keys.
  - A record has the name under which clients know the virtual server, as in
    P(postmaster.secure_channel.endpoints#filter). Those of one name and port are one record.
positional: host, values, certificates
options:
  _input:
    description:
      - The virtual servers, as M(postmaster.secure_channel.mail_vserver_tls) takes them. Those with other certificates
        are left out.
    type: list
    elements: dict
    required: true
  host:
    description:
      - The host's name for clients. For C(smtp) that is the name in the MX record.
    type: str
    required: true
  values:
    description:
      - Dictionaries that map names of certificates to the data of a record, such as C(3 1 1) with a hash. Values for
        the same certificate are combined; give one dictionary for the live keys and one for the next.
    type: list
    elements: dict
    required: true
  certificates:
    description:
      - The C(certificates) that M(postmaster.secure_channel.mail_cert_info) found on the host. With them, a virtual
        server with C(addresses) and without C(server_names) is known by the first name of its certificate, unless that
        covers O(host).
    type: list
    elements: dict
    default: []
    version_added: 0.5.0
seealso:
  - module: postmaster.secure_channel.mail_cert_info
  - name: RFC 7672
    description: SMTP Security via Opportunistic DANE TLS.
    link: https://www.rfc-editor.org/rfc/rfc7672
"""

EXAMPLES = r"""
- name: Show the records for the live certificate
  ansible.builtin.debug:
    msg: "{{ vservers_list | postmaster.secure_channel.tlsa_records('mx1.example.test', values) }}"
  vars:
    values:
      - mx1.example.test: 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
"""

RETURN = r"""
_value:
  description: The records.
  type: list
  elements: dict
  contains:
    name:
      description: The full name of the record, without a final full stop.
      type: str
      sample: _25._tcp.mx1.example.test
    type:
      description: The type of the record.
      type: str
      sample: TLSA
    values:
      description: The data of the records, one for each key.
      type: list
      elements: str
      sample: ["3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.declaration import (
    clients_view,
    ports,
    shown_certificates,
)
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._dns import record
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._inventory import present_vservers


def tlsa_records(
    vservers: Sequence[Mapping[str, Any]],
    host: str,
    values: Sequence[Mapping[str, str | None]],
    certificates: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """The TLSA records of virtual servers.

    Args:
        vservers: dictionaries with the options of mail_vserver_tls.
        host: the host's name for clients.
        values: the data of a record by certificate, None where it is not known; one dictionary for each set of keys.
        certificates: what mail_cert_info found on the host.

    Raises:
        AnsibleFilterError: a protocol is not known.
    """
    found: dict[str, list[str]] = {}
    names = {one["name"]: one["live"]["names"] for one in certificates if one["live"]}
    for vserver, protocol in present_vservers(vservers):
        port, implicit = ports(vserver)
        pinned = [one for one in (port if protocol.starttls else 0, implicit) if one]
        for _place, name in clients_view(vserver, host, names):
            shown = shown_certificates(vserver, name)
            data = [value for one in values for each in shown if (value := one.get(each))]
            for one in pinned if data else ():
                found.setdefault(f"_{one}._tcp.{name}", []).extend(data)
    return [record(name, "TLSA", data) for name, data in found.items()]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"tlsa_records": tlsa_records}
