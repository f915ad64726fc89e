# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import (
    original_arguments,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import COMMON
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.template import (
    common,
    with_macro,
    without_macro,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import Socket
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import APACHE, DEFAULT, REQUIRED, SHOP, put

PORTS = "/etc/apache2/ports.conf"


def test_several_sites_in_one_file(host):
    put(
        host,
        APACHE.shop_file,
        "".join(f"<VirtualHost *:80>\nServerName {name}.example.test\n</VirtualHost>\n" for name in ("a", "b", "c")),
    )
    before = dict(host.files)
    some = [
        replace(SHOP, name=f"{name}.example.test", strength=strength)
        for name, strength in (("a", "modern"), ("c", "intermediate"), ("b", "legacy"))
    ]
    APACHE.take(host, *some)
    assert {key: one.strength for key, one in APACHE.on(host).read().items()} == {
        DEFAULT.key: "",
        **{one.key: one.strength for one in some},
    }
    APACHE.take(host, *(replace(one, present=False) for one in some))
    assert host.files == before


def test_ports_that_nobody_else_listens_on():
    text = common([Socket("*", 8443), *(Socket(f"10.0.0.{n}", 443) for n in (5, 6)), Socket("10.0.0.5", 8443)], {443})
    listen = [line for line in text.split("\n") if "Listen" in line]
    assert listen == ["    Listen 10.0.0.5:443", "    Listen 10.0.0.6:443", "Listen 8443"]
    assert (
        text.index("<IfModule !ssl_module>") < text.index("Listen 10.0.0.5:443") < text.index("LoadModule ssl_module")
    )


def test_port_443_without_debians_own_line(host):
    put(host, PORTS, "Listen 80\n")
    APACHE.take(host, DEFAULT)
    assert host.files[COMMON].endswith(b"\nListen 443\n")


def test_virtual_host_in_an_unusual_form(host):
    put(host, APACHE.stock_site, "<VirtualHost \\\n *:80>\n</VirtualHost>\n")
    with pytest.raises(Problem, match=r"(not written in the usual form|no virtual host)"):
        APACHE.on(host).plan([DEFAULT])


BLOCKS = st.sampled_from(
    [
        "<VirtualHost *:80>\n</VirtualHost>",
        "  <virtualhost  10.0.0.1:80   *:81 > \n\n\tx\n  </VirtualHost>  ",
        "# between\n<VirtualHost *:80>\n# </VirtualHost\n</VirtualHost>",
    ]
)


@given(st.lists(BLOCKS, min_size=1, max_size=3), st.integers(0, 2), st.sampled_from(["", "\n", "\n\n# end"]))
def test_a_macro_is_taken_out_byte_for_byte(blocks, number, end):
    text = "\n".join(blocks) + end
    lines = [at for at, line in enumerate(text.split("\n"), 1) if line.lower().lstrip().startswith("<virtualhost")]
    line = lines[number % len(lines)]
    changed = with_macro(text, line, "default")
    assert original_arguments(changed, "default").split() in (["*:80"], ["10.0.0.1:80", "*:81"])
    assert without_macro(changed, "other") == changed
    assert without_macro(changed, "default") == text


@pytest.mark.parametrize("text", ["", "x\n", "<VirtualHost *:80>\n", "<VirtualHost *:80> x\n</VirtualHost>"])
def test_no_macro_without_a_virtual_host(text):
    with pytest.raises(ValueError, match=r"^"):
        with_macro(text, 1, "default")


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ('Header always set Strict-Transport-Security "max-age=63072000; includeSubDomains"', False),
        ("<IfModule mod_headers.c>\nHeader set strict-transport-security max-age=1\n</IfModule>", False),
        ("<Location /x>\nHeader set Strict-Transport-Security max-age=1\n</Location>", True),
        ("Header unset Strict-Transport-Security", True),
    ],
)
def test_hsts_of_the_whole_server_is_not_replaced(line, ours, host):
    put(host, APACHE.stock_site, f"{line}\n{host.read_text(APACHE.stock_site)}")
    APACHE.take(host, REQUIRED)
    (text,) = [content for path, content in host.files.items() if path.endswith(".tls.conf")]
    assert (b"Strict-Transport-Security" in text) is ours
