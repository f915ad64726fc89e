# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action behind the module of the same name: it needs the variables of the host, and no connection to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import one_line
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils.role_variables import (
    FOREIGN,
    Unknown,
    malformed,
    misspelt,
    read,
)

_ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):
    """Refuses variables that the roles would not understand, or would overlook."""

    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset[str]()

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look at all variables of the host."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        known = read(_ROLES)
        faults = [
            *misspelt(variables.keys(), known, self._foreign(variables)),
            *malformed(variables, known, self._resolve),
        ]
        result.update(changed=False, faults=faults)
        if faults:
            result.update(failed=True, msg=one_line("; ".join(faults)))
        return result

    def _foreign(self, variables: dict[str, Any]) -> list[str]:
        try:
            found = self._resolve(variables.get(FOREIGN, []))
        except Unknown:
            return []
        return [str(one) for one in found] if isinstance(found, list) else []

    def _resolve(self, value: Any) -> Any:
        """A value after templating.

        Raises:
            Unknown: it cannot be templated yet, or is omitted.
        """
        try:
            found = self._templar.template([value])  # what is omitted leaves the list
        except AnsibleError as exc:
            raise Unknown from exc
        if not found:
            raise Unknown
        return found[0]
