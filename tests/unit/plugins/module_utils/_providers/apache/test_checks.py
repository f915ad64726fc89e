# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import APACHE, DEFAULT, REQUIRED, SHOP, put


def shop(host, *lines, sockets="*:80", names="ServerName shop.example.test"):
    inside = "".join(f"\t{line}\n" for line in (names, *lines))
    put(host, APACHE.shop_file, f"<VirtualHost {sockets}>\n{inside}</VirtualHost>\n")


def test_default_site_that_becomes_another_one(host):
    APACHE.take(host, REQUIRED)
    put(host, "/etc/apache2/sites-enabled/000-a.conf", "<VirtualHost *:80>\n</VirtualHost>\n")
    assert APACHE.on(host).read()[DEFAULT.key].certificate == ""
    with pytest.raises(Problem, match="and would now be the one at"):
        APACHE.on(host).plan([REQUIRED])
    APACHE.take(host, replace(REQUIRED, present=False))
    APACHE.take(host, REQUIRED)
    assert APACHE.on(host).read()[DEFAULT.key] == replace(REQUIRED, port=80)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("RewriteEngine Off", "keeps the site from redirecting to https"),
    ],
)
def test_lines_in_the_way(line, words, host):
    shop(host, line)
    with pytest.raises(Problem) as caught:
        APACHE.on(host).plan([SHOP])
    assert words in caught.value.found
    assert caught.value.option == f"{APACHE.shop_file}:3"


def test_virtual_host_in_a_macro_of_the_administrators(host, monkeypatch):
    (command,) = (one for one in host.answers if one.startswith("apache2ctl -t"))
    place = 'macro \'mine\' (defined on line 1 of "/x") used on line 9 of "/y":2'
    monkeypatch.setattr(
        host, "query", lambda argv: Completed(0, f"*:80    a ({place})\n", "") if argv[1] == "-t" else 1
    )
    with pytest.raises(Problem, match="made by a macro of your own"):
        APACHE.on(host).plan([DEFAULT])
    assert command


def test_how_a_port_becomes_free(host):
    shop(host)
    tls = APACHE.shop_file.replace("shop", "shop-le-ssl")
    beside = "<VirtualHost *:443>\n\tServerName shop.example.test\n</VirtualHost>\n"
    put(host, tls, beside)
    with pytest.raises(Problem, match=r"Disable that one \('a2dissite shop-le-ssl' and 'systemctl reload apache2"):
        APACHE.on(host).plan([SHOP])
    del host.files[tls]
    host.files[APACHE.shop_file] += beside.encode()  # with both in one file, the site would be gone as a whole
    with pytest.raises(Problem, match=f"Remove that <VirtualHost> section, and leave the others in {APACHE.shop_file}"):
        APACHE.on(host).plan([SHOP])


def test_rule_of_the_whole_server_that_comes_before_the_redirect(host):
    own = "/etc/apache2/sites-enabled/inside.conf"
    rules = "RewriteEngine on\nRewriteCond %{REMOTE_ADDR} ^198\\.51\\.100\\.\nRewriteRule ^ - [END]\n"
    put(host, own, f"{rules}RewriteOptions InheritDownBefore\n")
    shop(host)
    with pytest.raises(Problem) as caught:
        APACHE.on(host).plan([SHOP])
    assert caught.value.option == f"{own}:3"
    APACHE.on(host).plan([replace(SHOP, require_secure_channel=False)])
    shop(host, "RewriteOptions Inherit")
    APACHE.take(host, SHOP)
    shop(host)
    put(host, own, rules)
    APACHE.take(host, SHOP)
