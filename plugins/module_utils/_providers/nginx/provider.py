# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx: its programs, and how it takes over its files.

Facts: nginx.org/en/docs (ngx_http_core_module, ngx_http_ssl_module, ngx_http_headers_module, server_names).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_addresses import own_addresses
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import (
    Listening,
    is_open,
    listening,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.checks import (
    refuse_side_effects,
    warnings_about,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.daemon import NginxDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.further_files import (
    further_files,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import configuration
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.paths import (
    CONFIG_DIRECTORY,
    DEFAULT_SITE,
    ERROR_LOG,
    FIRST,
    vserver_file,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.sites import Site, Sites
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.start_requirements import (
    followed,
    pairs,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.template import (
    NginxDraft,
    strength_settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import (
    NamedFile,
    concerns,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.checks import Terms
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.provider import WebProvider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import (
    EVERY_IPV4,
    EVERY_IPV6,
    Socket,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import Strength

_FILE = re.compile(r"^# configuration file (.+):$", re.M)


class Nginx(NginxDaemon, WebProvider[Site, Sites, NginxDraft]):
    """The adapter for nginx: a server block gets one line, which includes a file of ours with everything else."""

    config_roots = (ConfigRoot(CONFIG_DIRECTORY, first=FIRST, references=further_files),)
    terms = Terms(
        daemon="nginx",
        site="server block",
        name_setting="server_name",
        port_setting="the listen lines",
        enable_a_site=f"such as {DEFAULT_SITE}",
        only_without_tls="if ($scheme = http) { ... }",
        cipher_setting="ssl_ciphers or ssl_ecdh_curve",
    )
    oldest = (1, 18)
    newest = (1, 26)
    config_directory = CONFIG_DIRECTORY
    log = ERROR_LOG
    test_command = "nginx -t"

    # ---- reading

    def _printed_version(self) -> Completed:
        return self.host.query(["nginx", "-v"])

    def _texts(self) -> tuple[dict[str, str], str]:
        """Texts of all files that nginx reads, and the path of the first."""
        done = self.host.query(["nginx", "-T"])
        if done.code != 0:
            # a certificate that is one of ours is put back by the call that declares it
            copies = [self.store.deployed_path(self.name, name) for name in self.store.names()]
            if not concerns(done.complaint, copies):
                raise self._refused(done.complaint, own=True)
            return followed(self.host, FIRST[0]), FIRST[0]
        paths = list(dict.fromkeys(_FILE.findall(done.out)))
        if not paths:
            raise self._refused("'nginx -T' names no file", own=True)
        return {path: self.host.read_text(path) for path in paths}, paths[0]

    def _known_texts(self) -> Mapping[str, str]:
        return followed(self.host, FIRST[0])

    def _sites(self) -> Sites:
        return Sites(configuration(*self._texts()))

    def _strength_settings(self, strength: Strength, library: TlsLibrary) -> Mapping[str, tuple[str, ...]]:
        return strength_settings(strength, library)

    # ---- planning

    def _draft(self) -> NginxDraft:
        return NginxDraft(*self._texts(), ipv6=self.host.read("/proc/net/if_inet6") is not None)

    def _review(self, draft: NginxDraft, desired: Sequence[Vserver]) -> Sequence[str]:
        sites = draft.after()
        refuse_side_effects(sites, self._vservers(draft.before()), self._vservers(sites), desired)
        return [
            line
            for one in desired
            for site in sites.with_include(vserver_file(one.name))
            for line in warnings_about(site, one)
        ]

    # ---- proving

    def elsewhere(self, vserver: Vserver, others: Iterable[Vserver]) -> set[tuple[str, int]]:
        found = super().elsewhere(vserver, others)
        site = self._sites().of(vserver.name) if vserver.name != "default" else None
        sockets = {*site.clear, *site.tls} if site else set()
        # "listen 80" takes no IPv6, where another site may be; who asks for this one by name does not get it there
        for one in sockets:
            if one.address == EVERY_IPV4 and Socket(EVERY_IPV6, one.port) not in sockets:
                found |= {(own, one.port) for own in ("::1", *own_addresses(self.host)) if ":" in own}
        return found

    # ---- acting

    def _test(self, mirror: str) -> Sequence[str]:
        return ["nginx", "-t", "-q", "-c", f"{mirror}/nginx.conf"]

    @property
    def _own_test(self) -> Sequence[str]:
        return ["nginx", "-t", "-q"]

    def _pairs(self) -> Iterable[tuple[NamedFile, NamedFile]]:
        return pairs(configuration(*self._texts()))

    def _expected_sockets(self) -> Collection[Socket]:
        return {one.socket for site in self._sites().all for one in site.listeners if one.socket.port and one.is_ip}

    def _is_open(self, socket: Socket, found: Collection[Listening]) -> bool:
        # where it listens on every address, it opens no socket for a single one
        address = {EVERY_IPV4: "0.0.0.0", EVERY_IPV6: "::"}.get(socket.address, socket.address.strip("[]"))
        return is_open(address, socket.port, found)

    def _needs_restart(self, unopened: Collection[Socket]) -> bool:
        # a socket that overlaps with one of the old configuration can only be opened by a new process
        ports = {one.port for one in listening(self.host, processes=True) if "nginx" in one.processes}
        return bool(unopened) and all(one.port in ports for one in unopened)

    def _has_started(self) -> bool:
        return self.running()
