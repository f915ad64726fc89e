# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cyrus IMAP, serving imap, pop3 and nntp.

Every service of cyrus.conf has options of its own in imapd.conf, which carry its name before theirs. So each virtual
server is one or more services, and no option of all services is touched.

Facts: imapd.conf(5), cyrus.conf(5), cyr_info(8), master(8), and the sources of 3.6 and 3.10.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import is_open, listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import bring_up, is_active
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Plan,
    Provider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import (
    cyrus_conf,
    imapd_conf,
    sasl,
    start_requirements,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.daemon import CyrusDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.effective import Effective
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.listeners import (
    Listener,
    Listeners,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.paths import (
    BINARIES,
    CYRUS_CONF,
    DEFAULTS,
    IMAPD_CONF,
    KEY_PERMISSIONS,
    UNIT,
    USER,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.standing import Standing
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.virtual_servers import (
    VirtualServers,
    strength_settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    Strength,
)

OLDEST, NEWEST = (3, 6), (3, 10)  # nothing older was tried; newer ones than the newest tried get a warning
_SETTLED = 0.5  # seconds in which a master that does not like its files ends
_PATIENCE = 1.5  # seconds in which a new socket is there
_PAUSE = 0.1  # seconds between two looks
# Since 3.10 STARTTLS is off where nobody asks for it. 3.6 does not know the option and lets it stand, so that it is
# there when the daemon is upgraded.
_AHEAD = "allowstarttls"


class Cyrus(CyrusDaemon, Provider):
    """The adapter for Cyrus IMAP."""

    config_roots = (ConfigRoot(IMAPD_CONF, USER), ConfigRoot(CYRUS_CONF, USER))

    def __init__(self, host: Host, store: Store) -> None:
        super().__init__(host, store)
        self._version: tuple[int, ...] = ()
        self._effective = Effective(host)

    # ---- reading

    def capabilities(self) -> Capabilities:
        if not self._version:
            # cyrus-imapd 3.6.1-Debian-3.6.1-4+deb12u4
            printed = self.host.query(["cyrus", "info", "version"], user=USER).out
            found = re.search(r"[0-9]{1,9}(\.[0-9]{1,9})+", printed)
            self._version = tuple(int(part) for part in found.group().split(".")) if found else ()
        if self._version[:2] < OLDEST:
            raise Problem(f"Cyrus IMAP {'.'.join(map(str, self._version))} is too old", "upgrade to 3.6 or newer")
        return Capabilities(
            self._version,
            known=self._version[:2] <= NEWEST,
            library=openssl_library(),
            key_permissions=KEY_PERMISSIONS,
        )

    def running(self) -> bool:
        return is_active(self.host, UNIT)

    def remedy_where_down(self) -> str:
        start = super().remedy_where_down()
        try:
            cyrus_conf.refuse_fatal(self._listeners().services, self.host)
        except Problem as exc:
            # such as Debian's own service http, whose program is in another package
            return f"{exc.found}: {exc.remedy.partition(';')[0]}; then {start}"
        return start

    def _listeners(self, text: str | None = None) -> Listeners:
        managed = {one.partition("_")[0] for one in imapd_conf.ours(self.host.read_text(IMAPD_CONF))}
        return Listeners(self.host.read_text(CYRUS_CONF) if text is None else text, managed)

    def read(self) -> dict[tuple[str, str], Vserver]:
        self._effective.forget()
        return VirtualServers(self._effective, self.store, self.name).read(self._listeners(), sorted(self.protocols))

    # ---- planning

    def never_below(self, vserver: Vserver, found: Vserver | None) -> Vserver:
        kept = Standing(self.host).kept(vserver, self._services(vserver))
        if kept.require_secure_channel and not vserver.require_secure_channel and self._news_in_clear(vserver):
            return replace(kept, require_secure_channel=False)  # whatever stands there, it is not refused
        return kept

    def _news_in_clear(self, vserver: Vserver) -> int:
        """The port on which a news server begins in clear text, as it is desired; 0 for none, and for others."""
        if vserver.protocol != "nntp":
            return 0
        if vserver.port is not None:
            return vserver.port
        there = self._listeners().of(vserver.protocol, vserver.name)
        return next((one.port for one in there if not one.implicit_tls), 0)

    def _refuse_news_in_clear(self, vserver: Vserver) -> None:
        """Raise Problem where a news server is to refuse clear text on a port that begins with it: none does."""
        port = self._news_in_clear(vserver)
        if vserver.require_secure_channel and port:
            tls = "" if vserver.implicit_tls_port else " and leave implicit_tls_port out"
            raise Problem(
                f"on port {port} Cyrus answers LIST, HEAD, STAT, CHECK and IHAVE in clear text without a login,"
                " whatever is configured",
                f"set port to 0{tls}, so that it is served on port {vserver.implicit_tls_port or 563} alone, where TLS"
                " starts at once; or set require_secure_channel to false",
                subject=vserver.title,
                option="require_secure_channel",
            )

    def _services(self, vserver: Vserver) -> list[str]:
        """Names of the administrator's services whose demands a virtual server has to meet."""
        listeners = self._listeners()
        found = (one.service for one in listeners.of(vserver.protocol, vserver.name))
        return list(dict.fromkeys(listeners.model(one) or one for one in found))

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        self._refuse_other_files()
        listeners, standing = self._listeners(), Standing(self.host)
        services_of: dict[tuple[str, str], list[str]] = {}
        for vserver in desired:
            before = {one.service for one in listeners.of(vserver.protocol, vserver.name)}
            if vserver.present:
                self._refuse_missing(vserver)
                self._refuse_news_in_clear(vserver)
                listeners.establish(vserver)
            else:
                listeners.take_back(vserver.protocol, vserver.name)
            after = [one.service for one in listeners.of(vserver.protocol, vserver.name)]
            services_of[vserver.key] = [*after, *(before - set(after))]
        listeners.refuse_overlap(desired)
        text = self.host.read_text(IMAPD_CONF)
        settings = self._kept(text, listeners, {name for some in services_of.values() for name in some})
        warnings = [
            f"{CYRUS_CONF} line {one.line}: the service {one.name} is for programs of this host alone"
            f" ({one.argument('listen')}), and is left as it is"
            for protocol in sorted({one.protocol for one in desired if one.present and one.name == "default"})
            for one in self._listeners().left_alone(protocol)
        ]
        for vserver in (one for one in desired if one.present):
            services = self._services(vserver)
            warnings += standing.warnings(vserver, services)
            strength = standing.strength(vserver, services)
            for listener in listeners.of(vserver.protocol, vserver.name):
                prefix = f"{listener.service.lower()}_"
                # a service that we add has what the administrator demands of the one that it is modelled on
                model = listeners.model(listener.service)
                logins = sasl.login_options(vserver, standing.mechanisms(model or listener.service))
                own = {**standing.options_of(model), **logins}
                for option, value in {**own, **self._settings(vserver, listener, strength)}.items():
                    settings[prefix + option] = value
        settings = dict(sorted(settings.items()))
        changes = [FileChange(path, content) for path, content in self._included(text, settings)]
        return Plan(
            changes=(
                *changes,
                FileChange(IMAPD_CONF, imapd_conf.with_ours(text, settings).encode("utf-8", "surrogateescape")),
                FileChange(CYRUS_CONF, listeners.text.encode("utf-8", "surrogateescape")),
            ),
            warnings=warnings,
        )

    def _kept(self, text: str, listeners: Listeners, renewed: Iterable[str]) -> dict[str, str]:
        """Our options of virtual servers that are not spoken of, as they are."""
        keep = {one.name.lower() for one in listeners.services} - {name.lower() for name in renewed}
        return {option: value for option, value in imapd_conf.ours(text).items() if option.partition("_")[0] in keep}

    def _included(self, text: str, settings: Mapping[str, str]) -> list[tuple[str, bytes]]:
        """The included files, in which nothing must set the same as we do."""
        found = []
        waiting = imapd_conf.included(text)
        seen = {IMAPD_CONF}
        while waiting:
            path = waiting.pop(0)
            if path in seen:
                continue
            seen.add(path)
            content = self.host.read_text(path)
            waiting += imapd_conf.included(content)
            if content:
                found.append((path, imapd_conf.without(content, settings).encode("utf-8", "surrogateescape")))
        return found

    def _refuse_other_files(self) -> None:
        """Raise Problem where Cyrus is told to read other files than the usual ones."""
        for number, line in enumerate(self.host.read_text(DEFAULTS).splitlines(), 1):
            match = re.match(r"\s*(CONF|MASTERCONF)=[\"']?([^\"'\s]*)", line)
            if match and match.group(2) not in ("", IMAPD_CONF, CYRUS_CONF):
                raise Problem(
                    f"{DEFAULTS} line {number} has Cyrus read {match.group(2)}",
                    f"keep its configuration in {IMAPD_CONF} and {CYRUS_CONF}",
                    option=f"{DEFAULTS}:{number}",
                )

    def _refuse_missing(self, vserver: Vserver) -> None:
        """Raise Problem where what is asked for is not installed."""
        program = os.path.join(BINARIES, f"{vserver.protocol}d")
        if self.host.state(program) is None:
            raise Problem(
                f"Cyrus does not serve {vserver.protocol} on this host: {program} is missing",
                f"install the package {self.packages[vserver.protocol]}",
                subject=vserver.title,
                option="protocol",
            )
        there = sasl.installed()
        for mechanism in vserver.auth_tls or ():
            if mechanism not in there:
                package = sasl.package_of(mechanism)
                raise Problem(
                    f"the SASL library on this host has no mechanism {mechanism}",
                    f"install the package {package}" if package else "leave it out",
                    subject=vserver.title,
                    option="auth_tls",
                )

    def _settings(self, vserver: Vserver, listener: Listener, strength: Strength) -> dict[str, str]:
        """The options of one service of a virtual server."""
        path = ",".join(
            self.store.deployed_path(self.name, name)
            for name in (vserver.certificate, vserver.alternative_certificate)
            if name
        )
        settings = {
            "tls_server_cert": path,
            "tls_server_key": path,
            **strength_settings(strength),
        }
        if not listener.implicit_tls:
            settings[_AHEAD] = "yes"
        if vserver.require_secure_channel and vserver.protocol == "nntp":
            settings["allowanonymouslogin"] = "no"  # what is then read needs a login
        return settings

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        found = self._listeners().of(vserver.protocol, vserver.name)
        return [
            Endpoint(
                one.reachable,
                one.port,
                vserver.protocol,
                implicit_tls=one.implicit_tls,
                wants_certificate=self._effective.options(one.service).get("tls_client_certs") == "require",
            )
            for one in sorted(found, key=lambda one: one.implicit_tls)
        ]

    def unopened(self) -> list[tuple[str, int]]:
        listeners = self._listeners()
        wanted = {
            (one.host, one.port)
            for protocol in self.protocols
            for name in listeners.names(protocol)
            for one in listeners.of(protocol, name)
        }
        there = list(listening(self.host))
        return sorted(place for place in wanted if not is_open(*place, there))

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[IMAPD_CONF]
        services = cyrus_conf.services(self.host.read_text(mirrors[CYRUS_CONF]))
        cyrus_conf.refuse_fatal(services, self.host)
        ours = set(imapd_conf.ours(self.host.read_text(mirror)))
        for service in services:
            # an option that is there twice is found only by the service that it is for
            done = run(["cyrus", "info", "-C", mirror, "-n", service.name, "conf-lint"])
            complaint = done.complaint.replace(mirror, IMAPD_CONF)
            if done.code != 0:
                raise Problem(
                    f"Cyrus refuses the configuration ({complaint})",
                    f"fix {IMAPD_CONF} until 'cyrus info -n {service.name} conf-lint' accepts it, then run again",
                    option=IMAPD_CONF,
                )
            unknown = {line.partition(":")[0] for line in done.out.splitlines()}
            own = f"{service.name.lower()}_"
            # the SASL library's own options are not known to Cyrus
            known = (f"{own}sasl_", f"{own}{_AHEAD}")
            missing = sorted(one for one in unknown & ours if one.startswith(own) and not one.startswith(known))
            if missing:
                raise Problem(
                    f"this version of Cyrus does not support {', '.join(missing)}",
                    "upgrade to a version that the README lists",
                    option=IMAPD_CONF,
                )

    def refuse_broken(self, changes: Sequence[FileChange]) -> None:
        planned = {one.path: one.content for one in changes}
        text = (planned.get(CYRUS_CONF) or self.host.read(CYRUS_CONF) or b"").decode("utf-8", "surrogateescape")
        first = next((one.name for one in cyrus_conf.services(self.host.read_text(CYRUS_CONF))), "")
        start_requirements.refuse_unmet(self.host, text, self._effective.options(first) if first else {})

    def activate(self, run: Callable[..., Completed]) -> None:
        self._effective.forget()
        if self.running():
            # systemd picks the process: the unit knows no reload, and no number of a process is ever stale here
            done = run(["systemctl", "kill", "--kill-who=main", "--signal=HUP", UNIT])
            # a master without the right to open ports below 1024 (Debian 12) must be restarted for one of these
            if done.code == 0 and self._stays() and self._listens():
                return
        bring_up(run, UNIT, "Cyrus", self._stays, why=lambda: self._logged(run))

    def _stays(self) -> bool:
        """Whether the master lives on with the files as they are."""
        end = time.monotonic() + _SETTLED
        while self.running():
            if time.monotonic() >= end:
                return True
            time.sleep(_PAUSE)
        return False

    def _listens(self) -> bool:
        """Whether every service of ours has opened its socket."""
        end = time.monotonic() + _PATIENCE
        while self.unopened():
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE)
        return True

    @staticmethod
    def _logged(run: Callable[..., Completed]) -> str:
        """The master's last words; it says them to the log and nowhere else."""
        lines = run(["journalctl", "--quiet", "--output=cat", "--lines=3", f"--unit={UNIT}"])
        return lines.complaint if lines.code == 0 and lines.out else "it exited at once"


__all__ = ("Cyrus",)
