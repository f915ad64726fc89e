# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Apache's configuration has a program of root's read, load or run, found before any such program is run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import Reference
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import (
    Statement,
    statements,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import CONFIG_DIRECTORY

_INCLUDE = frozenset({"include", "includeoptional"})
# each loads or runs something while the configuration is read, also where that is only tested
_LOAD = frozenset({"loadmodule", "loadfile", "perlrequire", "perlconfigrequire", "perlpostconfigrequire"})
_EXPORT = re.compile(r"^\s*export\s+(\w+)=(\S*)", re.M)
_SHELL = re.compile(r"[\"']|\$\w+|\$\{[^}]*\}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_ARGUMENT = re.compile(r"[$@%]\w+")  # of a macro


def further_files(texts: Mapping[str, str]) -> Iterator[Reference]:
    """Files that lines of Apache's configuration name, with its variables and those of its environment put in."""
    found = [one for path, text in texts.items() for one in statements(path, text)]
    variables = {match[1]: _SHELL.sub("", match[2]) for text in texts.values() for match in _EXPORT.finditer(text)}
    variables.update((one.args[0], one.args[1]) for one in found if one.name == "define" and one.args[1:])
    root = next((one.args[0] for one in found if one.name == "serverroot" and one.args), CONFIG_DIRECTORY)
    for one in found:
        for word in _paths(one):
            path = _ARGUMENT.sub("*", _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), word))
            yield Reference(os.path.join(root, path), one.place, follow=one.name in _INCLUDE)


def _paths(statement: Statement) -> tuple[str, ...]:
    """The words of a line that are paths; built-in modules of Perl are none."""
    if statement.name in _INCLUDE:
        return statement.args[:1]
    if statement.name == "loadmodule":
        return statement.args[1:2]
    return tuple(word for word in statement.args if "/" in word) if statement.name in _LOAD else ()
