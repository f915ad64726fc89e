# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to say of must-staple certificates: those with the TLS feature extension status_request (RFC 7633).

Postfix, Dovecot, Cyrus, INN and slapd cannot staple. Exim, nginx and Apache can, but nothing here has them do it.
"""

from __future__ import annotations

import re

# what follows the certificate's name in a message
MUST_STAPLE = (
    "is must-staple (TLS feature status_request, RFC 7633): clients must refuse it without a stapled OCSP response"
)
REMEDY_FOR_MUST_STAPLE = (
    "have it issued again without that: request it with mail_cert_request and must_staple set to false, which is the"
    " default, or tell the tool that looks after it (certbot: without --must-staple); then install that one with"
    " mail_cert_install"
)
# The extension in DER, whether critical or not: a list of numbers, of which 5 is status_request (RFC 6066).
_EXTENSION = re.compile(
    rb"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x18(?:\x01\x01\xff)?\x04.\x30.(?:\x02\x01.)*?\x02\x01\x05", re.S
)


def is_must_staple(der: bytes) -> bool:
    """Whether a certificate has the extension; without the library ``cryptography``, which daemons' hosts may lack."""
    return bool(_EXTENSION.search(der))
