# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import configuration
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.sites import Sites
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import DEFAULT, NGINX, REQUIRED, SHOP, put

OURS = "/etc/nginx/snippets/postmaster-http-default.conf"


SHOP_BLOCK = b"server {\n\tlisten 80;\n\tserver_name shop.example.test;\n}\n"


def test_site_that_becomes_the_default_one_later(host):
    NGINX.take(host, REQUIRED)
    put(host, NGINX.shop_file, "server { listen 80 default_server; listen [::]:80 default_server; root /shop; }")
    host.files[NGINX.stock_site] = host.files[NGINX.stock_site].replace(b" default_server", b"")
    assert NGINX.on(host).read()[DEFAULT.key].certificate == ""
    NGINX.take(host, REQUIRED)
    assert OURS.encode() not in host.files[NGINX.stock_site]
    assert OURS.encode() in host.files[NGINX.shop_file]
    assert NGINX.on(host).read()[DEFAULT.key] == replace(REQUIRED, port=80)


def test_site_without_a_listen_line_keeps_port_80(host):
    put(host, NGINX.shop_file, "server { server_name shop.example.test; }")
    NGINX.take(host, SHOP)
    assert b"listen 80;\n" in host.files["/etc/nginx/snippets/postmaster-http-shop.example.test.conf"]
    assert NGINX.on(host).read()[SHOP.key] == replace(SHOP, port=80)


@pytest.mark.parametrize(
    ("vserver", "block", "words"),
    [
        (DEFAULT, "listen 443 ssl default_server;", "port 443 is taken by another server block"),
        (DEFAULT, "listen 443;", "port 443 is taken by another server block"),
        (SHOP, "listen 443 ssl; server_name shop.example.test;", "port 443 is taken by another server block"),
    ],
)
def test_server_blocks_in_the_way(vserver, block, words, host):
    put(host, NGINX.shop_file, SHOP_BLOCK.decode())
    put(host, "/etc/nginx/conf.d/tls.conf", f"server {{ {block} }}")
    with pytest.raises(Problem) as caught:
        NGINX.on(host).plan([vserver])
    assert words in caught.value.found
    assert caught.value.option == "/etc/nginx/conf.d/tls.conf:1"


@pytest.mark.parametrize(
    ("words", "socket"),
    [
        ("", ("*", 80)),
        ("8080", ("*", 8080)),
        ("0.0.0.0:81", ("*", 81)),
        ("[FD00::1]:443", ("[fd00::1]", 443)),
        ("mx.example.test", ("mx.example.test", 80)),
        ("unix:/run/x.sock", ("unix:/run/x.sock", 0)),
        ("a:b:c", ("*", 80)),
    ],
)
def test_sockets(words, socket):
    (site,) = Sites(configuration({"/x": f"http {{ server {{ listen {words}; }} }}"}, "/x")).all
    assert list(site.clear) == [socket]


@pytest.mark.parametrize("words", ["4" * 5000, "*:" + "4" * 5000])
def test_a_port_that_there_is_not(words):
    with pytest.raises(Problem, match="names a port that there is not, in /x:2") as caught:
        Sites(configuration({"/x": f"http {{ server {{\nlisten {words};\n}} }}"}, "/x"))
    assert caught.value.option == "/x:2"


@pytest.mark.parametrize(
    "line", ["include", "return", "ssl_certificate", "server_name", "if", "auth_basic", "add_header", "listen"]
)
def test_lines_without_their_words(line):
    (site,) = Sites(configuration({"/x": f"http {{ server {{ {line}; }} }}"}, "/x")).all
    assert (list(site.vservers), list(site.certificates), site.redirects) == ([], [], False)
    assert list(site.without_hsts()) == []


def test_a_list_without_files(host):
    host.query = lambda _argv: Completed(0, "", "")
    with pytest.raises(Problem, match="names no file"):
        NGINX.on(host).read()


def test_load_balancers_in_front_of_a_socket(host):
    put(host, NGINX.shop_file, SHOP_BLOCK.decode().replace("listen 80;", "listen 80 proxy_protocol;"))
    NGINX.take(host, DEFAULT)
    found = {one.port: one.proxy_protocol for one in NGINX.on(host).endpoints(DEFAULT)}
    assert found == {80: 1, 443: 0}


def test_addresses_at_which_other_sites_are(host):
    put(host, NGINX.shop_file, SHOP_BLOCK.decode().replace("listen 80;", "listen 80; listen 10.0.0.5:80;"))
    NGINX.take(host, DEFAULT)
    assert NGINX.on(host).elsewhere(DEFAULT, ()) == {("10.0.0.5", 80)}
    host.answers["ss -Hltn"] = "LISTEN 0 511 0.0.0.0:80 0.0.0.0:*\nLISTEN 0 511 *:443 *:*\n"
    assert NGINX.on(host).unopened() == [("[::]", 80)]
