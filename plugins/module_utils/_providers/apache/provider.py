# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache, serving http: virtual hosts that the administrator has made get a socket with TLS and a way there.

Facts: httpd.apache.org/docs/2.4 (mod_ssl, mod_macro, mod_rewrite, vhosts, stopping).
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
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.checks import (
    refuse_conflicts,
    refuse_unable,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import (
    Statement,
    everywhere,
    included,
    modules,
    ports_listened,
    split_socket,
    statements,
    vhosts,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import (
    COMMON,
    CONFIG_DIRECTORY,
    ERROR_LOG,
    PACKAGES,
    UNIT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.sites import Sites
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.template import (
    common,
    name_of_own,
    original_arguments,
    own_path,
    rendered,
    strength_settings,
    with_macro,
    without_macro,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Plan,
    Provider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS, strength_that

_PARTS = ("use", "clear", "tls")
_PATIENCE = 5.0  # seconds after a reload in which Apache must have opened its sockets
_SETTLED = 0.5  # seconds after which an Apache that will die of a reload is dead
_PAUSE = 0.1  # seconds between two looks
_MEND = f"mend the files below {CONFIG_DIRECTORY} until 'apache2ctl -t' is content, then run again"


class Apache(Provider):
    """The adapter for Apache. ``default`` is the virtual host that answers on port 80 whoever names none."""

    name = "apache"
    protocols = frozenset({"http"})
    processes = frozenset({"apache2"})
    packages = PACKAGES
    options = frozenset({"name", "alternative_certificate"})
    unit = UNIT
    config_roots = (CONFIG_DIRECTORY,)

    @classmethod
    def installed(cls, host: Host) -> bool:
        return host.which("apache2ctl") is not None

    # ---- reading

    def capabilities(self) -> Capabilities:
        match = re.search(r"Apache/(\d+)\.(\d+)\.(\d+)", self.host.query(["apache2", "-v"]).out)
        version = tuple(int(part) for part in match.groups()) if match else (0, 0, 0)
        if version < (2, 4, 38):
            raise Problem(f"Apache {'.'.join(map(str, version))} is too old", "upgrade to Apache 2.4.38 or newer")
        return Capabilities(version, known=version[:2] == (2, 4), library=openssl_library())

    def running(self) -> bool:
        return is_active(self.host, UNIT)

    def _sites(self) -> Sites:
        """Apache's virtual hosts, and the texts of the files that it reads."""
        asked = ["-D", "DUMP_VHOSTS", "-D", "DUMP_INCLUDES", "-D", "DUMP_MODULES"]
        done = self.host.query(["apache2ctl", "-t", *asked])
        if done.code != 0:
            raise Problem(f"Apache refuses its own configuration ({done.complaint})", _MEND, option=CONFIG_DIRECTORY)
        texts = {path: self.host.read_text(path) for path in included(done.out)}
        return Sites(vhosts(done.out), texts, modules(done.out))

    def read(self) -> dict[tuple[str, str], Vserver]:
        sites = self._sites()
        found = {}
        unnamed = sites.unnamed()
        if unnamed:
            found["http", "default"] = self._as_vserver(sites, unnamed.key, unnamed.ours, "default")
        for one in sites.vhosts:
            if one.ours and one.ours != "default":
                found["http", one.ours] = self._as_vserver(sites, one.key, one.ours, one.ours)
        return found

    def _as_vserver(self, sites: Sites, key: tuple[str, int], ours: str, name: str) -> Vserver:
        """A virtual host as the model says it."""
        block = sites.block(key)
        text = self.host.read_text(own_path(ours, "tls")) if ours else ""
        # what is included first can be overridden by the rest of the block
        tls = [*statements(own_path(ours, "tls"), text), *block] if ours else []
        settings = {one.name: one.args for one in tls}
        certificates = [self._certificate(one.args[0]) for one in tls if one.name == "sslcertificatefile"]
        sockets = [split_socket(word) for word in self._sockets(sites, key, ours, "tls")]
        clear = [split_socket(word) for word in self._sockets(sites, key, ours, "clear")]
        addresses = [address for address, _port in (sockets or clear)]
        required = self._leads_on(block, ours)
        return Vserver(
            protocol="http",
            name=name,
            certificate=certificates[0] if certificates else "",
            alternative_certificate=certificates[1] if certificates[1:] else "",
            require_secure_channel=required,
            strength=self._strength(settings) if ours else "",
            addresses=() if everywhere(addresses) else tuple(sorted(one.strip("[]") for one in addresses)),
            port=(clear[0][1] or 80) if clear else 0,
            implicit_tls_port=sockets[0][1] if sockets else 0,
            auth_clear=("BASIC",) if not required and any(map(sites.asks_password, block)) else (),
        )

    def _certificate(self, path: str) -> str:
        return self.store.behind(self.name, path)

    def _sockets(self, sites: Sites, key: tuple[str, int], ours: str, side: str) -> list[str]:
        """Where a virtual host listens, such as ``*:80``; on the side with TLS only where it is ours."""
        if ours:
            return self._used(own_path(ours, "use"), side)
        return list(sites.arguments(key)) if side == "clear" else []

    def _used(self, path: str, side: str, text: str | None = None) -> list[str]:
        """The sockets with which one of our files makes a virtual host."""
        here = statements(path, self.host.read_text(path) if text is None else text)
        return [word for one in here if one.name == "use" and one.args[2:] == (side,) for word in one.args[1].split()]

    def _leads_on(self, block: Sequence[Statement], ours: str) -> bool:
        """Whether every page in clear text leads to https."""
        if not ours:
            return False
        path = own_path(ours, "clear")
        lines = [*statements(path, self.host.read_text(path)), *block]
        engine = [one.args for one in lines if one.name == "rewriteengine"]
        rules = [one for one in lines if one.name == "rewriterule" and one.path == path]
        return bool(rules) and bool(engine) and engine[-1][0].lower() == "on"

    def _strength(self, settings: Mapping[str, tuple[str, ...]]) -> str:
        """The name of the strength that is in effect; empty where none is."""
        library = self.capabilities().library
        return strength_that(
            lambda one: all(
                settings.get(name.lower()) == words for name, words in strength_settings(one, library).items()
            )
        )

    # ---- planning

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        sites = self._sites()
        texts = dict(sites.texts)
        files: dict[str, str | None] = {}
        edits = []
        for vserver in desired:
            if vserver.present:
                line = self._prepare(sites, vserver, files)
                if line:
                    edits.append((*line, vserver))
            else:
                files.update({own_path(vserver.name, part): None for part in _PARTS})
        for path, number, vserver in sorted(edits, key=lambda one: one[:2], reverse=True):
            texts[path] = self._wrapped(texts[path], path, number, vserver)
        for vserver in desired:
            if not vserver.present:
                texts = {path: without_macro(text, vserver.name) for path, text in texts.items()}
        files[COMMON] = self._common(sites, files)
        changes = [
            FileChange(path, text.encode("utf-8", "surrogateescape"))
            for path, text in texts.items()
            if text != sites.texts[path]
        ]
        changes += [
            FileChange(path, None if text is None else text.encode(), "root", "root", 0o644)
            for path, text in files.items()
        ]
        return Plan(changes=tuple(changes))

    def _prepare(self, sites: Sites, vserver: Vserver, files: dict[str, str | None]) -> tuple[str, int] | None:
        """Add the files of a virtual server; answers where its macro has to begin, None where it stands already."""
        refuse_unable(vserver)
        site = sites.site(vserver)
        refuse_conflicts(sites, site, vserver)
        if site.ours:
            clear = original_arguments(sites.texts[site.path], vserver.name)
        else:
            clear = " ".join(sites.arguments(site.key))
        passwords = any(map(sites.asks_password, sites.block(site.key)))
        certificates = [self.store.deployed_path(self.name, one) for one in vserver.certificates]
        strength = strength_settings(STRENGTHS[vserver.strength], self.capabilities().library)
        files.update(rendered(vserver, clear, certificates, strength, passwords=passwords))
        return None if site.ours else site.key

    @staticmethod
    def _wrapped(text: str, path: str, number: int, vserver: Vserver) -> str:
        try:
            return with_macro(text, number, vserver.name)
        except ValueError as exc:
            raise Problem(
                f"the virtual host at {path}:{number} is not written in the usual form ({exc})",
                "write <VirtualHost ...> and </VirtualHost> on lines of their own",
                subject=vserver.title,
                option=f"{path}:{number}",
            ) from exc

    def _common(self, sites: Sites, files: Mapping[str, str | None]) -> str | None:
        """The file that all virtual servers share; None where there is none left."""
        texts = {path: sites.texts[path] for path in sites.texts if name_of_own(path)}
        sockets = [word for path, text in {**texts, **files}.items() for word in self._used(path, "tls", text or "")]
        if not sockets:
            return None
        foreign = {path: text for path, text in sites.texts.items() if path != COMMON}
        return common(sockets, ports_listened(foreign, {*sites.modules, "ssl_module"}))

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        sites = self._sites()
        site = sites.found(vserver.name)
        if site is None:
            return []
        asked = "" if vserver.name == "default" else vserver.name
        found = []
        for side in ("clear", "tls"):
            for word in self._sockets(sites, site.key, site.ours, side):
                address, port = split_socket(word)
                where = "127.0.0.1" if everywhere([address]) else address.strip("[]")
                found.append(Endpoint(where, port or 80, "http", side == "tls", asked))
        return found

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[CONFIG_DIRECTORY]
        # a path that leads back into the directory has to lead into the mirror
        rule = f"s#{CONFIG_DIRECTORY}\\([/\"' ]\\|$\\)#{mirror}\\1#g"
        done = run(["find", mirror, "-type", "f", "-exec", "sed", "-i", rule, "{}", "+"])
        if done.code == 0:
            done = run(["apache2ctl", "-t", "-d", mirror])
        if done.code != 0:
            complaint = done.complaint.replace(mirror, CONFIG_DIRECTORY)
            raise Problem(f"Apache refuses the configuration ({complaint})", _MEND, option=CONFIG_DIRECTORY)

    def activate(self, run: Callable[..., Completed]) -> None:
        if self.running():
            done = run(["systemctl", "reload", UNIT])
            if done.code == 0 and self._settled():
                return
            if self.running():
                reason = done.complaint if done.code != 0 else "it does not listen where they say"
                raise Problem(
                    f"Apache does not take its files over and goes on as before ({reason})",
                    f"look at 'journalctl -u {UNIT}' and {ERROR_LOG} on the host",
                    subject="Apache",
                )
        # a socket that overlaps with one of the old configuration ends Apache on a reload, but not on a new start
        bring_up(run, UNIT, "Apache", self._settled, logs=ERROR_LOG)

    def _settled(self) -> bool:
        """Whether Apache has survived its new configuration and listens where that says, now or soon."""
        uses = [path for path in self._sites().texts if name_of_own(path)]
        wanted = {split_socket(word)[1] for path in uses for word in self._used(path, "tls")}
        began = time.monotonic()
        while True:
            open_ports = {one.port for one in listening(self.host)}
            waited = time.monotonic() - began
            if not self.running() or waited > _PATIENCE:
                return False
            if wanted <= open_ports and waited > _SETTLED:
                return True
            time.sleep(_PAUSE)
