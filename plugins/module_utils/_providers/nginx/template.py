# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written for nginx: one line in a site's block, and the file that this line includes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import configuration
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.paths import SNIPPETS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.sites import (
    CLEAR_PORT,
    EVERYWHERE,
    Site,
    Sites,
    passwords,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import Strength

_INCLUDE = re.compile(re.escape(SNIPPETS) + r"/postmaster-http-([A-Za-z0-9._-]+)\.conf")
HSTS = "Strict-Transport-Security"
HSTS_SECONDS = 63072000  # two years, as the guideline has it
# An ACME client must be able to answer on port 80 (RFC 8555 section 8.3). $uri is normalised, so nothing else gets by.
# Where the site asks for passwords it would do so there as well, so that all is led on; most CAs follow that.
_LED_ON = r"^http:(?!/\.well-known/acme-challenge/)"
_ALL_LED_ON = "^http:"
REDIRECTIONS = [("($postmaster_place", "~", pattern, ")") for pattern in (_LED_ON, _ALL_LED_ON)]
_HEAD = "# http/{}: kept by the Ansible collection postmaster.secure_channel; changes made here are lost.\n"


def include_path(name: str) -> str:
    """The file of a virtual server."""
    return f"{SNIPPETS}/postmaster-http-{name}.conf"


def name_of_include(path: str) -> str:
    """The virtual server that a file belongs to; empty where it is none of ours."""
    match = _INCLUDE.fullmatch(path)
    return match.group(1) if match else ""


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


def rendered(
    vserver: Vserver,
    site: Site,
    texts: Mapping[str, str],
    certificates: Sequence[str],
    strength: Mapping[str, Sequence[str]],
    *,
    ipv6: bool,
) -> str:
    """The file of a virtual server.

    Args:
        vserver: what is desired.
        site: its block, without our line.
        texts: texts of nginx's files.
        certificates: files with key and certificates.
        strength: from strength_settings().
        ipv6: whether the host has IPv6.
    """
    lines = []
    if site.listeners[0].directive is None:
        lines.append(f"listen {CLEAR_PORT};")  # as it was, since the block had no such line at all
    plain = [f"[{one}]" if ":" in one else one for one in vserver.addresses] or EVERYWHERE[: 1 + ipv6]
    first = " default_server" if vserver.name == "default" else ""
    for address in plain:
        where = "" if address == "*" else f"{address}:"
        lines.append(f"listen {where}{vserver.implicit_tls_port} ssl{first};")
    for path in certificates:
        lines += [f"ssl_certificate {path};", f"ssl_certificate_key {path};"]
    lines += [f"{name} {' '.join(words)};" for name, words in strength.items()]
    if vserver.require_secure_channel:
        lines += _required(vserver, site, texts)
    return _HEAD.format(vserver.name) + "".join(f"{line}\n" for line in lines)


def _required(vserver: Vserver, site: Site, texts: Mapping[str, str]) -> list[str]:
    """Lines that lead everybody to https, for good."""
    lines = []
    own = site.block.all("add_header")
    if not any(one.args[:1] == (HSTS,) for one in own):
        if not own:
            # headers of the http block hold for a site only as long as it has none itself
            lines += [texts[one.path][one.start : one.end] for one in site.http.all("add_header")]
        lines = [line for line in lines if HSTS not in line]
        lines.append(f'add_header {HSTS} "max-age={HSTS_SECONDS}" always;')
    port = "" if vserver.implicit_tls_port == 443 else f":{vserver.implicit_tls_port}"
    return [
        *lines,
        'set $postmaster_place "$scheme:$uri";',
        f'if ($postmaster_place ~ "{_ALL_LED_ON if passwords(site) else _LED_ON}") {{',
        f"    return 301 https://$host{port}$request_uri;",
        "}",
    ]
