# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a web server sends to lead people to https, the same for each."""

from __future__ import annotations

HSTS = "Strict-Transport-Security"  # RFC 6797
HSTS_VALUE = '"max-age=63072000"'  # two years, as the guideline has it
# An ACME client must be able to answer on port 80 (RFC 8555 section 8.3), so that what it puts here is not redirected.
# A site that asks for passwords would do so here as well; there everything is redirected, which most CAs follow.
ACME_CHALLENGES = r"/\.well-known/acme-challenge/"  # as a regular expression


def https_origin(host: str, port: int) -> str:
    """The beginning of an https URL; the web server's variable for the host goes in as it is."""
    return f"https://{host}" if port == 443 else f"https://{host}:{port}"
