# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Dovecot's configuration has a program of root's read or load, found before any such program is run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import Reference
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.parser import included

_DIRECTORIES = re.compile(r"^[ \t]*(?:libexec_dir|(?:mail|login)_plugin_dir)[ \t]*=[ \t]*(/\S+)", re.M)


def further_files(texts: Mapping[str, str]) -> Iterator[Reference]:
    """Files that are included, and directories of programs and plugins."""
    for path, text in texts.items():
        for number, pattern in included(text):
            yield Reference(os.path.join(os.path.dirname(path), pattern), f"{path}:{number}")
        for match in _DIRECTORIES.finditer(text):
            yield Reference(match[1], f"{path}:{text.count(chr(10), 0, match.start(1)) + 1}", follow=False)
