# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name, covers, unicode_name


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("mx1.example.test", "mx1.example.test"),
        ("MX1.Example.TEST.", "mx1.example.test"),
        (" mx1 ", "mx1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("почта。example", "xn--80a1acny.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("*.example.test", "*.example.test"),
        (f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}", f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 61}"),
    ],
)
def test_host_name(written, kept):
    assert ascii_name(written, "common_name") == kept


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "*",
        "a..b",
        ".a",
        "-a.test",
        "a-.test",
        "a_b.test",
        "a b.test",
        "a\n.test",
        "mx*.example.test",
        "a.*.test",
        f"{'a' * 64}.test",
        f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 62}",
        "192.0.2.1",
        "2001:db8::1",
        "user@example.test",
        "straße.example",
        "\ud800.example",
    ],
)
def test_no_host_name(written):
    with pytest.raises(Problem) as caught:
        ascii_name(written, "common_name")
    assert caught.value.option == "common_name"


@pytest.mark.parametrize(
    ("presented", "wanted", "covered"),
    [
        (["mx1.example.test"], "mx1.example.test", True),
        (["MX1.Example.test"], "mx1.example.test", True),
        (["other.example.test"], "mx1.example.test", False),
        (["*.example.test"], "mx1.example.test", True),
        (["*.example.test"], "a.mx1.example.test", False),
        (["*.example.test"], "example.test", False),
        (["mx*.example.test"], "mx1.example.test", False),
        (["*.test"], "*.example.test", False),
        (["*.example.test"], "*.example.test", True),
        (["mx1.example.test"], "*.example.test", False),
        (["*."], "mx1", False),
        (["*"], "mx1", False),
        ([], "mx1", False),
    ],
)
def test_names_of_a_certificate(presented, wanted, covered):
    assert covers(presented, wanted) is covered


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("xn--bcher-kva.example", "b\u00fccher.example"),
        (".xn--bcher-kva.example", ".b\u00fccher.example"),
        ("[mx.xn--bcher-kva.example]:25", "[mx.b\u00fccher.example]:25"),
        ("x.xn--strae-oqa.xn--p1ai", "x.stra\u00dfe.\u0440\u0444"),
        ("example.test", "example.test"),
        ("axn--bcher-kva.test", "axn--bcher-kva.test"),
        ("xn--99999999.test", "xn--99999999.test"),
        ("xn--a-4ba.test", "xn--a-4ba.test"),  # a no-break space is none of a name's letters
    ],
)
def test_names_as_people_write_them(name, written):
    assert unicode_name(name) == written
