# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nginx alone cannot do, and what its administrator should know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.paths import vserver_file
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.sites import Site, Sites
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.https import HSTS


def refuse_side_effects(
    sites: Sites,
    before: Mapping[tuple[str, str], Vserver],
    after: Mapping[tuple[str, str], Vserver],
    desired: Sequence[Vserver],
) -> None:
    """Raise Problem where sites that share a socket would get each other's TLS settings.

    Args:
        sites: the sites as they are to be.
        before: the virtual servers as they are.
        after: the virtual servers as nginx would have them.
        desired: those of the call.
    """
    wanted = {key: was.strength for key, was in before.items()}
    wanted.update((one.key, one.strength) for one in desired)
    for key, strength in wanted.items():
        for site in sites.with_include(vserver_file(key[1])) if key in after else ():
            _refuse_shared(sites, site, after[key], strength)


def _refuse_shared(sites: Sites, site: Site, found: Vserver, strength: str) -> None:
    for socket in site.tls:
        first = sites.first_on(socket)
        if first and first is not site and found.strength != strength:
            raise Problem(
                "nginx takes TLS versions and groups for a whole socket from the site that answers first there,"
                f" {first.place}, and these are not those of {strength}",
                "give all sites on that address and port the same strength, or this one addresses of its own",
                subject=found.title,
                option="strength",
            )


def warnings_about(site: Site, vserver: Vserver) -> Iterator[str]:
    """What the administrator should know of a site that redirects to https."""
    if vserver.require_secure_channel:
        for one in site.without_hsts():
            yield (
                f"{vserver.title}: {one.place} sets headers for a part of the site, which is therefore sent without"
                f" {HSTS}; add that header there as well"
            )
