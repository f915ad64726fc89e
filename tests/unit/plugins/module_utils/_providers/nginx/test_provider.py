# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import NamedCertificate, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx import provider as nginx_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import configuration
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.provider import Nginx
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.sites import Sites
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.template import (
    with_include,
    without_include,
)
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    as_diff,
    check_golden,
)
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import NginxHost

RELEASES = ("nginx-1.22", "nginx-1.26")
SITE = "/etc/nginx/sites-enabled/default"
OURS = "/etc/nginx/snippets/postmaster-http-default.conf"
DEFAULT = Vserver("http", certificate="mx.example.test", implicit_tls_port=443)
REQUIRED = replace(DEFAULT, require_secure_channel=True)
SHOP = replace(REQUIRED, name="shop.example.test", certificate="shop.example.test")
SHOP_FILE = "/etc/nginx/conf.d/shop.conf"
SHOP_BLOCK = b"server {\n\tlisten 80;\n\tserver_name shop.example.test;\n}\n"


@pytest.fixture(params=RELEASES)
def release(request):
    return request.param


@pytest.fixture
def host(release):
    found = NginxHost(release)
    found.files["/proc/net/if_inet6"] = b""
    return found


def provider(host):
    return Nginx(host, Store(host, STORE))


def take(host, *vservers):
    plan = provider(host).plan(vservers)
    host.take(plan.changes)
    return plan


def put(host, path, text):
    host.files[path] = text.encode()


@pytest.mark.parametrize(
    ("name", "vservers"),
    [
        ("default", [DEFAULT]),
        ("required", [REQUIRED]),
        ("modern-two-keys", [replace(REQUIRED, strength="modern", alternative_certificate="mx-rsa")]),
        ("legacy-other-port", [replace(REQUIRED, strength="legacy", implicit_tls_port=8443)]),
    ],
)
def test_plans(name, vservers, host, release):
    check_golden(f"{release}/{name}.diff", as_diff(host, provider(host).plan(vservers).changes))


def test_stock_host(host):
    assert provider(host).read() == {
        ("http", "default"): Vserver("http", strength="", port=80),
    }


@pytest.mark.parametrize(
    "vserver",
    [
        DEFAULT,
        REQUIRED,
        replace(DEFAULT, strength="modern"),
        replace(DEFAULT, strength="legacy", implicit_tls_port=8443),
        replace(DEFAULT, alternative_certificate="second"),
    ],
)
def test_what_is_planned_is_read_and_planned_no_more(vserver, host):
    take(host, vserver)
    assert provider(host).read()["http", "default"] == replace(vserver, port=80)
    assert needed(provider(host).plan([vserver]).changes, host) == []


def test_recorded_host_that_is_secured(release):
    host = NginxHost(release, state="secured")
    assert provider(host).read()["http", "default"] == replace(REQUIRED, port=80)


def test_absent_leaves_nothing(host):
    put(host, SHOP_FILE, SHOP_BLOCK.decode())
    before = dict(host.files)
    take(host, REQUIRED, SHOP)
    assert set(provider(host).read()) == {DEFAULT.key, SHOP.key}
    take(host, replace(REQUIRED, present=False))
    assert SHOP_FILE in host.files
    assert set(provider(host).read()) == {DEFAULT.key, SHOP.key}
    take(host, replace(SHOP, present=False))
    assert host.files == before
    assert needed(provider(host).plan([replace(SHOP, present=False)]).changes, host) == []


def test_named_site_is_left_alone_by_a_call_that_does_not_name_it(host):
    put(host, SHOP_FILE, SHOP_BLOCK.decode())
    take(host, SHOP)
    take(host, DEFAULT)
    found = provider(host).read()
    assert found[SHOP.key] == replace(SHOP, port=80)
    assert found[DEFAULT.key] == replace(DEFAULT, port=80)


def test_site_that_becomes_the_default_one_later(host):
    take(host, REQUIRED)
    put(host, SHOP_FILE, "server { listen 80 default_server; listen [::]:80 default_server; root /shop; }")
    host.files[SITE] = host.files[SITE].replace(b" default_server", b"")
    assert provider(host).read()[DEFAULT.key].certificate == ""
    take(host, REQUIRED)
    assert OURS.encode() not in host.files[SITE]
    assert OURS.encode() in host.files[SHOP_FILE]
    assert provider(host).read()[DEFAULT.key] == replace(REQUIRED, port=80)


def test_site_without_a_listen_line_keeps_port_80(host):
    put(host, SHOP_FILE, "server { server_name shop.example.test; }")
    take(host, SHOP)
    assert b"listen 80;\n" in host.files["/etc/nginx/snippets/postmaster-http-shop.example.test.conf"]
    assert provider(host).read()[SHOP.key] == replace(SHOP, port=80)


def test_addresses_of_a_named_site(host):
    put(host, SHOP_FILE, SHOP_BLOCK.decode())
    shop = replace(SHOP, addresses=("10.0.0.5", "fd00::5"), strength="modern")
    take(host, DEFAULT, shop)
    assert provider(host).read()[SHOP.key] == replace(shop, port=80)
    assert [(one.address, one.port, one.server_name) for one in provider(host).endpoints(shop)] == [
        ("127.0.0.1", 80, "shop.example.test"),
        ("10.0.0.5", 443, "shop.example.test"),
        ("fd00::5", 443, "shop.example.test"),
    ]


def test_host_without_ipv6(host):
    del host.files["/proc/net/if_inet6"]
    take(host, DEFAULT)
    assert b"[::]" not in host.files[OURS]


def test_endpoints(host):
    take(host, DEFAULT)
    assert [(one.address, one.port, one.implicit_tls) for one in provider(host).endpoints(DEFAULT)] == [
        ("127.0.0.1", 80, False),
        ("127.0.0.1", 443, True),
    ]


# ---- headers


def test_headers_of_the_http_block_are_not_lost(host):
    put(host, "/etc/nginx/conf.d/headers.conf", 'add_header X-Frame-Options "DENY" always;\n')
    take(host, REQUIRED)
    assert host.files[OURS].count(b"add_header ") == 2
    assert b'\nadd_header X-Frame-Options "DENY" always;\n' in host.files[OURS]


def test_headers_of_the_site_stay_its_own(host):
    put(host, "/etc/nginx/conf.d/headers.conf", "add_header X-Global 1;\n")
    put(host, SHOP_FILE, "server { listen 80; server_name shop.example.test; add_header X-Own 1; }")
    take(host, SHOP)
    text = host.files["/etc/nginx/snippets/postmaster-http-shop.example.test.conf"]
    assert text.count(b"add_header ") == 1
    assert b"Strict-Transport-Security" in text


def test_own_hsts_of_the_site_is_enough(host):
    put(
        host,
        SHOP_FILE,
        "server { listen 80; server_name shop.example.test; add_header Strict-Transport-Security max-age=1; }",
    )
    take(host, SHOP)
    assert b"add_header" not in host.files["/etc/nginx/snippets/postmaster-http-shop.example.test.conf"]


def test_headers_of_a_part_of_the_site_are_warned_of(host):
    put(
        host,
        SHOP_FILE,
        "server { listen 80; server_name shop.example.test;\nlocation /a {\nadd_header X 1;\nadd_header Y 1; } }",
    )
    (warning,) = take(host, SHOP).warnings
    # line 3 of what the administrator wrote, behind our line
    assert warning.startswith(f"virtual server http/shop.example.test: {SHOP_FILE}:4 sets headers for a part")


# ---- what cannot be done


@pytest.mark.parametrize(
    ("block", "option", "words"),
    [
        ("listen 443 ssl;", f"{SHOP_FILE}:2", "'listen 443 ssl;'"),
        ("ssl_certificate /x;", f"{SHOP_FILE}:2", "'ssl_certificate /x;'"),
        ("ssl_protocols TLSv1.2;", f"{SHOP_FILE}:2", "settings for TLS of its own"),
        ("return 301 https://$host$request_uri;", f"{SHOP_FILE}:2", "only leads elsewhere"),
    ],
)
def test_lines_in_the_way(block, option, words, host):
    put(host, SHOP_FILE, f"server {{ listen 80; server_name shop.example.test;\n{block} }}")
    with pytest.raises(Problem) as caught:
        provider(host).plan([SHOP])
    assert words in caught.value.found
    assert caught.value.option == option
    assert caught.value.subject == SHOP.title


@pytest.mark.parametrize(
    ("vserver", "block", "words"),
    [
        (DEFAULT, "listen 443 ssl default_server;", "port 443 is taken by another server block"),
        (DEFAULT, "listen 443;", "port 443 is taken by another server block"),
        (SHOP, "listen 443 ssl; server_name shop.example.test;", "port 443 is taken by another server block"),
    ],
)
def test_server_blocks_in_the_way(vserver, block, words, host):
    put(host, SHOP_FILE, SHOP_BLOCK.decode())
    put(host, "/etc/nginx/conf.d/tls.conf", f"server {{ {block} }}")
    with pytest.raises(Problem) as caught:
        provider(host).plan([vserver])
    assert words in caught.value.found
    assert caught.value.option == "/etc/nginx/conf.d/tls.conf:1"


@pytest.mark.parametrize(
    ("changed", "option"),
    [
        ({"sni": (NamedCertificate("a.example.test", "a"),)}, "sni"),
        ({"implicit_tls_port": 0}, "implicit_tls_port"),
        ({"port": 0}, "port"),
        ({"port": 8080}, "port"),
        ({"name": "nowhere.example.test"}, "name"),
        ({"name": "*.example.test"}, "name"),
        ({"name": "SHOP.example.test"}, "name"),
    ],
)
def test_what_nginx_has_not(changed, option, host):
    with pytest.raises(Problem) as caught:
        provider(host).plan([replace(DEFAULT, **changed)])
    assert caught.value.option == option


def test_no_site_on_port_80(host):
    host.files[SITE] = b"server { listen 8080; }"
    assert provider(host).read() == {}
    with pytest.raises(Problem, match="no site that answers on port 80"):
        provider(host).plan([DEFAULT])


@pytest.mark.parametrize("auth", ["auth_basic mail;", "location / { auth_basic mail; }"])
def test_passwords_in_clear_text(auth, host):
    put(host, SHOP_FILE, f"server {{ listen 80; server_name shop.example.test; {auth} }}")
    optional = replace(SHOP, require_secure_channel=False)
    with pytest.raises(Problem, match="would take them in clear text"):
        provider(host).plan([optional])
    take(host, SHOP)
    assert b"acme-challenge" not in host.files["/etc/nginx/snippets/postmaster-http-shop.example.test.conf"]
    assert provider(host).read()[SHOP.key] == replace(SHOP, port=80)
    take(host, replace(optional, auth_clear=("BASIC",)))
    assert provider(host).read()[SHOP.key].auth_clear == ("BASIC",)


def test_one_site_under_two_names(host):
    put(host, SHOP_FILE, SHOP_BLOCK.decode().replace("shop.example.test;", "shop.example.test www.shop.example.test;"))
    with pytest.raises(Problem, match=r"the same site as virtual server http/shop\.example\.test"):
        provider(host).plan([SHOP, replace(SHOP, name="www.shop.example.test")])


@pytest.mark.parametrize("first", [DEFAULT, SHOP])
def test_strengths_that_share_a_socket(first, host):
    put(host, SHOP_FILE, SHOP_BLOCK.decode())
    take(host, first)
    other = SHOP if first is DEFAULT else DEFAULT
    with pytest.raises(Problem, match="takes TLS versions and groups for a whole socket") as caught:
        provider(host).plan([replace(other, strength="modern")])
    assert caught.value.option == "strength"


# ---- the line in the site's block

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


# ---- the daemon


@pytest.mark.parametrize(
    ("printed", "version", "known"),
    [("nginx version: nginx/1.22.1", (1, 22, 1), True), ("nginx version: nginx/1.29.0 (Ubuntu)", (1, 29, 0), False)],
)
def test_versions(printed, version, known, host):
    host.answers["nginx -v"] = printed
    found = provider(host).capabilities()
    assert (found.version, found.known) == (version, known)


@pytest.mark.parametrize("printed", ["nginx version: nginx/1.14.2", ""])
def test_too_old_a_version(printed, host):
    host.answers["nginx -v"] = printed
    with pytest.raises(Problem, match="is too old"):
        provider(host).capabilities()


def test_configuration_that_nginx_refuses(host, monkeypatch):
    monkeypatch.setattr(host, "query", lambda _argv: Completed(1, "", "nginx: [emerg] unknown directive\n"))
    with pytest.raises(Problem, match=r"nginx refuses its own configuration .*unknown directive"):
        provider(host).read()


def test_own_test_runs_on_the_mirror(host):
    ran = []

    def run(argv):
        ran.append(argv[0])
        return Completed(int(argv[0] == "nginx"), "", "nginx: [emerg] bad in /mirror/conf.d/x:1\n")

    with pytest.raises(Problem, match=r"bad in /etc/nginx/conf.d/x:1"):
        provider(host).check(run, {"/etc/nginx": "/mirror"})
    assert ran == ["find", "nginx"]


class Machine:
    """A systemd that does as the script says, and the sockets that are open then; none where nginx has ended."""

    def __init__(self, host, monkeypatch, *, alive=True, after_reload="", after_restart="", reload=0, restart=0):
        self.ran: list[str] = []
        self.codes = {"reload": reload, "restart": restart}
        self.sockets = {"reload": after_reload, "restart": after_restart}
        self.alive = alive
        ask = host.query

        def query(argv, **options):
            if argv[0] == "systemctl":
                return Completed(0 if self.alive else 3, "", "")
            if argv[0] == "ss":
                return Completed(0, self.sockets.get(self.ran[-1]) or "", "")
            return ask(argv, **options)

        monkeypatch.setattr(host, "query", query)

    def run(self, argv):
        self.ran.append(argv[1])
        if self.sockets.get(argv[1], "") is None:
            self.alive = False
        if argv[1] == "restart" and self.codes["restart"] == 0:
            self.alive = True
        return Completed(self.codes.get(argv[1], 0), "", "no\n")


OVERLAPPING = (
    'LISTEN 0 511 192.0.2.1:80 0.0.0.0:* users:(("nginx",pid=7,fd=6))\nLISTEN 0 511 [::]:80 [::]:*'
    ' users:(("nginx",pid=7,fd=7))\n'
)
OPEN = "LISTEN 0 511 0.0.0.0:80 0.0.0.0:*\nLISTEN 0 511 [::]:80 [::]:*\n"


@pytest.mark.parametrize(
    ("machine", "ran"),
    [
        ({"after_reload": OPEN}, ["reload"]),
        ({"after_reload": OPEN.replace("0.0.0.0:80", "*:80")}, ["reload"]),
        ({"after_reload": OVERLAPPING, "after_restart": OPEN}, ["reload", "reset-failed", "restart"]),
        ({"after_reload": None, "after_restart": OPEN}, ["reload", "reset-failed", "restart"]),
        ({"after_reload": None, "after_restart": OPEN, "reload": 1}, ["reload", "reset-failed", "restart"]),
        ({"alive": False}, ["reset-failed", "restart"]),
    ],
)
def test_activation(machine, ran, host, monkeypatch):
    monkeypatch.setattr(nginx_module, "_PATIENCE", 0.0)
    found = Machine(host, monkeypatch, **machine)
    provider(host).activate(found.run)
    assert found.ran == ran


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ({"after_reload": OPEN, "reload": 1}, r"goes on as before \(no\)"),
        ({"after_reload": OPEN.splitlines()[1]}, r"goes on as before \(it has not opened \*:80\)"),
        ({"after_reload": OVERLAPPING.replace("nginx", "other")}, r"goes on as before \(it has not opened \*:80\)"),
    ],
)
def test_daemon_that_goes_on_is_not_restarted(machine, words, host, monkeypatch):
    monkeypatch.setattr(nginx_module, "_PATIENCE", 0.0)
    found = Machine(host, monkeypatch, **machine)
    with pytest.raises(Problem, match=words):
        provider(host).activate(found.run)
    assert found.ran == ["reload"]


def test_daemon_that_does_not_come_up(host, monkeypatch):
    found = Machine(host, monkeypatch, alive=False, restart=1)
    with pytest.raises(Problem, match=r"nginx does not start \(no\)"):
        provider(host).activate(found.run)
