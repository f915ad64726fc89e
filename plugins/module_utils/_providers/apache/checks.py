# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be done with a virtual host of Apache, said before anything is changed, with the line in the way."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import (
    Statement,
    Vhost,
    split_socket,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.sites import Sites
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.template import (
    original_arguments,
)

_OURS = (
    "sslengine",
    "sslcertificatefile",
    "sslcertificatekeyfile",
    "sslcertificatechainfile",
    "sslprotocol",
    "sslciphersuite",
    "sslhonorcipherorder",
    "sslopensslconfcmd",
)
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def refuse_unable(vserver: Vserver) -> None:
    """Raise Problem where the virtual server asks for something that Apache has not, whatever its sites are."""
    if vserver.name != "default" and not _NAME.fullmatch(vserver.name):
        raise Problem(
            f"{vserver.name!r} cannot name a site",
            "give one of the site's names as it stands in ServerName, in lower case and without wildcards, or default",
            subject=vserver.title,
            option="name",
        )
    if vserver.sni:
        raise Problem(
            "a virtual host of Apache has one set of certificates; another name is another virtual host",
            "declare a virtual server with that name, beside this one",
            subject=vserver.title,
            option="sni",
        )
    if not vserver.implicit_tls_port:
        raise Problem(
            "HTTP has TLS on a port of its own only",
            "leave the option out for port 443, or give another port",
            subject=vserver.title,
            option="implicit_tls_port",
        )


def refuse_conflicts(sites: Sites, site: Vhost, vserver: Vserver) -> None:
    """Raise Problem where the administrator's own lines contradict the virtual server.

    Args:
        sites: all virtual hosts.
        site: its virtual host.
        vserver: what is desired.
    """
    block = sites.block(site.key)
    _refuse_place(sites, site, vserver)
    _refuse_lines(block, vserver)
    clear = original_arguments(sites.texts[site.path], site.ours).split() if site.ours else sites.arguments(site.key)
    ports = {split_socket(one)[1] or 80 for one in clear}
    if vserver.port is not None and vserver.port not in ports:
        raise Problem(
            f"the ports of this site for clear text ({', '.join(map(str, sorted(ports)))}) are in your own"
            f" configuration, {site.place}",
            "change the VirtualHost line there, and leave the option out",
            subject=vserver.title,
            option="port",
        )
    asked = next(filter(sites.asks_password, block), None)
    if asked and not vserver.require_secure_channel and "BASIC" not in vserver.auth_clear:
        raise Problem(
            f"the site asks for passwords ({asked.place}), and would take them in clear text",
            "set require_secure_channel to true, or auth_clear to [BASIC]",
            subject=vserver.title,
            option="require_secure_channel",
        )
    for other in sites.vhosts:
        taken = other.port == vserver.implicit_tls_port and not other.ours
        if taken and (vserver.name == "default" or vserver.name in sites.names(other)):
            raise Problem(
                f"port {other.port} is taken by another virtual host, {other.place}",
                "disable that one (a2dissite), or give another implicit_tls_port",
                subject=vserver.title,
                option=other.place,
            )


def _refuse_place(sites: Sites, site: Vhost, vserver: Vserver) -> None:
    """Raise Problem where a virtual host cannot be put into a macro of ours."""
    if not site.path or site.path not in sites.texts:
        raise Problem(
            "the virtual host is made by a macro of your own",
            "write it out as <VirtualHost ...> in a file",
            subject=vserver.title,
            option="name",
        )
    if site.ours and site.ours != vserver.name:
        raise Problem(
            f"it is the same site as virtual server http/{site.ours} ({site.place})",
            "declare one of the two",
            subject=vserver.title,
            option="name",
        )
    stale = next((one for one in sites.vhosts if one.ours == vserver.name and one.key != site.key), None)
    if stale:
        raise Problem(
            f"it stood for {stale.place} so far, and would now stand for {site.place}",
            "declare it absent first, and then present again",
            subject=vserver.title,
            option="name",
        )


def _refuse_lines(block: Sequence[Statement], vserver: Vserver) -> None:
    for one in block:
        if one.name in _OURS:
            raise Problem(
                f"the site has settings for TLS of its own ('{one.shown}' in {one.place})",
                "remove these lines from the virtual host; this collection adds its own",
                subject=vserver.title,
                option=one.place,
            )
        if one.name == "redirect" and "/" in one.args[:-1]:
            raise Problem(
                f"the site only leads elsewhere ('{one.shown}' in {one.place})",
                "let the virtual host with the content have port 80 instead of this one; clear text is led to https by"
                " this collection",
                subject=vserver.title,
                option=one.place,
            )
        off = one.name == "rewriteengine" and one.args[:1] != () and one.args[0].lower() == "off"
        if off and vserver.require_secure_channel:
            raise Problem(
                f"'{one.shown}' in {one.place} keeps the site from leading clear text to https",
                "remove that line",
                subject=vserver.title,
                option=one.place,
            )
