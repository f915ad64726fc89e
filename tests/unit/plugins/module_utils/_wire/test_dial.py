# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import dial
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import connect
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dial import other_local_address
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.authorities import NAME
from ansible_collections.postmaster.secure_channel.tests.support.no_more_files import no_more_files
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import serving, smtp


def test_nothing_listens():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", held.getsockname()[1], "imap", False)
        with pytest.raises(WireError) as caught:
            handshake(endpoint, trust=None)
    assert (caught.value.code, caught.value.text) == ("refused", "the connection was refused by 127.0.0.1")


def test_a_limit_of_this_process_is_no_fault_of_the_server():
    with no_more_files(), pytest.raises(OSError, match="Too many open files"):
        connect(Endpoint("127.0.0.1", 25, "smtp", False))


@pytest.mark.parametrize("name", ["nowhere.invalid", "a" * 64 + ".test", "no\x00name", ""])
def test_a_name_without_an_address(name, monkeypatch):
    def unknown(host, *_args, **_kwargs):
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(WireError) as caught:
        connect(Endpoint(name, 25, "smtp", False))
    assert caught.value.code == "resolve"


def test_one_dead_address_does_not_stop_the_others(good_tls, monkeypatch):
    with serving(smtp(good_tls)) as server, socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.3", 0))
        other.bind(("127.0.0.4", 0))
        addresses = [one.getsockname(), other.getsockname(), ("127.0.0.1", server.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
        with connect(Endpoint(NAME, server.port, "smtp", False)) as stream:
            assert stream.address == "127.0.0.1"
        del found[-1]
        with pytest.raises(WireError) as caught:
            connect(Endpoint(NAME, server.port, "smtp", False))
    assert caught.value.text == "the connection was refused by 127.0.0.3; the connection was refused by 127.0.0.4"


def test_an_address_that_swallows_everything(monkeypatch):
    def swallow(_self, _address):
        raise socket.timeout("timed out")

    monkeypatch.setattr(socket.socket, "connect", swallow)
    with pytest.raises(WireError) as caught:
        connect(Endpoint("127.0.0.1", 25, "smtp", False))
    assert (caught.value.code, caught.value.text) == ("unreachable", "no answer in time from 127.0.0.1")


def test_a_server_on_this_host_is_spoken_to_from_another_address(good_tls):
    with serving(smtp(good_tls)) as server:
        session = handshake(at(server, "smtp"), trust=None)
        assert session.source == "127.0.0.2"
        chosen = handshake(at(server, "smtp"), trust=None, source="127.0.0.9")
        assert chosen.source == "127.0.0.9"
        assert server.heard[0] == "EHLO [127.0.0.2]"


def test_the_own_address_is_used_where_there_is_no_other(good_tls, monkeypatch):
    monkeypatch.setattr(dial, "other_local_address", lambda _address: "")
    with serving(smtp(good_tls)) as server:
        assert handshake(at(server, "smtp"), trust=None).source == "127.0.0.1"
        found = clear_text(at(server, "smtp"))
    assert found.refused is False
    assert "the server's own address" in found.evidence


def test_the_own_address_is_used_where_the_other_leads_nowhere(good_tls, monkeypatch):
    monkeypatch.setattr(dial, "other_local_address", lambda _address: "192.0.2.1")
    with serving(smtp(good_tls)) as server:
        assert handshake(at(server, "smtp"), trust=None).source == "127.0.0.1"


def test_other_local_addresses(tmp_path, monkeypatch):
    table = tmp_path / "if_inet6"
    monkeypatch.setattr(dial, "_IPV6_ADDRESSES", str(table))
    assert other_local_address("192.0.2.7") == "127.0.0.2"
    assert other_local_address("127.0.0.2") == "127.0.0.3"
    assert other_local_address("2001:db8::7") == "::1"
    assert other_local_address("fe80::1%eth0") == "::1"
    assert other_local_address("::1") == ""
    table.write_text(
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fe800000000000000000000000000001 02 40 20 80     eth0\n"
        "20010db8000000000000000000000007 02 40 00 80     eth0\n"
    )
    assert other_local_address("::1") == "2001:db8::7"


def test_ipv6(good_tls):
    try:
        with serving(smtp(good_tls), "::1") as server:
            session = handshake(at(server, "smtp", address="::1"), trust=None, source="::1")
            assert (session.address, session.source) == ("::1", "::1")
            assert server.heard[0] == "EHLO [IPv6:::1]"
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize("source", ["192.0.2.1", "not-an-address", "127.0.0.300"])
def test_a_source_that_this_host_does_not_have(source, good_tls):
    with serving(smtp(good_tls)) as server, pytest.raises(Problem) as caught:
        handshake(at(server, "smtp"), trust=None, source=source)
    assert caught.value.option == "source"


def test_the_endpoints_own_source(good_tls):
    with serving(smtp(good_tls)) as server:
        endpoint = replace(at(server, "smtp"), source="127.0.0.9")
        assert handshake(endpoint, trust=None).source == "127.0.0.9"
        assert handshake(endpoint, trust=None, source="127.0.0.8").source == "127.0.0.8"


def test_a_source_of_another_family(good_tls):
    with serving(smtp(good_tls)) as server, pytest.raises(WireError) as caught:
        handshake(at(server, "smtp"), trust=None, source="::1")
    assert caught.value.code == "resolve"


WITHOUT_IPV4 = """
import socket
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dial import connect_stream
server = socket.create_server(("::1", 0), family=socket.AF_INET6)
with connect_stream("127.0.0.1", server.getsockname()[1], timeout=5.0):
    print("connected")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a network namespace of its own")
def test_host_with_ipv6_alone():
    script = 'ip link set lo up; ip addr del 127.0.0.1/8 dev lo; exec "$0" -c "$WITHOUT_IPV4"'
    done = subprocess.run(
        ["unshare", "--net", "sh", "-e", "-c", script, sys.executable],
        env={**os.environ, "WITHOUT_IPV4": WITHOUT_IPV4, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "connected\n", done.stderr
