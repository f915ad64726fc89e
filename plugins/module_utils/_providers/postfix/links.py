# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of others that depend on what we change: they keep their meaning, and are given back.

A setting that refers to a parameter of ours, such as ``smtp_tls_cert_file = $smtpd_tls_cert_file``, is set to what it
was. So is, for a server on another port, what main.cf says of clear text there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import main_cf, master_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import MASTER_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.references import referring
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.services import (
    SMTP_PORT,
    key_of,
    socket_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings

NOTES = "link "  # begins the keys of notes
_MAIN, _MASTER = f"{NOTES}main.cf ", f"{NOTES}master.cf "
_WAS, _SET = "was", "set"  # their columns: what is written there, and the value that it has from us
_LEVEL = "smtpd_tls_security_level"
_LOGIN = ("smtpd_tls_auth_only", "smtpd_sasl_mechanism_filter")


@dataclass(frozen=True)
class Fixed:
    """A setting that has been set to what it was.

    Attributes:
        key: of its note.
        place: file and line of the setting, or of the service.
        name: the parameter.
        value: what it was.
    """

    key: str
    place: str
    name: str
    value: str

    @property
    def warning(self) -> str:
        """What the administrator should know."""
        return f"{self.place} depends on what is changed here, and keeps its meaning: {self.name} = {self.value}"


def undone(main: str, master: str, saved: SavedSettings, defaults: Callable[[str], str]) -> tuple[str, str]:
    """Both files with the administrator's own settings in place of what we had set them to.

    What has been changed since then is left as it is.

    Args:
        main: content of main.cf.
        master: content of master.cf.
        saved: former settings of both files; what is put back is forgotten.
        defaults: answers a parameter's default.
    """
    for key in saved.keys(_MAIN):
        note = saved.take_table(key, _WAS, _SET)
        name = key[len(_MAIN) :]
        found = main_cf.assignments(main).get(name)
        if (found.value if found else defaults(name)) == note[_SET]:
            main = main_cf.restore(main, {name: note[_WAS]})
    for key in saved.keys(_MASTER):
        note = saved.take_table(key, _WAS, _SET)
        label, _blank, name = key[len(_MASTER) :].rpartition(" ")
        for service in master_cf.services(master):
            override = service.overrides.get(name)
            if _label(service) == label and override and override.value == note[_SET]:
                master = master_cf.restore(master, service, {name: note[_WAS]})
                break
    return main, master


def _label(service: master_cf.Service) -> str:
    return f"{service.name}/{service.type}"


class Links:
    """What depends on parameters that differ.

    Args:
        before: main.cf's parameters without us.
        now: main.cf's parameters as they are to be.
        saved: former settings of both files.
        defaults: answers a parameter's default.
    """

    def __init__(
        self,
        before: Mapping[str, str],
        now: Mapping[str, str],
        saved: SavedSettings,
        defaults: Callable[[str], str],
    ) -> None:
        self._before = dict(before)
        self._now = dict(now)
        self._saved = saved
        self._defaults = defaults

    def fix(self, main: str, master: str, ours: Collection[str]) -> tuple[str, str, list[Fixed]]:
        """Both files in which everything that depends on changed parameters says what it said before.

        Args:
            main: content of main.cf.
            master: content of master.cf.
            ours: the parameters that we may set.

        Raises:
            Problem: references go round in a circle.
        """
        changed = {name for name in ours if self._differs(f"${name}", {})}
        found: list[Fixed] = []
        for one in referring(main, master, changed):
            if one.service is None and one.name not in ours and one.value != self._defaults(one.name):
                was = self._differs(one.value, {})
                if was:
                    fixed = Fixed(_MAIN + one.name, one.place, one.name, was[0])
                    main = main_cf.assign(main, {one.name: self._noted(fixed, main_cf.written(main, one.name))})
                    self._now[one.name] = self._before[one.name] = was[0]
                    found.append(fixed)
        # entries move while they are changed
        for number in range(len(master_cf.services(master))):
            for name, value, place in list(self._of_service(master, number)):
                service = master_cf.services(master)[number]
                fixed = Fixed(f"{_MASTER}{_label(service)} {name}", place, name, value)
                written = master_cf.written(master, service, name)
                master = master_cf.override(master, service, {name: self._noted(fixed, written)})
                found.append(fixed)
        return main, master, found

    def _noted(self, fixed: Fixed, written: str | None) -> str:
        self._saved.note(fixed.key, {_WAS: written, _SET: fixed.value})
        return fixed.value

    def _differs(self, value: str, overrides: Mapping[str, str]) -> tuple[str, ...]:
        """What a value with references has meant, where that is not what it means now; else nothing."""
        was = expand(value, lambda name: overrides.get(name, self._before.get(name, "")))
        now = expand(value, lambda name: overrides.get(name, self._now.get(name, "")))
        return () if was == now else (was,)

    def _of_service(self, master: str, number: int) -> Iterator[tuple[str, str, str]]:
        """Name, value and place of what a service must set for itself so that nothing changes for it."""
        service = master_cf.services(master)[number]
        overrides = {name: one.value for name, one in service.overrides.items()}
        for name, override in service.overrides.items():
            for was in self._differs(override.value, overrides):
                yield name, was, f"{MASTER_CF} line {override.line}"
        if _is_for_other_clients(service):
            for name in self._inherited(overrides):
                for was in () if name in overrides else self._differs(f"${name}", overrides):
                    yield name, was, f"{MASTER_CF} line {service.line}"

    def _inherited(self, overrides: Mapping[str, str]) -> Iterator[str]:
        """What main.cf would tell the clients of another server, who have nothing to do with port 25."""
        if "encrypt" in (self._before.get(_LEVEL), self._now.get(_LEVEL)):
            yield _LEVEL
        if overrides.get("smtpd_sasl_auth_enable", self._now.get("smtpd_sasl_auth_enable")) == "yes":
            yield from _LOGIN


def _is_for_other_clients(service: master_cf.Service) -> bool:
    """Whether it is a server of somebody else's that has nothing to do with port 25."""
    if service.command != "smtpd" or service.type == "pass" or key_of(service):
        return False
    place = socket_of(service.name) if service.type == "inet" else None
    return place is None or place.port != SMTP_PORT
