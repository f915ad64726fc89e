# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import (
    Parser,
    configuration,
    included,
)


def words(text):
    return [(one.name, *one.args) for one in Parser("/x", text).directives()]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("# a { comment ;\n", []),
        ("user www-data;", [("user", "www-data")]),
        ("a  b\n\tc # no\n d;", [("a", "b", "c", "d")]),
        ("a 'b c' \"d;{e\";", [("a", "b c", "d;{e")]),
        (r'a "b\"c" \; d\ e;', [("a", 'b"c', r"\;", r"d\ e")]),
        ("set $x ${y}z;", [("set", "$x", "${y}z")]),
        ("a b#c;", [("a", "b#c")]),
        ('if ($x ~ "^a{2}") { return 301 b; }', [("if", "($x", "~", "^a{2}", ")")]),
        ("location ~ \\.php$ {}", [("location", "~", "\\.php$")]),
        ("a{b c;}d;", [("a",), ("d",)]),
        ("content_by_lua_block { t = { 'it''s' } -- don't\n } z;", [("content_by_lua_block",), ("z",)]),
    ],
)
def test_words(text, found):
    assert words(text) == found


def test_places():
    text = "http {\n  server {\n    listen 80;\n  }\n}\n"
    (http,) = Parser("/x", text).directives()
    (server,) = http.all("server")
    (listen,) = server.all("listen")
    assert listen.place == "/x:3"
    assert text[listen.start : listen.end] == "listen 80;"
    assert text[server.start : server.end] == "server {\n    listen 80;\n  }"
    assert text[: server.opened].endswith("server {")
    assert [one.name for one in http.below()] == ["server", "listen"]


@pytest.mark.parametrize(
    "text", ["a", "a b", "{", "a {", "}", "a { b; }}", "a 'b;", "a { b }", "content_by_lua_block {"]
)
def test_what_nginx_refuses_too(text):
    with pytest.raises(Problem, match="/x:1"):
        configuration({"/x": text}, "/x")


def test_includes():
    texts = {
        "/etc/nginx/nginx.conf": "http { include conf.d/*.conf; include /etc/nginx/one; include missing; }",
        "/etc/nginx/conf.d/b.conf": "b;",
        "/etc/nginx/conf.d/a.conf": "a;",
        "/etc/nginx/conf.d/deeper/c.conf": "c;",
        "/etc/nginx/one": "include two;",
        "/etc/nginx/two": "two;",
    }
    (http,) = configuration(texts, "/etc/nginx/nginx.conf").all("http")
    assert [one.name for one in http.below()] == ["include", "a", "b", "include", "include", "two", "include"]
    assert included(texts, "/etc/nginx/nginx.conf", "conf.d/[b]*") == ["/etc/nginx/conf.d/b.conf"]


def test_file_that_includes_itself():
    with pytest.raises(Problem, match="/x includes itself, in /x:1"):
        configuration({"/x": "include /x;"}, "/x")


DEEP = 5000  # levels; Python's own stack ends at 1000


def test_blocks_of_any_depth():
    texts = {"/x": f"{'a { ' * DEEP}include /y; b;{' }' * DEEP}", "/y": "c;"}
    found = [one.name for one in configuration(texts, "/x").below()]
    assert found == [*["a"] * DEEP, "include", "c", "b"]


def test_a_block_that_is_never_closed_at_any_depth():
    with pytest.raises(Problem, match="the block 'a' is not closed, in /x:5000") as caught:
        configuration({"/x": "a {\n" * DEEP}, "/x")
    assert caught.value.option == "/x:5000"


def test_includes_of_any_depth():
    texts = {f"/{number}": f"include /{number + 1};" for number in range(1500)} | {"/1500": "end;"}
    assert [one.name for one in configuration(texts, "/0").below()][-1] == "end"


@pytest.mark.parametrize("pattern", ["[z-a]*", "[", "[!", "''"])
def test_includes_that_name_no_file(pattern):
    assert included({"/x": "", "/y": ""}, "/x", pattern.strip("'")) == []
    (only,) = configuration({"/x": f"include {pattern};", "/y": "b;"}, "/x").below()
    assert only.name == "include"


@given(st.text("ab ;{}\"'\\#$\n"))
def test_any_text_is_taken_apart_or_refused(text):
    try:
        found = Parser("/x", text).directives()
    except Problem:
        return
    assert [one.start for one in found] == sorted(one.start for one in found)
    assert all(text[one.end - 1] in ";}" for one in found)
