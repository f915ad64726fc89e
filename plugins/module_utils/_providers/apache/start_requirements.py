# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and keys that Apache's configuration names: with a pair that does not belong together a reload ends it.

Facts: mod_ssl. 'apache2ctl -t' misses files that are not there, and reads none of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import (
    Statement,
    statements,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import CONFIG_DIRECTORY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import NamedFile

_CERTIFICATE, _KEY, _SITE = "sslcertificatefile", "sslcertificatekeyfile", "virtualhost"


def pairs(texts: Mapping[str, str]) -> Iterator[tuple[NamedFile, NamedFile]]:
    """Certificates and their keys, by virtual host. A certificate without a key has it in the same file."""
    for path, text in texts.items():
        for group in _groups(path, text):
            certificates, keys = (
                [_named(one) for one in group if one.name == name and one.args] for name in (_CERTIFICATE, _KEY)
            )
            for certificate, key in zip(certificates, keys or certificates):
                if certificate and key:
                    yield certificate, key


def _groups(path: str, text: str) -> Iterator[list[Statement]]:
    """The lines of each virtual host of a file, and last those outside of all."""
    outside: list[Statement] = []
    inside: list[Statement] | None = None
    for one in statements(path, text):
        if one.name == f"<{_SITE}":
            inside = []
        elif one.name == f"</{_SITE}":
            yield inside or []
            inside = None
        else:
            (outside if inside is None else inside).append(one)
    yield outside


def _named(statement: Statement) -> NamedFile | None:
    """The file that a line names; None where variables are in it, or it is no file."""
    word = statement.args[0]
    if any(sign in word for sign in "$%@") or ":" in word:
        return None
    return NamedFile(os.path.join(CONFIG_DIRECTORY, word), statement.place)
