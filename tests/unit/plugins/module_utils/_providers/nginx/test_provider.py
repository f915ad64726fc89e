# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web import provider as web_module
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import DEFAULT, NGINX, SHOP


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
    monkeypatch.setattr(web_module, "_PATIENCE", 0.0)
    found = Machine(host, monkeypatch, **machine)
    NGINX.on(host).activate(found.run)
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
    monkeypatch.setattr(web_module, "_PATIENCE", 0.0)
    found = Machine(host, monkeypatch, **machine)
    with pytest.raises(Problem, match=words):
        NGINX.on(host).activate(found.run)
    assert found.ran == ["reload"]


def test_no_ipv6_for_a_site_that_has_none(host):
    host.files["/proc/net/if_inet6"] = b""
    known = '{"local": "10.0.0.1", "scope": "global"}, {"local": "fd88::11", "scope": "global"}'
    host.answers["ip -j address"] = f'[{{"addr_info": [{known}]}}]'
    NGINX.put_shop(host)
    NGINX.take(host, SHOP, DEFAULT)
    found = NGINX.on(host)
    assert found.elsewhere(SHOP, []) == {("::1", 80), ("fd88::11", 80)}
    assert found.elsewhere(DEFAULT, []) == set()
