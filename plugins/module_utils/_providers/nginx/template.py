# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written for nginx: one line in a server block, and the file that this line includes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import lines_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import configuration
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.paths import vserver_file
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.sites import (
    EVERYTHING,
    NOT_CHALLENGES,
    Site,
    Sites,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.draft import Draft, TlsSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.https import (
    HSTS,
    HSTS_VALUE,
    https_origin,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import (
    EVERY_IPV4,
    HTTP_PORT,
    addresses_to_bind,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import Strength


class NginxDraft(Draft[Site, Sites]):
    """nginx's files while virtual servers are added and removed.

    Args:
        texts: the files as they are now, by path, ours among them.
        main: path of the first one.
        ipv6: whether the host has IPv6.
    """

    def __init__(self, texts: Mapping[str, str], main: str, *, ipv6: bool) -> None:
        self.texts = texts
        self._main = main
        self._ipv6 = ipv6
        self._after = dict(texts)
        self._ours: dict[str, str | None] = {}

    def before(self) -> Sites:
        """The sites as they are."""
        return Sites(configuration(self.texts, self._main))

    def after(self) -> Sites:
        """The sites as they are to be."""
        return Sites(configuration(self._after, self._main))

    def sites_for(self, vserver: Vserver) -> Sites:
        return Sites(configuration(self._bare(vserver), self._main))

    def _bare(self, vserver: Vserver) -> dict[str, str]:
        """The files without a virtual server."""
        path = vserver_file(vserver.name)
        found = without_include(self._after, self._main, path)
        found.pop(path, None)
        return found

    def add(self, vserver: Vserver, site: Site, tls: TlsSettings) -> None:
        path, bare = vserver_file(vserver.name), self._bare(vserver)
        now = [one.place for one in self.after().with_include(path)]
        if now != [site.place]:  # a line that stands elsewhere in the right block may stay there
            self._after = with_include(bare, site, path)
        self._after[path] = rendered(vserver, site, bare, tls, ipv6=self._ipv6)
        self._ours[path] = self._after[path]

    def remove(self, vserver: Vserver) -> None:
        self._after = self._bare(vserver)
        self._ours[vserver_file(vserver.name)] = None

    def written(self) -> tuple[Mapping[str, str], Mapping[str, str | None]]:
        return {path: text for path, text in self._after.items() if path not in self._ours}, self._ours


# ---- the administrator's file


def with_include(texts: Mapping[str, str], site: Site, path: str) -> dict[str, str]:
    """Texts of the files in which a site's block includes a file, before everything else that it says."""
    text, at = texts[site.block.path], site.block.opened or 0
    indent = re.match(r"[^\n]*\n(?:[ \t]*\n)*([ \t]*)", text[at:])
    line = f"\n{(indent.group(1) if indent else '') or '    '}include {path};"
    return {**texts, site.block.path: text[:at] + line + text[at:]}


def without_include(texts: Mapping[str, str], main: str, path: str) -> dict[str, str]:
    """Texts of the files in which no site includes a file: with_include() undone, byte for byte."""
    found = dict(texts)
    ours = re.compile(r"\n[ \t]*include " + re.escape(path) + ";")
    for site in reversed(Sites(configuration(texts, main)).with_include(path)):
        for one in reversed([one for one in site.block.all("include") if one.args == (path,)]):
            text = found[one.path]
            match = ours.match(text, text.rfind("\n", 0, one.start) if one.line > 1 else 0)
            start, end = match.span() if match else (one.start, one.end)
            found[one.path] = text[:start] + text[end:]
    return found


# ---- our own file


def strength_settings(strength: Strength, library: TlsLibrary) -> dict[str, tuple[str, ...]]:
    """A strength in nginx's words."""
    versions = ("TLSv1.2", "TLSv1.3")
    settings = {
        "ssl_protocols": versions[versions.index(f"TLSv{strength.minimum}") :],
        "ssl_ecdh_curve": (":".join(strength.groups(library)),),
        "ssl_prefer_server_ciphers": ("off",),
    }
    if strength.ciphers:
        settings["ssl_ciphers"] = (":".join(strength.ciphers),)
    return settings


def rendered(vserver: Vserver, site: Site, texts: Mapping[str, str], tls: TlsSettings, *, ipv6: bool) -> str:
    """The file of a virtual server.

    Args:
        vserver: what is desired.
        site: its block, without our line.
        texts: texts of nginx's files.
        tls: what it needs for TLS.
        ipv6: whether the host has IPv6.
    """
    lines = []
    if site.listeners[0].directive is None:
        lines.append(f"listen {HTTP_PORT};")  # as it was, since the block had no such line at all
    first = " default_server" if vserver.name == "default" else ""
    for address in addresses_to_bind(vserver, ipv6=ipv6):
        where = "" if address == EVERY_IPV4 else f"{address}:"
        lines.append(f"listen {where}{vserver.implicit_tls_port} ssl{first};")
    for path in tls.certificates:
        lines += [f"ssl_certificate {path};", f"ssl_certificate_key {path};"]
    lines += [f"{name} {' '.join(words)};" for name, words in tls.strength.items()]
    # headers of the administrator's stand there as they are written, perhaps on several lines
    more = [*_hsts(site, texts), *_redirect(vserver, site)] if vserver.require_secure_channel else []
    text = lines_of(lines, vserver_file(vserver.name)) + "".join(f"{line}\n" for line in more)
    return heading(f"http/{vserver.name}") + text


def _hsts(site: Site, texts: Mapping[str, str]) -> Sequence[str]:
    """The header that has browsers use https from now on, unless the site sends one of its own."""
    own = site.block.all("add_header")
    if any(one.args[:1] == (HSTS,) for one in own):
        return []
    # headers of the http block hold for a site only as long as it has none itself
    around = [] if own else [texts[one.path][one.start : one.end] for one in site.http.all("add_header")]
    # what the administrator sends everywhere may be stricter, such as for all subdomains
    return [] if any(HSTS in line for line in around) else [*around, f"add_header {HSTS} {HSTS_VALUE} always;"]


def _redirect(vserver: Vserver, site: Site) -> Sequence[str]:
    return [
        'set $postmaster_place "$scheme:$uri";',
        f'if ($postmaster_place ~ "{EVERYTHING if site.password_prompt else NOT_CHALLENGES}") {{',
        f"    return 301 {https_origin('$host', vserver.implicit_tls_port)}$request_uri;",
        "}",
    ]
