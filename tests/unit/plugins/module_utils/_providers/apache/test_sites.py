# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import APACHE, DEFAULT, SHOP, put


def shop(host, *lines, sockets="*:80", names="ServerName shop.example.test"):
    inside = "".join(f"\t{line}\n" for line in (names, *lines))
    put(host, APACHE.shop_file, f"<VirtualHost {sockets}>\n{inside}</VirtualHost>\n")


def test_other_names_of_a_site(host):
    shop(host, "ServerAlias www.shop.example.test")
    APACHE.take(host, replace(SHOP, name="www.shop.example.test"))
    assert APACHE.on(host).read()["http", "www.shop.example.test"].certificate == "shop.example.test"
    with pytest.raises(Problem, match=r"the same site as virtual server http/www\.shop\.example\.test"):
        APACHE.on(host).plan([SHOP])


def test_addresses_of_a_named_site(host):
    shop(host, sockets="10.0.0.5:80 10.0.0.6:8080")
    found = replace(SHOP, addresses=("10.0.0.5", "fd00::5"))
    APACHE.take(host, DEFAULT, found)
    assert APACHE.on(host).read()[SHOP.key] == replace(found, port=80)
    assert [(one.address, one.port, one.implicit_tls, one.server_name) for one in APACHE.on(host).endpoints(found)] == [
        ("10.0.0.5", 80, False, "shop.example.test"),
        ("10.0.0.6", 8080, False, "shop.example.test"),
        ("10.0.0.5", 443, True, "shop.example.test"),
        ("fd00::5", 443, True, "shop.example.test"),
    ]


@pytest.mark.parametrize("line", ["SSLCertificateFile", "RewriteEngine", "AuthType", "Redirect", "ServerName"])
def test_lines_without_their_words(line, host):
    shop(host)
    APACHE.take(host, SHOP)
    tls = "/etc/apache2/conf-available/postmaster-http-shop.example.test.tls.conf"
    clear = tls.replace(".tls.", ".clear.")
    for path in (tls, clear):
        host.files[path] += f"{line}\n".encode()
    assert APACHE.on(host).read()[SHOP.key] == replace(SHOP, port=80)


def test_use_lines_without_their_words(host):
    shop(host)
    APACHE.take(host, SHOP)
    path = "/etc/apache2/conf-available/postmaster-http-shop.example.test.use.conf"
    host.files[path] += b"Use\nUse x\nUse x y tls\n"
    assert APACHE.on(host).read()[SHOP.key] == replace(SHOP, port=80)


@pytest.mark.parametrize(("word", "version"), [("On", 1), ("Off", 0)])
def test_load_balancers_in_front_of_a_site(word, version, host):
    shop(host, f"RemoteIPProxyProtocol {word}")
    APACHE.take(host, SHOP)
    assert {one.proxy_protocol for one in APACHE.on(host).endpoints(SHOP)} == {version}


@pytest.mark.parametrize(
    ("lines", "word", "versions"),
    [
        ("RemoteIPProxyProtocol On\n", "", {1}),
        ("<IfModule remoteip_module>\nRemoteIPProxyProtocol On\n</IfModule>\n", "", {1}),
        ("RemoteIPProxyProtocol On\n", "RemoteIPProxyProtocol Off", {0}),
        ("RemoteIPProxyProtocol Off\n", "RemoteIPProxyProtocol On", {1}),
        ("RemoteIPProxyProtocol On\nRemoteIPProxyProtocol Off\n", "", {0}),
        ("<VirtualHost *:8080>\nRemoteIPProxyProtocol On\n</VirtualHost>\n", "", {0}),
    ],
)
def test_load_balancers_in_front_of_the_whole_server(lines, word, versions, host):
    shop(host, word)
    host.files["/etc/apache2/apache2.conf"] += lines.encode()
    APACHE.take(host, SHOP)
    assert {one.proxy_protocol for one in APACHE.on(host).endpoints(SHOP)} == versions
