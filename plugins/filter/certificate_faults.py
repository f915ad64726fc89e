# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where servers show other certificates than those that are declared for them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_faults
short_description: List where servers show other certificates than the declared ones
version_added: 0.5.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Compares what M(postmaster.secure_channel.mail_tls_info) saw with the certificates that are live in a host's store,
    each endpoint with those that are declared for it and the name that was asked for.
  - Endpoints without TLS, such as port 80 of a web server, are left out.
  - Where an C(alternative_certificate) is declared as well, either of the two will do.
positional: vservers, certificates, names
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
  certificates:
    description:
      - The C(certificates) that M(postmaster.secure_channel.mail_cert_info) found on the host.
    type: list
    elements: dict
    required: true
  names:
    description:
      - Names of certificates. Only endpoints for which one of these is declared are compared.
    type: list
    elements: str
    required: true
seealso:
  - module: postmaster.secure_channel.mail_cert_info
  - module: postmaster.secure_channel.mail_tls_info
  - plugin: postmaster.secure_channel.posture_faults
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Fail if a server does not show the new certificate yet
  ansible.builtin.assert:
    that: >-
      seen.endpoints | postmaster.secure_channel.certificate_faults(vservers_list, found.certificates,
                                                                    ['mx1.example.test']) | length == 0
"""

RETURN = r"""
_value:
  description: One line for each fault. Empty where the right certificates are shown.
  type: list
  elements: str
  sample:
    - "mx1.example.test imap port 143: it shows another certificate (CN=mx1.example.test, serial 0A1B) than mx1"
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import one_line
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.declaration import (
    of_endpoint,
    shown_certificates,
)
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._shown import (
    live_certificates,
    other_than_declared,
)


def certificate_faults(
    endpoints: Sequence[Mapping[str, Any]],
    vservers: Sequence[Mapping[str, Any]],
    certificates: Sequence[Mapping[str, Any]],
    names: Sequence[str],
) -> list[str]:
    """Where servers show other certificates than the declared ones.

    Args:
        endpoints: what mail_tls_info returned.
        vservers: dictionaries with the options of mail_vserver_tls.
        certificates: what mail_cert_info found on the host.
        names: the certificates that matter.
    """
    found: list[str] = []
    live, wanted = live_certificates(certificates), set(names)
    for one in endpoints:
        name = one["server_name"]
        vserver = of_endpoint(vservers, one["host"], one["protocol"], one["port"], name) or {}
        has_tls = one["implicit_tls"] or PROTOCOLS[one["protocol"]].starttls
        if not has_tls or not wanted.intersection(shown_certificates(vserver, name)):
            continue
        if one["error"] or not one.get("chain"):
            faults = [one["error"] or "it shows no certificate"]
        else:
            faults = list(other_than_declared(one, vserver, live))
        found += [one_line(f"{one['host']} {one['protocol']} port {one['port']}: {fault}") for fault in faults]
    return found


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"certificate_faults": certificate_faults}
