# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specs that several modules share: single options, and one object or a list of them.

Every option for text has a ``kind`` there (see _strings.py). It is for us: DiscreetModule takes it out before Ansible
sees the spec.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import STORE_DIRECTORY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import PASSWORD as PASSWORD_KIND
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import WRITTEN_PATH

Spec = dict[str, dict[str, Any]]

STORE: Spec = {"store": {"type": "path", "default": STORE_DIRECTORY, "kind": WRITTEN_PATH}}
STATE: Spec = {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}
PASSWORD: Spec = {
    "password": {"type": "str", "no_log": True, "kind": PASSWORD_KIND},
    # says when, and is no secret itself
    "update_password": {"type": "str", "choices": ["always", "on_create"], "default": "always", "no_log": False},
}
PURGE: Spec = {"purge": {"type": "bool", "default": False}}


def one_or_many(element: Spec, many: str, key: str) -> dict[str, Any]:
    """Arguments for AnsibleModule that accept one object, or a list of the same objects.

    Args:
        element: argument spec of one object.
        many: name of the option for the list.
        key: option that every object needs; it tells the two forms apart.

    Returns:
        Keyword arguments (``argument_spec``, ``mutually_exclusive``, ``required_one_of``).
    """
    nested = copy.deepcopy(element)
    nested[key]["required"] = True
    # an option with a default cannot be told from one that was given, so only the others exclude the list
    exclusive = [(option, many) for option, spec in element.items() if "default" not in spec]
    return {
        "argument_spec": {**element, many: {"type": "list", "elements": "dict", "options": nested}},
        "mutually_exclusive": exclusive,
        "required_one_of": [(key, many)],
    }


def objects(params: dict[str, Any], element: Mapping[str, Mapping[str, Any]], many: str) -> list[dict[str, Any]]:
    """The objects that were asked for, whichever of the two forms was used.

    Args:
        params: the module's parameters.
        element: argument spec of one object.
        many: name of the option for the list.

    Raises:
        Problem: an option of one object is given next to the list, where it would have no effect.
    """
    if params[many] is None:
        return [{option: params[option] for option in element}]
    for option, spec in element.items():
        if params[option] != spec.get("default"):
            raise Problem(f"it cannot be combined with {many}", f"give it for the objects in {many}", option=option)
    return list(params[many])
