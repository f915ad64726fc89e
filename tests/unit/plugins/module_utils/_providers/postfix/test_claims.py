# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    claims,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    provider as postfix_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import services
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.provider import Postfix
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    STORE,
    RecordedHost,
)

PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465}
SMTP = Vserver("smtp", certificate="mx", port=25)
SUBMISSION = Vserver("submission", certificate="mx", require_secure_channel=True, port=587, implicit_tls_port=465)
ABSENT = Vserver("submission", present=False)


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request, monkeypatch):
    monkeypatch.setattr(postfix_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))
    monkeypatch.setattr(claims, "has_ipv6", lambda: True)
    monkeypatch.setattr(socket, "getservbyname", lambda name, _protocol: PORTS[name])
    return RecordedHost(request.param)


def listen(host, *names, settings="-o smtpd_tls_security_level=may"):
    host.files[MASTER_CF] += "".join(f"{name} inet n - y - - smtpd {settings}\n" for name in names).encode()


def plan(host, *vservers):
    return Postfix(host, Store(host, STORE)).plan(vservers)


def apply(host, *vservers):
    done = plan(host, *vservers)
    host.take(done.changes)
    again = plan(host, *vservers)
    assert needed(again.changes, host) == []
    assert not again.warnings
    return done


def on(host, *ports):
    """The services on ports, with the level that each sets for itself."""
    return {
        one.name: one.overrides["smtpd_tls_security_level"].value if "smtpd_tls_security_level" in one.overrides else ""
        for one in services(host.read_text(MASTER_CF))
        if one.type == "inet" and any(one.name == name or one.name.endswith(f":{name}") for name in ports)
    }


@pytest.mark.parametrize(
    ("there", "afterwards"),
    [
        (["0.0.0.0:587", "[::]:587"], ["0.0.0.0:587", "[::]:587"]),
        (["0.0.0.0:587"], ["0.0.0.0:587", "[::]:587"]),
        (["[::]:submission"], ["[::]:submission", "0.0.0.0:587"]),
        (["192.0.2.7:587"], ["192.0.2.7:587", "submission"]),
        (["submission", "0.0.0.0:587", "[2001:db8::7]:587"], ["submission", "0.0.0.0:587", "[2001:db8::7]:587"]),
        (["587"], ["587"]),
    ],
)
def test_every_service_on_the_port_is_one_of_the_virtual_server(there, afterwards, host):
    listen(host, *there)
    before = host.files[MASTER_CF]
    assert Postfix(host, Store(host, STORE)).read()[SUBMISSION.key].require_secure_channel is False
    apply(host, SUBMISSION)
    found = on(host, "587", "submission")
    assert sorted(found) == sorted(afterwards)
    assert set(found.values()) == {"encrypt"}
    assert Postfix(host, Store(host, STORE)).read()[SUBMISSION.key] == SUBMISSION
    apply(host, ABSENT)
    assert host.files[MASTER_CF] == before


@pytest.mark.parametrize(
    ("there", "parameters", "afterwards"),
    [
        (["0.0.0.0:465"], {"inet_protocols": "ipv4"}, ["0.0.0.0:465"]),
        (["[::]:smtps"], {"inet_protocols": "ipv6"}, ["[::]:smtps"]),
        (["0.0.0.0:465"], {"inet_interfaces": "192.0.2.7"}, ["0.0.0.0:465", "submissions"]),
        (["0.0.0.0:465"], {"inet_interfaces": "${house}", "house": "all"}, ["0.0.0.0:465", "[::]:465"]),
    ],
)
def test_addresses_that_are_left_are_those_of_inet_interfaces(there, parameters, afterwards, host):
    host.set(MAIN_CF, **parameters)
    listen(host, *there)
    apply(host, SUBMISSION)
    assert sorted(on(host, "465", "smtps", "submissions")) == sorted(afterwards)


def test_host_without_ipv6_is_not_told_to_listen_there(host, monkeypatch):
    monkeypatch.setattr(claims, "has_ipv6", lambda: False)
    listen(host, "0.0.0.0:587")
    apply(host, SUBMISSION)
    assert list(on(host, "587", "submission")) == ["0.0.0.0:587"]


@pytest.mark.parametrize("name", ["0.0.0.0:465", "[::]:smtps", "192.0.2.7:465", "465"])
def test_port_that_is_not_wanted_is_closed_in_every_form(name, host):
    listen(host, name, settings="-o smtpd_tls_wrappermode=yes")
    before = host.files[MASTER_CF]
    apply(host, replace(SUBMISSION, implicit_tls_port=0))
    assert on(host, "465", "smtps", "submissions") == {}
    apply(host, ABSENT)
    assert host.files[MASTER_CF] == before


def test_two_services_in_one_place_do_not_take_turns(host):
    listen(host, "smtps", "465", "submissions")
    before = host.files[MASTER_CF]
    warnings = apply(host, SUBMISSION).warnings
    assert list(on(host, "465", "smtps", "submissions")) == ["submissions"]
    assert [one.partition(":")[2] for one in warnings if "set aside" in one] == [
        f" the service {name} got some of the connections of virtual server submission/default, and is set aside"
        for name in ("smtps", "465")
    ]
    apply(host, ABSENT)
    assert host.files[MASTER_CF] == before


@pytest.mark.parametrize("name", ["localhost:587", "127.0.0.1:submission", "[::1]:465", "127.8.0.1:smtps"])
def test_service_for_the_host_alone_is_named(name, host):
    listen(host, name)
    line = host.files[MASTER_CF].count(b"\n")
    with pytest.raises(Problem, match=rf"line {line} has a service .* for this host\s+alone") as caught:
        plan(host, SUBMISSION)
    assert caught.value.option == f"{MASTER_CF}:{line}"
    # as the remedy says
    port = "1587" if name.endswith(("587", "submission")) else "1465"
    assert f"such as {port}" in caught.value.remedy
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(name.encode(), f"{name.rpartition(':')[0]}:{port}".encode())
    apply(host, SUBMISSION)


def test_service_of_another_kind_is_named(host):
    host.files[MASTER_CF] += b"192.0.2.7:587 inet n n n - 0 spawn user=nobody argv=/bin/cat\n"
    with pytest.raises(Problem, match="runs spawn, not smtpd"):
        plan(host, SUBMISSION)


@pytest.mark.parametrize(
    ("interfaces", "vserver", "warned"),
    [
        ("loopback-only", SMTP, True),
        ("127.0.0.1, ::1", SUBMISSION, True),
        ("$house", SMTP, True),
        ("all", SMTP, False),
        ("127.0.0.1, 192.0.2.7", SMTP, False),
        ("loopback-only", replace(SUBMISSION, name="inside", addresses=("192.0.2.7",)), False),
    ],
)
def test_virtual_server_that_nobody_can_reach_is_named(interfaces, vserver, warned, host):
    host.set(MAIN_CF, inet_interfaces=interfaces, house="localhost, 127.0.0.1")
    found = [one for one in plan(host, vserver).warnings if "can be reached from this host alone" in one]
    assert bool(found) is warned


# ---- port 25, which main.cf governs


@pytest.mark.parametrize("name", ["192.0.2.7:smtp", "0.0.0.0:25", "[::]:25", "localhost:smtp", "smtp"])
def test_setting_of_any_service_on_port_25_that_outranks_ours_is_named(name, host):
    listen(host, name, settings="-o smtpd_tls_security_level=none")
    with pytest.raises(Problem, match=f"{MASTER_CF} line .*'-o smtpd_tls_security_level=none' for the service"):
        plan(host, SMTP)


def test_port_25_of_single_addresses_is_served(host):
    stock = b"\nsmtp      inet  n       -       y"
    assert stock in host.files[MASTER_CF]
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(stock, b"\n192.0.2.7:smtp inet n - y")
    apply(host, SMTP)
    assert Postfix(host, Store(host, STORE)).read()[SMTP.key] == SMTP


def test_virtual_servers_with_a_name_keep_their_addresses(host):
    inside = replace(SUBMISSION, name="inside", addresses=("192.0.2.7",), strength="modern")
    apply(host, SUBMISSION, inside)
    found = Postfix(host, Store(host, STORE)).read()
    assert (found[SUBMISSION.key], found[inside.key]) == (SUBMISSION, inside)
    listen(host, "192.0.2.7:587")
    with pytest.raises(Problem, match=r"a service 192\.0\.2\.7:587 that this collection did not create"):
        plan(host, inside)
