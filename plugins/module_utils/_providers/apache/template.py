# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written for Apache: a macro around a virtual host, so that it exists twice, and files that use it.

In Apache a virtual host has TLS on all its sockets or on none. With the macro (mod_macro) one text serves on the
socket in clear text and on the one with TLS, each with a file of ours included first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import MACRO
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import (
    AVAILABLE,
    CONFIG_DIRECTORY,
    MODULE_FILE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import Strength

_MODULES = ("macro", "ssl", "headers", "rewrite")
_OURS = re.compile(rf"{CONFIG_DIRECTORY}/{AVAILABLE}/{MACRO}(.+)\.(use|clear|tls)\.conf")
HSTS = "Strict-Transport-Security"
HSTS_SECONDS = 63072000  # two years, as the guideline has it
_HEAD = "# {}: kept by the Ansible collection postmaster.secure_channel; changes made here are lost.\n"
# An ACME client must be able to answer on port 80 (RFC 8555 section 8.3). Where the site asks for passwords it would do
# so there as well, so that all is led on; most CAs follow that.
_NOT_LED_ON = r"!^/\.well-known/acme-challenge/"


def own_path(name: str, part: str) -> str:
    """A file of a virtual server: ``use`` makes it, ``clear`` and ``tls`` are included on either side."""
    return f"{CONFIG_DIRECTORY}/{AVAILABLE}/{MACRO}{name}.{part}.conf"


def name_of_own(path: str) -> str:
    """The virtual server that a file belongs to; empty where it is none of ours."""
    match = _OURS.fullmatch(path)
    return match.group(1) if match else ""


# ---- the administrator's file


def _head(name: str) -> str:
    return f"<Macro {MACRO}{name} $postmaster_addresses $postmaster_side>\n#postmaster:"


def _start(name: str) -> str:
    return f"<VirtualHost $postmaster_addresses>\nInclude {AVAILABLE}/{MACRO}{name}.$postmaster_side.conf\n"


def _end(name: str) -> str:
    return f"\n</Macro>\nInclude {AVAILABLE}/{MACRO}{name}.use.conf"


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
    start = [*(_head(name) + first).split("\n"), *_start(name).rstrip("\n").split("\n")]
    return "\n".join([*before, *start, *inside, *_end(name).lstrip("\n").split("\n"), *after])


def without_macro(text: str, name: str) -> str:
    """with_macro() undone, byte for byte."""
    start = re.compile(re.escape(_head(name)) + r"([^\n]*\n)" + re.escape(_start(name)))
    return start.sub(lambda match: match.group(1), text, count=1).replace(_end(name), "", 1)


def original_arguments(text: str, name: str) -> str:
    """The sockets that the administrator's line names, of a virtual host in a macro of ours; empty where none is."""
    match = re.search(re.escape(_head(name)) + r"\s*<VirtualHost\s+([^\n>]*?)\s*>", text, re.I)
    return match.group(1) if match else ""


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


def tls_sockets(vserver: Vserver) -> list[str]:
    """Where a virtual server has TLS, in Apache's words."""
    plain = [f"[{one}]" if ":" in one else one for one in vserver.addresses] or ["*"]
    return [f"{one}:{vserver.implicit_tls_port}" for one in plain]


def rendered(
    vserver: Vserver,
    clear: str,
    certificates: Sequence[str],
    strength: Mapping[str, Sequence[str]],
    *,
    passwords: bool,
) -> dict[str, str]:
    """The files of a virtual server, by path.

    Args:
        vserver: what is desired.
        clear: the sockets without TLS, as the administrator's line names them.
        certificates: files with key and certificates.
        strength: from strength_settings().
        passwords: whether the site asks for passwords by itself.
    """
    name, head = vserver.name, _HEAD.format(f"http/{vserver.name}")
    use = f'Use {MACRO}{name} "{clear}" clear\nUse {MACRO}{name} "{" ".join(tls_sockets(vserver))}" tls\n'
    tls = ["SSLEngine on"]
    for path in certificates:
        tls += [f"SSLCertificateFile {path}", f"SSLCertificateKeyFile {path}"]
    tls += [f"{word} {' '.join(values)}" for word, values in strength.items()]
    led_on = []
    if vserver.require_secure_channel:
        port = "" if vserver.implicit_tls_port == 443 else f":{vserver.implicit_tls_port}"
        tls.append(f'Header always set {HSTS} "max-age={HSTS_SECONDS}"')
        led_on = [
            "RewriteEngine on",
            *([] if passwords else [f"RewriteCond %{{REQUEST_URI}} {_NOT_LED_ON}"]),
            f"RewriteRule ^ https://%{{SERVER_NAME}}{port}%{{REQUEST_URI}} [R=301,L]",
        ]
    return {
        own_path(name, "use"): head + use,
        own_path(name, "clear"): head + "".join(f"{line}\n" for line in led_on),
        own_path(name, "tls"): head + "".join(f"{line}\n" for line in tls),
    }


def common(sockets: Sequence[str], listened: set[int]) -> str:
    """The file with the modules and the sockets that all virtual servers need.

    Args:
        sockets: where they have TLS, such as ``*:443``.
        listened: ports on which Apache listens by itself once its module for TLS is loaded.
    """
    lines = []
    with_module: list[str] = []
    always: list[str] = []
    ports = sorted({int(one.rpartition(":")[2]) for one in sockets})
    for port in ports:
        here = sorted({one for one in sockets if one.rpartition(":")[2] == str(port)})
        wanted = [str(port)] if f"*:{port}" in here else here
        # where Debian's ports.conf listens as well, it does so only if the module was there before this file
        (with_module if port in listened else always).extend(f"Listen {one}" for one in wanted)
    for module in _MODULES:
        lines.append(f"<IfModule !{module}_module>")
        lines += [f"    {one}" for one in with_module if module == "ssl"]
        lines += [f"    LoadModule {module}_module {MODULE_FILE.format(module)}", "</IfModule>"]
    return _HEAD.format("http") + "".join(f"{line}\n" for line in [*lines, *always])
