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
  - Returns, for each port of the virtual servers with certain certificates, the TLSA record that pins their keys for
    DANE (RFC 7672). During a key rollover, a record has the values of both keys.
positional: host, values
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

from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.declaration import ports
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._dns import record
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._inventory import present_vservers


def tlsa_records(
    vservers: Sequence[Mapping[str, Any]], host: str, values: Sequence[Mapping[str, str | None]]
) -> list[dict[str, Any]]:
    """The TLSA records of virtual servers.

    Args:
        vservers: dictionaries with the options of mail_vserver_tls.
        host: the host's name for clients.
        values: the data of a record by certificate, None where it is not known; one dictionary for each set of keys.

    Raises:
        AnsibleFilterError: a protocol is not known.
    """
    found: list[dict[str, Any]] = []
    for vserver, _protocol in present_vservers(vservers):
        own = (vserver.get("certificate"), vserver.get("alternative_certificate"))
        certificates = {host: own, **{one["name"]: (one["certificate"],) for one in vserver.get("sni") or ()}}
        for name, some in certificates.items():
            data = [value for one in values for each in some if each and (value := one.get(each))]
            found += [record(f"_{port}._tcp.{name}", "TLSA", data) for port in ports(vserver) if port and data]
    return found


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"tlsa_records": tlsa_records}
