# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of the administrator's own that override ours. What counts was seen on the wire, on both releases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    NamedCertificate,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    provider as dovecot_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.overrides import conflict
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.parser import Files
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.provider import Dovecot
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    RecordedHost,
)

OLD, NEW = "dovecot-2.3", "dovecot-2.4"
MAIN = "/etc/dovecot/dovecot.conf"
DEBIAN = b"# Debian's\ndict {\n}\n!include conf.d/*.conf\n!include_try local.conf\n"
FIRST, MIDDLE, LAST = "/etc/dovecot/conf.d/05-own.conf", "/etc/dovecot/conf.d/50-own.conf", "/etc/dovecot/local.conf"
ADDRESS, OURS = "192.0.2.7", "192.0.2.1"
IMAP = Vserver("imap", certificate="main", require_secure_channel=True, implicit_tls_port=993)
SECOND = replace(IMAP, name="second", certificate="second", addresses=(OURS,), port=143)
BOTH = [IMAP, SECOND]


@pytest.fixture(params=[OLD, NEW])
def release(request, monkeypatch):
    monkeypatch.setattr(dovecot_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))
    return request.param


@pytest.fixture
def host(release):
    host = RecordedHost(release)
    host.files[MAIN] = DEBIAN
    host.files["/etc/dovecot/conf.d/10-ssl.conf"] = b"ssl = yes\n"
    host.files["/etc/dovecot/conf.d/20-imap.conf"] = b"protocol imap {\n  #mail_max_userip_connections = 10\n}\n"
    return host


def certificate(release):
    return "ssl_cert = </own.pem" if release == OLD else "ssl_server_cert_file = /own.pem"


def within(line, *blocks):
    """A setting in blocks, one in the other."""
    return "\n".join([*(f"{block} {{" for block in blocks), line, *("}" for _block in blocks)]) + "\n"


def refused(host, vservers, path, text):
    """Where the setting is that is said to be in the way; empty where none is."""
    host.files[path] = text.encode()
    store = Store(host, STORE)
    names = {"main": "DNS:main.example.test, DNS:*.any.example.test"}
    for one in vservers:
        host.files[store.live_path(one.certificate)] = one.certificate.encode()
        asked = f"openssl x509 -noout -ext subjectAltName < {one.certificate}"
        host.answers[asked] = names.get(one.certificate, "")
    try:
        Dovecot(host, store).plan(vservers)
    except Problem as exc:
        problem = exc
    else:
        return ""
    assert problem.option.partition(":")[0] in problem.remedy
    assert problem.option in problem.found
    return f"{problem.subject.rpartition('/')[2]} {problem.option}"


def test_debian_s_own_files_override_nothing(host):
    assert refused(host, BOTH, FIRST, "") == ""


@pytest.mark.parametrize(
    ("blocks", "path", "where"),
    [
        # block, file, and virtual server and line that are named by 2.3 and by 2.4
        ((), LAST, ("", "")),
        (("protocol imap",), LAST, ("default 2", "default 2")),
        (("protocol imap",), MIDDLE, ("", "")),
        (("protocol pop3",), LAST, ("", "")),
        (("protocol !pop3",), LAST, ("", "default 2")),
        (("protocol !pop3",), MIDDLE, ("default 2", "default 2")),
        (("protocol !imap",), LAST, ("", "")),
        ((f"local {ADDRESS}",), LAST, ("default 2", "default 2")),
        ((f"local {ADDRESS}",), MIDDLE, ("default 2", "default 2")),
        ((f"local {ADDRESS}",), FIRST, ("default 2", "")),
        ((f"local {ADDRESS}", "protocol imap"), LAST, ("default 3", "default 3")),
        ((f"local {ADDRESS}", "protocol pop3"), LAST, ("", "")),
        (("local 192.0.2.0/29",), LAST, ("default 2", "default 2")),
        (("local 192.0.2.0/29", "protocol imap"), LAST, ("default 3", "default 3")),
        ((f"local {OURS}",), LAST, ("", "")),
        ((f"local {OURS}", "protocol imap"), LAST, ("second 3", "second 3")),
        ((f"local {OURS}", "protocol imap"), FIRST, ("", "second 2")),
        (("remote 198.51.100.0/24",), LAST, ("default 2", "default 2")),
        (("remote 198.51.100.0/24",), FIRST, ("default 2", "")),
        # 2.3 drops those who ask for the name at the address of the second one
        (("local_name other.example.test",), LAST, ("second 2", "")),
        (("local_name other.example.test", "protocol imap"), LAST, ("second 3", "")),
        (("local_name main.example.test",), LAST, ("default 2", "default 2")),
        (("local_name *.example.test",), MIDDLE, ("default 2", "default 2")),
    ],
)
def test_a_block_that_counts_instead_of_ours_is_named(blocks, path, where, release, host):
    found = refused(host, BOTH, path, within(certificate(release), *blocks))
    expected = where[release == NEW].replace(" ", f" {path}:")
    assert found == expected


@pytest.mark.parametrize("path", [FIRST, LAST])
@pytest.mark.parametrize(
    "blocks",
    [
        (f"local {ADDRESS}",),
        (f"local {ADDRESS}", "protocol imap"),
        ("local 192.0.2.0/29",),
        ("local_name main.example.test",),
        ("local_name main.example.test", "protocol imap"),
        ("local_name *.example.test",),
        ("remote 198.51.100.0/24",),
    ],
)
def test_each_way_out_that_is_offered_helps(blocks, path, release, host):
    text = within(certificate(release), *blocks)
    if not refused(host, [IMAP], path, text):
        return  # ours counts
    with pytest.raises(Problem) as caught:
        Dovecot(host, Store(host, STORE)).plan([IMAP])
    kind, _blank, value = blocks[0].partition(" ")
    offered = caught.value.remedy.partition(", or ")[2]
    if offered:
        ways = {
            "local": [IMAP, replace(SECOND, addresses=(value,))],
            "local_name": [replace(IMAP, sni=(NamedCertificate(value, "second"),))],
        }
        assert refused(host, ways[kind], path, text) == ""
    assert refused(host, [IMAP], path, "") == ""  # the first one is to remove it


def test_a_network_is_more_than_the_address_that_another_one_has(host, release):
    text = within(certificate(release), "local 192.0.2.0/29", "protocol imap")
    some = [IMAP, replace(SECOND, addresses=("192.0.2.0",))]
    assert refused(host, some, LAST, text) != ""
    assert "declare" not in refusal(host, some).remedy


def refusal(host, vservers):
    with pytest.raises(Problem) as caught:
        Dovecot(host, Store(host, STORE)).plan(vservers)
    return caught.value


def test_a_name_that_nobody_asks_about_is_left_alone(host, release):
    for path in (FIRST, MIDDLE, LAST):
        assert refused(host, [IMAP], path, within(certificate(release), 'local_name "other.example.test"')) == ""
        del host.files[path]


def test_a_name_that_is_declared_is_not_left_alone(host, release):
    named = replace(IMAP, sni=(NamedCertificate("*.b.example.test", "b"),))
    text = within(certificate(release), "local_name *.b.example.test", "protocol imap")
    assert refused(host, [named], LAST, text) == f"default {LAST}:3"
    asked = replace(IMAP, server_names=("mail.example.test",))
    text = within(certificate(release), "local_name mail.example.test")
    assert refused(host, [asked], LAST, text) == f"default {LAST}:2"


def test_a_wildcard_of_their_own_beside_a_name_of_ours(host, release):
    named = replace(IMAP, sni=(NamedCertificate("x.b.example.test", "b"),))
    text = within(certificate(release), "local_name *.b.example.test", "protocol imap")
    # of two for names, 2.3 lets the first one count, and 2.4 the last one
    assert refused(host, [named], FIRST, text) == ("" if release == NEW else f"default {FIRST}:3")
    del host.files[FIRST]
    assert refused(host, [named], LAST, text) == ("" if release == OLD else f"default {LAST}:3")


def test_a_wildcard_of_ours_beside_a_name_of_ours(host):
    names = (NamedCertificate("*.a.example.test", "a"), NamedCertificate("x.a.example.test", "b"))
    assert refused(host, [replace(IMAP, sni=names)], LAST, "") == ""


@pytest.mark.parametrize(
    "line",
    ["ssl = no", "ssl_min_protocol = TLSv1", "ssl_cipher_list = ALL", "ssl_curve_list = P-521"],
)
def test_every_setting_of_ours_is_looked_for(line, host):
    assert refused(host, [IMAP], LAST, within(f"  {line} # mine", "protocol imap")) == f"default {LAST}:2"


def test_the_same_value_does_no_harm(host):
    assert refused(host, [IMAP], LAST, within("ssl = required", "protocol imap")) == ""


def test_a_later_plain_setting_cannot_reach_into_our_block(host):
    assert refused(host, [IMAP], LAST, "ssl_min_protocol = TLSv1\n") == ""


def test_but_tls_can_be_switched_off_for_all(host):
    assert refused(host, [IMAP], LAST, "\n\nssl = no\n") == f"default {LAST}:3"
    del host.files[LAST]
    assert refused(host, [IMAP], FIRST, "ssl = no\n") == ""  # Debian's own file comes later


def test_later_settings_of_listeners_and_mechanisms_count(host):
    listener = within("port = 0", "service imap-login", "inet_listener imaps")
    assert refused(host, [IMAP], LAST, listener) == f"default {LAST}:3"
    assert refused(host, [IMAP], LAST, "auth_mechanisms = plain\n") == ""  # nobody has asked for any
    chosen = replace(IMAP, auth_tls=("LOGIN", "PLAIN"))
    assert refused(host, [chosen], LAST, "auth_mechanisms = plain\n") == f"default {LAST}:1"


def test_a_second_certificate_that_is_not_asked_for(host, release):
    name = "ssl_alt_cert = <" if release == OLD else "ssl_server_alt_cert_file = "
    assert refused(host, [IMAP], MIDDLE, f"{name}/own.pem\n") == f"default {MIDDLE}:1"
    assert refused(host, [replace(IMAP, alternative_certificate="rsa")], MIDDLE, f"{name}/own.pem\n") == ""


def test_files_within_files(host):
    host.files["/etc/dovecot/conf.d/60.inc"] = b"ssl = no\n"
    assert refused(host, [IMAP], LAST, within("!include conf.d/6*.inc", "protocol imap")) == (
        "default /etc/dovecot/conf.d/60.inc:1"
    )


def test_a_host_name_in_the_place_of_an_address(host, release):
    host.answers["getent ahosts mail.example.test"] = f"{OURS}      STREAM mail.example.test\n{OURS}      DGRAM\n"
    text = within(certificate(release), "local mail.example.test", "protocol imap")
    assert refused(host, [SECOND], LAST, text) == f"second {LAST}:3"


def test_no_key_is_shown(host, release):
    name = "ssl_key" if release == OLD else "ssl_server_key_file"
    host.files[LAST] = within(f"{name} = MIIE", "protocol imap").encode()
    with pytest.raises(Problem) as caught:
        Dovecot(host, Store(host, STORE)).plan([IMAP])
    assert "MIIE" not in caught.value.message
    assert caught.value.option == f"{LAST}:2"


def test_2_3_names_the_place_of_a_conflict_itself(host):
    complaint = "doveconf: Fatal: Conflict in setting ssl found from filter at /etc/dovecot/conf.d/05-own.conf:1"
    assert conflict(complaint, option="x") == "/etc/dovecot/conf.d/05-own.conf:1"
    assert conflict("no such thing", option="x") == "x"


def test_lines_are_read_as_dovecot_reads_them(host):
    host.files["/x/dovecot.conf"] = (
        b'a = "x # y" \n# b = 1\nssl_server {\n  cert_file = /x\n  ssl_server_key_file = /y\n}\n'
        b"c = d \\\n  e # f\n!include g\n"
    )
    host.files["/x/g"] = b"!include dovecot.conf\nservice s {\n inet_listener t {\n  inet_listener_port = 1\n }\n}\n"
    found = [(one.name, one.value, one.place) for one in Files(host, {}).entries("/x/dovecot.conf")][:4]
    assert found == [
        ("a", "x # y", "/x/dovecot.conf:1"),
        ("ssl_server_cert_file", "/x", "/x/dovecot.conf:4"),
        ("ssl_server_key_file", "/y", "/x/dovecot.conf:5"),
        ("c", "d e", "/x/dovecot.conf:7"),
    ]
    last = Files(host, {}).entries("/x/dovecot.conf")[-1]
    assert (last.name, last.value, last.place) == ("service s/inet_listener t/port", "1", "/x/g:4")


TRUSTED = "login_trusted_networks = 127.0.0.1 198.51.100.0/24"
NOT_FOR_IMAP = "protocol imap {\n  login_trusted_networks =\n}\n"


@pytest.mark.parametrize(
    ("blocks", "line"),
    [
        ((), "1"),
        (("protocol imap",), "2"),
        (("protocol !pop3",), "2"),
        (("protocol pop3",), ""),
        (("remote 198.51.100.0/24",), "2"),
        (("remote 198.51.100.0/24", "protocol imap"), "3"),
        ((f"local {ADDRESS}",), "2"),
        ((f"local {ADDRESS}", "protocol imap"), "3"),
        # a client that starts in clear text names nobody
        (("local_name main.example.test",), ""),
    ],
)
def test_networks_whose_clients_may_go_on_in_clear_text_are_named(blocks, line, release, host):
    found = refused(host, [IMAP], FIRST, within(TRUSTED, *blocks))
    assert found == (f"default {FIRST}:{line}" if line and release == OLD else "")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("login_trusted_networks = 127.0.0.0/8, ::1\n", ""),
        ("login_trusted_networks =\n", ""),
        ("login_trusted_networks = 0.0.0.0/0\n", "1"),
        ("login_trusted_networks = ::/0\n", "1"),
        ("login_trusted_networks = proxy.example.test\n", "1"),
        (f"{TRUSTED}\nlogin_trusted_networks =\n", ""),
        (f"login_trusted_networks =\n{TRUSTED}\n", "2"),
        (f"{TRUSTED}\n{NOT_FOR_IMAP}", ""),
        (f"{within(TRUSTED, 'remote 198.51.100.7')}{NOT_FOR_IMAP}", "2"),
        (f"{TRUSTED}\n{within('login_trusted_networks =', 'remote 198.51.100.7')}", "1"),
    ],
)
def test_only_what_counts_and_comes_from_elsewhere_is_refused(text, line, release, host):
    assert refused(host, [IMAP], LAST, text) == (f"default {LAST}:{line}" if line and release == OLD else "")


@pytest.mark.parametrize(
    ("changes", "is_refused"),
    [
        ({}, True),
        ({"require_secure_channel": False}, True),  # passwords in clear text are refused all the same
        ({"require_secure_channel": False, "auth_tls": ("PLAIN",), "auth_clear": ("PLAIN",)}, False),
    ],
)
def test_whoever_asks_for_passwords_in_clear_text_gets_them(changes, is_refused, release, host):
    found = refused(host, [replace(IMAP, **changes)], FIRST, TRUSTED)
    assert bool(found) == (is_refused and release == OLD)
