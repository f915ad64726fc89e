# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments of a module held against its argument spec, where Ansible itself is too kind.

Before Ansible sees them: it turns whatever is given for text into text, a dictionary into what Python prints of it. A
secret of such a shape would not be found again when it is to be masked, and a number may not be what was typed: YAML
reads 0123 as 83. Here that is refused, and its value is nowhere from then on.

Afterwards: each string is held against the kind that the spec declares for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._argspec import Spec
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import Kind
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable as shortened

NOT_SHOWN = "VALUE_NOT_SHOWN"
KIND = "kind"
_NOUNS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (bytes, "bytes"),
    (Mapping, "a dictionary"),
    (list, "a list"),
    (tuple, "a list"),
    (str, "text"),
)
_FOR_ANSIBLE = "_ansible_"
Declared = Mapping[str, Mapping[str, Any]]


def without_kinds(spec: Declared) -> Spec:
    """An argument spec as Ansible takes it."""
    found = {name: {key: value for key, value in option.items() if key != KIND} for name, option in spec.items()}
    for option in found.values():
        if "options" in option:
            option["options"] = without_kinds(option["options"])
    return found


def is_text(option: Mapping[str, Any]) -> bool:
    """Whether an option takes text, or a list of it, and not one of a few choices."""
    kind = option.get("type", "str")
    if kind == "list":
        kind = option.get("elements")
    return kind in ("str", "path") and "choices" not in option


def _holds_secrets(spec: Declared) -> bool:
    return any(option.get("no_log") or _holds_secrets(option.get("options", {})) for option in spec.values())


@dataclass(frozen=True)
class _Place:
    """Where in the arguments something is.

    Attributes:
        subject: how messages name the object; empty for the whole call.
        prefix: the options around, each with a full stop behind it.
        inside: whether it is within an object already.
    """

    subject: str = ""
    prefix: str = ""
    inside: bool = False

    def below(self, name: str) -> _Place:
        """Within an option that has options of its own."""
        return _Place(self.subject, f"{self.prefix}{name}.", inside=True)


class _Titles:
    """How messages name the objects of a module.

    Args:
        title: such as ``domain {domain}``, with options in braces; empty where the module has no objects.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._fields = [name for _text, name, _spec, _conversion in Formatter().parse(title) if name]

    def fits(self, spec: Declared) -> bool:
        """Whether these are the options of one object."""
        return bool(self._fields) and all(name in spec for name in self._fields)

    def of(self, given: Any, spec: Declared, otherwise: str = "") -> str:
        """The name of one object, where it says what it is called."""
        if not isinstance(given, Mapping) or not self.fits(spec):
            return otherwise
        found = {name: given.get(name) or spec[name].get("default") for name in self._fields}
        if not all(isinstance(value, str) for value in found.values()):
            return otherwise
        return self._title.format(**{name: shortened(str(value)) for name, value in found.items()})


class Arguments:
    """What a module was given, with what has the wrong shape taken out.

    Args:
        given: the arguments, as they came.
        spec: the module's argument spec.
        title: see _Titles.

    Attributes:
        params: the arguments for Ansible to look at.
        problem: the first fault; None where there is none.
    """

    def __init__(self, given: Mapping[str, Any], spec: Declared, title: str = "") -> None:
        self.problem: Problem | None = None
        self._titles = _Titles(title)
        self.params = self._sifted(given, spec, _Place(self._titles.of(given, spec)))

    def _sifted(self, given: Mapping[str, Any], spec: Declared, place: _Place) -> dict[str, Any]:
        found = {}
        for name, value in given.items():
            if name in spec:
                found[name] = self._value(value, spec[name], name, place)
            elif not place.inside and str(name).startswith(_FOR_ANSIBLE):
                found[name] = value
            else:
                found[name] = NOT_SHOWN  # a misspelt option may hold a secret; Ansible refuses it by its name
        return found

    def _value(self, value: Any, option: Mapping[str, Any], name: str, place: _Place) -> Any:
        if value is None:
            return None
        if "options" in option:
            return self._objects(value, option, name, place)
        several = option.get("type") in ("list", "dict", "raw")
        if not several and isinstance(value, (Mapping, list, tuple)):
            return self._refused(value, option, name, place)
        if is_text(option):
            if several and isinstance(value, (list, tuple)):
                return [self._text(one, option, name, place) for one in value]
            return value if several else self._text(value, option, name, place)
        return value

    def _objects(self, value: Any, option: Mapping[str, Any], name: str, place: _Place) -> Any:
        """Options that have options of their own."""
        spec, single = option["options"], option["type"] == "dict"
        if single and isinstance(value, Mapping):
            return self._sifted(value, spec, place.below(name))
        if not single and isinstance(value, (list, tuple)):
            return [
                self._entry(one, spec, _entry_place(self._titles, one, spec, f"{name}[{number}]", place))
                for number, one in enumerate(value)
            ]
        if not _holds_secrets(spec):
            return value
        wanted = "a dictionary" if single else "a list of dictionaries"
        self._note(f"it is {_noun(value)}, not {wanted}", f"give {wanted} with options", name, place)
        return None

    def _entry(self, value: Any, spec: Declared, place: _Place) -> Any:
        if isinstance(value, Mapping):
            return self._sifted(value, spec, place)
        if not _holds_secrets(spec):
            return value
        self._note(f"it is {_noun(value)}, not a dictionary", "give a dictionary with options", "", place)
        return {}

    def _text(self, value: Any, option: Mapping[str, Any], name: str, place: _Place) -> Any:
        if isinstance(value, str):
            return value
        # a number for text that is no secret stays what it was, and is shown
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not option.get("no_log"):
            return value
        return self._refused(value, option, name, place)

    def _refused(self, value: Any, option: Mapping[str, Any], name: str, place: _Place) -> str:
        wanted = "text" if is_text(option) else "one value"
        remedy = "put it in quotes where it is defined"
        if isinstance(value, (Mapping, list, tuple)):
            # Ansible takes what a template makes for a list or a dictionary where it begins like one
            remedy = f"give {wanted}: in quotes, and from a template with the filter string behind it"
        self._note(f"it is {_noun(value)}, not {wanted} (its value is not shown)", remedy, name, place)
        return NOT_SHOWN

    def _note(self, found: str, remedy: str, name: str, place: _Place) -> None:
        option = f"{place.prefix}{name}" if name else ""
        self.problem = self.problem or Problem(found, remedy, subject=place.subject, option=option)


def _entry_place(titles: _Titles, value: Any, spec: Declared, numbered: str, place: _Place) -> _Place:
    """Where an entry of a list is: an object of the module, or part of one."""
    if titles.fits(spec):
        return _Place(titles.of(value, spec, numbered), inside=True)
    return _Place(place.subject, f"{place.prefix}{numbered}.", inside=True)


def _noun(value: Any) -> str:
    return next((noun for kind, noun in _NOUNS if isinstance(value, kind)), "of another type")


def check_kinds(params: Mapping[str, Any], spec: Declared, title: str = "") -> None:
    """Hold each string against its kind.

    Args:
        params: the arguments, as Ansible has converted them.
        spec: the module's argument spec.
        title: see _Titles.

    Raises:
        Problem: one of them is not of its kind.
    """
    titles = _Titles(title)
    _check_kinds(params, spec, titles, _Place(titles.of(params, spec)))


def _check_kinds(params: Mapping[str, Any], spec: Declared, titles: _Titles, place: _Place) -> None:
    for name, option in spec.items():
        value = params.get(name)
        if value is None:
            continue
        if "options" in option and option["type"] == "dict":
            _check_kinds(value, option["options"], titles, place.below(name))
        elif "options" in option:
            for number, one in enumerate(value):
                below = _entry_place(titles, one, option["options"], f"{name}[{number}]", place)
                _check_kinds(one, option["options"], titles, below)
        elif KIND in option:
            kind: Kind = option[KIND]
            for one in value if isinstance(value, list) else [value]:
                kind.check(one, subject=place.subject, option=f"{place.prefix}{name}")
