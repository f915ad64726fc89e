# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS as a client speaks it: what is verified, and which versions and ciphers are offered."""

from __future__ import annotations

import contextlib
import ssl

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import in_memory
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.reading import content_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError

# TLS versions by the names that results use, the oldest first
VERSIONS: tuple[str, ...] = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def trust_store(ca_file: str = "", roots: str = "") -> ssl.SSLContext:
    """The context that verifies servers; make it once and use it for any number of handshakes.

    A name must be among the certificate's subject alternative names; the common name does not count
    (RFC 9525 section 6.3). No version below TLS 1.2 is offered (RFC 8996).

    Args:
        ca_file: PEM file with the trusted certificates.
        roots: the trusted certificates themselves, PEM. With neither, it is the system's own store.

    Raises:
        Problem: the file or the text cannot be used.
    """
    context = _context()
    if not ca_file and not roots:
        context.load_default_certs()
        return context
    try:
        with in_memory(_roots(ca_file) if ca_file else roots.encode()) as handle:
            context.load_verify_locations(cafile=f"/dev/fd/{handle}")
    except ssl.SSLError as exc:
        raise Problem(
            f"{ca_file or 'the text'} contains no certificate in PEM form ({exc.reason or exc})",
            "give the trusted CA certificates in PEM form",
            option="ca_file" if ca_file else "ca_content",
        ) from exc
    return context


def trust_also(context: ssl.SSLContext, roots: bytes) -> None:
    """Trust further certificates, PEM; none is no error."""
    with in_memory(roots) as handle, contextlib.suppress(ssl.SSLError):
        context.load_verify_locations(cafile=f"/dev/fd/{handle}")


def _roots(ca_file: str) -> bytes:
    try:
        found = content_of(ca_file)
    except Problem as exc:
        raise exc.about(option="ca_file") from exc
    if found is None:
        raise Problem(f"{ca_file} is not there", "give a file that exists on this host", option="ca_file")
    return found


def _context() -> ssl.SSLContext:
    """The same client everywhere, whatever the defaults of this Python version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT")
    context.hostname_checks_common_name = False
    return context


def unverifying() -> ssl.SSLContext:
    """A context that accepts any certificate."""
    context = _context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that short keys are seen as well
    return context


def only_key_type(kind: str) -> ssl.SSLContext:
    """A context for TLS 1.2 that accepts any certificate with one type of key, ``RSA`` or ``ECDSA``."""
    context = unverifying()
    context.set_ciphers(f"a{kind}:!NULL:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def offer(context: ssl.SSLContext, ciphers: str) -> ssl.SSLContext:
    """Have a context offer certain cipher suites of TLS 1.2 alone.

    Args:
        context: the context.
        ciphers: a list for OpenSSL.

    Raises:
        Problem: there is no such suite.
    """
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError as exc:
        raise Problem(
            f"this host's settings leave no cipher suite for mail that needs TLS ({ciphers})",
            "let the daemon's own lists of cipher suites have more of them, or choose another strength",
            option="strength",
        ) from exc
    return context


def only_version(version: str, ciphers: str = "ALL:@SECLEVEL=0") -> ssl.SSLContext:
    """A context that speaks one TLS version, with any cipher and any key, however weak, unless it is told which."""
    wanted = {
        "TLSv1": (ssl.TLSVersion.TLSv1, ssl.HAS_TLSv1),
        "TLSv1.1": (ssl.TLSVersion.TLSv1_1, ssl.HAS_TLSv1_1),
        "TLSv1.2": (ssl.TLSVersion.TLSv1_2, ssl.HAS_TLSv1_2),
        "TLSv1.3": (ssl.TLSVersion.TLSv1_3, ssl.HAS_TLSv1_3),
    }
    number, available = wanted[version]
    if not available:
        raise WireError("unsupported", f"the TLS library of the connecting host has no {version}")
    context = unverifying()
    context.set_ciphers(ciphers)
    context.minimum_version = number
    context.maximum_version = number
    return context
