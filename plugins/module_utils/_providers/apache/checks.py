# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Apache alone cannot do with a virtual host."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.sites import Site, Sites


def refuse_unwrappable(sites: Sites, site: Site, vserver: Vserver) -> None:
    """Raise Problem where a virtual host cannot be put into a macro of ours, or would not redirect from there."""
    if not site.path or site.path not in sites.texts:
        raise Problem(
            "the virtual host is made by a macro of your own",
            "write it out as <VirtualHost ...> in a file",
            subject=vserver.title,
            option="name",
        )
    former = next((one for one in sites.all if one.ours == vserver.name), None)
    if former and former is not site:
        raise Problem(
            f"this was the virtual host at {former.place} so far, and would now be the one at {site.place}",
            "declare it absent first, and then present again",
            subject=vserver.title,
            option="name",
        )
    off = site.rewriting_off
    if off and vserver.require_secure_channel:
        raise Problem(
            f"'{off.text}' in {off.place} keeps the site from redirecting to https",
            "remove that line",
            subject=vserver.title,
            option=off.place,
        )
    before = sites.rule_before(site)
    if before and vserver.require_secure_channel:
        raise Problem(
            f"'{before.text}' in {before.place} comes before the redirect to https, so that those whom it takes go on"
            " in clear text",
            f"put 'RewriteOptions Inherit' into the virtual host ({site.place}), so that the rule comes last, or remove"
            " the rule",
            subject=vserver.title,
            option=before.place,
        )
