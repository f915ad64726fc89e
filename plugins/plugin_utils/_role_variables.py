# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds misspelt and malformed variables of the roles, by the roles' argument specs.

No message has a value in it, since that may be a secret: just names, and what would have been right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Callable

import yaml
from ansible.module_utils.common.validation import (
    check_type_bool,
    check_type_dict,
    check_type_float,
    check_type_int,
    check_type_list,
)

from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable

# Variables of the playbooks, which belong to no role.
HOSTS = "secure_channel_hosts"
FOREIGN = "secure_channel_foreign_variables"
OF_PLAYBOOKS: dict[str, dict[str, Any]] = {
    HOSTS: {},
    FOREIGN: {"type": "list", "elements": "str"},
    "link_hosts": {},
    "secure_channel_serial": {"type": "raw"},
    "secure_channel_max_fail_percentage": {"type": "float"},
}
# What roles leave behind for others, which a second playbook of the same run finds.
RESULTS = {
    "certificate_authority_answers",
    "certificates_missing",
    "certificates_pending",
    "verify_faults",
    "verify_found",
}
# These take the same declaration as another variable.
ALIKE = {"certificates_vservers": "vservers_list", "verify_vservers": "vservers_list"}

# Prefixes that are words of everyday use: another role may well have a "verify_ssl", so only near misses are refused.
COMMON_PREFIXES = {"link_", "verify_"}

_ALIKE_ENOUGH = 0.9  # of a name that does not begin like one of ours; 1 is the same name
_REST_ALIKE_ENOUGH = 0.75  # of what follows a prefix that is a common word
_SIMPLE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "bool": ("true or false", check_type_bool),
    "float": ("a number", check_type_float),
    "int": ("a whole number", check_type_int),
}

Spec = Mapping[str, Any]
Resolve = Callable[[Any], Any]


class Unknown(Exception):
    """A value that cannot be known yet, or that is omitted."""


@dataclass(frozen=True)
class Variables:
    """All variables that the collection's roles and playbooks know.

    Attributes:
        specs: the argument spec of each.
        defaults: defaults of the roles, as their files have them.
        prefixes: what the names begin with.
    """

    specs: Mapping[str, Spec]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()


def read(roles: Path) -> Variables:
    """Read the argument specs and defaults of all roles in a directory."""
    specs: dict[str, Spec] = dict(OF_PLAYBOOKS)
    defaults: dict[str, Any] = {}
    prefixes = {HOSTS.removesuffix("hosts")}
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        role = path.parents[1]
        prefixes.add(f"{role.name}_")
        for entry_point in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            specs.update(entry_point.get("options") or {})
        defaults.update(yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8")) or {})
    for name, other in ALIKE.items():
        if name in specs and other in specs:
            specs[name] = {**specs[name], "options": specs[other].get("options")}
    return Variables(specs, defaults, tuple(sorted(prefixes)))


def _hint(name: str, right: Collection[str]) -> str:
    """What was probably meant, or else all that there is."""
    nearest = get_close_matches(name, right, n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(sorted(right))}"


def misspelt(names: Collection[str], known: Variables, foreign: Collection[str] = ()) -> Iterator[str]:
    """A sentence for each variable that looks like one of ours, and is none.

    Args:
        names: names of all variables that a host has.
        known: the variables that there are.
        foreign: names that belong to somebody else.
    """
    for name in sorted(set(names) - set(known.specs) - RESULTS - set(foreign)):
        ours = [prefix for prefix in known.prefixes if name.startswith(prefix)]
        if ours:
            prefix = max(ours, key=len)
            if prefix in COMMON_PREFIXES and not _nearly_one_of_ours(name, prefix, known.specs):
                continue
            hint = _hint(name, [one for one in known.specs if one.startswith(prefix)])
        elif any(name.endswith(f"_{one}") for one in known.specs):
            continue  # somebody's own, such as vault_link_password
        else:
            nearest = get_close_matches(name, known.specs, n=1, cutoff=_ALIKE_ENOUGH)
            if not nearest:
                continue
            hint = f"did you mean {nearest[0]}?"
        yield f"{printable(name)}: no role or playbook of postmaster.secure_channel has this variable; {hint}"


def _nearly_one_of_ours(name: str, prefix: str, known: Collection[str]) -> bool:
    """Whether a name is like one that we know in what follows the prefix, which alone makes any two look alike."""
    rests = [one[len(prefix) :] for one in known if one.startswith(prefix)]
    return bool(get_close_matches(name[len(prefix) :], rests, n=1, cutoff=_REST_ALIKE_ENOUGH))


def malformed(values: Mapping[str, Any], known: Variables, resolve: Resolve) -> Iterator[str]:
    """A sentence for each fault in the values of our variables.

    Args:
        values: all variables of a host, not templated.
        known: the variables that there are.
        resolve: templates a value.
    """
    check = _Check(resolve)
    for name in sorted(values.keys() & known.specs.keys()):
        if values[name] != known.defaults.get(name):
            yield from check.value(values[name], known.specs[name], name)


class _Check:
    """Compares values with specs.

    Args:
        resolve: templates a value; raises Unknown where that cannot be done yet.
    """

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    def value(self, value: Any, spec: Spec, where: str) -> Iterator[str]:
        """Faults of one value."""
        kind = spec.get("type", "str")
        # Text may be a secret or cost a look into a vault: it is not even templated.
        if spec.get("no_log") or (kind not in ("list", "dict", *_SIMPLE) and "choices" not in spec):
            yield from self._text(value, spec, where)
            return
        try:
            found = self._resolve(value) if isinstance(value, str) else value
        except Unknown:
            return
        if found is None:
            return
        if kind == "list":
            yield from self._list(found, spec, where)
        elif kind == "dict":
            yield from self._dict(found, spec, where)
        else:
            yield from self._single(found, spec, where)

    @staticmethod
    def _text(value: Any, spec: Spec, where: str) -> Iterator[str]:
        """What stands where text must be, as YAML reads it: 0123 is 83 to it, and NO is false."""
        wrong = (bool, int, float, Mapping, list, tuple) if spec.get("no_log") else (bool, Mapping, list, tuple)
        if spec.get("type", "str") in ("str", "path") and isinstance(value, wrong):
            yield f"{where}: it must be text; put quotes around it"

    def _single(self, found: Any, spec: Spec, where: str) -> Iterator[str]:
        words, convert = _SIMPLE.get(spec.get("type", "str"), ("text", str))
        try:
            found = convert(found)
        except (TypeError, ValueError):
            yield f"{where}: it must be {words}"
            return
        choices = spec.get("choices")
        if choices and found not in choices:
            nearest = get_close_matches(str(found), [str(one) for one in choices], n=1)
            meant = f"; did you mean {nearest[0]}?" if nearest else ""
            yield f"{where}: it must be one of {', '.join(map(str, choices))}{meant}"

    def _list(self, found: Any, spec: Spec, where: str) -> Iterator[str]:
        try:
            # a tuple is a list for Ansible's templates, and no less here
            entries: Sequence[Any] = check_type_list(list(found) if isinstance(found, tuple) else found)
        except (TypeError, ValueError):
            yield f"{where}: it must be a list"
            return
        element = {**spec, "type": spec.get("elements", "raw")}
        for number, entry in enumerate(entries):
            yield from self.value(entry, element, f"{where}[{number}]")

    def _dict(self, found: Any, spec: Spec, where: str) -> Iterator[str]:
        try:
            entry: Mapping[str, Any] = found if isinstance(found, Mapping) else check_type_dict(found)
        except (TypeError, ValueError):
            yield f"{where}: it must be a dictionary"
            return
        options: Mapping[str, Spec] = spec.get("options") or {}
        if not options:
            return
        for name, value in entry.items():
            if name in options:
                yield from self.value(value, options[name], f"{where}.{name}")
            else:
                yield f"{where}.{printable(str(name))}: there is no such option; {_hint(str(name), options)}"
        for name, option in options.items():
            if option.get("required") and name not in entry:
                yield f"{where}: {name} is missing"
