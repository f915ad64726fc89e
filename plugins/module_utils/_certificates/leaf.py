# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server's certificate must have for clients to accept it, leaving aside its chain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.summary import timestamp
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import covers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable

SHORTEST_RSA = 2048  # bits: RFC 9325 section 4.1
_USABLE_KEYS = ("RSA", "ECDSA_P256", "ECDSA_P384", "ECDSA_P521", "Ed25519", "Ed448")  # RFC 8446 section 4.2.3
_BROKEN_HASHES = ("md2", "md4", "md5", "sha1")  # RFC 9155 forbids MD5 and SHA-1 in TLS 1.2 signatures

_ASK_AGAIN = "ask the CA for a certificate for a TLS server"


def only_leaf(found: Sequence[Certificate], option: str) -> Certificate:
    """The one certificate that is not a CA's.

    Raises:
        Problem: there is none, or more than one.
    """
    leaves = [one for one in found if not one.is_ca]
    if len(leaves) > 1:
        leaves = [one for one in leaves if not one.is_self_issued] or leaves  # old roots do not say that they are CAs
    if not leaves:
        raise Problem(
            f"there are only CA certificates in it ({found[0].subject})",
            "give the certificate that the CA issued for this host, followed by its chain",
            option=option,
        )
    if len(leaves) > 1:
        raise Problem(
            f"there are {len(leaves)} certificates of servers in it ({'; '.join(one.subject for one in leaves)})",
            "give one certificate with its chain; install the others under their own names",
            option=option,
        )
    return leaves[0]


def check_leaf(leaf: Certificate, names: Sequence[str], now: datetime) -> None:
    """Refuse a leaf that clients would not accept.

    Raises:
        Problem: they would not.
    """
    if now > leaf.not_after:
        raise Problem(
            f"the certificate expired on {timestamp(leaf.not_after)} and this host's clock says {timestamp(now)}",
            "get a new one from the CA, or set the host's clock where it is wrong",
        )
    if now < leaf.not_before:
        raise Problem(
            f"the certificate is not valid before {timestamp(leaf.not_before)}"
            f" and this host's clock says {timestamp(now)}",
            "set the host's clock, or wait",
        )
    missing = [one for one in names if not covers(leaf.names, one)]
    if missing:
        raise Problem(
            f"the certificate does not cover {', '.join(missing)}; its subject alternative names are:"
            f" {printable(', '.join(leaf.names)) or 'none'}",
            "have the CA add that DNS name to the subject alternative names, or correct the option names",
        )
    if leaf.purposes is not None and "serverAuth" not in leaf.purposes:
        raise Problem(
            f"the certificate is for {', '.join(leaf.purposes) or 'nothing'}, not for a server (serverAuth)",
            _ASK_AGAIN,
        )
    if not leaf.signs:
        raise Problem("the certificate's key usage does not include digital signatures", _ASK_AGAIN)
    if leaf.key_type.name not in _USABLE_KEYS:
        raise Problem(
            f"the certificate's key is of the type {leaf.key_type}, which few TLS clients support, if any",
            f"request one with a key of the type {', '.join(_USABLE_KEYS)}",
        )
    if leaf.key_type.name == "RSA" and leaf.key_type.size < SHORTEST_RSA:
        raise Problem(
            f"the certificate's RSA key of {leaf.key_type.size} bits is too short",
            f"request one with at least {SHORTEST_RSA} bits",
        )
    if any(broken in leaf.signature_algorithm.lower() for broken in _BROKEN_HASHES):
        raise Problem(
            f"the certificate is signed with {leaf.signature_algorithm}, which is broken",
            "ask the CA for one signed with SHA-256 or better",
        )
