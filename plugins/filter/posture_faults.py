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
  - A fault is an error, a certificate that cannot be verified or lacks one of the C(server_names), a TLS version below
    the C(strength), a cipher below 128 bits, a login that is offered in clear text although the virtual server has no
    C(auth_clear), and clear text that is not refused although it has C(require_secure_channel). That nothing listens on
    a port for http is none.
positional: vservers, certificates, minimum_days
options:
  _input:
    description:
      - The C(endpoints) that the module returned. TLS versions are compared only if it ran with C(versions=true).
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
      - The C(certificates) that M(postmaster.secure_channel.mail_cert_info) found on the host. If they are given, any
        other certificate than the declared one is a fault.
    type: list
    elements: dict
    version_added: 0.5.0
  minimum_days:
    description:
      - Days for which a certificate must be valid yet.
    type: int
    default: 0
    version_added: 0.5.0
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

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import covers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import one_line
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.declaration import (
    of_endpoint,
    shown_certificates,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.options import DEFAULT_STRENGTH
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import VERSIONS
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._shown import (
    Live,
    live_certificates,
    other_than_declared,
)

_TRUE = (True, "true", "True", "yes", 1)  # a declaration comes straight from an inventory
_LEAST_BITS = 128
# a web server need not listen where there is nothing but clear text
_CLOSED = "refused"

Endpoint = Mapping[str, Any]
Vserver = Mapping[str, Any]


def _certificate_faults(endpoint: Endpoint, vserver: Vserver, live: Live | None, minimum_days: int) -> Iterator[str]:
    """What is wrong with the certificate that a server showed."""
    if not endpoint["verified"]:
        yield f"the certificate cannot be verified ({endpoint['verify_error']})"
    leaf = next(iter(endpoint.get("chain") or ()), None)
    if leaf is None:
        return
    declared = shown_certificates(vserver, endpoint["server_name"])
    if live is not None:
        yield from other_than_declared(endpoint, vserver, live)
    others = [name for name in vserver.get("server_names") or () if not covers(leaf["names"], name)]
    if others and declared[:1] == [vserver.get("certificate")]:
        yield f"the certificate does not cover {', '.join(others)}"
    if leaf["days_left"] < minimum_days:
        yield f"the certificate is valid for {leaf['days_left']} days only, less than {minimum_days}"


def _strength_faults(endpoint: Endpoint, vserver: Vserver) -> Iterator[str]:
    """What a server accepts although its strength does not allow it."""
    name = vserver.get("strength") or DEFAULT_STRENGTH
    strength = STRENGTHS.get(str(name))
    if strength is None:
        return
    allowed = VERSIONS[VERSIONS.index(f"TLSv{strength.minimum}") :]
    accepted = [one for one in (endpoint.get("versions") or {}).get("accepted", ()) if one not in allowed]
    if accepted:
        yield f"{' and '.join(accepted)} can be used, which is less than the strength {name}"
    tls = endpoint.get("tls") or {}
    if tls.get("bits") is not None and tls["bits"] < _LEAST_BITS:
        yield f"the cipher {tls['cipher']} has {tls['bits']} bits only"


def _clear_faults(endpoint: Endpoint, vserver: Vserver) -> Iterator[str]:
    """What a server does in clear text although it is not declared."""
    clear = endpoint["clear_text"] or {}
    # a web page may contain a login form, which cannot be seen from here
    harmless = (False,) if PROTOCOLS[endpoint["protocol"]].starttls else (False, None)
    if clear.get("auth_offered") not in harmless and not vserver.get("auth_clear"):
        yield f"a login is offered in clear text ({clear.get('evidence')})"
    if vserver.get("require_secure_channel") in _TRUE and clear.get("refused") is not True:
        yield f"clear text is not refused ({clear.get('evidence')})"


def _faults(endpoint: Endpoint, vserver: Vserver, live: Live | None, minimum_days: int) -> Iterator[str]:
    has_tls = endpoint["implicit_tls"] or PROTOCOLS[endpoint["protocol"]].starttls
    if endpoint["error"]:
        if has_tls or endpoint.get("error_code") != _CLOSED:
            yield endpoint["error"]
        return
    if has_tls:
        yield from _certificate_faults(endpoint, vserver, live, minimum_days)
        yield from _strength_faults(endpoint, vserver)
    yield from _clear_faults(endpoint, vserver)


def posture_faults(
    endpoints: Sequence[Endpoint],
    vservers: Sequence[Vserver],
    certificates: Sequence[Mapping[str, Any]] | None = None,
    minimum_days: int = 0,
) -> list[str]:
    """The faults of endpoints, measured against their virtual servers.

    Args:
        endpoints: what mail_tls_info returned.
        vservers: dictionaries with the options of mail_vserver_tls.
        certificates: what mail_cert_info found on the host.
        minimum_days: days for which a certificate must be valid yet.
    """
    found = []
    live = None if certificates is None else live_certificates(certificates)
    for one in endpoints:
        declared = of_endpoint(vservers, one["host"], one["protocol"], one["port"], one.get("server_name", "")) or {}
        faults = _faults(one, declared, live, int(minimum_days))
        found += [one_line(f"{one['host']} {one['protocol']} port {one['port']}: {fault}") for fault in faults]
    return found


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"posture_faults": posture_faults}
