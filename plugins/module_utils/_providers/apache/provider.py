# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache: its programs, and how it takes over its files.

Facts: httpd.apache.org/docs/2.4 (mod_ssl, mod_macro, mod_rewrite, vhosts, stopping).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.checks import (
    refuse_unwrappable,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.daemon import ApacheDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.further_files import (
    further_files,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import (
    included,
    modules,
    used_sockets,
    vhosts,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import (
    CONFIG_DIRECTORY,
    ERROR_LOG,
    FIRST,
    vserver_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.sites import Site, Sites
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.start_requirements import (
    pairs,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.template import (
    ApacheDraft,
    strength_settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import NamedFile
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.checks import Terms
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.provider import WebProvider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import Socket
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import Strength

_LISTS = ("-D", "DUMP_VHOSTS", "-D", "DUMP_INCLUDES", "-D", "DUMP_MODULES")


class Apache(ApacheDaemon, WebProvider[Site, Sites, ApacheDraft]):
    """The adapter for Apache: a virtual host gets a macro around it, and is made of that twice, once with TLS."""

    config_roots = (ConfigRoot(CONFIG_DIRECTORY, first=FIRST, references=further_files),)
    terms = Terms(
        daemon="Apache",
        site="virtual host",
        name_setting="ServerName",
        port_setting="the VirtualHost line",
        enable_a_site="such as 000-default, with a2ensite",
        only_without_tls="RewriteCond %{HTTPS} !=on",
        cipher_setting="SSLCipherSuite or SSLOpenSSLConfCmd",
    )
    oldest = (2, 4, 38)
    newest = (2, 4)
    config_directory = CONFIG_DIRECTORY
    log = ERROR_LOG
    test_command = "apache2ctl -t"
    settling = 0.5  # an Apache that will die of a reload is dead by then

    # ---- reading

    def _printed_version(self) -> Completed:
        return self.host.query(["apache2", "-v"])

    def _known_texts(self) -> Mapping[str, str]:
        done = self.host.query(["apache2ctl", "-t", *_LISTS])
        return {path: self.host.read_text(path) for path in included(done.out)} if done.code == 0 else {}

    def _sites(self) -> Sites:
        done = self.host.query(["apache2ctl", "-t", *_LISTS])
        if done.code != 0:
            raise self._refused(done.complaint, own=True)
        texts = {path: self.host.read_text(path) for path in included(done.out)}
        return Sites(vhosts(done.out), texts, modules(done.out), self.host.read_text)

    def _strength_settings(self, strength: Strength, library: TlsLibrary) -> Mapping[str, tuple[str, ...]]:
        return strength_settings(strength, library)

    # ---- planning

    def _draft(self) -> ApacheDraft:
        return ApacheDraft(self._sites())

    def _refuse_site(self, sites: Sites, site: Site, vserver: Vserver) -> None:
        refuse_unwrappable(sites, site, vserver)

    # ---- acting

    def _test(self, mirror: str) -> Sequence[str]:
        return ["apache2ctl", "-t", "-d", mirror]

    @property
    def _own_test(self) -> Sequence[str]:
        return ["apache2ctl", "-t"]

    def _pairs(self) -> Iterable[tuple[NamedFile, NamedFile]]:
        return pairs(self._sites().texts)

    def _expected_sockets(self) -> Collection[Socket]:
        texts = self._sites().texts
        return {one for path in texts if vserver_of(path) for one in used_sockets(path, texts[path], "tls")}

    def _is_open(self, socket: Socket, found: Collection[Listening]) -> bool:
        return any(one.port == socket.port for one in found)

    def _needs_restart(self, unopened: Collection[Socket]) -> bool:
        # a socket that overlaps with one of the old configuration ends Apache on a reload: then it is started anew
        return False

    def _has_started(self) -> bool:
        return not self._unopened() and self.running()
