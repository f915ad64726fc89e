# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where servers differ from what is declared for them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: posture_faults
short_description: List where servers differ from what is declared for them
version_added: 0.1.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Compares what M(postmaster.secure_channel.mail_tls_info) saw with the virtual servers that are declared.
  - A fault is an error, a certificate that cannot be verified, a login that is offered in clear text although the
    virtual server has no C(auth_clear), and clear text that is not refused although it has C(require_secure_channel).
positional: vservers
options:
  _input:
    description:
      - The C(endpoints) that the module returned.
    type: list
    elements: dict
    required: true
  vservers:
    description:
      - The virtual servers, as M(postmaster.secure_channel.mail_vserver_tls) takes them.
    type: list
    elements: dict
    required: true
seealso:
  - module: postmaster.secure_channel.mail_tls_info
  - plugin: postmaster.secure_channel.endpoints
    plugin_type: filter
  - plugin: postmaster.secure_channel.posture_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Fail if a server is not as declared
  ansible.builtin.assert:
    that: seen.endpoints | postmaster.secure_channel.posture_faults(vservers_list) | length == 0
"""

RETURN = r"""
_value:
  description: One line for each fault. Empty where everything is as declared.
  type: list
  elements: str
  sample: ["mx1.example.test imap port 143: the certificate cannot be verified (self-signed certificate)"]
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import one_line
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.declaration import of_endpoint

_TRUE = (True, "true", "True", "yes", 1)  # a declaration comes straight from an inventory


def _faults(endpoint: Mapping[str, Any], *, required: bool, login_in_clear: bool) -> list[str]:
    if endpoint["error"]:
        return [endpoint["error"]]
    found = []
    protocol = PROTOCOLS[endpoint["protocol"]]
    if (endpoint["implicit_tls"] or protocol.starttls) and not endpoint["verified"]:
        found.append(f"the certificate cannot be verified ({endpoint['verify_error']})")
    clear = endpoint["clear_text"] or {}
    # a web page may contain a login form, which cannot be seen from here
    harmless = (False,) if protocol.starttls else (False, None)
    if clear.get("auth_offered") not in harmless and not login_in_clear:
        found.append(f"a login is offered in clear text ({clear.get('evidence')})")
    if required and clear.get("refused") is not True:
        found.append(f"clear text is not refused ({clear.get('evidence')})")
    return found


def posture_faults(endpoints: Sequence[Mapping[str, Any]], vservers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The faults of endpoints, measured against their virtual servers.

    Args:
        endpoints: what mail_tls_info returned.
        vservers: dictionaries with the options of mail_vserver_tls.
    """
    found = []
    for one in endpoints:
        declared = of_endpoint(vservers, one["host"], one["protocol"], one["port"]) or {}
        required = declared.get("require_secure_channel") in _TRUE
        faults = _faults(one, required=required, login_in_clear=bool(declared.get("auth_clear")))
        found += [one_line(f"{one['host']} {one['protocol']} port {one['port']}: {fault}") for fault in faults]
    return found


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"posture_faults": posture_faults}
