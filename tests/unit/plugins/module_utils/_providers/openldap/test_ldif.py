# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import (
    ldif,
)


def test_values_that_need_another_form_in_ldif():
    change = ldif.for_stopped({}, {config.CERTIFICATE: ("/srv/schlüssel.pem",)})
    assert "olcTLSCertificateFile:: L3NydjovL" not in change
    assert ldif.entries("dn: cn=config\n" + change.split("\n")[3] + "\n", "slapcat")[0][config.CERTIFICATE] == (
        "/srv/schlüssel.pem",
    )


def test_entries():
    text = "# x\ndn: cn=config\na: 1\na: 2\nb:: w6Q=\n\nno: entry\n\ndn:\nc:d: e\n"
    assert ldif.entries(text, "slapcat") == [
        {"dn": ("cn=config",), "a": ("1", "2"), "b": ("\u00e4",)},
        {"dn": ("",), "c": ("d: e",)},
    ]


@pytest.mark.parametrize("value", ["YWJ", "a", "l\u00e4$"])
def test_a_value_that_is_not_base64(value):
    with pytest.raises(Problem, match=r"slapcat prints a value that is not base64 \(line 2, 'olcRootPW'") as caught:
        ldif.entries(f"dn: cn=config\nolcRootPW:: {value}\n", "slapcat")
    assert caught.value.option == "cn=config"


@given(st.text("dn:=# \nab\u00e4Zg"))
def test_any_text_is_read_or_refused(text):
    try:
        found = ldif.entries(text, "ldapsearch")
    except Problem:
        return
    assert all("dn" in one for one in found)
