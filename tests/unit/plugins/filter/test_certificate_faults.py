# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that show another certificate than the one that is declared for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.filter.certificate_faults import certificate_faults

HOST = "mx1.example.test"
VSERVERS: Sequence[Mapping[str, Any]] = [
    {
        "protocol": "imap",
        "certificate": "main",
        "alternative_certificate": "rsa",
        "sni": [{"name": "b.test", "certificate": "b"}],
    },
    {"protocol": "smtp", "certificate": "mx"},
    {"protocol": "http", "name": "www.example.test", "certificate": "www"},
]
STORE: list[Mapping[str, Any]] = [
    {"name": name, "live": {"sha256": f"of {name}"}} for name in ("main", "rsa", "b", "www")
]
STORE.append({"name": "mx", "live": None})


def seen(certificate: str, **what: Any) -> dict[str, Any]:
    """An endpoint that shows a certificate."""
    leaf = {"sha256": f"of {certificate}", "subject": f"CN={certificate}", "names": [certificate], "serial": "01"}
    return {
        "host": HOST,
        "protocol": "imap",
        "port": 993,
        "implicit_tls": True,
        "server_name": HOST,
        "error": None,
        "chain": [leaf],
        **what,
    }


WWW = {"protocol": "http", "server_name": "www.example.test"}


@pytest.mark.parametrize(
    ("endpoint", "fault"),
    [
        (seen("main"), None),
        (seen("rsa"), None),
        (seen("b", server_name="b.test"), None),
        (seen("www", **WWW, port=443), None),
        (seen("b"), "imap port 993: it shows another certificate (CN=b, serial 01) than main or rsa"),
        (seen("main", server_name="b.test"), "imap port 993: it shows another certificate (CN=main, serial 01) than b"),
        (seen("main", error="it is gone"), "imap port 993: it is gone"),
        (seen("main", chain=[]), "imap port 993: it shows no certificate"),
        (seen("old", protocol="smtp", port=25), "smtp port 25: the declared certificate mx is not in the host's store"),
        # in clear text there is none
        (seen("", **WWW, port=80, implicit_tls=False, chain=None), None),
        (seen("", **WWW, port=80, implicit_tls=False, error="refused"), None),
    ],
)
def test_each_is_compared_with_its_own(endpoint: dict[str, Any], fault: str | None) -> None:
    found = certificate_faults([endpoint], VSERVERS, STORE, ["main", "rsa", "b", "www", "mx"])
    assert found[:1] == ([f"{HOST} {fault}"] if fault else [])


def test_those_of_other_certificates_do_not_matter() -> None:
    assert not certificate_faults([seen("wrong")], VSERVERS, STORE, ["b", "www"])
    assert certificate_faults([seen("wrong")], VSERVERS, STORE, ["rsa"])
