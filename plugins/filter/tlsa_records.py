# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TLSA records of declared virtual servers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tlsa_records
short_description: The TLSA records of declared virtual servers
version_added: 0.2.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Gives each port of the virtual servers that use certain certificates the TLSA record by which DANE (RFC 7672) pins
    their keys. While one key takes the place of another, a record has the values of both.
positional: host, values
options:
  _input:
    description:
      - The virtual servers, as M(postmaster.secure_channel.mail_vserver_tls) takes them. Those of other certificates
        are left out.
    type: list
    elements: dict
    required: true
  host:
    description:
      - Name by which clients know the host. For C(smtp) that is the name in the MX record.
    type: str
    required: true
  values:
    description:
      - For certificates, by their names, the data of a record, such as C(3 1 1) with a hash. Several such dictionaries
        are laid one upon the other, as for the keys that are live and those that come next.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the records of what is live
  ansible.builtin.debug:
    msg: "{{ vservers_list | postmaster.secure_channel.tlsa_records('mx1.example.test', values) }}"
  vars:
    values:
      - mx1.example.test: 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
"""

RETURN = r"""
_value:
  description: The records, each with C(name), such as C(_25._tcp.mx1.example.test), C(type) and C(values).
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.declaration import ports, present


def tlsa_records(
    vservers: Sequence[Mapping[str, Any]], host: str, values: Sequence[Mapping[str, str | None]]
) -> list[dict[str, Any]]:
    """TLSA records of virtual servers.

    Args:
        vservers: dictionaries with the options of mail_vserver_tls.
        host: name by which clients know the host.
        values: data of records, by certificate, None where it is not known; each time one more.

    Raises:
        AnsibleFilterError: a protocol is not known.
    """
    found: list[dict[str, Any]] = []
    for vserver in present(vservers):
        if vserver["protocol"] not in PROTOCOLS:
            raise AnsibleFilterError(f"the protocol {vserver['protocol']!r} is not one of {', '.join(PROTOCOLS)}")
        own = (vserver.get("certificate"), vserver.get("alternative_certificate"))
        certificates = {host: own, **{one["name"]: (one["certificate"],) for one in vserver.get("sni") or ()}}
        for name, some in certificates.items():
            data = [one[each] for one in values for each in some if each and one.get(each)]
            found += [
                {"name": f"_{port}._tcp.{name}", "type": "TLSA", "values": list(dict.fromkeys(data))}
                for port in ports(vserver)
                if port and data
            ]
    return found


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"tlsa_records": tlsa_records}
