# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import DEFAULT, NGINX, SHOP, put

SHOP_BLOCK = b"server {\n\tlisten 80;\n\tserver_name shop.example.test;\n}\n"


def test_headers_of_a_part_of_the_site_are_warned_of(host):
    put(
        host,
        NGINX.shop_file,
        "server { listen 80; server_name shop.example.test;\nlocation /a {\nadd_header X 1;\nadd_header Y 1; } }",
    )
    (warning,) = NGINX.take(host, SHOP).warnings
    # line 3 of what the administrator wrote, behind our line
    assert warning.startswith(f"virtual server http/shop.example.test: {NGINX.shop_file}:4 sets headers for a part")


@pytest.mark.parametrize("first", [DEFAULT, SHOP])
def test_strengths_that_share_a_socket(first, host):
    put(host, NGINX.shop_file, SHOP_BLOCK.decode())
    NGINX.take(host, first)
    other = SHOP if first is DEFAULT else DEFAULT
    with pytest.raises(Problem, match="takes TLS versions and groups for a whole socket") as caught:
        NGINX.on(host).plan([replace(other, strength="modern")])
    assert caught.value.option == "strength"
