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
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    NamedCertificate,
    SaslSocket,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    provider as dovecot_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import LANGUAGES
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.doveconf import parse, render
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import DROP_IN
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.provider import Dovecot
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    RecordedHost,
    as_diff,
    check_golden,
    recording,
)

RELEASES = {"dovecot-2.3": (3, 0), "dovecot-2.4": (3, 5)}  # with the OpenSSL that Debian has beside it
CERTIFICATE = "mx.example.test"
IMAP = Vserver("imap", certificate=CERTIFICATE, require_secure_channel=True, implicit_tls_port=993)
POP3 = replace(IMAP, protocol="pop3", implicit_tls_port=995)
SOCKET = SaslSocket("/var/spool/postfix/private/auth", "postfix", "postfix")

CASES = {
    "imap": [IMAP],
    "imap-modern": [replace(IMAP, strength="modern")],
    "imap-legacy": [replace(IMAP, strength="legacy")],
    "imap-optional": [replace(IMAP, require_secure_channel=False)],
    "imap-other-port": [replace(IMAP, implicit_tls_port=10993)],
    "pop3-starttls-only": [replace(POP3, implicit_tls_port=0)],
    "both": [IMAP, POP3],
}


@pytest.fixture(params=RELEASES)
def release(request, monkeypatch):
    library = TlsLibrary("OpenSSL", RELEASES[request.param])
    monkeypatch.setattr(dovecot_module, "openssl_library", lambda: library)
    return request.param


@pytest.fixture
def host(release):
    return RecordedHost(release)


def provider(host):
    return Dovecot(host, Store(host, STORE))


SECOND = replace(IMAP, name="second", certificate="second", addresses=("192.0.2.1", "2001:db8::1"), port=143)
NAMED = replace(
    IMAP,
    alternative_certificate="rsa",
    sni=(NamedCertificate("*.a.example.test", "a"), NamedCertificate("b.example.test", "b", "b-rsa")),
)
SCRAM = replace(
    IMAP,
    require_secure_channel=False,
    auth_clear=("SCRAM-SHA-256",),
    auth_tls=("PLAIN", "SCRAM-SHA-256"),
)
SEVERAL = {
    "imap-names": [NAMED],
    "imap-second": [SECOND],
    "imap-second-with-names": [IMAP, replace(SECOND, sni=(NamedCertificate("b.example.test", "c"),))],
    "imap-second-other-ports": [replace(SECOND, port=1143, implicit_tls_port=1993)],
    "imap-closed": [replace(IMAP, port=0)],
    "imap-mechanisms": [replace(IMAP, auth_tls=("LOGIN", "PLAIN"))],
    "imap-mechanisms-in-clear": [SCRAM],
    "imap-passwords-in-clear": [replace(SCRAM, auth_clear=SCRAM.auth_tls or ())],
}


def recorded(release):
    """The virtual servers as which Dovecot was secured when it was recorded."""
    return [one for one in recording(release)["vservers"] if one["protocol"] in Dovecot.protocols]


@pytest.mark.parametrize("case", SEVERAL)
def test_plan_with_more_than_the_least(case, host, release):
    check_golden(f"{release}/{case}.diff", as_diff(host, provider(host).plan(SEVERAL[case]).changes))


@pytest.mark.parametrize("case", [*CASES, *SEVERAL])
def test_taken_back_everything_is_as_before(case, host):
    before = dict(host.files)
    vservers = CASES.get(case) or SEVERAL[case]
    host.take(provider(host).plan(vservers).changes)
    assert host.files != before
    gone = [Vserver(one.protocol, one.name, present=False) for one in vservers]
    # what Dovecot would say of its other addresses has not been recorded
    host.answers["doveconf -f protocol=imap auth_mechanisms"] = "auth_mechanisms ="
    for one in vservers:
        for address in one.addresses:
            for command, answer in list(host.answers.items()):
                if command.startswith(f"doveconf -f protocol={one.protocol} ssl "):
                    key = command.replace(" ssl ", f" -f local={address} ssl ", 1)
                    host.answers[key.rpartition(" service/")[0]] = answer
    host.take(provider(host).plan(gone).changes)
    assert host.files == before


@pytest.mark.parametrize(
    ("vservers", "option", "words"),
    [
        ([replace(SECOND, port=0)], "port", "cannot be closed at some addresses"),
        ([replace(SECOND, implicit_tls_port=0)], "implicit_tls_port", "cannot be closed at some addresses"),
        ([SCRAM, replace(POP3, auth_tls=("PLAIN",))], "auth_tls", "has others"),
        ([replace(SCRAM, auth_clear=())], "auth_clear", "either all of its mechanisms"),
        ([replace(SCRAM, auth_clear=("PLAIN",))], "auth_clear", "either all of its mechanisms"),
        ([replace(SCRAM, auth_tls=None)], "auth_clear", "either all of its mechanisms"),
    ],
)
def test_what_dovecot_cannot_do(vservers, option, words, host):
    with pytest.raises(Problem, match=words) as caught:
        provider(host).plan(vservers)
    assert caught.value.option == option


@pytest.mark.parametrize("case", CASES)
def test_plan_for_a_stock_host(case, host, release):
    check_golden(f"{release}/{case}.diff", as_diff(host, provider(host).plan(CASES[case]).changes))


def test_offer_for_a_stock_host(host, release):
    check_golden(f"{release}/auth.diff", as_diff(host, provider(host).offer(SOCKET)))


def test_a_second_plan_changes_nothing(host):
    host.take(provider(host).plan(CASES["both"]).changes)
    host.take(provider(host).offer(SOCKET))
    assert needed(provider(host).plan(CASES["both"]).changes, host) == []
    assert needed(provider(host).offer(SOCKET), host) == []


def test_stock_host(host):
    found = provider(host).read()
    assert list(found) == [("imap", "default"), ("pop3", "default")]
    imap = found["imap", "default"]
    assert (imap.certificate, imap.strength) == ("/etc/dovecot/private/dovecot.pem", "")
    assert (imap.port, imap.implicit_tls_port, imap.auth_clear) == (143, 993, ())


def test_secured_host_as_it_was_recorded(release):
    # Dovecot itself, asked after its files had been written, sees what was desired
    found = [one.as_result() for one in provider(RecordedHost(release, state="secured")).read().values()]
    for one, desired in zip(found, recorded(release)):
        assert {key: one[key] for key, value in desired.items() if value is not None} == {
            key: value for key, value in desired.items() if value is not None
        }
    assert len(found) == len(recorded(release))


@pytest.mark.parametrize(
    ("printed", "version", "known", "language"),
    [
        ("2.3.0 (c8b89eb)", (2, 3, 0), True, (2, 3)),
        ("2.4.1-4 (7d8c0e5759)", (2, 4, 1), True, (2, 4)),
        ("2.5.0", (2, 5, 0), False, (2, 4)),
        ("3.0.0", (3, 0, 0), False, (2, 4)),
    ],
)
def test_versions(printed, version, known, language, host):
    host.answers["dovecot --version"] = printed
    dovecot = provider(host)
    assert dovecot.capabilities().version == version
    assert dovecot.capabilities().known is known
    assert dovecot.language is LANGUAGES[language]


@pytest.mark.parametrize("printed", ["2.2.36 (1f10bfa63)", ""])
def test_too_old_a_version(printed, host):
    host.answers["dovecot --version"] = printed
    with pytest.raises(Problem, match="is too old"):
        provider(host).capabilities()


def test_protocol_that_is_not_served(host):
    answer = host.answers["doveconf protocols"]
    host.answers["doveconf protocols"] = answer.replace("pop3 = yes", "pop3 = no").replace(" pop3", " ")
    assert list(provider(host).read()) == [("imap", "default")]
    with pytest.raises(Problem, match=r"Dovecot does not serve pop3 on this host.*dovecot-pop3d") as caught:
        provider(host).plan([POP3])
    assert caught.value.subject == "virtual server pop3/default"


@pytest.mark.parametrize("order", [[NAMED, SECOND], [SECOND, NAMED]])
def test_names_beside_addresses(order, host, release):
    if release == "dovecot-2.3":
        with pytest.raises(Problem, match="both an address and a name have certificates of their own"):
            provider(host).plan(order)
    else:
        paths = [one.path for one in provider(host).plan(order).changes]
        assert paths == sorted(paths)  # for an address the second one's settings count


def test_virtual_server_without_addresses_of_its_own(host):
    with pytest.raises(Problem, match="tells virtual servers of one protocol apart by their addresses"):
        provider(host).plan([replace(IMAP, name="second", port=1143, implicit_tls_port=1993)])


def test_configuration_that_dovecot_refuses(host, monkeypatch):
    monkeypatch.setattr(host, "query", lambda _argv: Completed(89, "", "doveconf: Fatal: Error in line 3\n"))
    with pytest.raises(Problem, match=r"Dovecot refuses its own configuration .*line 3"):
        provider(host).read()


# ---- password checks for another daemon


def test_socket_that_the_administrator_offers_already(host):
    line = f"  unix_listener {SOCKET.path} {{\n    mode = 0666\n  }}\n}}"
    host.answers["doveconf service/auth"] = host.answers["doveconf service/auth"].rstrip().removesuffix("}") + line
    assert provider(host).offer(SOCKET) == ()


def test_own_socket_is_kept_up(release):
    host = RecordedHost(release, state="secured")  # where doveconf shows the socket, since our file offers it
    host.files[DROP_IN.format("auth")] = b"damaged"
    (change,) = needed(provider(host).offer(SOCKET), host)
    assert change.path == DROP_IN.format("auth")


# ---- proving


def test_endpoints(host):
    found = provider(host).endpoints(IMAP)
    assert [(one.address, one.port, one.implicit_tls) for one in found] == [
        ("127.0.0.1", 143, False),
        ("127.0.0.1", 993, True),
    ]
    assert [one.port for one in provider(host).endpoints(replace(IMAP, implicit_tls_port=0))] == [143]


def test_port_that_the_administrator_has_closed(host):
    answer = host.answers["doveconf service/imap-login"]
    host.answers["doveconf service/imap-login"] = answer.replace("port = 143", "port = 0")
    assert [one.port for one in provider(host).endpoints(IMAP)] == [993]


@pytest.mark.parametrize(
    ("listen", "address"),
    [("*, ::", "127.0.0.1"), ("* ::", "127.0.0.1"), ("::", "::1"), ("192.0.2.1, ::1", "192.0.2.1"), ("", "127.0.0.1")],
)
def test_address(listen, address, host):
    host.answers["doveconf listen"] = f"listen = {listen}"
    assert {one.address for one in provider(host).endpoints(IMAP)} == {address}


def test_another_server_has_all_ports_of_its_addresses(host):
    beside = Vserver("imap", "second", addresses=("192.0.2.1",), port=1143, implicit_tls_port=1993)
    other = Vserver("pop3", "third", addresses=("192.0.2.2",))
    assert provider(host).elsewhere(IMAP, [IMAP, beside, other]) == {("192.0.2.1", 143), ("192.0.2.1", 993)}


OWN = '[{"addr_info": [{"local": "192.0.2.1", "scope": "global"}]}]'


@pytest.mark.parametrize(
    ("networks", "source"), [("127.0.0.0/8", "127.0.0.2"), ("10.0.0.0/8 192.0.2.0/24", "192.0.2.1")]
)
def test_load_balancers_in_front_of_a_listener(networks, source, host):
    answer = host.answers["doveconf service/imap-login"]
    host.answers["doveconf service/imap-login"] = answer.replace("port = 143", "haproxy = yes\n    port = 143")
    host.answers["doveconf haproxy_trusted_networks"] = f"haproxy_trusted_networks = {networks}"
    host.answers["ip -j address"] = OWN
    found = provider(host).endpoints(IMAP)
    assert [(one.port, one.proxy_protocol, one.source) for one in found] == [(143, 1, source), (993, 0, "")]


@pytest.mark.parametrize("networks", ["", "10.0.0.0/8"])
def test_load_balancers_none_of_which_this_host_can_be(networks, host):
    answer = host.answers["doveconf service/imap-login"]
    host.answers["doveconf service/imap-login"] = answer.replace("port = 993", "haproxy = yes\n    port = 993")
    host.answers["doveconf haproxy_trusted_networks"] = f"haproxy_trusted_networks = {networks}"
    host.answers["ip -j address"] = OWN
    with pytest.raises(Problem, match="has no address of this host") as caught:
        provider(host).plan([IMAP])
    assert caught.value.option == "haproxy_trusted_networks"


def test_sockets_that_are_not_open(host):
    host.answers["ss -Hltn"] = shown(110, 143, 995)
    assert provider(host).unopened() == [("0.0.0.0", 993)]
    host.answers["ss -Hltn"] += "LISTEN 0 100 [::]:143 [::]:*\n"
    assert provider(host).unopened() == [("0.0.0.0", 993), ("::", 110), ("::", 993), ("::", 995)]
    host.answers["ss -Hltn"] = "LISTEN 0 100 127.0.0.1:143 0.0.0.0:*\n"
    assert ("0.0.0.0", 143) in provider(host).unopened()


# ---- acting


class Machine:
    """Answers programs with an effect; the daemon lives as long as the script says."""

    def __init__(self, alive, reload=0):
        self.alive = list(alive)
        self.reload = reload
        self.sockets = [shown(110, 143, 993, 995)]
        self.ran = []

    def run(self, argv, **_options):
        self.ran.append(" ".join(argv))
        return Completed(self.reload if argv[1] == "reload" else 0, "", "no\n")

    def attach(self, host, monkeypatch):
        ask = host.query

        def query(argv, **options):
            if argv[0] == "ss":
                return Completed(0, self.sockets.pop(0) if len(self.sockets) > 1 else self.sockets[0], "")
            if argv[0] != "systemctl":
                return ask(argv, **options)
            assert argv[1] == "is-active"
            return Completed(0 if (self.alive.pop(0) if len(self.alive) > 1 else self.alive[0]) else 3, "", "")

        monkeypatch.setattr(host, "query", query)


def shown(*ports):
    """Listening sockets as ss(8) shows them, on a host without IPv6."""
    return "".join(f"LISTEN 0 100 0.0.0.0:{port} 0.0.0.0:*\n" for port in ports)


RESTART = ["systemctl reset-failed dovecot.service", "systemctl restart dovecot.service"]


@pytest.mark.parametrize(
    ("alive", "reload", "ran"),
    [
        ([True], 0, ["systemctl reload dovecot.service"]),
        ([True, False, True], 0, ["systemctl reload dovecot.service", *RESTART]),
        ([True], 1, ["systemctl reload dovecot.service", *RESTART]),
        ([False, True], 0, RESTART),
    ],
)
def test_activation(alive, reload, ran, host, monkeypatch):
    machine = Machine(alive, reload)
    machine.attach(host, monkeypatch)
    provider(host).activate(machine.run)
    assert machine.ran == ran


def test_what_could_not_be_opened_at_first_is_tried_again(host, monkeypatch):
    monkeypatch.setattr(dovecot_module, "_PAUSE", 0)
    machine = Machine([True])
    machine.sockets = [shown(110, 143, 993)]
    machine.attach(host, monkeypatch)
    provider(host).activate(machine.run)
    assert machine.ran == ["systemctl reload dovecot.service"] * 2


def test_what_opens_in_a_moment_needs_no_other_reload(host, monkeypatch):
    """Each reload ends logins that have just begun."""
    monkeypatch.setattr(dovecot_module, "_PAUSE", 0)
    machine = Machine([True])
    machine.sockets = [*[shown(110, 143, 993)] * 4, shown(110, 143, 993, 995)]
    machine.attach(host, monkeypatch)
    provider(host).activate(machine.run)
    assert machine.ran == ["systemctl reload dovecot.service"]


def test_nobody_is_told_to_open_a_port_that_is_still_held(host, monkeypatch):
    monkeypatch.setattr(dovecot_module, "_PAUSE", 0)
    machine = Machine([True])
    held = "LISTEN 0 100 192.0.2.1:995 0.0.0.0:*\n"
    machine.sockets = [*[shown(110, 143, 993) + held] * 8, shown(110, 143, 993, 995)]
    machine.attach(host, monkeypatch)
    provider(host).activate(machine.run)
    assert machine.ran == ["systemctl reload dovecot.service"]


def test_what_stays_closed_is_for_the_proof_to_judge(host, monkeypatch):
    monkeypatch.setattr(dovecot_module, "_PAUSE", 0)
    machine = Machine([True])
    machine.sockets = [shown(110, 143, 995)]
    machine.attach(host, monkeypatch)
    provider(host).activate(machine.run)
    assert machine.ran == ["systemctl reload dovecot.service"] * 2


def test_daemon_that_does_not_come_up(host, monkeypatch):
    machine = Machine([False])
    machine.attach(host, monkeypatch)
    with pytest.raises(Problem, match=r"Dovecot does not start \(no\)"):
        provider(host).activate(machine.run)


def test_own_test_runs_on_the_mirror_and_its_complaint_names_the_real_file(host):
    def run(argv):
        assert argv == ["doveconf", "-c", "/mirror/dovecot.conf", "-x", "-n"]
        return Completed(89, "", "doveconf: Fatal: Error in configuration file /mirror/conf.d/x line 1\n")

    with pytest.raises(Problem, match=r"file /etc/dovecot/conf.d/x line 1"):
        provider(host).check(run, {"/etc/dovecot": "/mirror"})


# ---- the language

WORDS = st.text(st.sampled_from("abz_0 /"), min_size=1, max_size=6).map(str.strip).filter(bool)
SETTINGS = st.recursive(
    st.dictionaries(WORDS, WORDS, max_size=3),
    lambda below: st.dictionaries(WORDS, st.one_of(WORDS, below), max_size=3),
    max_leaves=6,
)


@given(SETTINGS)
def test_what_is_rendered_is_read_again(settings):
    assert parse(render(settings)) == settings


def test_values_may_hold_braces_and_equals():
    assert parse("mail_home = /home/%{user | username}\nx = a = {b}\n# c = d\n\nnonsense\n") == {
        "mail_home": "/home/%{user | username}",
        "x": "a = {b}",
    }
