# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nginx needs to go on, of which 'nginx -t' says too little: the files that it reads, and certificates with keys.

Facts: ngx_http_ssl_module. A certificate and a key of different kinds pass its test, and then TLS is dead there.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.further_files import (
    further_files,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import Directive
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.paths import CONFIG_DIRECTORY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import NamedFile

_CERTIFICATE, _KEY = "ssl_certificate", "ssl_certificate_key"
_MOST_FILES = 2000


def followed(host: Host, main: str) -> dict[str, str]:
    """Texts of the first file and of all that are included, where nginx itself does not tell.

    Raises:
        Problem: there is no end of them.
    """
    found: dict[str, str] = {}
    waiting = [main]
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        if len(found) >= _MOST_FILES:
            raise Problem(
                f"nginx reads more than {_MOST_FILES} files",
                "include fewer files",
                option=main,
            )
        found[path] = host.read_text(path)
        named = [one.path for one in further_files({path: found[path]}) if one.follow]
        waiting += [file for pattern in named for file in sorted(glob.glob(pattern))]
    return found


def pairs(configuration: Directive) -> Iterator[tuple[NamedFile, NamedFile]]:
    """Certificates and their keys, by the blocks that name both."""
    for block in (configuration, *configuration.below()):
        for certificate, key in zip(block.all(_CERTIFICATE), block.all(_KEY)):
            found = [_named(one) for one in (certificate, key)]
            if found[0] and found[1]:
                yield found[0], found[1]


def _named(directive: Directive) -> NamedFile | None:
    """The file that a directive names; None where nginx finds it out by each client, or it is no file."""
    word = directive.args[0] if directive.args else ""
    if not word or "$" in word or word.partition(":")[0] in ("data", "engine", "store"):
        return None
    return NamedFile(os.path.join(CONFIG_DIRECTORY, word), directive.place)
