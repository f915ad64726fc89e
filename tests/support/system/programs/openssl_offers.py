# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask servers with openssl which suites and groups they accept, until there is nothing left to ask for.

As JSON, {label: [ARGUMENT of s_client...]} in; {label: {"TLSv1.2": [suite...], "TLSv1.3": [suite...], "old": [version
below 1.2...], "groups": [group...]}} out. sslyze does not speak NNTP.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

EVERY = "ALL:COMPLEMENTOFALL"
SUITES = (
    *("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"),
    *("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"),
)
GROUPS = ("X25519", "X448", "prime256v1", "secp384r1", "secp521r1", "brainpoolP256r1", "brainpoolP384r1", "ffdhe2048")
OLD = ("-tls1", "-tls1_1")


def said(arguments: list[str], *options: str) -> str:
    """What openssl says of a session; empty where none came about."""
    command = ["openssl", "s_client", "-brief", *arguments, *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    return done.stderr if done.returncode == 0 else ""


def found(pattern: str, text: str) -> str:
    """What a pattern finds."""
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1) if match else ""


def offers(arguments: list[str]) -> dict[str, list[str]]:
    """Everything about one server."""
    old_suites: list[str] = []
    while True:
        left = ":".join([EVERY, *(f"-{one}" for one in old_suites), "@SECLEVEL=0"])
        suite = found(r"^Ciphersuite: (\S+)", said(arguments, "-tls1_2", "-cipher", left))
        if not suite:
            break
        old_suites.append(suite)
    suites = [one for one in SUITES if said(arguments, "-tls1_3", "-ciphersuites", one)]
    groups = [one for one in GROUPS if said(arguments, "-groups", one)]
    old = [one for one in OLD if said(arguments, one, "-cipher", f"{EVERY}:@SECLEVEL=0")]
    return {"TLSv1.2": old_suites, "TLSv1.3": suites, "old": old, "groups": groups}


def main() -> None:
    """Ask all that standard input names, side by side."""
    asked = json.load(sys.stdin)
    with ThreadPoolExecutor(8) as pool:
        print(json.dumps(dict(zip(asked, pool.map(offers, asked.values())))))


if __name__ == "__main__":
    main()
