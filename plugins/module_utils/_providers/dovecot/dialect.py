# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Dovecot's two languages, 2.3 and 2.4, call things (doc.dovecot.org, upgrading from 2.3 to 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

CIPHERS, GROUPS = "ssl_cipher_list", "ssl_curve_list"  # in both


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
        effective_by_address: whether doveconf shows what is in effect for a protocol at one address; 2.4.1 shows what
            is in effect at all others.
        listen: what the addresses of a listener are called.
        trusted: setting with networks whose clients may send passwords in clear text, whatever else is set; empty where
            there is none. 2.4.1 has the name for proxies alone, and refuses them clear text as it does others.
        later_counts: whether of two blocks that fit a connection the later one counts, and not the one with more
            conditions.
        password_file: name and settings of the block that names a file of accounts, with ``{}`` for its path. Accounts
            are looked up by the name as it was sent; Dovecot's own names are in lower case.
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
    effective_by_address: bool
    listen: str
    trusted: str
    later_counts: bool
    password_file: tuple[str, tuple[tuple[str, str], ...]]

    def accounts(self, path: str) -> dict[str, dict[str, str]]:
        """The block that names a file of accounts."""
        name, settings = self.password_file
        return {name: {key: value.replace("{}", path) for key, value in settings}}


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
        True,
        "address",
        "login_trusted_networks",
        False,
        ("passdb", (("driver", "passwd-file"), ("args", "username_format=%{orig_user} {}"))),
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
        False,
        "listen",
        "",
        True,
        (
            "passdb passwd-file",
            (("passwd_file_path", "{}"), ("auth_username_format", "%{original_user}")),
        ),
    ),
}
