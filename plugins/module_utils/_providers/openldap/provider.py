# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenLDAP's slapd with its configuration in cn=config, serving ldap.

Facts: slapd-config(5), slapd(8), the OpenLDAP administrator's guide ("Using TLS", "Security Considerations").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import SettingsChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import WayBack
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import is_open, listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import is_wanted
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.unit_drop_in import read_again
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Mending,
    Plan,
    Provider,
    kept,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.lost_copies import lost_copies
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.cn_config import (
    ANONYMOUS,
    EXTERNAL,
    SIMPLE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.daemon import OpenLdapDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.ldif import for_stopped
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.next_library import waiting
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import (
    DEFAULTS_FILE,
    SASL_FILE,
    UNIT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.plan import (
    SETTING,
    ConfigPlan,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.slapd import Slapd
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.state import State
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.gnutls import strength_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    MODERN,
    STRENGTHS,
    first_strength,
)

TRIED = ((2, 5), (2, 6))
KEY = ("ldap", "default")


class OpenLdap(OpenLdapDaemon, Provider):
    """The adapter for slapd. It has one certificate for all that it serves."""

    @property
    def config_roots(self) -> tuple[ConfigRoot, ...]:
        return (ConfigRoot(self._slapd.directory, self._slapd.account[0]),)

    def __init__(self, host: Host, store: Store) -> None:
        super().__init__(host, store)
        self._slapd = Slapd(host)
        self._target: config.Settings | None = None
        self._must_restart = False
        self._known: tuple[tuple[int, ...], TlsLibrary] | None = None

    # ---- reading

    def capabilities(self) -> Capabilities:
        if self._known is None:
            self._known = self._version(), self._library()
        version, library = self._known
        user, group = self._slapd.account
        key_permissions = ("root", group or user or "root", 0o640)
        return Capabilities(version, known=version[:2] in TRIED, library=library, key_permissions=key_permissions)

    def _version(self) -> tuple[int, ...]:
        done = self.host.query(["slapd", "-VV"])
        match = re.search(r"slapd (\d{1,9}(?:\.\d{1,9})+)", done.out + done.err)
        version = tuple(int(part) for part in match[1].split(".")) if match else ()
        if version < min(TRIED):
            raise Problem(
                f"OpenLDAP {'.'.join(map(str, version)) or 'of an unknown version'} is too old",
                "upgrade to OpenLDAP 2.5 or newer",
            )
        return version

    def _library(self) -> TlsLibrary:
        """The TLS library that slapd is linked with; Debian changed from GnuTLS to OpenSSL in release 13."""
        linked = self.host.query(["ldd", self.host.which("slapd") or "slapd"]).out
        if "libgnutls.so" in linked:
            return TlsLibrary("GnuTLS", ())
        if "libssl.so" in linked:
            return openssl_library()
        raise Problem("slapd is linked with neither GnuTLS nor OpenSSL", "install a slapd that supports TLS")

    def running(self) -> bool:
        return self._slapd.running()

    def read(self) -> dict[tuple[str, str], Vserver]:
        return {KEY: self._as_vserver(self._slapd.state())}

    def _as_vserver(self, state: State) -> Vserver:
        """The settings in force, as the model says them."""
        settings = state.settings
        least = state.factors
        simple = "bind_simple" not in state.disallows
        anonymous = "bind_anon" not in state.disallows and "authc" not in state.requires
        in_clear = config.clear_text_mechanisms(state.mechanisms, settings)
        if simple and not any(least.get(one) for one in ("ssf", "tls", "simple_bind")):
            in_clear.add(SIMPLE)
        inside = {word for word, given in ((SIMPLE, simple), (ANONYMOUS, anonymous)) if given}
        inside |= {one for one in state.mechanisms if one != EXTERNAL or state.client_certificates}
        listeners = self._slapd.listeners()
        return Vserver(
            "ldap",
            certificate=self.store.behind(self.name, state.certificate),
            require_secure_channel=bool(least.get("ssf") or least.get("tls")),
            strength=self._strength(settings),
            port=next((one.port for one in listeners if one.scheme == "ldap"), 0),
            implicit_tls_port=next((one.port for one in listeners if one.scheme == "ldaps"), 0),
            auth_clear=tuple(sorted(in_clear)),
            auth_tls=tuple(sorted(inside)),
        )

    def _strength(self, settings: config.Settings) -> str:
        """The name of the strength that is in effect; empty where none is."""
        library = self.capabilities().library
        exact = first_strength(lambda one: config.fits(one, library, settings))
        return exact or (MODERN if config.only_newest(settings, library) else "")

    # ---- planning

    def never_below(self, vserver: Vserver, found: Vserver | None) -> Vserver:
        state = self._slapd.state()
        own = self._config_plan(state, self._originals()).own
        least = (config.factors(own), state.frontend_factors)
        required = any(one.get(name) for one in least for name in ("ssf", "tls"))
        modern = config.only_newest(own, self.capabilities().library)
        return kept(vserver, replace(vserver, require_secure_channel=required, strength=MODERN if modern else ""))

    def _originals(self) -> SavedSettings:
        return SavedSettings(self.host, self.store, self.name)

    def _config_plan(self, state: State, originals: SavedSettings) -> ConfigPlan:
        return ConfigPlan(self.host, state, self._slapd.listeners(), originals)

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        state = self._slapd.state()
        originals = self._originals()
        plan = self._config_plan(state, originals)
        warnings: list[str] = []
        for vserver in desired:
            if vserver.key != KEY:
                raise Problem(
                    "OpenLDAP shows one certificate on all its sockets, so it has one virtual server",
                    "leave the option out, or set it to default",
                    subject=vserver.title,
                    option="name",
                )
            try:
                if vserver.present:
                    self._refuse_proxied()
                    certificate = self.store.deployed_path(self.name, vserver.certificate)
                    library = self.capabilities().library
                    warnings += config.weaker_than_own(self.host, vserver, library, plan.own)
                    plan.secure(vserver, certificate, library)
                else:
                    ours = self.store.name_of_deployed(self.name, state.certificate) is not None
                    plan.take_back(ours=ours, slapmodify=self._slapd.by_hand())
            except Problem as exc:
                raise exc.about(subject=vserver.title) from exc
        self._slapd.start_requirements().refuse_unmet(plan.settings, self._copies(desired))
        secured = [STRENGTHS[one.strength] for one in desired if one.present]
        other = openssl_library() if self.capabilities().library.name == "GnuTLS" else None
        if secured and other:  # what waits brings some that are not there yet
            for name in config.strength_settings(secured[0], other):
                originals.note(SETTING + name, list(state.settings.get(name, ())))
        strength = secured[0] if secured else None
        further = waiting(self.host, self._slapd, strength, plan.settings, other, plan.services())
        changes = (*plan.changes, originals.change(), *further)
        self._target = plan.settings
        self._must_restart = any(
            change.path in (DEFAULTS_FILE, SASL_FILE) and change.needed(self.host) for change in changes
        )
        difference = SettingsChange("cn=config", config.shown(state.settings), config.shown(plan.settings))
        settings = (difference,) if config.changed(state.settings, plan.settings) else ()
        return Plan(changes, settings, warnings=warnings)

    def _copies(self, desired: Sequence[Vserver]) -> list[str]:
        """The daemon's own copies of the certificates that it is to have, which the call writes."""
        return [self.store.deployed_path(self.name, one.certificate) for one in desired if one.present]

    def _refuse_proxied(self) -> None:
        """Raise Problem where slapd listens for load balancers, as which it cannot be proven from here."""
        for one in self._slapd.listeners():
            if one.scheme in ("pldap", "pldaps"):
                raise Problem(
                    f"slapd listens at {one.url} for load balancers alone (PROXY protocol), which is not supported",
                    f"have it listen at {one.url[1:]} instead",
                    option=DEFAULTS_FILE,
                )

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        found = []
        wants = self._slapd.state().wants_certificate
        for scheme in ("ldap", "ldaps"):
            one = next((one for one in self._slapd.listeners() if one.scheme == scheme), None)
            if one:
                place, implicit = one.host or "127.0.0.1", scheme == "ldaps"
                found.append(Endpoint(place, one.port, vserver.protocol, implicit, wants_certificate=wants))
        return found

    def unopened(self) -> list[tuple[str, int]]:
        there = list(listening(self.host))
        told = {(one.host, one.port) for one in self._slapd.listeners() if one.port}
        return sorted(place for place in told if not is_open(*place, there))

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        if self._target is None:
            return
        directory = self._slapd.directory
        copy = mirrors[directory]
        change = for_stopped(self._slapd.settings_on_disk(), self._target)
        done = run(["slapmodify", "-n0", "-F", copy], stdin=change.encode()) if change else Completed(0, "", "")
        if done.code == 0:
            done = run(["slaptest", "-Q", "-u", "-F", copy])
        if done.code != 0:
            raise Problem(
                f"slapd refuses the configuration ({done.complaint.replace(copy, directory)})",
                "fix cn=config until 'slaptest -u' accepts it, then run again",
                option="cn=config",
            )

    def refused(self) -> Problem | None:
        """What slapd, which does not run, has against its own configuration."""
        try:
            settings = self._slapd.settings_on_disk()
        except Problem as exc:
            return exc
        words = "".join(settings.get(config.CIPHERS, ()))
        complaint = "" if self._takes(words) else f"it takes no such words as {words[:60]!r}"
        done = self.host.query(["slaptest", "-Q", "-u", "-F", self._slapd.directory], user=self._slapd.account[0])
        complaint = complaint or (done.complaint if done.code != 0 else "")
        if not complaint:
            return None
        return Problem(
            f"slapd refuses its own configuration ({complaint})",
            f"change it with '{self._slapd.by_hand()}' until 'slaptest -u' accepts it, then run again",
            option=config.CIPHERS if done.code == 0 else "cn=config",
        )

    def _takes(self, words: str) -> bool:
        """Whether the TLS library takes the words of olcTLSCipherSuite; True where that cannot be found out here."""
        if not words or self.capabilities().library.name != "OpenSSL":
            return True
        return self.host.query(["openssl", "ciphers", words]).code == 0

    def mending(self) -> Mending | None:
        if not is_wanted(self.host, UNIT):
            return None
        try:
            before = self._slapd.settings_on_disk()
        except Problem:
            return None
        words = "".join(before.get(config.CIPHERS, ()))
        ours = self.store.name_of_deployed(self.name, before.get(config.CERTIFICATE, ("",))[0]) is not None
        if not ours:
            return None
        capabilities, after, why = self.capabilities(), dict(before), []
        named = {path for name in (config.CERTIFICATE, config.KEY) for path in before.get(name, ())}
        lost = lost_copies(self.host, self.store, self.name, capabilities.key_permissions, named.__contains__)
        why += [f"{one.path} is not there" for one in lost]
        if not self._takes(words):
            after.update(config.strength_settings(strength_of(words), capabilities.library))
            why.append(f"{config.CIPHERS} has the words of another TLS library, and it does not start with them")
        if not why:
            return None
        originals = self._originals()
        for name in config.changed(before, after):
            originals.note(SETTING + name, list(before.get(name, ())))
        self._target = after
        self._must_restart = False
        difference = SettingsChange("cn=config", config.shown(before), config.shown(after))
        changes = [*lost, *(one for one in (originals.change(),) if one.needed(self.host))]
        diff = [one.diff(self.host) for one in changes] + [difference.diff()] * (before != after)
        return Mending("; ".join(why), changes, diff)

    def activate(self, run: Callable[..., Completed]) -> None:
        read_again(run, self.host, UNIT)
        if not self.running():
            on_disk = self._slapd.settings_on_disk()
            self._slapd.move_stopped(run, on_disk, on_disk if self._target is None else self._target)
        settings = self._slapd.state().settings
        target = settings if self._target is None else self._target
        restart = self._must_restart or not self._slapd.listens_as_told()
        self._slapd.move(run, settings, target, restart=restart)
        self._must_restart = False

    def snapshot(self) -> dict[str, Any]:
        if not self.running():
            return {"settings": {name: list(values) for name, values in self._slapd.settings_on_disk().items()}}
        state = self._slapd.state()
        return {
            "settings": {name: list(values) for name, values in state.settings.items()},
            "mechanisms": sorted(state.mechanisms),
        }

    def restore(self, run: Callable[..., Completed], snapshot: Mapping[str, Any]) -> None:
        if "settings" not in snapshot:
            self._target = None
            self.activate(run)
            return
        wanted = {name: tuple(values) for name, values in snapshot["settings"].items()}
        if not self._slapd.answers():
            self._slapd.move_stopped(run, self._slapd.settings_on_disk(), wanted)
            return
        state = self._slapd.state()
        other = sorted(state.mechanisms) != snapshot.get("mechanisms", sorted(state.mechanisms))
        restart = other or not self._slapd.listens_as_told()
        # it serves: that it goes on with what it has is better than that it stops and does not start again
        self._slapd.start_requirements().refuse_unmet(wanted, ())
        try:
            self._slapd.move(run, state.settings, wanted, restart=restart)
        except Problem:
            if not config.changed(self._slapd.state().settings, wanted):
                raise
            self._slapd.move_stopped(run, self._slapd.settings_on_disk(), wanted)

    def lay_down(self, run: Callable[..., Completed], snapshot: Mapping[str, Any]) -> None:
        super().lay_down(run, snapshot)
        wanted = {name: tuple(values) for name, values in snapshot["settings"].items()}
        self._slapd.change_stopped(run, self._slapd.settings_on_disk(), wanted)

    def way_back(self, snapshot: Mapping[str, Any]) -> WayBack:
        before = {name: tuple(values) for name, values in snapshot["settings"].items()}
        return replace(
            super().way_back(snapshot),
            conditions=self._slapd.conditions_of(before),
            commands=(self._slapd.command_to(before),),
        )


__all__ = ("OpenLdap",)
