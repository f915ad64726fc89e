# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be done with a site, said before anything is changed: the same words for every web server."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import Line, Sites, SiteT

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True)
class Terms:
    """A web server's own words for things that all of them have.

    Attributes:
        daemon: what it is called.
        site: what it calls a site.
        name_setting: the setting that gives a site its names.
        port_setting: the lines that say on which ports a site is reached.
        enable_a_site: how to enable one that answers on port 80.
        only_without_tls: what has a redirect hold for clear text only.
        cipher_setting: the settings that say which cipher suites and groups are accepted.
    """

    daemon: str
    site: str
    name_setting: str
    port_setting: str
    enable_a_site: str
    only_without_tls: str
    cipher_setting: str


def refuse_unsupported(terms: Terms, vserver: Vserver) -> None:
    """Raise Problem where the virtual server asks for something that no site of a web server has."""
    if vserver.name != "default" and not _NAME.fullmatch(vserver.name):
        raise Problem(
            f"{vserver.name!r} is not the name of a site",
            f"give one of the names in the site's {terms.name_setting}, in lower case and without wildcards,"
            " or 'default'",
            subject=vserver.title,
            option="name",
        )
    if vserver.sni:
        raise Problem(
            f"a {terms.site} of {terms.daemon} has one set of certificates; another name is another {terms.site}",
            "declare another virtual server with that name",
            subject=vserver.title,
            option="sni",
        )
    if not vserver.implicit_tls_port:
        raise Problem(
            "HTTP has TLS only on a port of its own",
            "leave the option out for port 443, or give another port",
            subject=vserver.title,
            option="implicit_tls_port",
        )


def site_for(terms: Terms, sites: Sites[SiteT], vserver: Vserver) -> SiteT:
    """The site that is to become a virtual server.

    Raises:
        Problem: there is none.
    """
    if vserver.name == "default":
        site = sites.unnamed()
        if site is None:
            raise Problem(
                f"{terms.daemon} has no {terms.site} that answers on port 80",
                f"enable one first ({terms.enable_a_site})",
                subject=vserver.title,
                option="name",
            )
        return site
    site = sites.named(vserver)
    if site is None:
        raise Problem(
            f"{terms.daemon} has no {terms.site} with '{terms.name_setting} {vserver.name}'",
            f"create the {terms.site} first; this collection adds TLS to it and leaves its content to you",
            subject=vserver.title,
            option="name",
        )
    return site


def refuse_conflicts(terms: Terms, sites: Sites[SiteT], site: SiteT, vserver: Vserver) -> None:
    """Raise Problem where the administrator's own lines, or another virtual server, are in the way.

    Args:
        terms: the web server's words.
        sites: all sites.
        site: the one that is to become the virtual server.
        vserver: what is desired.
    """
    for other in site.vservers:
        if other != vserver.name:
            raise Problem(
                f"it is the same site as virtual server http/{other} ({site.place})",
                "declare only one of the two",
                subject=vserver.title,
                option="name",
            )
    tls = site.own_tls(vserver.implicit_tls_port)
    if tls:
        raise _in_the_way(
            f"the site has TLS settings of its own ('{tls.text}' in {tls.place})",
            f"remove these lines from the {terms.site}; this collection adds its own",
            vserver,
            tls,
        )
    taken = sites.taken(site, vserver)
    elsewhere = site.only_redirects
    if elsewhere:
        content = f" ({taken.place}), without lines about TLS of its own," if taken else ""
        raise _in_the_way(
            f"the site only redirects ('{elsewhere.text}' in {elsewhere.place})",
            f"let the {terms.site} with the content{content} answer on port 80 instead, and take this one out; this"
            " collection adds TLS, and redirects to https",
            vserver,
            elsewhere,
        )
    loop = site.looping(vserver.implicit_tls_port)
    if loop:
        raise _in_the_way(
            f"the site redirects to https by itself ('{loop.text}' in {loop.place}), and would do so for ever with TLS",
            "remove these lines (with require_secure_channel this collection redirects instead), or have them look at"
            f" whether TLS is used ({terms.only_without_tls})"
            + (f"; port {vserver.implicit_tls_port} is taken as well: {sites.how_to_free(taken)}" if taken else ""),
            vserver,
            loop,
        )
    _refuse_port(terms, site.clear_ports, site.place, vserver)
    prompt = site.password_prompt
    if prompt and not vserver.require_secure_channel and "BASIC" not in vserver.auth_clear:
        raise Problem(
            f"the site asks for passwords ({prompt.place}), and would take them in clear text",
            "set require_secure_channel to true, or auth_clear to [BASIC]",
            subject=vserver.title,
            option="require_secure_channel",
        )
    if taken:
        raise _in_the_way(
            f"port {vserver.implicit_tls_port} is taken by another {terms.site}, {taken.place}",
            f"{sites.how_to_free(taken)}, or give another implicit_tls_port",
            vserver,
            taken,
        )


def refuse_clear_text_beside(
    terms: Terms, sites: Sites[SiteT], site: SiteT, vserver: Vserver, others: Collection[str]
) -> None:
    """Raise Problem where another site would go on answering the virtual server's clients in clear text.

    Args:
        terms: the web server's words.
        sites: all sites.
        site: the one that is to become the virtual server.
        vserver: what is desired.
        others: names of the virtual servers that refuse clear text once the call is done.
    """
    for other, socket in sites.beside(site, vserver.name) if vserver.require_secure_channel else ():
        if not {*other.vservers, *other.own_names} & (set(others) - {vserver.name}):
            raise _in_the_way(
                f"clients at {socket} get another {terms.site}, {other.place}, in clear text",
                f"remove that address from it, so that this {terms.site} answers there too, or declare it as a virtual"
                " server that requires the secure channel as well",
                vserver,
                Line("", other.place),
            )


def _refuse_port(terms: Terms, ports: Sequence[int], place: str, vserver: Vserver) -> None:
    """Raise Problem where another port without TLS is asked for than the administrator's lines name."""
    if vserver.port is not None and vserver.port not in (ports or (0,)):
        named = ", ".join(str(one) for one in sorted(ports)) or "none"
        raise Problem(
            f"the site's ports without TLS ({named}) are set in your own configuration, {place}",
            f"change {terms.port_setting} there, and leave the option out",
            subject=vserver.title,
            option="port",
        )


def _in_the_way(found: str, remedy: str, vserver: Vserver, line: Line) -> Problem:
    return Problem(found, remedy, subject=vserver.title, option=line.place)
