# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Dovecot's two languages, 2.3 and 2.4, call things (doc.dovecot.org, upgrading from 2.3 to 2.4)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """What one line of Dovecot releases calls a setting.

    Attributes:
        certificate: file with the certificate and its chain.
        key: file with the private key.
        alternative_certificate: file with a second certificate, whose key is of another type.
        alternative_key: file with its private key.
        file: how a setting that takes a file's content names the file.
        server_preference: setting and value that let the client choose the cipher.
        clear_text: setting and values that refuse passwords in clear text, and that take them.
        effective_certificate: where doveconf shows the certificate in effect.
        effective_alternative: where it shows the second one.
        listen: what the addresses of a listener are called.
    """

    certificate: str
    key: str
    alternative_certificate: str
    alternative_key: str
    file: str
    server_preference: tuple[str, str]
    clear_text: tuple[str, str, str]
    effective_certificate: tuple[str, ...]
    effective_alternative: tuple[str, ...]
    listen: str


LANGUAGES: dict[tuple[int, int], Language] = {
    (2, 3): Language(
        "ssl_cert",
        "ssl_key",
        "ssl_alt_cert",
        "ssl_alt_key",
        "<{}",
        ("ssl_prefer_server_ciphers", "no"),
        ("disable_plaintext_auth", "yes", "no"),
        ("ssl_cert",),
        ("ssl_alt_cert",),
        "address",
    ),
    (2, 4): Language(
        "ssl_server_cert_file",
        "ssl_server_key_file",
        "ssl_server_alt_cert_file",
        "ssl_server_alt_key_file",
        "{}",
        ("ssl_server_prefer_ciphers", "client"),
        ("auth_allow_cleartext", "no", "yes"),
        ("ssl_server", "cert_file"),
        ("ssl_server", "alt_cert_file"),
        "listen",
    ),
}
