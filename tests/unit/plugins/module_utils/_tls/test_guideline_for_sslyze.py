# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file with which sslyze judges virtual servers says what the guideline says, in the version that is used."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls import guideline as _guideline

FILE = (
    Path(__file__).resolve().parents[4]
    / "support"
    / "system"
    / "programs"
    / f"tlsref-{_guideline.VERSION}-intermediate.json"
)
# TLS 1.3 has the suites of RFC 8446 that every guideline allows; INTERMEDIATE takes no other.
TLS_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
SAID = json.loads(FILE.read_text())


def test_it_says_which_guideline_it_is() -> None:
    assert (SAID["guideline"], SAID["version"], SAID["date"]) == (
        _guideline.NAME,
        _guideline.VERSION,
        _guideline.DATE,
    )


def test_it_has_the_profile_s_versions_ciphers_and_groups() -> None:
    profile = _guideline.PROFILES["intermediate"]
    assert min(SAID["tls_versions"]) == f"TLSv{profile['minimum']}"
    assert tuple(SAID["ciphers"]["openssl"]) == profile["ciphers"]
    assert tuple(SAID["tls_curves"]) == _guideline.GROUPS
    assert set(SAID["ciphersuites"]) == TLS_1_3


def test_its_two_names_of_each_cipher_mean_the_same() -> None:
    printed = subprocess.run(
        ["openssl", "ciphers", "-stdname", ":".join(SAID["ciphers"]["openssl"])],
        capture_output=True,
        text=True,
        check=True,
    )
    standard = {line.split()[2]: line.split()[0] for line in printed.stdout.splitlines()}
    assert [standard[name] for name in SAID["ciphers"]["openssl"]] == SAID["ciphers"]["iana"]
