# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be done with a site of nginx, said before anything is changed, with the line that is in the way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.sites import (
    Site,
    Sites,
    hiding_headers,
    own_turn,
    passwords,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.template import (
    HSTS,
    include_path,
    name_of_include,
)

_OURS = (
    "ssl",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_protocols",
    "ssl_ciphers",
    "ssl_ecdh_curve",
    "ssl_prefer_server_ciphers",
)
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def refuse_unable(vserver: Vserver) -> None:
    """Raise Problem where the virtual server asks for something that nginx has not, whatever its sites are."""
    if vserver.name != "default" and not _NAME.fullmatch(vserver.name):
        raise Problem(
            f"{vserver.name!r} cannot name a site",
            "give one of the site's names as it stands in server_name, in lower case and without wildcards, or default",
            subject=vserver.title,
            option="name",
        )
    if vserver.sni:
        raise Problem(
            "a site of nginx has one set of certificates; another name is another site",
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


def refuse_conflicts(sites: Sites, site: Site, vserver: Vserver) -> None:
    """Raise Problem where the administrator's own lines contradict the virtual server.

    Args:
        sites: all sites, without our line for this virtual server.
        site: its site.
        vserver: what is desired.
    """
    for one in site.block.all("include"):
        if name_of_include(one.args[0]):
            raise Problem(
                f"it is the same site as virtual server http/{name_of_include(one.args[0])} ({site.block.place})",
                "declare one of the two",
                subject=vserver.title,
                option="name",
            )
    _refuse_hand_made(site, vserver)
    if vserver.port is not None and vserver.port not in (site.clear_ports or [0]):
        ports = ", ".join(map(str, site.clear_ports)) or "none"
        raise Problem(
            f"the ports of this site for clear text ({ports}) are in your own configuration, {site.block.place}",
            "change the listen lines there, and leave the option out",
            subject=vserver.title,
            option="port",
        )
    asked = passwords(site)
    if asked and not vserver.require_secure_channel and "BASIC" not in vserver.auth_clear:
        raise Problem(
            f"the site asks for passwords ({asked.place}), and would take them in clear text",
            "set require_secure_channel to true, or auth_clear to [BASIC]",
            subject=vserver.title,
            option="require_secure_channel",
        )
    for other in sites.all:
        for listener in other.listeners:
            if other is site or not listener.directive or listener.port != vserver.implicit_tls_port:
                continue
            if not listener.tls or (vserver.name == "default" and listener.first) or vserver.name in other.names:
                raise Problem(
                    f"port {listener.port} is taken by another server block, {listener.directive.place}",
                    "remove that server block or its line, or give another implicit_tls_port",
                    subject=vserver.title,
                    option=listener.directive.place,
                )


def _refuse_hand_made(site: Site, vserver: Vserver) -> None:
    """Raise Problem where a site has TLS by the administrator's own hand, or no content of its own."""
    tls = [one.directive for one in site.listeners if one.tls or one.port == vserver.implicit_tls_port]
    found = next(iter(filter(None, tls)), None) or own_turn(site, _OURS)
    if found:
        raise Problem(
            f"the site has settings for TLS of its own ('{found.name} {' '.join(found.args)};' in {found.place})",
            "remove these lines from the server block; this collection adds its own",
            subject=vserver.title,
            option=found.place,
        )
    away = own_turn(site, ("return",))
    if away:
        raise Problem(
            f"the site only leads elsewhere ('return {' '.join(away.args)};' in {away.place})",
            "let the site with the content listen on port 80 instead of this one; clear text is led to https by this"
            " collection",
            subject=vserver.title,
            option=away.place,
        )


def refuse_side_effects(
    sites: Sites,
    before: Mapping[tuple[str, str], Vserver],
    after: Mapping[tuple[str, str], Vserver],
    desired: Sequence[Vserver],
) -> None:
    """Raise Problem where what is planned would not hold, or change a virtual server that is not in the call."""
    called = {one.key for one in desired}
    for vserver in desired:
        for site in sites.with_include(include_path(vserver.name)):
            _refuse_shared(sites, site, vserver, after[vserver.key].strength, vserver.strength)
    for key, was in before.items():
        for site in sites.with_include(include_path(key[1])) if key not in called else ():
            _refuse_shared(sites, site, was, after[key].strength, was.strength)


def _refuse_shared(sites: Sites, site: Site, vserver: Vserver, found: str, wanted: str) -> None:
    for one in site.listeners:
        first = sites.first_on(one.socket)
        if one.tls and first and first is not site and found != wanted:
            raise Problem(
                f"nginx takes TLS versions and groups for a whole socket from the site that answers first there,"
                f" {first.block.place}, and that has others than {wanted}",
                "give all sites of that address and port the same strength, or this one addresses of its own",
                subject=vserver.title,
                option="strength",
            )


def warnings_about(site: Site, vserver: Vserver) -> Iterator[str]:
    """What the administrator should know of a site with our line."""
    if vserver.require_secure_channel:
        for one in hiding_headers(site):
            if one.name == "add_header" and HSTS not in one.args:
                yield (
                    f"{vserver.title}: {one.place} sets headers for a part of the site, so that part is sent without"
                    f" {HSTS}; put such a line there as well"
                )
