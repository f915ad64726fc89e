# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action behind the module of the same name: it needs the variables of the host, and no connection to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.postmaster.secure_channel.plugins.module_utils._accounts import options as accounts
from ansible_collections.postmaster.secure_channel.plugins.module_utils._arguments import without_kinds
from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains import options as domains
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import one_line
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers import options as vservers
from ansible_collections.postmaster.secure_channel.plugins.modules import (
    mail_domain_security,
    mail_relay_account,
    mail_vserver_tls,
)
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils import _declaration_faults as declaration_faults
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._role_variables import (
    FOREIGN,
    Unknown,
    Variables,
    malformed,
    misspelt,
    read,
)

_ROLES = Path(__file__).resolve().parents[2] / "roles"
_UNKNOWN = "not looked at"  # stands for a secret, and for what cannot be known yet
_LISTS: Mapping[str, tuple[Mapping[str, Any], Callable[[Mapping[str, Any]], object]]] = {
    "vservers_list": (mail_vserver_tls.ELEMENT, vservers.parse),
    "domain_security_list": (mail_domain_security.ELEMENT, domains.parse),
    "domain_security_domains": (mail_domain_security.ELEMENT, domains.parse),
    "relay_accounts_list": (mail_relay_account.ELEMENT, accounts.parse),
}


class ActionModule(ActionBase):
    """Refuses variables that the roles would not understand, or would overlook."""

    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"declared"})

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look at all variables of the host."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        known = read(_ROLES)
        faults = [
            *misspelt(variables.keys(), known, self._foreign(variables)),
            *malformed(variables, known, self._resolve),
        ]
        look = _Look(self._resolve, variables, known)
        if not faults:
            faults += look.faults(declared=bool(self._task.args.get("declared")))
        warnings = [] if faults else list(look.warnings())
        result.update(changed=False, faults=faults)
        if warnings:
            result["warnings"] = warnings
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


class _Look:
    """What the declaration as a whole says.

    Args:
        resolve: templates a value; raises Unknown where that cannot be done yet.
        variables: the host's variables.
        known: those that the roles know.
    """

    def __init__(self, resolve: Callable[[Any], Any], variables: Mapping[str, Any], known: Variables) -> None:
        self._resolve = resolve
        self._variables = variables
        self._known = known

    def faults(self, *, declared: bool) -> list[str]:
        """A sentence for each fault."""
        found = list(declaration_faults.two_names(self._variables.keys(), self._value))
        if declared:
            found += declaration_faults.nothing_declared(self._variables.keys(), self._value)
        found += declaration_faults.certificate_faults(self._entries("certificates_list"), self._value)
        for name, (spec, parse) in _LISTS.items():
            found += declaration_faults.option_faults(self._entries(name, spec), name, _AsIn(spec, parse))
        return found

    def warnings(self) -> Iterator[str]:
        """A sentence for whatever may be a mistake."""
        return declaration_faults.short_names(self._entries("certificates_list"), self._entries("vservers_list"))

    def _value(self, name: str) -> Any:
        """The value of a variable; what cannot be known yet counts as there."""
        try:
            return self._resolve(self._variables.get(name, self._known.defaults.get(name)))
        except Unknown:
            return _UNKNOWN

    def _entries(self, name: str, spec: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
        """The entries of a list, without secrets; none where one cannot be known yet."""
        try:
            given = self._variables.get(name)
            found = self._resolve(given) if isinstance(given, str) else given
            options = spec or self._known.specs[name].get("options") or {}
            return [self._resolve(_discreet(one, options)) for one in found or ()]
        except Unknown:
            return []


def _discreet(entry: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _UNKNOWN if options.get(name, {}).get("no_log") else value for name, value in entry.items()}


@dataclass(frozen=True)
class _AsIn:
    """Looks at an entry as its module does.

    Attributes:
        spec: the module's argument spec of one object.
        parse: its parser, which needs all defaults.
    """

    spec: Mapping[str, Any]
    parse: Callable[[Mapping[str, Any]], object]

    def __call__(self, entry: Mapping[str, Any]) -> object:
        """Parse it.

        Raises:
            Problem: the module would not take it.
        """
        given = {name: value for name, value in entry.items() if value is not None}
        checked = ArgumentSpecValidator(without_kinds(self.spec)).validate(given)
        if checked.error_messages:
            raise Problem(checked.error_messages[0], "correct it")
        return self.parse(checked.validated_parameters)
