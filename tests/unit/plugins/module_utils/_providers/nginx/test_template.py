# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import configuration
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.sites import Sites
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.template import (
    with_include,
    without_include,
)
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import DEFAULT, NGINX, REQUIRED, SHOP, put

OURS = "/etc/nginx/snippets/postmaster-http-default.conf"


def test_host_without_ipv6(host):
    del host.files["/proc/net/if_inet6"]
    NGINX.take(host, DEFAULT)
    assert b"[::]" not in host.files[OURS]


def test_headers_of_the_http_block_are_not_lost(host):
    put(host, "/etc/nginx/conf.d/headers.conf", 'add_header X-Frame-Options "DENY" always;\n')
    NGINX.take(host, REQUIRED)
    assert host.files[OURS].count(b"add_header ") == 2
    assert b'\nadd_header X-Frame-Options "DENY" always;\n' in host.files[OURS]


def test_headers_of_the_site_stay_its_own(host):
    put(host, "/etc/nginx/conf.d/headers.conf", "add_header X-Global 1;\n")
    put(host, NGINX.shop_file, "server { listen 80; server_name shop.example.test; add_header X-Own 1; }")
    NGINX.take(host, SHOP)
    text = host.files["/etc/nginx/snippets/postmaster-http-shop.example.test.conf"]
    assert text.count(b"add_header ") == 1
    assert b"Strict-Transport-Security" in text


def test_own_hsts_of_the_site_is_enough(host):
    put(
        host,
        NGINX.shop_file,
        "server { listen 80; server_name shop.example.test; add_header Strict-Transport-Security max-age=1; }",
    )
    NGINX.take(host, SHOP)
    assert b"add_header" not in host.files["/etc/nginx/snippets/postmaster-http-shop.example.test.conf"]


def test_hsts_of_the_http_block_is_not_replaced(host):
    put(
        host, "/etc/nginx/conf.d/headers.conf", 'add_header Strict-Transport-Security "max-age=1; includeSubDomains";\n'
    )
    NGINX.take(host, REQUIRED)
    assert b"add_header" not in host.files[OURS]


BLOCKS = st.sampled_from(
    ["server {}", "server { listen 80; }", "server{#x\n}", "server\n{\n\n\t\tlisten 80;\n}", "server {\n  # a }\n}"]
)


@given(st.lists(BLOCKS, min_size=1, max_size=4), st.integers(0, 3))
def test_a_line_is_taken_out_byte_for_byte(blocks, number):
    texts = {"/etc/nginx/nginx.conf": "http {\n" + "\n".join(blocks) + "\n}"}
    sites = Sites(configuration(texts, "/etc/nginx/nginx.conf"))
    site = sites.all[number % len(sites.all)]
    changed = with_include(texts, site, OURS)
    (found,) = Sites(configuration(changed, "/etc/nginx/nginx.conf")).with_include(OURS)
    assert found.block.line == site.block.line
    assert without_include(changed, "/etc/nginx/nginx.conf", OURS) == texts


def test_a_line_that_was_moved_is_taken_out_as_well():
    texts = {"/x": f"http {{ server {{ listen 80; include  '{OURS}'; }} }}"}
    assert without_include(texts, "/x", OURS) == {"/x": "http { server { listen 80;  } }"}
