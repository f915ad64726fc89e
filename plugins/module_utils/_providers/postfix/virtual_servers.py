# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""main.cf and master.cf as they are to become, one virtual server after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    demands,
    links,
    main_cf,
    master_cf,
    outgoing_grade,
    submission,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.claims import (
    DEFAULT,
    claimed,
    refuse_no_server,
    without_doubles,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.losses import Losses
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MAIN_CF,
    MASTER_CF,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.services import (
    SMTP_PORT,
    Socket,
    by_socket,
    comment_of,
    found_vservers,
    key_of,
    name_of,
    serving,
    wanted_sockets,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.smtpd import (
    CHAIN,
    SUPERSEDED,
    Smtpd,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    same,
    words,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import MODERN

_MX = ("smtp", "default")
_MAIN = "main.cf "  # begins the keys of saved settings
_MASTER = "master.cf "
_END = "end"  # noted where a file does not end with a line feed


def _label(vserver: Vserver) -> str:
    return f"{vserver.protocol}/{vserver.name}"


def _note_key(place: Socket) -> str:
    """Beginning of the keys of notes of a service's settings."""
    return f"{_MASTER}{place.address or '*'}:{place.port} "


class Files:
    """The two files.

    Args:
        main: content of main.cf.
        master: content of master.cf.
        parameters: every parameter of main.cf with its effective value.
        smtpd: the translation.
        saved: former settings of both files.
        default: answers a parameter's default.

    Attributes:
        main: content of main.cf.
        master: content of master.cf.
        warnings: what the administrator should know.
        losses: what the administrator's own settings allow and demand, and these do not.
    """

    def __init__(
        self,
        main: str,
        master: str,
        parameters: Mapping[str, str],
        smtpd: Smtpd,
        saved: SavedSettings,
        default: Callable[[str], str],
    ) -> None:
        self._found = master
        self._known = frozenset(saved.keys(links.NOTES))
        self.main, self.master = links.undone(main, master, saved, default)
        self.warnings: list[str] = []
        self.losses = Losses()
        self._smtpd = smtpd
        self._saved = saved
        self._default = default
        self._parameters = dict(parameters)
        for name, one in main_cf.assignments(self.main).items():
            self._parameters[name] = one.value
        noted = self._noted()
        self._own = {
            **self._parameters,
            **{name: self._value(saved.text(_MAIN + name) or "", name) for name in noted},
        }

    def _noted(self) -> list[str]:
        """The parameters of main.cf of which it is known what stood there before us."""
        return [key[len(_MAIN) :] for key in self._saved.keys(_MAIN) if key != _MAIN + _END]

    def _value(self, main: str, name: str) -> str:
        """What a parameter is by a main.cf."""
        found = main_cf.assignments(main).get(name)
        return found.value if found else self._default(name)

    def take_over(self, vserver: Vserver) -> None:
        """Add, change or remove one virtual server.

        Raises:
            Problem: it cannot be had.
        """
        if vserver.key == _MX:
            if vserver.present:
                self._set_mx(vserver)
            else:
                self._restore_mx()
        elif vserver.present:
            self._set_services(vserver)
        else:
            self._remove_services(vserver, keep=frozenset())

    def standing(self, vserver: Vserver) -> Vserver:
        """The virtual server as strict as the administrator's own settings are, without us."""
        views = [self._own]
        if vserver.key != _MX:
            found = [self._own_overrides(place, service) for place, service in self._places(vserver)]
            views = [{**self._own, **one} for one in found if one is not None]
        required, modern = demands.standing(views)
        return replace(vserver, require_secure_channel=required, strength=MODERN if modern else "")

    def finish(self) -> None:
        """Have what depends on changed parameters keep its meaning, once all virtual servers are taken over."""
        following = links.Links(self._own, self._parameters, self._saved, self._default)
        self.main, self.master, fixed = following.fix(self.main, self.master, self._smtpd.names())
        self.warnings += [one.warning for one in fixed if one.key not in self._known]

    # ---- the server on port 25

    def _set_mx(self, vserver: Vserver) -> None:
        services = list(serving(self.master, vserver).values())
        if not services:
            raise Problem(
                f"{MASTER_CF} has no service on port 25",
                "add the stock line 'smtp inet n - y - - smtpd', or leave this virtual server out",
                subject=vserver.title,
                option="protocol",
            )
        wanted = self._smtpd.settings(vserver, self._own, self._own)
        # postscreen(8) takes the connection on port 25 and passes it to another service
        passed = [one for one in master_cf.services(self.master) if one.type == "pass" and one.command == "smtpd"]
        refuse_no_server(self.master, vserver, SMTP_PORT)
        for one in (*services, *passed):
            self._refuse_hidden(vserver, one, wanted)
        # what an option has changed that is no longer given is as it was
        noted = {name: self._saved.text(_MAIN + name) for name in self._noted()}
        self._put_back(
            [
                name
                for name, text in noted.items()
                if name not in wanted or (text is not None and same(name, self._own[name], wanted[name]))
            ]
        )
        different = {
            name: value for name, value in wanted.items() if not same(name, self._parameters.get(name, ""), value)
        }
        self.losses.note(vserver, self._own, wanted, different)
        self.warnings += outgoing_grade.warnings(vserver, self._own, master_cf.services(self.master), different)
        self._note_end(_MAIN, self.main, different)
        for name in different:
            self._saved.note(_MAIN + name, main_cf.written(self.main, name))
        self._parameters.update(different)
        self.main = main_cf.assign(self.main, different)

    def _put_back(self, names: Collection[str]) -> None:
        self.main = main_cf.restore(self.main, {name: self._saved.take_text(_MAIN + name) for name in sorted(names)})
        self._parameters.update((name, self._own[name]) for name in names)

    def _restore_mx(self) -> None:
        self._put_back(self._noted())
        self._refuse_lost_main()
        self.main = self._with_end(_MAIN, self.main)

    def _refuse_lost_main(self) -> None:
        lines = main_cf.written(self.main, CHAIN)
        certificate = words((lines or "").partition("=")[2])
        names = [name for name in self._smtpd.names() if main_cf.written(self.main, name)]
        if certificate:
            self._saved.refuse_lost(certificate[0], MAIN_CF, f"'postconf -X {' '.join(names)}'")

    def _refuse_lost_service(self, service: master_cf.Service) -> None:
        override = service.overrides.get(CHAIN)
        certificate = words(override.value) if override else []
        if override and certificate:
            place = f"{MASTER_CF}:{override.line}"
            self._saved.refuse_lost(certificate[0], place, "remove the lines '-o smtpd_tls_…' of that service")

    @staticmethod
    def _refuse_hidden(vserver: Vserver, service: master_cf.Service, wanted: Mapping[str, str]) -> None:
        """Settings of main.cf that a service does not see have no effect."""
        for name, value in wanted.items():
            override = service.overrides.get(name)
            if override and not same(name, override.value, value):
                raise Problem(
                    f"{MASTER_CF} line {override.line} sets '-o {name}={override.value}' for the service "
                    f"{service.name}, which overrides the new setting ({value or 'empty'})",
                    "remove that -o setting, then run again",
                    subject=vserver.title,
                    option=f"{MASTER_CF}:{override.line}",
                )

    # ---- servers with services of their own

    def _set_services(self, vserver: Vserver) -> None:
        self.master = master_cf.bring_back(self.master, _label(vserver))
        wanted = wanted_sockets(vserver)
        if vserver.name == DEFAULT:
            ports = {place.port for place in wanted}
            self.master, doubles = without_doubles(self.master, vserver, ports, _label(vserver))
            self._warn_of_doubles(vserver, doubles)
        kept: set[Socket] = set()
        for socket, implicit in wanted.items():
            for place in claimed(self.master, vserver, socket, self._parameters):
                service = by_socket(self.master).get(place)
                if service is None:
                    self._add(vserver, place, implicit=implicit)
                else:
                    self._override(vserver, place, service, implicit=implicit)
                kept.add(place)
        self._remove_services(vserver, keep=frozenset(kept))

    def _warn_of_doubles(self, vserver: Vserver, names: Collection[str]) -> None:
        before = {one.name: one.line for one in master_cf.services(self._found)}
        for name in names:
            if name in before:
                self.warnings.append(
                    f"{MASTER_CF} line {before[name]}: the service {name} got some of the connections of"
                    f" {vserver.title}, and is set aside"
                )

    def _add(self, vserver: Vserver, place: Socket, *, implicit: bool) -> None:
        wanted = self._smtpd.of_service(vserver, self._own, None, self._parameters, implicit=implicit)
        name = name_of(place)
        label = name if not place.address else f"{vserver.protocol}-{vserver.name}"
        entry = {"syslog_name": f"postfix/{label}", **wanted}
        if vserver.protocol == "submission":
            entry["milter_macro_daemon_name"] = "ORIGINATING"
        self._note_end(_MASTER, self.master, entry)
        self.master = master_cf.add(self.master, name, comment_of(vserver), entry)

    def _override(self, vserver: Vserver, place: Socket, service: master_cf.Service, *, implicit: bool) -> None:
        own = self._own_overrides(place, service)
        wanted = self._smtpd.of_service(vserver, self._own, own, self._parameters, implicit=implicit)
        if own is None:  # what the administrator has said there since, of whom to let in, stays
            wanted = {
                name: value
                for name, value in wanted.items()
                if name not in submission.OWN_RESTRICTIONS or name not in service.overrides
            }
        service = self._without_obsolete(place, service, wanted)
        overrides = {name: one.value for name, one in service.overrides.items()}
        # explicit also where main.cf says the same: main.cf belongs to the virtual server on port 25
        different = {
            name: value
            for name, value in wanted.items()
            if name not in overrides or not same(name, overrides[name], value)
        }
        if own is not None:
            self.losses.note(vserver, {**self._own, **own}, wanted, different)
            self._note_end(_MASTER, self.master, different)
            for name in different:
                written = master_cf.written(self.master, service, name)
                self._saved.note(f"{_note_key(place)}{name}", written)
        self.master = master_cf.override(self.master, service, different)

    def _notes_of(self, place: Socket) -> dict[str, str | None]:
        """What stood in a service of somebody else's before us, by parameter."""
        prefix = _note_key(place)
        return {key[len(prefix) :]: self._saved.text(key) for key in self._saved.keys(prefix)}

    def _own_overrides(self, place: Socket, service: master_cf.Service) -> dict[str, str] | None:
        """What a service sets for itself without us; None for one that we have made."""
        if key_of(service):
            return None
        before = master_cf.restore(self.master, service, self._notes_of(place))
        (found,) = [one for one in master_cf.services(before) if one.line == service.line]
        return {name: one.value for name, one in found.overrides.items()}

    def _without_obsolete(
        self, place: Socket, service: master_cf.Service, wanted: Mapping[str, str]
    ) -> master_cf.Service:
        """The service without what an option has set that is no longer given."""
        former: dict[str, str | None] = (
            dict.fromkeys(set(self._smtpd.names()) & set(service.overrides) - SUPERSEDED)
            if key_of(service)
            else self._notes_of(place)
        )
        own = self._own_overrides(place, service) or {}
        obsolete = {
            name: text
            for name, text in former.items()
            if name not in wanted or (name in own and same(name, own[name], wanted[name]))
        }
        self.master = master_cf.restore(self.master, service, obsolete)
        self._saved.forget(_note_key(place) + name for name in obsolete)
        return by_socket(self.master)[place]

    def _remove_services(self, vserver: Vserver, keep: frozenset[Socket]) -> None:
        """Take its services out but for some: those that we added, and of somebody else's what we changed.

        Where it is present, a service of somebody else's on a socket that is not wanted is set aside.
        """
        if not vserver.present:
            self.master = master_cf.bring_back(self.master, _label(vserver))
        while True:
            unwanted = [(place, one) for place, one in self._places(vserver) if place not in keep]
            ours = [one for _place, one in unwanted if key_of(one) == vserver.key]
            if ours:
                self.master = master_cf.remove(self.master, ours[0], comment_of(vserver))
                continue
            for place, _service in unwanted:
                prefix = _note_key(place)
                notes = {key[len(prefix) :]: self._saved.take_text(key) for key in self._saved.keys(prefix)}
                self.master = master_cf.restore(self.master, by_socket(self.master)[place], notes)
                self._refuse_lost_service(by_socket(self.master)[place])
                if vserver.present:
                    self.master = master_cf.set_aside(self.master, by_socket(self.master)[place], _label(vserver))
                    break  # the same service may stand there twice, and the other one comes into view now
            else:
                break
        if not vserver.present and not any(key_of(one) for one in by_socket(self.master).values()):
            self.master = self._with_end(_MASTER, self.master)

    def _places(self, vserver: Vserver) -> list[tuple[Socket, master_cf.Service]]:
        """The services that a virtual server has now."""
        services = by_socket(self.master)
        found = [one for one, _service in found_vservers(self.master) if one.key == vserver.key]
        places = {place for one in found for place in serving(self.master, one)}
        places |= {place for place, one in services.items() if key_of(one) == vserver.key}
        return [(place, services[place]) for place in services if place in places]

    # ---- files that do not end with a line feed

    def _note_end(self, prefix: str, text: str, changes: Mapping[str, str]) -> None:
        if changes and text and not text.endswith("\n") and not self._saved.keys(prefix):
            self._saved.note(prefix + _END, "none")

    def _with_end(self, prefix: str, text: str) -> str:
        """The text with its former ending, once nothing of ours is left in it."""
        if self._saved.keys(prefix) != [prefix + _END]:
            return text
        self._saved.forget([prefix + _END])
        return text[:-1] if text.endswith("\n") else text
