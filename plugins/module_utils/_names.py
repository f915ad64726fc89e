# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host names: the one form in which they are kept, and which of them a certificate covers."""

from __future__ import annotations

import encodings.idna
import ipaddress
import re
from collections.abc import Iterable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_A_LABEL = re.compile(r"(?<![a-z0-9-])xn--([a-z0-9-]+)")  # RFC 5890 section 2.3.2.1
_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # RFC 3490 section 3.1: these all separate labels
_DEVIATIONS = frozenset("\u00df\u03c2\u200c\u200d")  # RFC 5894: IDNA 2003 and 2008 make different names of these
_LONGEST = 253  # octets of a name without its final full stop (RFC 1035 section 2.3.4)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _ascii_label(label: str, name: str, option: str) -> str:
    if _DEVIATIONS.intersection(label):
        raise Problem(
            f"{name!r} has a letter that IDNA 2003 and IDNA 2008 encode differently",
            "give its ASCII form (xn--...) as your registrar shows it",
            option=option,
        )
    try:
        return encodings.idna.ToASCII(label).decode("ascii").lower()
    except UnicodeError:
        return ""  # not a label; the caller reports it


def unicode_name(name: str) -> str:
    """A name or domain as it is written in addresses with SMTPUTF8 (RFC 6531); as it was where there is no other form.

    Args:
        name: the ASCII form (A-labels); what stands around a label stays.
    """
    try:
        found = _A_LABEL.sub(lambda label: label[1].encode().decode("punycode"), name)
    except UnicodeError:
        return name
    return found if found.isprintable() else name


def ascii_name(name: str, option: str) -> str:
    """The ASCII form (A-labels), in lower case and without a final full stop, of a host name.

    A wildcard is allowed as the whole left-most label (RFC 9525 section 6.3).

    Args:
        name: the name as the administrator writes it.
        option: module option that it comes from.

    Raises:
        Problem: this is not a host name.
    """
    labels = _DOTS.split(name.strip())
    if len(labels) > 1 and not labels[-1]:
        labels.pop()
    wildcard, rest = (["*"], labels[1:]) if len(labels) > 1 and labels[0] == "*" else ([], labels)
    converted = [_ascii_label(label, name, option) for label in rest]
    result = ".".join(wildcard + converted)
    if _is_address(name.strip()):
        raise Problem(
            f"{name!r} is an address, not a host name",
            "give the name that clients use for this server",
            option=option,
        )
    if len(result) > _LONGEST or not all(_LABEL.fullmatch(label) for label in converted):
        raise Problem(
            f"{name!r} is not a host name",
            "give a name such as mx1.example.org, or *.example.org: letters, digits and hyphens between full stops",
            option=option,
        )
    return result


def presented_as(dns_name: str) -> str:
    """A DNS name of a certificate in the form in which it is compared."""
    return dns_name.lower().rstrip(".")


def accepted_for(wanted: str) -> set[str]:
    """The DNS names of certificates that cover a name (RFC 9525 section 6.3), as :func:`presented_as` writes them.

    Args:
        wanted: a name in ASCII form; a wildcard is covered by the same wildcard only.
    """
    left, _dot, parent = wanted.partition(".")
    return {wanted} if left == "*" or not parent else {wanted, f"*.{parent}"}


def covers(presented: Iterable[str], wanted: str) -> bool:
    """Whether a certificate with these DNS names covers a name.

    Args:
        presented: the certificate's DNS names; its common name counts for nothing.
        wanted: a name in ASCII form; a wildcard is covered by the same wildcard only.
    """
    accepted = accepted_for(wanted)
    return any(presented_as(name) in accepted for name in presented)
