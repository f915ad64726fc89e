# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import (
    listeners,
)


@pytest.mark.parametrize(
    ("services", "port", "implicit", "expected"),
    [
        ("ldap:/// ldapi:///", None, 636, "ldap:/// ldapi:/// ldaps:///"),
        ("ldap:/// ldapi:///", None, 0, "ldap:/// ldapi:///"),
        ("ldap:/// ldapi:///", 0, 636, "ldapi:/// ldaps:///"),
        ("ldapi:/// ldaps:///", 389, 0, "ldapi:/// ldap:///"),
        ("ldap://127.0.0.1:389/ ldap://[::1]/ ldapi:///", None, 636,
         "ldap://127.0.0.1:389/ ldap://[::1]/ ldapi:/// ldaps://127.0.0.1/ ldaps://[::1]/"),
        ("ldaps://a:1636/ ldapi:///", 389, 636, "ldapi:/// ldap://a/ ldaps://a/"),
        ("ldap:/// ldapi:///", None, 1636, "ldap:/// ldapi:/// ldaps://:1636/"),
        ("ldap:/// cldap:/// ldapi://%2frun%2fldapi", 389, 0, "ldap:/// cldap:/// ldapi://%2frun%2fldapi"),
    ],
)  # fmt: skip
def test_listeners(services, port, implicit, expected):
    found = listeners.with_ports([listeners.listener(url) for url in services.split()], port, implicit)
    assert " ".join(found) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ldap://[::1]:1389/", ("ldap", "::1", 1389)),
        ("LDAPS://a", ("ldaps", "a", 636)),
        ("ldap://:" + "9" * 5000, ("ldap", "", 0)),
        ("ldap", ("ldap", "", 0)),
        ("", ("", "", 0)),
        ("://", ("", "", 0)),
    ],
)
def test_urls(url, expected):
    found = listeners.listener(url)
    assert (found.url, found.scheme, found.host, found.port) == (url, *expected)


@given(st.text("ldapsi:/[]%2f0123456789.a"))
def test_any_url_is_read(url):
    assert listeners.listener(url).url == url


@pytest.mark.parametrize(
    ("arguments", "urls"),
    [
        ("/usr/sbin/slapd -h ldap:/// ldapi:/// -g openldap", ["ldap:///", "ldapi:///"]),
        ("/usr/sbin/slapd -h", []),
        ("/usr/sbin/slapd", None),
        ("", None),
    ],
)
def test_services_of_a_running_slapd(arguments, urls):
    assert listeners.running_services(arguments) == urls
