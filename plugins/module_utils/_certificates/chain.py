# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding the chain that a server sends among any certificates, verified up to a trusted root.

A path is verified by ``openssl verify`` on every release: cryptography has a verifier only since version 42, and the
mail daemons and their clients use OpenSSL themselves. It reads public data only, from memory.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import clock
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host, in_memory
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import (
    CA_CERTIFICATES,
    HOW_TO_TRUST,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable

AUTH_LEVEL = "2"  # as on Debian: 112 bits, so RSA >= 2048 and no SHA-1 (SSL_CTX_set_security_level(3))
MOST_PATHS = 8  # cross-signed CAs give two or three

_ERROR = re.compile(r"error (\d+) at (\d+) depth lookup: *(.*)")
_NO_ISSUER = frozenset((2, 18, 19, 20, 21))  # X509_STORE_CTX_get_error(3)
_OTHER_KEY = 7
_DEPTH = re.compile(r"^depth=\d+: (.*)$", re.MULTILINE)
_SENT = " (untrusted)"  # how -show_chain marks what does not come from the trust store

Chain = tuple[Certificate, ...]


def verified_chain(host: Host, leaf: Certificate, others: Sequence[Certificate], trust_store: str) -> Chain:
    """The intermediates that the server must send with its leaf, the leaf's issuer first, without the root.

    Args:
        host: the machine whose trust store and OpenSSL are used.
        leaf: the server's own certificate.
        others: what came with it, in any order; roots and foreign certificates are left out.
        trust_store: path of a PEM file with trusted roots.

    Raises:
        Problem: no path leads to a trusted root.
    """
    try:
        roots = host.read(trust_store)
    except Problem as exc:
        raise exc.about(option="trust_store") from exc
    if roots is None:
        raise Problem(
            f"the trust store {trust_store} is not there",
            f"install the package {CA_CERTIFICATES}, or give a PEM file with the CA's root",
            option="trust_store",
        )
    paths = list(itertools.islice(_paths(leaf, others), MOST_PATHS))
    answers = []
    for path in paths:
        answer = _ask_openssl(host, leaf, path, roots)
        if answer.code == 0 and not _missing(answer):
            return path
        answers.append(answer)
    raise _explanation(leaf, paths[0], others, answers[0], trust_store)


def _paths(last: Certificate, pool: Sequence[Certificate]) -> Iterator[Chain]:
    """Every path from a certificate towards a root, as far as the pool goes; roots are left out."""
    issuers = [one for one in pool if not one.is_self_issued and one.may_have_issued(last)]
    if last.is_self_issued or not issuers:
        yield ()
        return
    for issuer in issuers:
        for path in _paths(issuer, [one for one in pool if one is not issuer]):
            yield (issuer, *path)


def _ask_openssl(host: Host, leaf: Certificate, path: Chain, roots: bytes) -> Completed:
    """Have OpenSSL build and verify the path as a TLS client would."""
    with in_memory(roots) as trusted, in_memory(b"".join(one.pem for one in path)) as sent:
        argv = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-CAfile", f"/dev/fd/{trusted}"]
        argv += ["-purpose", "sslserver", "-auth_level", AUTH_LEVEL, "-show_chain", "-nameopt", "RFC2253"]
        if path:
            argv += ["-untrusted", f"/dev/fd/{sent}"]
        return host.query(argv, stdin=leaf.pem, keep_open=[trusted, sent])


def _missing(answer: Completed) -> str:
    """Subject of an intermediate that OpenSSL took from the trust store, so that clients would not get it."""
    trusted = [subject for subject in _DEPTH.findall(answer.out) if not subject.endswith(_SENT)]
    return trusted[0] if len(trusted) > 1 else ""


def _explanation(
    leaf: Certificate, path: Chain, others: Sequence[Certificate], answer: Completed, trust_store: str
) -> Problem:
    """What is wrong with the most likely path, and what to do about it."""
    top = (leaf, *path)[-1]
    how_to_trust = f"put its certificate into {trust_store} ({HOW_TO_TRUST}), or give a file that has it as trust_store"
    if answer.code == 0:
        subject = printable(_missing(answer))
        return Problem(
            f"the intermediate certificate {subject} is missing: this host trusts it, but its clients do not have it",
            f"add the certificate of {subject} to the answer",
            option="chain",
        )
    error = _ERROR.search(answer.err + answer.out)
    if error is None:
        return Problem(
            f"openssl could not verify it ({printable(answer.complaint)})",
            f"check that {trust_store} is a PEM file of certificates",
            option="trust_store",
        )
    code, depth, words = int(error.group(1)), int(error.group(2)), error.group(3)
    if code in _NO_ISSUER:
        if top.is_self_issued:
            return Problem(f"it is self-signed and not in {trust_store}", how_to_trust, option="trust_store")
        if any(one.is_self_issued and one.may_have_issued(top) for one in others):
            return Problem(
                f"it leads to the root {top.issuer}, which is not in {trust_store}", how_to_trust, option="trust_store"
            )
        return Problem(
            f"the issuer {top.issuer} of {top.subject} is neither in the answer nor in {trust_store}",
            f"if that issuer is an intermediate CA, add its certificate to the answer; if it is a root, {how_to_trust}",
            option="chain",
        )
    culprit = (leaf, *path)[depth].subject if depth <= len(path) else top.issuer
    if code == _OTHER_KEY:
        return Problem(
            f"{culprit} was signed by a different CA with the same name as the one in {trust_store}",
            f"replace the CA's old root with its current one: {how_to_trust}",
            option="trust_store",
        )
    if code in clock.NOT_IN_TIME:
        return Problem(
            f"the chain's certificate {culprit} is not valid now ({words}); this host's clock says {clock.shown()}",
            "set the host's clock where it is wrong, else get the CA's current chain",
            option="chain",
        )
    return Problem(
        f"no client would accept it: {printable(words)} ({culprit})", "ask the CA for a certificate for a TLS server"
    )
