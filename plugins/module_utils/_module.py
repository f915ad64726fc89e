# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module of this collection does the same way: parameters in, one result or one clear error out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

STORE_DIRECTORY = "/etc/postmaster"
STORE_OPTION: dict[str, Any] = {"store": {"type": "path", "default": STORE_DIRECTORY}}


class DiscreetModule(AnsibleModule):
    """A module that has secrets in a list, and so does not write into the system's log how it was called.

    Ansible writes a list there as Python prints it, and in that form does not find a secret in which Python escapes a
    character, such as a backslash or a line break: it would stay in the log.
    """

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        """Log a message; of a call only that there was one."""
        super().log(msg if log_args is None else "Invoked; options are not logged, since some are secret")


def one_or_many(element: dict[str, dict[str, Any]], many: str, key: str) -> dict[str, Any]:
    """Arguments for AnsibleModule that accept one object, or a list of the same objects.

    Args:
        element: argument spec of one object.
        many: name of the option that takes the list.
        key: option that an object cannot do without; it is what tells the two forms apart.

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
        many: name of the option that takes the list.

    Raises:
        Problem: an option of one object stands beside the list, where it would have no effect.
    """
    if params[many] is None:
        return [{option: params[option] for option in element}]
    for option, spec in element.items():
        if params[option] != spec.get("default"):
            raise Problem(f"it stands beside {many}", f"give it with the objects in {many}", option=option)
    return list(params[many])


def run(module: AnsibleModule, work: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """Do the work and leave the module with its result, or with one clear error.

    Args:
        module: the module.
        work: answers the result's keys.
    """
    try:
        result = work(module)
    except Problem as exc:
        module.fail_json(**exc.result())
    else:
        module.exit_json(**result)
