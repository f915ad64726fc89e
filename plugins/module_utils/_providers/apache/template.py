# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written for Apache: a macro around a virtual host, so that it exists twice, and files that use it.

In Apache a virtual host has TLS on all its sockets or on none. With the macro (mod_macro) one text serves on the
socket without TLS and on the one with it, each with a file of ours included first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import (
    macro_head,
    ports_listened,
    used_sockets,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import (
    AVAILABLE,
    COMMON,
    MACRO,
    MODULE_FILE,
    PARTS,
    vserver_file,
    vserver_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.sites import Site, Sites
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import lines_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.draft import Draft, TlsSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.https import (
    ACME_CHALLENGES,
    HSTS,
    HSTS_VALUE,
    https_origin,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import (
    EVERY_IPV4,
    Socket,
    addresses_to_bind,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import Strength

_MODULES = ("macro", "ssl", "headers", "rewrite")


class ApacheDraft(Draft[Site, Sites]):
    """Apache's files while virtual servers are added and removed.

    Args:
        sites: the virtual hosts as they are.
    """

    def __init__(self, sites: Sites) -> None:
        self.texts = sites.texts
        self._sites = sites
        self._ours: dict[str, str | None] = {}
        self._to_wrap: list[tuple[Site, Vserver]] = []
        self._to_unwrap: list[str] = []

    def sites_for(self, vserver: Vserver) -> Sites:
        return self._sites

    def add(self, vserver: Vserver, site: Site, tls: TlsSettings) -> None:
        self._ours.update(rendered(vserver, site, tls, hsts=not self._sites.sends_hsts))
        if not site.ours:
            self._to_wrap.append((site, vserver))

    def remove(self, vserver: Vserver) -> None:
        self._ours.update({vserver_file(vserver.name, part): None for part in PARTS})
        self._to_unwrap.append(vserver.name)

    def written(self) -> tuple[Mapping[str, str], Mapping[str, str | None]]:
        texts = dict(self.texts)
        # from the end of each file to its beginning, so that Apache's line numbers stay right
        for site, vserver in sorted(self._to_wrap, key=lambda one: (one[0].path, one[0].line), reverse=True):
            texts[site.path] = _wrapped(texts[site.path], site, vserver)
        for name in self._to_unwrap:
            texts = {path: without_macro(text, name) for path, text in texts.items()}
        return texts, {**self._ours, COMMON: self._common()}

    def _common(self) -> str | None:
        """The file that all virtual servers share; None where there is none left."""
        ours = {**{path: text for path, text in self.texts.items() if vserver_of(path)}, **self._ours}
        sockets = [one for path, text in ours.items() for one in used_sockets(path, text or "", "tls")]
        if not sockets:
            return None
        others = {path: text for path, text in self.texts.items() if path != COMMON}
        return common(sockets, ports_listened(others, {*self._sites.modules, "ssl_module"}))


# ---- the administrator's file


def _start(name: str) -> str:
    return f"<VirtualHost $postmaster_addresses>\nInclude {AVAILABLE}/{MACRO}{name}.$postmaster_side.conf\n"


def _end(name: str) -> str:
    return f"\n</Macro>\nInclude {AVAILABLE}/{MACRO}{name}.use.conf"


def _wrapped(text: str, site: Site, vserver: Vserver) -> str:
    try:
        return with_macro(text, site.line, vserver.name)
    except ValueError as exc:
        raise Problem(
            f"the virtual host at {site.place} is not written in the usual form ({exc})",
            "write <VirtualHost ...> and </VirtualHost> on lines of their own",
            subject=vserver.title,
            option=site.place,
        ) from exc


def with_macro(text: str, line: int, name: str) -> str:
    """A file in which the virtual host that begins on a line stands in a macro of ours.

    Raises:
        ValueError: no virtual host begins there in the usual form.
    """
    lines = text.split("\n")
    first = lines[line - 1] if 0 < line <= len(lines) else ""
    if not re.fullmatch(r"\s*<VirtualHost\s[^\n>]*>\s*", first, re.I):
        raise ValueError(first)
    last = next(
        (number for number in range(line, len(lines)) if re.match(r"\s*</VirtualHost\s*>", lines[number], re.I)), None
    )
    if last is None:
        raise ValueError(first)
    before, inside, after = lines[: line - 1], lines[line : last + 1], lines[last + 1 :]
    start = [*(macro_head(name) + first).split("\n"), *_start(name).rstrip("\n").split("\n")]
    return "\n".join([*before, *start, *inside, *_end(name).lstrip("\n").split("\n"), *after])


def without_macro(text: str, name: str) -> str:
    """with_macro() undone, byte for byte."""
    start = re.compile(re.escape(macro_head(name)) + r"([^\n]*\n)" + re.escape(_start(name)))
    return start.sub(lambda match: match.group(1), text, count=1).replace(_end(name), "", 1)


# ---- our own files


def strength_settings(strength: Strength, library: TlsLibrary) -> dict[str, tuple[str, ...]]:
    """A strength in Apache's words."""
    versions = ("TLSv1.2", "TLSv1.3")
    named = versions[versions.index(f"TLSv{strength.minimum}") :]
    settings: dict[str, tuple[str, ...]] = {
        "SSLProtocol": ("-all", *(f"+{one}" for one in named)),
        "SSLHonorCipherOrder": ("off",),
        "SSLOpenSSLConfCmd": ("Groups", ":".join(strength.groups(library))),
    }
    if strength.ciphers:
        settings["SSLCipherSuite"] = (":".join(strength.ciphers),)
    return settings


def rendered(vserver: Vserver, site: Site, tls: TlsSettings, *, hsts: bool) -> dict[str, str]:
    """The files of a virtual server, by path.

    Args:
        vserver: what is desired.
        site: its virtual host.
        tls: what it needs for TLS.
        hsts: whether browsers are to be told to use https from now on, where they have to.
    """
    name = vserver.name
    sockets = " ".join(f"{one}:{vserver.implicit_tls_port}" for one in addresses_to_bind(vserver, ipv6=False))
    parts = {
        "use": [f'Use {MACRO}{name} "{site.arguments}" clear', f'Use {MACRO}{name} "{sockets}" tls'],
        "clear": _redirect(vserver, site) if vserver.require_secure_channel else [],
        "tls": _tls(tls, hsts=hsts and vserver.require_secure_channel),
    }
    return {
        vserver_file(name, part): heading(f"http/{name}") + lines_of(lines, vserver_file(name, part))
        for part, lines in parts.items()
    }


def _tls(tls: TlsSettings, *, hsts: bool) -> list[str]:
    lines = ["SSLEngine on"]
    for path in tls.certificates:
        lines += [f"SSLCertificateFile {path}", f"SSLCertificateKeyFile {path}"]
    lines += [f"{word} {' '.join(values)}" for word, values in tls.strength.items()]
    if hsts:
        lines.append(f"Header always set {HSTS} {HSTS_VALUE}")
    return lines


def _redirect(vserver: Vserver, site: Site) -> list[str]:
    return [
        "RewriteEngine on",
        *([] if site.password_prompt else [f"RewriteCond %{{REQUEST_URI}} !^{ACME_CHALLENGES}"]),
        f"RewriteRule ^ {https_origin('%{SERVER_NAME}', vserver.implicit_tls_port)}%{{REQUEST_URI}} [R=301,L]",
    ]


def common(sockets: Sequence[Socket], listened: set[int]) -> str:
    """The file with the modules and the sockets that all virtual servers need.

    Args:
        sockets: where they have TLS.
        listened: ports on which Apache listens by itself once its TLS module is loaded.
    """
    lines = []
    with_module: list[str] = []
    always: list[str] = []
    for port in sorted({one.port for one in sockets if one.port}):
        here = sorted({one for one in sockets if one.port == port})
        wanted = [str(port)] if Socket(EVERY_IPV4, port) in here else list(map(str, here))
        # where Debian's ports.conf listens as well, it does so only if the module was there before this file
        (with_module if port in listened else always).extend(f"Listen {one}" for one in wanted)
    for module in _MODULES:
        lines.append(f"<IfModule !{module}_module>")
        lines += [f"    {one}" for one in with_module if module == "ssl"]
        lines += [f"    LoadModule {module}_module {MODULE_FILE.format(module)}", "</IfModule>"]
    return heading("http") + "".join(f"{line}\n" for line in [*lines, *always])
