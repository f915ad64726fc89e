# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import (
    Row,
    parse,
    render,
)


def test_a_domain_has_a_row_for_each_way_to_write_it():
    rows = {
        "a.test": (Row("a.test", "encrypt"),),
        "xn--bcher-kva.test": (Row(".xn--bcher-kva.test", "secure"), Row("xn--bcher-kva.test", "secure")),
    }
    text = render(rows)
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        ".xn--bcher-kva.test secure",
        ".b\u00fccher.test secure",
        "a.test encrypt",
        "xn--bcher-kva.test secure",
        "b\u00fccher.test secure",
    ]
    assert parse(text) == rows
