# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.redirects import redirect_loop
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import implicit, saying, serving


def pages(locations, *fields):
    """A web server that redirects these paths; ``{}`` in a target stands for its own address and port."""

    def script(client):
        path = client.hear().split(" ")[1]
        while client.hear():
            pass
        target = locations.get(path, locations.get("*"))
        port = client.sock.getsockname()[1]
        answer = [f"Location: {target.format(f'127.0.0.1:{port}', path)}"] if target else []
        client.say("HTTP/1.1 301 Moved" if answer else "HTTP/1.1 200 OK", *answer, *fields, "")

    return script


def loop(good_tls, locations, *fields, name="", redirected=True):
    with serving(implicit(good_tls, pages(locations, *fields))) as server:
        endpoint = replace(at(server, "http", implicit_tls=True), server_name=name)
        found = redirect_loop(endpoint, clear_text_redirected=redirected)
        return found.replace(str(server.port), "PORT")


@pytest.mark.parametrize(
    "locations",
    [
        {"*": "https://{0}{1}"},
        {"*": "/"},
        {"/": "/a", "/a": "/"},
        {"/": "https://{0}/#top"},
        {"*": "http://127.0.0.1{1}"},
        {"/": "http://127.0.0.1:80/"},
    ],
)
def test_circles(good_tls, locations):
    assert loop(good_tls, locations) == "https://127.0.0.1:PORT/"


def test_a_circle_that_grows(good_tls):
    assert loop(good_tls, {"*": "https://{0}/x{1}"}).endswith("/x/x/x/")


def test_a_circle_by_name(good_tls):
    found = loop(good_tls, {"*": "http://web.example.test/"}, name="web.example.test")
    assert found == "https://web.example.test:PORT/"


def test_a_circle_by_another_name_of_this_host(good_tls):
    assert loop(good_tls, {"*": "http://localhost/"}) == "https://localhost:PORT/"


@pytest.mark.parametrize(
    "locations",
    [
        {},
        {"/": "/webmail/"},
        {"/": "https://{0}/a", "/a": "/b"},
        {"/": "https://127.0.0.1:1/"},
        {"/": "https://elsewhere.invalid/"},
        {"/": "https://[/"},
        {"/": "ftp://{0}/"},
    ],
)
def test_no_circles(good_tls, locations):
    assert loop(good_tls, locations) == ""


def test_clear_text_that_serves(good_tls):
    assert loop(good_tls, {"*": "http://127.0.0.1/"}, redirected=False) == ""


def test_a_cookie_may_end_it(good_tls):
    assert loop(good_tls, {"*": "/"}, "Set-Cookie: seen=1") == ""


def test_no_web_server(good_tls):
    with serving(implicit(good_tls, saying(b"220 mx ESMTP\r\n"))) as server, pytest.raises(WireError):
        redirect_loop(at(server, "http", implicit_tls=True), clear_text_redirected=True)
