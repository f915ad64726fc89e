# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page on limits has a row for each kind of text, with the length that the code allows."""

from __future__ import annotations

import re

from ansible_collections.postmaster.secure_channel.plugins.module_utils import _strings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import Kind
from ansible_collections.postmaster.secure_channel.tests.support.written_examples import ROOT

ROWS = {
    "Host name, domain": ("HOST",),
    "Server to connect to": ("SERVER",),
    "Address, network": ("NETWORK",),
    "Name of a certificate or a virtual server": ("LABEL",),
    "Realm": ("REALM",),
    "Sender": ("SENDER",),
    "Name to log in with": ("LOGIN",),
    "Password, passphrase": ("PASSWORD", "PASSPHRASE"),
    "SASL mechanism": ("MECHANISM",),
    "Fingerprint": ("FINGERPRINT",),
    "Part of a certificate's subject": ("SUBJECT",),
    "Mail address in a certificate": ("EMAIL",),
    "Path of a file that the collection opens": ("PATH",),
    "Path that goes into a daemon's file": ("WRITTEN_PATH",),
    "Certificates": ("CERTIFICATES", "SECRET_CERTIFICATES"),
}


def test_the_table_says_what_the_code_does() -> None:
    page = (ROOT / "docs/docsite/rst/limits.rst").read_text()
    shown = dict(re.findall(r"^(\S.*?)  +(\d+)  +\S.*$", page, re.MULTILINE))
    kinds = {name: str(kind.most) for name, kind in vars(_strings).items() if isinstance(kind, Kind)}
    assert {row: {kinds[one] for one in names} for row, names in ROWS.items()} == {
        row: {most} for row, most in shown.items()
    }
    assert set(kinds) == {one for names in ROWS.values() for one in names}
