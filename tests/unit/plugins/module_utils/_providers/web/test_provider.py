# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nginx and Apache do in the same way, shown for both."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import NamedCertificate, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web import provider as web_module
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import as_diff, check_golden
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import (
    APACHE,
    DEFAULT,
    MAIN,
    NGINX,
    REQUIRED,
    SHOP,
    put,
)

BOTH = [(server, release) for server in (NGINX, APACHE) for release in server.releases]


@pytest.fixture(params=BOTH, ids=[release for _server, release in BOTH])
def both(request):
    return request.param


@pytest.fixture
def server(both):
    return both[0]


@pytest.fixture
def host(both):
    found = both[0].host(both[1])
    found.files["/proc/net/if_inet6"] = b""
    return found


def refusal(server, host, *vservers):
    with pytest.raises(Problem) as caught:
        server.on(host).plan(vservers)
    assert caught.value.subject == vservers[-1].title
    return caught.value


# ---- planning and reading


@pytest.mark.parametrize(
    ("name", "vserver"),
    [
        ("default", DEFAULT),
        ("required", REQUIRED),
        ("modern-two-keys", replace(REQUIRED, strength="modern", alternative_certificate="mx-rsa")),
        ("legacy-other-port", replace(REQUIRED, strength="legacy", implicit_tls_port=8443)),
    ],
)
def test_plans(name, vserver, host, both):
    check_golden(f"{both[1]}/{name}.diff", as_diff(host, both[0].on(host).plan([vserver]).changes))


def test_stock_host(server, host):
    assert server.on(host).read() == {("http", "default"): Vserver("http", strength="", port=80)}


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
def test_what_is_planned_is_read_and_planned_no_more(vserver, server, host):
    server.take(host, vserver)
    assert server.on(host).read()["http", "default"] == replace(vserver, port=80)
    assert needed(server.on(host).plan([vserver]).changes, host) == []


def test_recorded_host_that_is_secured(both):
    server, release = both
    host = server.host(release, state="secured")
    assert server.on(host).read()["http", "default"] == replace(REQUIRED, port=80)


def test_absent_leaves_nothing(server, host):
    server.put_shop(host)
    before = dict(host.files)
    server.take(host, REQUIRED, SHOP)
    assert set(server.on(host).read()) == {DEFAULT.key, SHOP.key}
    server.take(host, replace(REQUIRED, present=False))
    assert server.on(host).read()[SHOP.key] == replace(SHOP, port=80)
    server.take(host, replace(SHOP, present=False))
    assert host.files == before
    assert needed(server.on(host).plan([replace(SHOP, present=False)]).changes, host) == []


def test_named_site_is_left_alone_by_a_call_that_does_not_name_it(server, host):
    server.put_shop(host)
    server.take(host, SHOP)
    server.take(host, DEFAULT)
    found = server.on(host).read()
    assert found[SHOP.key] == replace(SHOP, port=80)
    assert found[DEFAULT.key] == replace(DEFAULT, port=80)


def test_a_site_with_a_name_is_not_the_default_one_as_well(server, host):
    del host.files[server.stock_site]
    server.put_shop(host)
    server.take(host, SHOP)
    assert set(server.on(host).read()) == {SHOP.key}


def test_endpoints(server, host):
    assert [one.port for one in server.on(host).endpoints(DEFAULT)] == [80]
    assert server.on(host).endpoints(SHOP) == []
    server.take(host, DEFAULT)
    assert [(one.address, one.port, one.implicit_tls) for one in server.on(host).endpoints(DEFAULT)] == [
        ("127.0.0.1", 80, False),
        ("127.0.0.1", 443, True),
    ]


def test_endpoints_at_addresses_of_its_own(server, host):
    server.put_shop(host, sockets="8080")
    shop = replace(SHOP, addresses=("10.0.0.5", "fd00::5"), strength="modern")
    server.take(host, DEFAULT, shop)
    assert server.on(host).read()[SHOP.key] == replace(shop, port=8080)
    found = server.on(host).endpoints(shop)
    assert {one.server_name for one in found} == {SHOP.name}
    assert [(one.address, one.port) for one in found] == [("127.0.0.1", 8080), ("10.0.0.5", 443), ("fd00::5", 443)]


def test_words_that_are_not_utf_8_stay_as_they_are(server, host):
    server.put_shop(host)
    host.files[server.shop_file] += b"# caf\xe9\n"
    before = host.files[server.shop_file]
    server.take(host, SHOP)
    assert b"caf\xe9" in host.files[server.shop_file]
    server.take(host, replace(SHOP, present=False))
    assert host.files[server.shop_file] == before


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        ("shop.example.test www.shop.example.test", ["shop.example.test", "www.shop.example.test"]),
        ("shop.example.test *.shop.example.test", ["shop.example.test", "*.shop.example.test"]),
        ("shop.example.test mx4 localhost", ["shop.example.test", "mx4"]),
        (
            "shop.example.test b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example",
            ["shop.example.test", "xn--bcher-kva.example"],
        ),
        ("shop.example.test 10.1.2.3 a?b.example.test", ["shop.example.test"]),
    ],
)
def test_names_that_clients_ask_for(names, asked, server, host):
    first, _space, others = names.partition(" ")
    if server is APACHE:
        server.put_shop(host, f"ServerAlias {others}", names=first)
    else:
        server.put_shop(host, names=names)
    assert server.on(host).client_names(SHOP) == asked
    server.take(host, SHOP)
    assert server.on(host).client_names(SHOP) == asked


def test_stapling_is_the_administrators_doing(server, host):
    line = "SSLUseStapling" if server is APACHE else "ssl_stapling"
    end = "" if server is APACHE else ";"
    for word, staples in (("on", True), ("off", False)):
        server.put_shop(host, f"{line} {word}{end}")
        assert server.on(host).staples(SHOP) is staples
    assert not server.on(host).staples(DEFAULT)


def test_names_of_nginx_alone():
    host = NGINX.host(NGINX.releases[0])
    NGINX.put_shop(host, names="shop.example.test .example.org ~^www\\d www.example.* _")
    assert NGINX.on(host).client_names(SHOP) == ["shop.example.test", "example.org", "*.example.org"]


def test_no_names_of_the_stock_site(server, host):
    assert server.on(host).client_names(DEFAULT) == []


# ---- never below what stands

NEWEST = {
    NGINX: ["ssl_protocols TLSv1.3;"],
    APACHE: ["SSLProtocol TLSv1.3", "SSLProtocol -all +TLSv1.3", "SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1 -TLSv1.2"],
}
OLDER = {
    NGINX: ["ssl_protocols TLSv1.2 TLSv1.3;"],
    APACHE: ["SSLProtocol all -SSLv3", "<VirtualHost *:8443>\nSSLProtocol TLSv1.3\n</VirtualHost>"],
}


def around(one, line):
    """A host whose administrator has this line outside of all sites."""
    host = one.host(one.releases[0])
    if one is NGINX:
        host.files[MAIN] = re.sub(rb"ssl_protocols[^;]*;|(?<=http \{)", b"", host.files[MAIN])
        host.files[MAIN] = host.files[MAIN].replace(b"http {", f"http {{\n\t{line}".encode(), 1)
    else:
        host.files[APACHE.stock_site] = f"{line}\n".encode() + host.files[APACHE.stock_site]
    return host


@pytest.mark.parametrize(("one", "line"), [(one, line) for one, lines in NEWEST.items() for line in lines])
def test_tls_1_3_alone_is_the_strength_modern(one, line):
    host = around(one, line)
    desired = replace(DEFAULT, left_out=frozenset({"strength"}))
    kept = one.on(host).never_below(desired, one.on(host).read()[DEFAULT.key])
    assert kept.strength == "modern"
    one.take(host, kept)
    assert one.on(host).read()[DEFAULT.key].strength == "modern"
    one.take(host, DEFAULT)  # as is asked for by name
    assert one.on(host).read()[DEFAULT.key].strength == "intermediate"


def test_the_strength_of_another_site_is_not_ones_own(server, host):
    server.put_shop(host)
    server.take(host, replace(SHOP, strength="modern", addresses=("10.0.0.5",)))
    assert server.on(host).read()[DEFAULT.key].strength == ""


@pytest.mark.parametrize(("one", "line"), [(one, line) for one, lines in OLDER.items() for line in lines])
def test_older_versions_are_no_strength(one, line):
    assert one.on(around(one, line)).read()[DEFAULT.key].strength == ""


# ---- what cannot be done


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
def test_what_no_site_has(changed, option, server, host):
    assert refusal(server, host, replace(DEFAULT, **changed)).option == option


def test_no_site_on_port_80(server, host):
    del host.files[server.stock_site]
    assert server.on(host).read() == {}
    found = refusal(server, host, DEFAULT).found
    assert found == f"{server.provider.terms.daemon} has no {server.provider.terms.site} that answers on port 80"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("listen 443 ssl;", "SSLEngine on"), "TLS settings of its own"),
        (("ssl_certificate /x;", 'SSLCertificateFile "/x"'), "TLS settings of its own"),
        (("ssl_protocols TLSv1.2;", "SSLProtocol TLSv1.2"), "TLS settings of its own"),
        (("return 301 https://$host$request_uri;", "Redirect permanent / https://x/"), "the site only redirects"),
    ],
)
def test_lines_in_the_way(lines, words, server, host):
    line = lines[server is APACHE]
    server.put_shop(host, line)
    problem = refusal(server, host, SHOP)
    number = 1 + host.files[server.shop_file].decode().split("\n").index(f"\t{line}")
    assert words in problem.found
    assert problem.option == f"{server.shop_file}:{number}"


@pytest.mark.parametrize("name", ["other.example.test", SHOP.name])
def test_clear_text_that_another_site_serves_at_an_address(name, server, host):
    server.put_shop(host)
    text = server.opening.format("10.0.0.5:80") if server is NGINX else "<VirtualHost 10.0.0.5:80>"
    beside = f"{text}\n\t{server.named.format(name)}\n{server.closing}\n"
    put(host, server.shop_file.replace("shop", "zz-beside"), beside)
    vserver = REQUIRED if name != SHOP.name else SHOP
    problem = refusal(server, host, vserver)
    assert problem.found.startswith(f"clients at 10.0.0.5:80 get another {server.provider.terms.site}, ")
    assert "zz-beside" in problem.option
    server.on(host).plan([replace(vserver, require_secure_channel=False)])


@pytest.mark.parametrize("socket", ["127.0.0.1:80", "10.0.0.5:8080"])
def test_clear_text_that_nobody_gets_instead(socket, server, host):
    text = server.opening.format(socket) if server is NGINX else f"<VirtualHost {socket}>"
    put(host, server.shop_file, f"{text}\n\t{server.named.format('status.example.test')}\n{server.closing}\n")
    server.take(host, REQUIRED)
    assert server.on(host).read()[REQUIRED.key] == replace(REQUIRED, port=80)


@pytest.mark.parametrize(("vserver", "tls"), [(DEFAULT, "443 ssl default_server"), (SHOP, "443 ssl")])
def test_port_that_another_site_has(vserver, tls, server, host):
    server.put_shop(host, sockets=tls if server is NGINX else "443")
    taken = host.files.pop(server.shop_file)
    server.put_shop(host)
    host.files[server.shop_file.replace("shop", "tls")] = taken
    problem = refusal(server, host, vserver)
    assert problem.found.startswith(f"port 443 is taken by another {server.provider.terms.site}, ")
    assert problem.option.startswith(server.shop_file.replace("shop", "tls") + ":")


REWRITE = "RewriteRule ^ https://%{SERVER_NAME}%{REQUEST_URI} [END,NE,R=permanent]"
LOOPS = {
    NGINX: [
        ["rewrite ^ https://$host$request_uri? permanent;"],
        ["rewrite ^/(.*)$ https://shop.example.test/$1 permanent;"],
        ["location / {", "return 302 https://$server_name$request_uri;", "}"],
        ["location /admin {", "return 301 https://$host$request_uri;", "}"],
        ["location / {", "return 301 https://$host;", "}"],
        ["if ($host = shop.example.test) {", "return 301 https://$host$request_uri;", "}"],
        ["if ($http_x_forwarded_proto != https) {", "return 301 https://$http_host$request_uri;", "}"],
        ["if ($scheme = https) {", "return 301 https://$host$request_uri;", "}"],
    ],
    APACHE: [
        ["RewriteEngine on", "RewriteCond %{SERVER_NAME} =shop.example.test", REWRITE],
        ["RewriteEngine on", REWRITE],
        ["RewriteEngine on", "RewriteRule ^/?(.*)$ https://shop.example.test/$1 [R=301,L]"],
        ["RewriteCond %{HTTPS} off [OR]", "RewriteCond %{HTTP_HOST} ^shop", REWRITE],
        ["RewriteCond %{HTTP:X-Forwarded-Proto} !https", REWRITE],
        ["<Location />", "Redirect permanent https://shop.example.test/", "</Location>"],
        ["<Location />", "RedirectPermanent / https://shop.example.test/", "</Location>"],
        ["Redirect permanent /admin https://shop.example.test/admin"],
        ["RedirectMatch permanent ^/(.*)$ https://shop.example.test/$1"],
        ["<IfModule mod_alias.c>", "RedirectMatch 301 ^/(.*)$ https://shop.example.test/$1", "</IfModule>"],
    ],
}
NO_LOOPS = {
    NGINX: [
        ["if ($scheme = http) {", "return 301 https://$host$request_uri;", "}"],
        ['if ($scheme != "https") {', "return 301 https://$host$request_uri;", "}"],
        ["if ($server_port = 80) {", "return 301 https://$host$request_uri;", "}"],
        ["location = /.well-known/carddav {", "return 301 https://$host/dav/;", "}"],
        ["location /old/ {", "rewrite ^/old/(.*)$ https://$host/new/$1 permanent;", "}"],
        ["location /docs {", "return 301 https://docs.example.test$request_uri;", "}"],
        ["error_page 497 https://$host$request_uri;"],
    ],
    APACHE: [
        ["RewriteEngine on", "RewriteCond %{HTTPS} off", REWRITE],
        ["RewriteEngine on", "RewriteCond %{HTTPS} !=on", "RewriteCond %{REQUEST_URI} !^/x", REWRITE],
        ["RewriteEngine on", "RewriteCond %{SERVER_PORT} ^80$", REWRITE],
        ["RewriteEngine on", "RewriteCond %{REQUEST_SCHEME} =http", REWRITE],
        ["<If \"%{HTTPS} != 'on'\">", "Redirect permanent /x https://shop.example.test/x", "</If>"],
        ["Redirect permanent /old https://shop.example.test/new"],
        ["RewriteEngine on", "RewriteRule ^/docs/(.*)$ https://docs.example.test/$1 [R]"],
        ["RewriteEngine on", "RewriteRule ^/(.*)$ /index.php?q=$1 [L]"],
    ],
}


def of_both(some):
    return [
        pytest.param(server, one, id=f"{server.binary}: {' '.join(one)}") for server in some for one in some[server]
    ]


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize(("one", "lines"), of_both(LOOPS))
def test_redirects_that_would_lead_to_themselves(one, lines, required):
    host = one.host(one.releases[0])
    one.put_shop(host, *lines)
    problem = refusal(one, host, replace(SHOP, require_secure_channel=required))
    assert problem.found.startswith(("the site redirects to https by itself", "the site only redirects"))
    assert problem.option.startswith(f"{one.shop_file}:")


@pytest.mark.parametrize(("one", "lines"), of_both(NO_LOOPS))
def test_redirects_that_lead_elsewhere(one, lines):
    host = one.host(one.releases[0])
    one.put_shop(host, *lines)
    one.take(host, SHOP)
    assert one.on(host).read()[SHOP.key] == replace(SHOP, port=80)


@pytest.mark.parametrize("below", [False, True])
def test_passwords_in_clear_text(below, server, host):
    ask = "auth_basic mail;" if server is NGINX else "AuthType Basic"
    around = ("location / {", ask, "}") if server is NGINX else ("<Location />", ask, "</Location>")
    server.put_shop(host, *(around if below else (ask,)))
    optional = replace(SHOP, require_secure_channel=False)
    assert "would take them in clear text" in refusal(server, host, optional).found
    server.take(host, SHOP)
    ours = [content for path, content in host.files.items() if "postmaster-http-" in path]
    assert ours
    assert not any(b"acme-challenge" in content for content in ours)
    assert server.on(host).read()[SHOP.key] == replace(SHOP, port=80)
    server.take(host, replace(optional, auth_clear=("BASIC",)))
    assert server.on(host).read()[SHOP.key].auth_clear == ("BASIC",)


def test_one_site_under_two_names(server, host):
    server.put_shop(host)
    other = "www.shop.example.test"
    names = {NGINX: f"{SHOP.name} {other}", APACHE: f"{SHOP.name}\nServerAlias {other}"}
    server.put_shop(host, names=names[server])
    server.take(host, SHOP)
    problem = refusal(server, host, replace(SHOP, name=other))
    assert "the same site as virtual server http/shop.example.test" in problem.found


# ---- the daemon


@pytest.mark.parametrize(
    ("number", "known"),
    [("{}.{}.0", True), ("99.0.0", False), ("1.2.3", None), ("1" * 5000, None), ("", None)],
)
def test_versions(number, known, server, host):
    daemon = server.provider.terms.daemon
    command = "nginx -v" if server is NGINX else "apache2 -v"
    newest = server.provider.newest
    shown = number.format(*newest) if server is NGINX else number.replace("{}.{}.0", "2.4.38")
    host.answers[command] = f"Server version: {daemon}/{shown} (Debian)"
    if known is None:
        with pytest.raises(Problem, match="is too old"):
            server.on(host).capabilities()
        return
    assert server.on(host).capabilities().known is known


def test_configuration_that_it_refuses(server, host, monkeypatch):
    monkeypatch.setattr(host, "query", lambda _argv: Completed(1, "", "Syntax error\n"))
    with pytest.raises(Problem) as caught:
        server.on(host).read()
    assert caught.value.found == f"{server.provider.terms.daemon} refuses its own configuration (Syntax error)"


def test_own_test_runs_on_the_mirror(server, host):
    ran = []
    root = server.provider.config_directory

    def run(argv):
        ran.append(argv[0])
        return Completed(int(argv[0] == server.binary), "", "bad in /mirror/conf.d/x:1\n")

    with pytest.raises(Problem, match=rf"bad in {root}/conf.d/x:1"):
        server.on(host).check(run, {root: "/mirror"})
    assert ran == ["find", server.binary]


OPEN = "".join(f"LISTEN 0 511 {place} *:*\n" for place in ("*:80", "*:443"))
ANEW = ["reload", "reset-failed", "restart"]


@pytest.mark.parametrize(
    ("after_reload", "after_restart", "codes", "ran", "words"),
    [
        pytest.param(OPEN, "", {}, ["reload"], "", id="takes over its files"),
        pytest.param(None, OPEN, {}, ANEW, "", id="ends"),
        pytest.param(None, OPEN, {"reload": 1}, ANEW, "", id="ends, and says so"),
        pytest.param(OPEN, "", {"reload": 1}, ["reload"], r"goes on as before \(no\)", id="refuses"),
        pytest.param("", "", {}, ["reload"], r"goes on as before \(it has not opened ", id="opens nothing"),
        pytest.param(None, None, {"restart": 1}, [*ANEW, "show"], r"does not start \(no\)", id="does not start"),
    ],
)
def test_activation(after_reload, after_restart, codes, ran, words, server, host, monkeypatch):
    monkeypatch.setattr(web_module, "_PATIENCE", 0.0)
    monkeypatch.setattr(server.provider, "settling", 0.0)
    server.take(host, DEFAULT)
    sockets = {"": OPEN, "reload": after_reload, "reset-failed": None, "restart": after_restart, "show": after_restart}
    done: list[str] = []
    ask = host.query

    def query(argv, **options):
        now = sockets[done[-1] if done else ""]
        if argv[0] == "systemctl":
            return Completed(3 if now is None else 0, "", "")
        return Completed(0, now or "", "") if argv[0] == "ss" else ask(argv, **options)

    def run(argv):
        done.append(argv[1])
        return Completed(codes.get(argv[1], 0), "", "no\n")

    monkeypatch.setattr(host, "query", query)
    if words:
        with pytest.raises(Problem, match=words):
            server.on(host).activate(run)
    else:
        server.on(host).activate(run)
    assert done == ran


# ---- commands for OpenSSL itself

COMMANDS = {
    NGINX: ("/etc/nginx/conf.d/a.conf", "ssl_conf_command {} '{}';"),
    APACHE: ("/etc/apache2/sites-enabled/a.conf", 'SSLOpenSSLConfCmd {} "{}"'),
}


def command(server, host, name, value):
    path, line = COMMANDS[server]
    put(host, path, "# ours\n" + line.format(name, value) + "\n")
    return path


@pytest.mark.parametrize(
    ("only", "name", "value", "strength"),
    [
        (APACHE, "MinProtocol", "TLSv1.1", "intermediate"),
        (APACHE, "minprotocol", "TLSv1.2", "modern"),
        (APACHE, "MinProtocol", "None", "legacy"),
        (NGINX, "Protocol", "ALL,-TLSv1", "intermediate"),
        (NGINX, "Protocol", "-ALL, +TLSv1.1, TLSv1.2", "legacy"),
        (NGINX, "Protocol", "TLSv1.2", "modern"),
        (None, "CipherString", "AES128-SHA", "intermediate"),
        (None, "Ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_SHA256_SHA256", "modern"),
        (NGINX, "Groups", "P-224:X25519", "modern"),
        (NGINX, "Curves", "sect571r1", "intermediate"),
        (None, "Certificate", "/srv/own.pem", "intermediate"),
    ],
)
def test_what_openssl_is_told_to_allow_in_the_place_of_ours_is_refused(only, name, value, strength, server, host):
    host.answers["openssl ciphers -s -tls1_2 AES128-SHA"] = "AES128-SHA\n"
    path = command(server, host, name, value)
    vserver = replace(DEFAULT, strength=strength)
    if only not in (None, server):
        assert server.on(host).plan([vserver]).changes
        return
    found = refusal(server, host, vserver)
    assert found.option == f"{path}:2"
    assert name in found.found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MinProtocol", "TLSv1.2"),
        ("MaxProtocol", "TLSv1.3"),
        ("Protocol", "-TLSv1.2"),
        ("CipherString", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("Ciphersuites", "TLS_AES_256_GCM_SHA384"),
        ("Groups", "P-384:X448:secp521r1"),
        ("Groups", "?X25519MLKEM768:DEFAULT"),
        ("Options", "ServerPreference,PrioritizeChaCha,KTLS"),
        ("SignatureAlgorithms", "ECDSA+SHA384"),
    ],
)
def test_what_openssl_is_told_that_loosens_nothing_stays(name, value, server, host):
    host.answers[f"openssl ciphers -s -tls1_2 {value}"] = f"{value}\n"
    command(server, host, name, value)
    assert server.on(host).plan([DEFAULT]).changes


@pytest.mark.parametrize(
    ("lost", "complaint", "mended"),
    [
        (True, "cannot load certificate {}: no such file", True),
        (True, "/etc/own.conf:1: bad", False),
        (False, "cannot load certificate {}: no such file", False),
        (True, "", False),
    ],
)
def test_a_server_that_is_down_for_want_of_a_copy_of_ours(lost, complaint, mended, server, host, monkeypatch):
    path = "/etc/postmaster/deployed/x/main.pem"
    copies = [FileChange(path, b"key", "root", "root", 0o600, secret=True, summary="a key")] if lost else []
    monkeypatch.setattr(web_module, "lost_copies", lambda *_args: copies)
    ask, said = host.query, complaint.format(path)

    def query(argv, **options):
        if argv[0] == "systemctl":
            return Completed(0, "", "")  # it failed, and is wanted
        return Completed(1 if said else 0, "", said) if "-t" in argv else ask(argv, **options)

    monkeypatch.setattr(host, "query", query)
    provider = server.on(host)
    found, refused = provider.mending(), provider.refused()
    assert (found is not None) is mended
    assert found is None or (found.why, found.changes) == (said, copies)
    assert (refused is not None and said in refused.found) if said else refused is None
