# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx, serving http: sites that the administrator has made get a port with TLS and a way there.

A site's block gets one line, which includes a file of ours; everything else is in that file.
Facts: nginx.org/en/docs (ngx_http_core_module, ngx_http_ssl_module, ngx_http_headers_module, server_names).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import bring_up, is_active
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Plan,
    Provider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.checks import (
    refuse_conflicts,
    refuse_side_effects,
    refuse_unable,
    warnings_about,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import configuration
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.paths import (
    CONFIG_DIRECTORY,
    DEFAULT_SITE,
    ERROR_LOG,
    PACKAGES,
    UNIT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.sites import (
    EVERYWHERE,
    Site,
    Sites,
    passwords,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.template import (
    REDIRECTIONS,
    include_path,
    name_of_include,
    rendered,
    strength_settings,
    with_include,
    without_include,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS, strength_that

_OLDEST, _NEWEST = (1, 18), (1, 26)
_PATIENCE = 5.0  # seconds after a reload in which nginx must have opened its sockets; it tries for 2.5 seconds
_PAUSE = 0.1  # seconds between two looks
_FILE = re.compile(r"^# configuration file (.+):$", re.M)
_MEND = f"mend the files below {CONFIG_DIRECTORY} until 'nginx -t' is content, then run again"


class Nginx(Provider):
    """The adapter for nginx. ``default`` is the site that answers on port 80 whoever names no site."""

    name = "nginx"
    protocols = frozenset({"http"})
    processes = frozenset({"nginx"})
    packages = PACKAGES
    options = frozenset({"name", "alternative_certificate"})
    unit = UNIT
    config_roots = (CONFIG_DIRECTORY,)

    @classmethod
    def installed(cls, host: Host) -> bool:
        return host.which("nginx") is not None

    # ---- reading

    def capabilities(self) -> Capabilities:
        done = self.host.query(["nginx", "-v"])
        match = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", done.err + done.out)
        version = tuple(int(part) for part in match.groups()) if match else (0, 0, 0)
        if version[:2] < _OLDEST:
            shown = ".".join(map(str, version))
            raise Problem(f"nginx {shown} is too old", "upgrade to nginx 1.18 or newer")
        return Capabilities(version, known=version[:2] <= _NEWEST, library=openssl_library())

    def running(self) -> bool:
        return is_active(self.host, UNIT)

    def _texts(self) -> tuple[dict[str, str], str]:
        """Texts of all files that nginx reads, and the path of the first."""
        done = self.host.query(["nginx", "-T"])
        if done.code != 0:
            raise Problem(f"nginx refuses its own configuration ({done.complaint})", _MEND, option=CONFIG_DIRECTORY)
        paths = list(dict.fromkeys(_FILE.findall(done.out)))
        return {path: self.host.read_text(path) for path in paths}, paths[0]

    def read(self) -> dict[tuple[str, str], Vserver]:
        texts, main = self._texts()
        return self._found(Sites(configuration(texts, main)))

    def _found(self, sites: Sites) -> dict[tuple[str, str], Vserver]:
        found = {}
        unnamed = sites.unnamed()
        if unnamed:
            found["http", "default"] = self._as_vserver(sites, unnamed, "default")
        for site in sites.all:
            for one in site.block.all("include"):
                name = name_of_include(one.args[0])
                if name and name != "default":
                    found["http", name] = self._as_vserver(sites, site, name)
        return found

    def _as_vserver(self, sites: Sites, site: Site, name: str) -> Vserver:
        """A site as the model says it."""
        tls = [one for one in site.listeners if one.tls]
        port = tls[0].port if tls else 0
        addresses = tuple(one.address for one in (tls or site.listeners) if one.port == (port or one.port))
        # versions and groups are those of the site that answers first on the socket, whoever is asked for
        first = (sites.first_on(tls[0].socket) if tls else None) or site
        certificates = [self._certificate(path) for path in site.settings("ssl_certificate")] if tls else []
        required = self._redirects(site)
        return Vserver(
            protocol="http",
            name=name,
            certificate=certificates[0] if certificates else "",
            alternative_certificate=certificates[1] if certificates[1:] else "",
            require_secure_channel=required,
            strength=self._strength(site, first) if tls else "",
            addresses=() if set(addresses) & set(EVERYWHERE) else tuple(sorted(one.strip("[]") for one in addresses)),
            port=(site.clear_ports or [0])[0],
            implicit_tls_port=port,
            auth_clear=("BASIC",) if passwords(site) and not required else (),
        )

    def _certificate(self, path: str) -> str:
        return self.store.behind(self.name, path)

    def _strength(self, site: Site, first: Site) -> str:
        """The name of the strength that is in effect; empty where none is."""
        library = self.capabilities().library
        return strength_that(
            lambda one: all(
                (first if name in ("ssl_protocols", "ssl_ecdh_curve") else site).setting(name) == words
                for name, words in strength_settings(one, library).items()
            )
        )

    @staticmethod
    def _redirects(site: Site) -> bool:
        """Whether every page in clear text leads to https."""
        if not site.clear_ports or any(one.args in REDIRECTIONS for one in site.block.all("if")):
            return True
        returned = site.block.all("return")
        return bool(returned) and returned[0].args[-1].startswith("https://")

    # ---- planning

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        before, main = self._texts()
        after = dict(before)
        for vserver in sorted(desired, key=lambda one: one.present):  # what goes makes room for what comes
            after = self._with(after, main, vserver) if vserver.present else self._without(after, main, vserver)
        sites = Sites(configuration(after, main))
        found = self._found(Sites(configuration(before, main)))
        refuse_side_effects(sites, found, self._found(sites), desired)
        ours = {include_path(one.name): one.present for one in desired}
        changes = [
            FileChange(path, text.encode("utf-8", "surrogateescape"))
            for path, text in after.items()
            if path not in ours and before.get(path) != text
        ]
        for path, present in ours.items():
            changes.append(FileChange(path, after[path].encode() if present else None, "root", "root", 0o644))
        present_ones = [
            (one, site) for one in desired if one.present for site in sites.with_include(include_path(one.name))
        ]
        warnings = [line for one, site in present_ones for line in warnings_about(site, one)]
        return Plan(changes=tuple(changes), warnings=tuple(warnings))

    @staticmethod
    def _without(texts: Mapping[str, str], main: str, vserver: Vserver) -> dict[str, str]:
        """Texts of the files without a virtual server."""
        path = include_path(vserver.name)
        found = without_include(texts, main, path)
        found.pop(path, None)
        return found

    def _with(self, texts: dict[str, str], main: str, vserver: Vserver) -> dict[str, str]:
        """Texts of the files with a virtual server."""
        refuse_unable(vserver)
        path = include_path(vserver.name)
        bare = self._without(texts, main, vserver)
        sites = Sites(configuration(bare, main))
        site = self._site(sites, vserver)
        refuse_conflicts(sites, site, vserver)
        included = Sites(configuration(texts, main)).with_include(path)
        right = [(one.block.path, one.block.line) for one in included] == [(site.block.path, site.block.line)]
        found = dict(texts) if right else with_include(bare, site, path)
        found[path] = rendered(
            vserver,
            site,
            bare,
            [self.store.deployed_path(self.name, one) for one in vserver.certificates],
            strength_settings(STRENGTHS[vserver.strength], self.capabilities().library),
            ipv6=self.host.read("/proc/net/if_inet6") is not None,
        )
        return found

    @staticmethod
    def _site(sites: Sites, vserver: Vserver) -> Site:
        """The site that a virtual server stands for, in a configuration without our line for it."""
        if vserver.name == "default":
            site = sites.unnamed()
            if site is None:
                raise Problem(
                    "nginx has no site that answers on port 80",
                    f"enable one first, such as {DEFAULT_SITE}",
                    subject=vserver.title,
                    option="name",
                )
            return site
        found = sites.named(vserver.name)
        if not found:
            raise Problem(
                f"nginx has no site with 'server_name {vserver.name};'",
                "make the site first; this collection adds TLS to it and leaves its content to you",
                subject=vserver.title,
                option="name",
            )
        return found[0]

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        texts, main = self._texts()
        sites = Sites(configuration(texts, main))
        if vserver.name == "default":
            site = sites.unnamed()
        else:
            site = next(iter(sites.with_include(include_path(vserver.name))), None)
        asked = "" if vserver.name == "default" else vserver.name
        found = {}
        for one in sorted(site.listeners if site else [], key=lambda one: one.tls):
            if one.port and not (one.address == "[::]" and ("*", one.port) in found):
                address = {"*": "127.0.0.1", "[::]": "::1"}.get(one.address, one.address.strip("[]"))
                found[one.socket] = Endpoint(address, one.port, "http", one.tls, asked)
        return list(found.values())

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[CONFIG_DIRECTORY]
        # nginx.conf includes files by their whole path, which have to be those of the mirror
        done = run(
            ["find", mirror, "-type", "f", "-exec", "sed", "-i", f"s#{CONFIG_DIRECTORY}/#{mirror}/#g", "{}", "+"]
        )
        if done.code == 0:
            done = run(["nginx", "-t", "-q", "-c", f"{mirror}/nginx.conf"])
        if done.code != 0:
            complaint = done.complaint.replace(mirror, CONFIG_DIRECTORY)
            raise Problem(f"nginx refuses the configuration ({complaint})", _MEND, option=CONFIG_DIRECTORY)

    def activate(self, run: Callable[..., Completed]) -> None:
        if self.running():
            done = run(["systemctl", "reload", UNIT])
            missing = self._missing() if done.code == 0 else set()
            if done.code == 0 and not missing:
                return
            # a socket that overlaps with one of the old configuration can only be opened by a new start
            if self.running() and not (missing and missing <= self._overlapping(missing)):
                sockets = ", ".join(f"{address}:{port}" for address, port in sorted(missing))
                raise Problem(
                    "nginx does not take its files over and goes on as before"
                    f" ({done.complaint if done.code != 0 else f'it has not opened {sockets}'})",
                    f"look at 'journalctl -u {UNIT}' and {ERROR_LOG} on the host",
                    subject="nginx",
                )
        bring_up(run, UNIT, "nginx", self.running)

    def _missing(self) -> set[tuple[str, int]]:
        """Sockets that its configuration names and that do not get opened; all of them where it has ended."""
        texts, main = self._texts()
        sites = Sites(configuration(texts, main))
        wanted = {one.socket for site in sites.all for one in site.listeners if one.port and one.is_ip}
        end = time.monotonic() + _PATIENCE
        while True:
            shown = {one.place for one in listening(self.host)}
            missing = {one for one in wanted if not _as_shown(*one) & shown}
            if not self.running():
                return wanted
            if not missing or time.monotonic() > end:
                return missing
            time.sleep(_PAUSE)

    def _overlapping(self, sockets: set[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those whose port nginx itself has open at other addresses."""
        ports = {one.port for one in listening(self.host, processes=True) if "nginx" in one.processes}
        return {one for one in sockets if one[1] in ports}


def _as_shown(address: str, port: int) -> set[str]:
    """The ways in which ss(8) shows a listening socket."""
    shown = {f"{address}:{port}"}
    if address in EVERYWHERE:
        shown |= {f"*:{port}"}
    if address == "*":
        shown |= {f"0.0.0.0:{port}"}
    return shown
