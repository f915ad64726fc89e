# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenLDAP's slapd with its configuration in cn=config, serving ldap.

Facts: slapd-config(5), slapd(8), the OpenLDAP administrator's guide ("Using TLS", "Security Considerations").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, SettingsChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import FAMILY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Plan,
    Provider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import (
    defaults_file as files,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import (
    CONFIG_DIRECTORY,
    DEFAULTS_FILE,
    PACKAGES,
    ROOT,
    SASL_FILE,
    SASL_PLUGIN_PACKAGES,
    UNIT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.slapd import Daemon, State
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.gnutls import priorities
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    STRENGTHS,
    Strength,
    strength_that,
)

TRIED = ((2, 5), (2, 6))
KEY = ("ldap", "default")
# What slapd calls a login by a name and a password, and use without a login; all others are SASL mechanisms.
SIMPLE, ANONYMOUS, EXTERNAL = "SIMPLE", "ANONYMOUS", "EXTERNAL"
_MINIMUM = {"1.2": "3.3", "1.3": "3.4"}  # slapd counts TLS versions as they are on the wire
_SERVICES = "SLAPD_SERVICES"
_SETTING = "cn=config "  # begins the keys of notes about attributes


class OpenLdap(Provider):
    """The adapter for slapd. It has one certificate for all that it serves."""

    name = "openldap"
    protocols = frozenset({"ldap"})
    processes = frozenset({"slapd"})
    packages = PACKAGES
    options = frozenset({"auth_tls", "auth_clear"})
    unit = UNIT
    config_roots = (ROOT,)

    def __init__(self, host: Host, store: Store) -> None:
        super().__init__(host, store)
        self._daemon = Daemon(host)
        self._target: config.Settings | None = None
        self._must_restart = False
        self._known: tuple[tuple[int, ...], TlsLibrary] | None = None

    @classmethod
    def installed(cls, host: Host) -> bool:
        return host.which("slapd") is not None

    # ---- reading

    def capabilities(self) -> Capabilities:
        if self._known is None:
            self._known = self._version(), self._library()
        version, library = self._known
        user, group = self._daemon.account
        key_permissions = ("root", group or user or "root", 0o640)
        return Capabilities(version, known=version[:2] in TRIED, library=library, key_permissions=key_permissions)

    def _version(self) -> tuple[int, ...]:
        done = self.host.query(["slapd", "-VV"])
        match = re.search(r"slapd (\d+(?:\.\d+)+)", done.out + done.err)
        version = tuple(int(part) for part in match[1].split(".")) if match else ()
        if version < min(TRIED):
            raise Problem(
                f"OpenLDAP {'.'.join(map(str, version)) or 'of an unknown version'} is too old",
                "upgrade to OpenLDAP 2.5 or newer",
            )
        return version

    def _library(self) -> TlsLibrary:
        """The TLS library that slapd is linked with; Debian changed from GnuTLS to OpenSSL with its release 13."""
        linked = self.host.query(["ldd", self.host.which("slapd") or "slapd"]).out
        if "libgnutls.so" in linked:
            return TlsLibrary("GnuTLS", ())
        if "libssl.so" in linked:
            return openssl_library()
        raise Problem("slapd has neither GnuTLS nor OpenSSL", "install a slapd that can do TLS")

    def running(self) -> bool:
        return self._daemon.running()

    def read(self) -> dict[tuple[str, str], Vserver]:
        return {KEY: self._as_vserver(self._daemon.state())}

    def _as_vserver(self, state: State) -> Vserver:
        """The settings in force as the model says them."""
        settings = state.settings
        path = settings.get(config.CERTIFICATE, ("",))[0]
        least = state.factors
        simple = "bind_simple" not in state.disallows
        anonymous = "bind_anon" not in state.disallows and "authc" not in state.requires
        in_clear = config.clear_text_mechanisms(state.mechanisms, settings)
        if simple and not any(least.get(one) for one in ("ssf", "tls", "simple_bind")):
            in_clear.add(SIMPLE)
        inside = {word for word, given in ((SIMPLE, simple), (ANONYMOUS, anonymous)) if given}
        inside |= {one for one in state.mechanisms if one != EXTERNAL or state.client_certificates}
        listeners = self._daemon.listeners()
        return Vserver(
            "ldap",
            certificate=self.store.behind(self.name, path),
            require_secure_channel=bool(least.get("ssf") or least.get("tls")),
            strength=strength_that(lambda one: self._shows(settings, one)),
            port=next((one.port for one in listeners if one.scheme == "ldap"), 0),
            implicit_tls_port=next((one.port for one in listeners if one.scheme == "ldaps"), 0),
            auth_clear=tuple(sorted(in_clear)),
            auth_tls=tuple(sorted(inside)),
        )

    def _strength(self, strength: Strength) -> config.Settings:
        """A strength in slapd's words; with GnuTLS it takes olcTLSProtocolMin but does not heed it."""
        library = self.capabilities().library
        if library.name == "GnuTLS":
            return {config.CIPHERS: (priorities(strength),)}
        return {
            config.CIPHERS: (":".join(strength.ciphers),) if strength.ciphers else (),
            config.MINIMUM: (_MINIMUM[strength.minimum],),
            config.GROUPS: (":".join(strength.groups(library)),),
        }

    def _shows(self, settings: config.Settings, strength: Strength) -> bool:
        return all(settings.get(name, ()) == values for name, values in self._strength(strength).items())

    # ---- planning

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        state = self._daemon.state()
        originals = SavedSettings(self.host, self.store, self.name)
        target: dict[str, tuple[str, ...]] = dict(state.settings)
        changes: list[FileChange] = []
        for vserver in desired:
            if vserver.key != KEY:
                raise Problem(
                    "OpenLDAP shows one certificate on all its sockets, so it has one virtual server",
                    "leave the option out, or set it to default",
                    subject=vserver.title,
                    option="name",
                )
            try:
                change = self._secured if vserver.present else self._taken_back
                target.update(change(vserver, state, originals, changes))
            except Problem as exc:
                raise exc.about(subject=vserver.title) from exc
        changes.append(originals.change())
        self._target = target
        self._must_restart = any(
            change.path in (DEFAULTS_FILE, SASL_FILE) and change.needed(self.host) for change in changes
        )
        difference = SettingsChange("cn=config", config.shown(state.settings), config.shown(target))
        return Plan(tuple(changes), (difference,) if config.changed(state.settings, target) else ())

    def _secured(
        self, vserver: Vserver, state: State, originals: SavedSettings, changes: list[FileChange]
    ) -> config.Settings:
        """Settings of cn=config for a virtual server that is to be there; files are added to the changes."""
        path = self.store.deployed_path(self.name, vserver.certificate)
        before = {**state.settings, **self._noted(originals)}
        logins = self._logins(vserver, state)
        target = {
            config.CERTIFICATE: (path,),
            config.KEY: (path,),
            **self._strength(STRENGTHS[vserver.strength]),
            **config.channel(
                before,
                required=vserver.require_secure_channel,
                simple_in_clear=SIMPLE in vserver.auth_clear,
                sasl_in_clear=bool(set(vserver.auth_clear) - {SIMPLE}),
            ),
        }
        if vserver.auth_tls is not None:
            simple, anonymous = SIMPLE in vserver.auth_tls, ANONYMOUS in vserver.auth_tls
            target.update(config.logins(state.settings, simple=simple, anonymous=anonymous))
            if logins != state.mechanisms - {EXTERNAL}:
                text = self.host.read(SASL_FILE)
                originals.note(SASL_FILE, None if text is None else text.decode("utf-8", "surrogateescape"))
                # without EXTERNAL root could not change cn=config any more
                content = files.with_mechanisms(
                    self.host.read_text(SASL_FILE), [EXTERNAL, *sorted(logins - {EXTERNAL})]
                )
                changes.append(FileChange(SASL_FILE, content.encode("utf-8", "surrogateescape")))
        self._refuse_elsewhere(vserver, state)
        for name in config.changed(state.settings, {**state.settings, **target}):
            originals.note(_SETTING + name, list(state.settings.get(name, ())))
        self._listen(vserver, originals, changes)
        return target

    @staticmethod
    def _noted(originals: SavedSettings) -> config.Settings:
        """The attributes that we have changed, as they were before."""
        found: dict[str, tuple[str, ...]] = {}
        for key in originals.keys(_SETTING):
            value = originals.take(key)
            originals.note(key, value)
            found[key[len(_SETTING) :]] = tuple(value)
        return found

    @staticmethod
    def _logins(vserver: Vserver, state: State) -> set[str]:
        """The SASL mechanisms that are to be offered. Raises Problem where slapd cannot do as is asked."""
        if ANONYMOUS in vserver.auth_clear:
            raise Problem(
                f"{ANONYMOUS} is no login: without TLS it is taken or refused like all other use in clear text",
                "leave it out there; require_secure_channel says whether clear text is refused, and auth_tls whether"
                " anonymous use is possible at all",
                option="auth_clear",
            )
        offered = set(state.mechanisms) - {EXTERNAL}
        wanted = offered if vserver.auth_tls is None else set(vserver.auth_tls) - {SIMPLE, ANONYMOUS, EXTERNAL}
        asked = vserver.auth_tls is not None and EXTERNAL in vserver.auth_tls
        if vserver.auth_tls is not None and asked != state.client_certificates:
            raise Problem(
                f"{EXTERNAL} means client certificates, and slapd does{' not' if asked else ''} ask for these",
                f"{'leave it out' if asked else 'add it'}, or change olcTLSVerifyClient in cn=config",
                option="auth_tls",
            )
        if not wanted <= offered and not state.mechanisms_chosen:
            raise Problem(
                f"slapd does not have the SASL mechanisms {', '.join(sorted(wanted - offered))}"
                f" (it has: {', '.join(sorted(offered)) or 'none'})",
                f"install the package that brings them ({FAMILY}: {SASL_PLUGIN_PACKAGES}), or leave them out",
                option="auth_tls",
            )
        possible = config.clear_text_mechanisms(wanted, {})
        in_clear = set(vserver.auth_clear) - {SIMPLE}
        if in_clear and in_clear != possible:
            raise Problem(
                "slapd cannot choose among the SASL mechanisms that it takes before TLS"
                f" (it can take none of them, or {', '.join(sorted(possible)) or 'none'})",
                "name all of these or none; auth_tls chooses among them",
                option="auth_clear",
            )
        return wanted

    @staticmethod
    def _refuse_elsewhere(vserver: Vserver, state: State) -> None:
        """Refuse what the settings of the frontend, which an administrator has made, would undo."""
        if vserver.require_secure_channel:
            return
        hindering = [
            f"{name}={number}" for name, number in state.frontend_factors.items() if number and name in ("ssf", "tls")
        ]
        if hindering:
            raise Problem(
                f"use in clear text is refused by {' '.join(hindering)} there",
                "remove it there, or set require_secure_channel to true",
                option="olcSecurity of olcDatabase={-1}frontend,cn=config",
            )

    def _listen(self, vserver: Vserver, originals: SavedSettings, changes: list[FileChange]) -> None:
        listeners = self._daemon.listeners()
        urls = files.with_ports(listeners, vserver.port, vserver.implicit_tls_port)
        if set(urls) == {one.url for one in listeners}:
            return
        text = self.host.read_text(DEFAULTS_FILE)
        originals.note(_SERVICES, files.line_of(text, _SERVICES))
        line = f'{_SERVICES}="{" ".join(urls)}"'
        content = files.with_line(text, _SERVICES, line)
        changes.append(FileChange(DEFAULTS_FILE, content.encode("utf-8", "surrogateescape")))

    def _taken_back(
        self, _vserver: Vserver, state: State, originals: SavedSettings, changes: list[FileChange]
    ) -> config.Settings:
        """Settings of cn=config as they were before we first changed them; files likewise."""
        target = dict(self._noted(originals))
        path = state.settings.get(config.CERTIFICATE, ("",))[0]
        if not target and self.store.name_of_deployed(self.name, path):
            target = dict.fromkeys(config.TLS, ())  # the notes are lost, and the copy will be gone
        originals.forget(originals.keys(_SETTING))
        if _SERVICES in originals:
            text = files.with_line(self.host.read_text(DEFAULTS_FILE), _SERVICES, originals.take(_SERVICES))
            changes.append(FileChange(DEFAULTS_FILE, text.encode("utf-8", "surrogateescape")))
        if SASL_FILE in originals:
            before = originals.take(SASL_FILE)
            content = None if before is None else before.encode("utf-8", "surrogateescape")
            changes.append(FileChange(SASL_FILE, content))
        return target

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        found = []
        for scheme in ("ldap", "ldaps"):
            one = next((one for one in self._daemon.listeners() if one.scheme == scheme), None)
            if one:
                found.append(Endpoint(one.host or "127.0.0.1", one.port, vserver.protocol, scheme == "ldaps"))
        return found

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors.get(self.config_roots[0])
        if self._target is None or mirror is None or self._daemon.directory != CONFIG_DIRECTORY:
            return
        copy = mirror + CONFIG_DIRECTORY[len(self.config_roots[0]) :]
        ldif = config.at_rest(self._daemon.settings_at_rest(), self._target)
        done = run(["slapmodify", "-n0", "-F", copy], stdin=ldif.encode()) if ldif else Completed(0, "", "")
        if done.code == 0:
            done = run(["slaptest", "-Q", "-u", "-F", copy])
        if done.code != 0:
            raise Problem(
                f"slapd refuses the configuration ({done.complaint.replace(copy, CONFIG_DIRECTORY)})",
                "mend cn=config until 'slaptest -u' is content, then run again",
                option="cn=config",
            )

    def activate(self, run: Callable[..., Completed]) -> None:
        if not self.running():
            self._daemon.restart(run)
        settings = self._daemon.state().settings
        target = settings if self._target is None else self._target
        restart = self._must_restart or not self._daemon.listens_as_told()
        self._daemon.move(run, settings, target, restart=restart)
        self._must_restart = False

    def snapshot(self) -> dict[str, Any]:
        if not self.running():
            return {"settings": {name: list(values) for name, values in self._daemon.settings_at_rest().items()}}
        state = self._daemon.state()
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
        if not self._daemon.answers():
            self._daemon.move_at_rest(run, self._daemon.settings_at_rest(), wanted)
            return
        state = self._daemon.state()
        other = sorted(state.mechanisms) != snapshot.get("mechanisms", sorted(state.mechanisms))
        restart = other or not self._daemon.listens_as_told()
        try:
            self._daemon.move(run, state.settings, wanted, restart=restart)
        except Problem:
            self._daemon.move_at_rest(run, self._daemon.settings_at_rest(), wanted)


__all__ = ("OpenLdap",)
