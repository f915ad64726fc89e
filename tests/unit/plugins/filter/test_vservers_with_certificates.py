# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be secured while a CA has not answered every request."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.filter.vservers_with_certificates import FilterModule

IMAP: dict[str, Any] = {"protocol": "imap", "certificate": "main"}
SMTP: dict[str, Any] = {
    "protocol": "smtp",
    "certificate": "main",
    "alternative_certificate": "rsa",
    "sni": [
        {"name": "a.test", "certificate": "a"},
        {"name": "b.test", "certificate": "b", "alternative_certificate": "c"},
    ],
}
POP3: dict[str, Any] = {"protocol": "pop3", "certificate": "other"}
GONE: dict[str, Any] = {"protocol": "nntp", "certificate": "other", "state": "absent"}
ALL = [IMAP, SMTP, POP3, GONE]


@pytest.mark.parametrize(
    ("missing", "ready"),
    [
        ([], ALL),
        (["another"], ALL),
        (["other"], [IMAP, SMTP, GONE]),
        (["main"], [POP3, GONE]),
        (["b"], [IMAP, {**SMTP, "sni": [{"name": "a.test", "certificate": "a"}]}, POP3, GONE]),
        (
            ["c"],
            [
                IMAP,
                {**SMTP, "sni": [{"name": name, "certificate": name[0]} for name in ("a.test", "b.test")]},
                POP3,
                GONE,
            ],
        ),
        (["a", "b"], [IMAP, {**SMTP, "sni": []}, POP3, GONE]),
        (["rsa"], [IMAP, {key: SMTP[key] for key in SMTP if key != "alternative_certificate"}, POP3, GONE]),
    ],
)
def test_what_waits_is_left_out(missing: list[str], ready: list[dict[str, Any]]) -> None:
    assert FilterModule().filters()["vservers_with_certificates"](ALL, missing) == ready
