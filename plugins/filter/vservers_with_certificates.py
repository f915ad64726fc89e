# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The virtual servers that can be secured before all certificates are there."""

from __future__ import annotations

DOCUMENTATION = r"""
name: vservers_with_certificates
short_description: Leave out of virtual servers what waits for a certificate
version_added: 0.5.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Of a host's virtual servers, those that can be secured while a CA has not answered every request yet.
  - One whose C(certificate) is missing is left out. One that only lacks its C(alternative_certificate), or certificates
    of C(sni), goes without these for the moment.
positional: missing
options:
  _input:
    description:
      - The virtual servers, as M(postmaster.secure_channel.mail_vserver_tls) takes them.
    type: list
    elements: dict
    required: true
  missing:
    description:
      - Names of the certificates that are not there, such as C(certificates_missing) of the role
        P(postmaster.secure_channel.certificates#role).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Secure what can be secured
  postmaster.secure_channel.mail_vserver_tls:
    vservers: "{{ vservers_list | postmaster.secure_channel.vservers_with_certificates(certificates_missing) }}"
"""

RETURN = r"""
_value:
  description: The virtual servers that can be secured, in the same order. Where nothing is missing, the list as it was.
  type: list
  elements: dict
  sample:
    - protocol: imap
      certificate: mx1.example.test
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Callable


def vservers_with_certificates(
    vservers: Sequence[Mapping[str, Any]], missing: Collection[str]
) -> list[Mapping[str, Any]]:
    """The virtual servers that can be secured, each without what waits for a certificate.

    Args:
        vservers: dictionaries with the options of mail_vserver_tls.
        missing: names of certificates that are not there.
    """
    ready = (_with_what_is_there(one, missing) for one in vservers)
    return [one for one in ready if one is not None]


def _with_what_is_there(vserver: Mapping[str, Any], missing: Collection[str]) -> Mapping[str, Any] | None:
    if vserver.get("state") == "absent":
        return vserver
    if vserver.get("certificate") in missing:
        return None
    ready = _without_second(vserver, missing)
    if ready.get("sni"):
        ready["sni"] = [_without_second(one, missing) for one in ready["sni"] if one.get("certificate") not in missing]
    return ready


def _without_second(pair: Mapping[str, Any], missing: Collection[str]) -> dict[str, Any]:
    """A certificate and its alternative, without the latter where that is not there."""
    is_missing = pair.get("alternative_certificate") in missing
    return {key: value for key, value in pair.items() if not (is_missing and key == "alternative_certificate")}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"vservers_with_certificates": vservers_with_certificates}
