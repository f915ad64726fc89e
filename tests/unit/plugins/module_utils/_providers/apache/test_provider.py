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
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache import (
    provider as apache_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import (
    ports_listened,
    statements,
    vhosts,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import COMMON
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.provider import Apache
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.template import (
    common,
    original_arguments,
    with_macro,
    without_macro,
)
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    as_diff,
    check_golden,
)
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import ApacheHost

RELEASES = ("apache-2.4-debian-12", "apache-2.4-debian-13")
SITE = "/etc/apache2/sites-enabled/000-default.conf"
SHOP_FILE = "/etc/apache2/sites-enabled/shop.conf"
PORTS = "/etc/apache2/ports.conf"
DEFAULT = Vserver("http", certificate="mx.example.test", implicit_tls_port=443)
REQUIRED = replace(DEFAULT, require_secure_channel=True)
SHOP = replace(REQUIRED, name="shop.example.test", certificate="shop.example.test")


@pytest.fixture(params=RELEASES)
def release(request):
    return request.param


@pytest.fixture
def host(release):
    return ApacheHost(release)


def provider(host):
    return Apache(host, Store(host, STORE))


def take(host, *vservers):
    plan = provider(host).plan(vservers)
    host.take(plan.changes)
    return plan


def put(host, path, text):
    host.files[path] = text.encode()


def shop(host, *lines, sockets="*:80", names="ServerName shop.example.test"):
    inside = "".join(f"\t{line}\n" for line in (names, *lines))
    put(host, SHOP_FILE, f"<VirtualHost {sockets}>\n{inside}</VirtualHost>\n")


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
    assert provider(host).read() == {("http", "default"): Vserver("http", strength="", port=80)}


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
    # here Apache itself lists the virtual hosts
    host = ApacheHost(release, state="secured")
    (command,) = (one for one in host.answers if one.startswith("apache2ctl -t"))
    listed = vhosts(host.answers[command])
    assert [(one.address, one.port, one.path, one.line, one.ours, one.first) for one in listed] == [
        ("*", 80, SITE, 1, "default", True),
        ("*", 443, SITE, 1, "default", True),
    ]
    assert provider(host).read()["http", "default"] == replace(REQUIRED, port=80)


def test_absent_leaves_nothing(host):
    shop(host)
    before = dict(host.files)
    take(host, REQUIRED, SHOP)
    assert set(provider(host).read()) == {DEFAULT.key, SHOP.key}
    take(host, replace(REQUIRED, present=False))
    assert provider(host).read()[SHOP.key] == replace(SHOP, port=80)
    assert COMMON in host.files
    take(host, replace(SHOP, present=False))
    assert host.files == before
    assert needed(provider(host).plan([replace(SHOP, present=False)]).changes, host) == []


def test_several_sites_in_one_file(host):
    put(
        host,
        SHOP_FILE,
        "".join(f"<VirtualHost *:80>\nServerName {name}.example.test\n</VirtualHost>\n" for name in ("a", "b", "c")),
    )
    before = dict(host.files)
    some = [
        replace(SHOP, name=f"{name}.example.test", strength=strength)
        for name, strength in (("a", "modern"), ("c", "intermediate"), ("b", "legacy"))
    ]
    take(host, *some)
    assert {key: one.strength for key, one in provider(host).read().items()} == {
        DEFAULT.key: "",
        **{one.key: one.strength for one in some},
    }
    take(host, *(replace(one, present=False) for one in some))
    assert host.files == before


def test_other_names_of_a_site(host):
    shop(host, "ServerAlias www.shop.example.test")
    take(host, replace(SHOP, name="www.shop.example.test"))
    assert provider(host).read()["http", "www.shop.example.test"].certificate == "shop.example.test"
    with pytest.raises(Problem, match=r"the same site as virtual server http/www\.shop\.example\.test"):
        provider(host).plan([SHOP])


def test_addresses_of_a_named_site(host):
    shop(host, sockets="10.0.0.5:80 10.0.0.6:8080")
    found = replace(SHOP, addresses=("10.0.0.5", "fd00::5"))
    take(host, DEFAULT, found)
    assert provider(host).read()[SHOP.key] == replace(found, port=80)
    assert [(one.address, one.port, one.implicit_tls, one.server_name) for one in provider(host).endpoints(found)] == [
        ("10.0.0.5", 80, False, "shop.example.test"),
        ("10.0.0.6", 8080, False, "shop.example.test"),
        ("10.0.0.5", 443, True, "shop.example.test"),
        ("fd00::5", 443, True, "shop.example.test"),
    ]


def test_default_site_that_becomes_another_one(host):
    take(host, REQUIRED)
    put(host, "/etc/apache2/sites-enabled/000-a.conf", "<VirtualHost *:80>\n</VirtualHost>\n")
    assert provider(host).read()[DEFAULT.key].certificate == ""
    with pytest.raises(Problem, match="and would now stand for"):
        provider(host).plan([REQUIRED])
    take(host, replace(REQUIRED, present=False))
    take(host, REQUIRED)
    assert provider(host).read()[DEFAULT.key] == replace(REQUIRED, port=80)


# ---- what Apache listens on


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


def test_ports_that_nobody_else_listens_on():
    text = common(["*:8443", "10.0.0.5:443", "10.0.0.6:443", "10.0.0.5:8443"], {443})
    listen = [line for line in text.split("\n") if "Listen" in line]
    assert listen == ["    Listen 10.0.0.5:443", "    Listen 10.0.0.6:443", "Listen 8443"]
    assert (
        text.index("<IfModule !ssl_module>") < text.index("Listen 10.0.0.5:443") < text.index("LoadModule ssl_module")
    )


def test_port_443_without_debians_own_line(host):
    put(host, PORTS, "Listen 80\n")
    take(host, DEFAULT)
    assert host.files[COMMON].endswith(b"\nListen 443\n")


# ---- what cannot be done


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("SSLEngine on", "settings for TLS of its own"),
        ('SSLCertificateFile "/x y"', "'sslcertificatefile /x y'"),
        ("Redirect permanent / https://shop.example.test/", "only leads elsewhere"),
        ("RewriteEngine Off", "keeps the site from leading clear text to https"),
    ],
)
def test_lines_in_the_way(line, words, host):
    shop(host, line)
    with pytest.raises(Problem) as caught:
        provider(host).plan([SHOP])
    assert words in caught.value.found
    assert caught.value.option == f"{SHOP_FILE}:3"


@pytest.mark.parametrize(("vserver", "named"), [(DEFAULT, "other"), (SHOP, "shop")])
def test_virtual_hosts_in_the_way(vserver, named, host):
    shop(host)
    path = "/etc/apache2/sites-enabled/tls.conf"
    put(host, path, f"<VirtualHost *:443>\nServerName {named}.example.test\nSSLEngine on\n</VirtualHost>\n")
    with pytest.raises(Problem, match="port 443 is taken by another virtual host") as caught:
        provider(host).plan([vserver])
    assert caught.value.option == f"{path}:1"


@pytest.mark.parametrize(
    ("changed", "option"),
    [
        ({"sni": (NamedCertificate("a.example.test", "a"),)}, "sni"),
        ({"implicit_tls_port": 0}, "implicit_tls_port"),
        ({"port": 0}, "port"),
        ({"port": 8080}, "port"),
        ({"name": "nowhere.example.test"}, "name"),
        ({"name": "*.example.test"}, "name"),
    ],
)
def test_what_apache_has_not(changed, option, host):
    with pytest.raises(Problem) as caught:
        provider(host).plan([replace(DEFAULT, **changed)])
    assert caught.value.option == option


def test_no_virtual_host_on_port_80(host):
    del host.files[SITE]
    assert provider(host).read() == {}
    with pytest.raises(Problem, match="no virtual host that answers on port 80"):
        provider(host).plan([DEFAULT])


def test_virtual_host_in_an_unusual_form(host):
    put(host, SITE, "<VirtualHost \\\n *:80>\n</VirtualHost>\n")
    with pytest.raises(Problem, match=r"(not written in the usual form|no virtual host)"):
        provider(host).plan([DEFAULT])


def test_virtual_host_in_a_macro_of_the_administrators(host, monkeypatch):
    (command,) = (one for one in host.answers if one.startswith("apache2ctl -t"))
    place = 'macro \'mine\' (defined on line 1 of "/x") used on line 9 of "/y":2'
    monkeypatch.setattr(
        host, "query", lambda argv: Completed(0, f"*:80    a ({place})\n", "") if argv[1] == "-t" else 1
    )
    with pytest.raises(Problem, match="made by a macro of your own"):
        provider(host).plan([DEFAULT])
    assert command


def test_passwords_in_clear_text(host):
    shop(host, "<Location />", "AuthType Basic", "</Location>")
    optional = replace(SHOP, require_secure_channel=False)
    with pytest.raises(Problem, match="would take them in clear text"):
        provider(host).plan([optional])
    take(host, SHOP)
    assert (
        b"acme-challenge" not in host.files["/etc/apache2/conf-available/postmaster-http-shop.example.test.clear.conf"]
    )
    assert provider(host).read()[SHOP.key] == replace(SHOP, port=80)
    take(host, replace(optional, auth_clear=("BASIC",)))
    assert provider(host).read()[SHOP.key].auth_clear == ("BASIC",)


# ---- the lists of Apache


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


# ---- the daemon


@pytest.mark.parametrize(
    ("printed", "known"), [("Server version: Apache/2.4.68 (Debian)", True), ("Server version: Apache/2.6.0", False)]
)
def test_versions(printed, known, host):
    host.answers["apache2 -v"] = printed
    assert provider(host).capabilities().known is known


def test_too_old_a_version(host):
    host.answers["apache2 -v"] = "Server version: Apache/2.2.22 (Debian)"
    with pytest.raises(Problem, match="is too old"):
        provider(host).capabilities()


def test_configuration_that_apache_refuses(host, monkeypatch):
    monkeypatch.setattr(host, "query", lambda _argv: Completed(1, "", "AH00526: Syntax error\n"))
    with pytest.raises(Problem, match=r"Apache refuses its own configuration .*AH00526"):
        provider(host).read()


def test_own_test_runs_on_the_mirror(host):
    ran = []

    def run(argv):
        ran.append(argv)
        return Completed(int(argv[0] == "apache2ctl"), "", "AH00526: Syntax error on line 1 of /mirror/x\n")

    with pytest.raises(Problem, match=r"line 1 of /etc/apache2/x"):
        provider(host).check(run, {"/etc/apache2": "/mirror"})
    assert ran[1] == ["apache2ctl", "-t", "-d", "/mirror"]


OPEN = "LISTEN 0 511 *:80 *:*\nLISTEN 0 511 *:443 *:*\n"


@pytest.mark.parametrize(
    ("after_reload", "after_restart", "codes", "ran"),
    [
        (OPEN, "", {}, ["reload"]),
        ("LISTEN 0 511 *:80 *:*\n", "", {}, ["reload"]),
        (None, OPEN, {}, ["reload", "reset-failed", "restart"]),
        (None, OPEN, {"reload": 1}, ["reload", "reset-failed", "restart"]),
        (OPEN, "", {"reload": 1}, ["reload"]),
        (None, None, {"restart": 1}, ["reload", "reset-failed", "restart"]),
    ],
)
def test_activation(after_reload, after_restart, codes, ran, host, monkeypatch):
    monkeypatch.setattr(apache_module, "_PATIENCE", 0.05)
    monkeypatch.setattr(apache_module, "_SETTLED", 0.0)
    take(host, DEFAULT)
    sockets = {"": OPEN, "reload": after_reload, "reset-failed": None, "restart": after_restart}
    found: list[str] = []
    ask = host.query

    def query(argv, **options):
        now = sockets[found[-1] if found else ""]
        if argv[0] == "systemctl":
            return Completed(3 if now is None else 0, "", "")
        return Completed(0, now or "", "") if argv[0] == "ss" else ask(argv, **options)

    def run(argv):
        found.append(argv[1])
        return Completed(codes.get(argv[1], 0), "", "no\n")

    monkeypatch.setattr(host, "query", query)
    if after_reload is not None and (codes or after_reload != OPEN):
        with pytest.raises(Problem, match="goes on as before"):
            provider(host).activate(run)
    elif after_restart is None:
        with pytest.raises(Problem, match=r"Apache does not start \(no\)"):
            provider(host).activate(run)
    else:
        provider(host).activate(run)
    assert found == ran
