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
    ports_listened,
    socket,
    statements,
    vhosts,
)
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import APACHE, REQUIRED

PORTS = "/etc/apache2/ports.conf"


def test_recorded_host_that_is_secured(release):
    # here Apache itself lists the virtual hosts
    host = APACHE.host(release, state="secured")
    (command,) = (one for one in host.answers if one.startswith("apache2ctl -t"))
    listed = vhosts(host.answers[command])
    assert [(one.address, one.port, one.path, one.line, one.ours, one.first) for one in listed] == [
        ("*", 80, APACHE.stock_site, 1, "default", True),
        ("*", 443, APACHE.stock_site, 1, "default", True),
    ]
    assert APACHE.on(host).read()["http", "default"] == replace(REQUIRED, port=80)


def test_list_of_virtual_hosts():
    printed = """VirtualHost configuration:
10.0.0.1:80            alone.example.test (/etc/apache2/sites-enabled/a.conf:3)
*:80                   is a NameVirtualHost
         default server B.example.test (/b.conf:1)
         port 80 namevhost b.example.test (/b.conf:1)
         port 80 namevhost c.example.test (/b.conf:9)
                 alias d.example.test
                 wild alias *.e.example.test
[2001:db8::1]:443      six.example.test (/six.conf:1)
*:*                    any.example.test (/any.conf:1)
"""
    assert [(one.address, one.port, one.names, one.place, one.first) for one in vhosts(printed)] == [
        ("10.0.0.1", 80, ("alone.example.test",), "/etc/apache2/sites-enabled/a.conf:3", True),
        ("*", 80, ("b.example.test",), "/b.conf:1", True),
        ("*", 80, ("c.example.test", "d.example.test", "*.e.example.test"), "/b.conf:9", False),
        ("[2001:db8::1]", 443, ("six.example.test",), "/six.conf:1", True),
        ("*", 0, ("any.example.test",), "/any.conf:1", True),
    ]


def test_statements():
    text = "# no\n\n  <IfModule \"a b\">\nServerAlias a \\\n  b\n</IfModule>\nx 'y z'\n"
    assert [(one.name, one.args, one.line) for one in statements("/x", text)] == [
        ("<ifmodule", ("a b",), 3),
        ("serveralias", ("a", "b"), 4),
        ("</ifmodule", (), 6),
        ("x", ("y z",), 7),
    ]


@pytest.mark.parametrize(
    ("ports", "listened"),
    [
        ("Listen 80\n<IfModule ssl_module>\n\tListen 443\n</IfModule>", {80, 443}),
        ("Listen 80\n<IfModule mod_ssl.c>\nListen [::]:443 https\n</IfModule>", {80, 443}),
        ("<IfModule mod_gnutls.c>\nListen 443\n</IfModule>\n# Listen 1\nlisten 10.0.0.1:81", {81}),
        ("<IfModule !ssl_module>\nListen 443\n</IfModule>\n<IfDefine X>\nListen 82\n</IfDefine>", set()),
        ("<IfModule x_module>\n<IfModule ssl_module>\nListen 1\n</IfModule>\nListen 2\n</IfModule>\nListen 3", {3}),
    ],
)
def test_ports(ports, listened):
    assert ports_listened({PORTS: ports}, {"ssl_module"}) == listened


@pytest.mark.parametrize("port", ["99999", "4" * 5000])
def test_a_list_with_a_port_that_there_is_not(port):
    with pytest.raises(Problem, match="lists a virtual host on a port that there is not"):
        vhosts(f"*:{port} a.example.test (/a.conf:3)\n")


@pytest.mark.parametrize("line", ["7" * 5000, "\u0664"])
def test_a_list_with_a_line_that_there_is_not(line):
    (found,) = vhosts(f"*:80 a.example.test (/a.conf:{line})\n")
    assert found.port == 80


@pytest.mark.parametrize("line", ["Listen ${PORT}", "Listen mx", "Listen 10.0.0.1:", "Listen " + "4" * 5000])
def test_a_listen_line_without_a_number(line):
    with pytest.raises(Problem, match="does not name its port by a number") as caught:
        ports_listened({PORTS: f"# ports\n{line}\n"}, ())
    assert caught.value.option == f"{PORTS}:2"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("*:80", ("*", 80)),
        ("_default_:443", ("*", 443)),
        ("[::1]:443", ("[::1]", 443)),
        ("10.0.0.5", ("10.0.0.5", 0)),
        ("*:*", ("*", 0)),
        ("*:" + "4" * 5000, ("*:" + "4" * 5000, 0)),
        ("", ("", 0)),
    ],
)
def test_sockets(word, expected):
    assert socket(word) == expected


@given(st.text("<>/VirtualHost \"'\\\n#*:80"))
def test_any_text_is_read(text):
    assert all(text.count("\n") + 1 >= one.line for one in statements("/x", text))


@given(st.text(" *:80[]()/.\nadefultsrvmhoi"))
def test_any_list_is_read(text):
    vhosts(text)
