# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nginx's configuration has a program of root's read, load or run, found before any such program is run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import Reference
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import Directive, Parser
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.paths import (
    CONFIG_DIRECTORY,
    PREFIX,
)

# each loads or runs something while the configuration is read, also where that is only tested
_LOAD = ("load_module", "perl_modules", "perl_require", "init_by_lua_file", "js_import", "js_include")
_ROUGHLY = re.compile(rf"^[^#\n]*?\b(include|{'|'.join(_LOAD)})\s+([^;{{}}]+);", re.M)


def further_files(texts: Mapping[str, str]) -> Iterator[Reference]:
    """Files that directives of nginx name."""
    for path, text in texts.items():
        for name, word, line in _paths(path, text):
            base = PREFIX if name == "load_module" else CONFIG_DIRECTORY
            yield Reference(os.path.join(base, word), f"{path}:{line}", follow=name == "include")


def _paths(path: str, text: str) -> Iterator[tuple[str, str, int]]:
    """Name of the directive, path, and line. Of what nginx itself will refuse, it reads the beginning."""
    try:
        top = Parser(path, text).directives()
    except Problem:
        for match in _ROUGHLY.finditer(text):
            yield match[1], match[2].split()[-1].strip("\"'"), text.count("\n", 0, match.start(1)) + 1
        return
    for one in Directive("", (), path, 1, 0, 0, 0, tuple(top)).below():
        if one.name in ("include", *_LOAD) and one.args:
            yield one.name, one.args[-1], one.line
