# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening, listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Down
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.provider_selection import (
    choose,
    names_by_port,
    refuse_foreign_addresses,
    refuse_taken_sockets,
)

# what ss(8) of Debian 12 and 13 prints
PRINTED = """\
LISTEN 0      100          0.0.0.0:25        0.0.0.0:*    users:(("smtpd",pid=9,fd=6),("master",pid=7,fd=13))
LISTEN 0      100             [::]:993          [::]:*    users:(("dovecot",pid=5,fd=36))
LISTEN 0      511                *:80              *:*    users:(("nginx",pid=3,fd=6),("nginx",pid=4,fd=6))
LISTEN 0      128        127.0.0.1:53        0.0.0.0:*
"""


def printing(text) -> Any:
    return SimpleNamespace(query=lambda _argv: Completed(0, text, ""))


def test_names_by_port():
    sockets = list(listening(printing(PRINTED), processes=True))
    assert [sorted(one.pids) for one in sockets] == [[7, 9], [5], [3, 4], []]
    assert names_by_port(sockets) == {25: {"smtpd", "master"}, 993: {"dovecot"}, 80: {"nginx"}, 53: set()}


def daemon(name, protocols, *, alive=True) -> Any:
    return SimpleNamespace(
        name=name,
        protocols=frozenset(protocols),
        processes=frozenset({name}),
        packages={one: f"{name}-{one}" for one in protocols},
        running=lambda: alive,
        refused=lambda: None,
        remedy_where_down=lambda: f"start {name}",
        refuse_halted=lambda: None,
        unit=f"{name}.service",
        holds=lambda socket: name in socket.processes and 66 not in socket.pids,
    )


POSTFIX, EXIM = daemon("postfix", ["smtp", "submission"]), daemon("exim", ["smtp"])
DOVECOT, CYRUS = daemon("dovecot", ["imap"]), daemon("cyrus", ["imap"], alive=False)
KNOWN = (POSTFIX, EXIM, DOVECOT, CYRUS)
IMAP, SMTP = Vserver("imap"), Vserver("smtp")


def chosen(vserver, *installed, listening=None):
    return choose(vserver, {one.name: one for one in installed}, KNOWN, listening or {}).name


def test_the_only_one():
    assert chosen(IMAP, POSTFIX, DOVECOT) == "dovecot"


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_the_one_that_listens(name):
    assert chosen(SMTP, POSTFIX, EXIM, listening={25: {name}}) == name


def test_the_one_that_runs():
    assert chosen(IMAP, DOVECOT, CYRUS) == "dovecot"


def test_the_one_that_is_named():
    assert chosen(Vserver("smtp", provider="exim"), POSTFIX, EXIM, listening={25: {"postfix"}}) == "exim"


@pytest.mark.parametrize(
    ("vserver", "installed", "option", "words"),
    [
        (SMTP, (DOVECOT,), "protocol", "apt install postfix-smtp for postfix or exim-smtp for exim"),
        (Vserver("smtp", provider="exim"), (POSTFIX,), "protocol", r"apt install exim-smtp for exim\)"),
        (Vserver("imap", provider="exim"), (POSTFIX, EXIM), "provider", "exim does not serve imap"),
        (SMTP, (POSTFIX, EXIM), "provider", "postfix and exim could both serve smtp"),
        (IMAP, (CYRUS,), "protocol", "cyrus is installed but does not run"),
    ],
)
def test_none_can_be_chosen(vserver, installed, option, words):
    with pytest.raises(Problem, match=words) as caught:
        chosen(vserver, *installed)
    assert (caught.value.subject, caught.value.option) == (vserver.title, option)


def test_what_a_daemon_that_is_down_has_against_its_files_is_said():
    refused = Problem("cyrus refuses its own configuration (bad)", "mend it, then run again", option="/etc/c:7")
    one = SimpleNamespace(**{**vars(CYRUS), "refused": lambda: refused})
    with pytest.raises(Down, match="does not run: cyrus refuses its own configuration") as caught:
        chosen(IMAP, one)
    assert caught.value.option == "/etc/c:7"
    assert caught.value.remedy == "mend it; then start cyrus"


def test_addresses():
    refuse_foreign_addresses([Vserver("imap", "x", addresses=("127.0.0.1",))])
    with pytest.raises(Problem, match=r"192\.0\.2\.1 is not an address of this host") as caught:
        refuse_foreign_addresses([Vserver("imap", "x", addresses=("127.0.0.1", "192.0.2.1"))])
    assert (caught.value.subject, caught.value.option) == ("virtual server imap/x", "addresses")


DEFAULT = Vserver("imap", port=143, implicit_tls_port=993)


def held(place, *processes, pid=5):
    return Listening(place, frozenset(processes), frozenset([pid] if processes else []))


OURS = (held("0.0.0.0:143", "dovecot"), held("[::]:143", "dovecot"), held("*:993", "dovecot"))


def refuse(*desired, before=(DEFAULT,), sockets=(), shown=""):
    found = {one.key: one for one in before}
    refuse_taken_sockets({"dovecot": desired}, {"dovecot": found}, {"dovecot": DOVECOT}, sockets, printing(shown))


@pytest.mark.parametrize(
    "desired",
    [
        [DEFAULT],
        [Vserver("imap", implicit_tls_port=993)],
        [DEFAULT, Vserver("imap", "x", addresses=("192.0.2.1",), port=143, implicit_tls_port=993)],
        [Vserver("imap", "x", port=1143, implicit_tls_port=1993)],
        [Vserver("imap", present=False), Vserver("imap", "x", port=143, implicit_tls_port=993)],
        [Vserver("http", implicit_tls_port=443), Vserver("http", "a.test", implicit_tls_port=443)],
    ],
)
def test_sockets_that_are_free(desired):
    refuse(*desired, sockets=OURS)


@pytest.mark.parametrize(
    ("desired", "option"),
    [
        ([DEFAULT, Vserver("imap", "x", port=143)], "port"),
        ([Vserver("imap", "x", port=1143, implicit_tls_port=993)], "port"),
        ([Vserver("imap", one, addresses=("192.0.2.1",), port=143) for one in "xy"], "addresses"),
    ],
)
def test_two_on_one_socket(desired, option):
    with pytest.raises(Problem, match="would both listen on") as caught:
        refuse(*desired)
    assert caught.value.option == option


@pytest.mark.parametrize(
    ("socket", "found"),
    [
        (held("0.0.0.0:1993", "nginx"), "0.0.0.0:1993 is in use by nginx (process 5)"),
        (held("[::]:143", "haproxy"), "[::]:143 is in use by haproxy (process 5)"),
        (held("127.0.0.1:143", "stunnel4"), "127.0.0.1:143 is in use by stunnel4 (process 5)"),
        (
            held("0.0.0.0:143", "dovecot", pid=66),
            "0.0.0.0:143 is in use by dovecot (process 66), which does not belong to dovecot.service",
        ),
        (
            held("0.0.0.0:143"),
            "0.0.0.0:143 is in use by a process that cannot be seen from here, as of a container in the host's network",
        ),
        (held("*:993", "systemd"), "*:993 is in use by systemd (tunnel.socket)"),
    ],
)
def test_somebody_else_on_a_port_of_ours(socket, found):
    vserver = replace(DEFAULT, implicit_tls_port=1993) if socket.port == 1993 else DEFAULT
    with pytest.raises(Problem) as caught:
        refuse(vserver, sockets=(*OURS, socket), shown="[::]:993 tunnel.socket tunnel.service\n")
    assert caught.value.found == found
    assert caught.value.option == ("port" if socket.port == 143 else "implicit_tls_port")


def test_somebody_else_where_a_server_that_does_not_exist_yet_would_listen():
    with pytest.raises(Problem, match="in use by haproxy"):
        refuse(Vserver("imap"), before=(), sockets=[held("127.0.0.1:143", "haproxy")])


def test_somebody_else_at_another_address():
    further = Vserver("imap", "x", addresses=("192.0.2.1",), port=143, implicit_tls_port=993)
    elsewhere = held("192.0.2.2:143", "haproxy")
    refuse(further, before=(), sockets=[elsewhere])
    for place in ("192.0.2.1:143", "0.0.0.0:143", "*:143"):
        with pytest.raises(Problem, match="in use by haproxy"):
            refuse(further, before=(), sockets=[elsewhere, held(place, "haproxy")])
