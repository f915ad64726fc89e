# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, FileState
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import imapd_conf, sasl
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import provider as cyrus_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.provider import Cyrus
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    IMAPD_CONF,
    STORE,
    RecordedHost,
    as_diff,
    check_golden,
    imapd_conf_options,
    recording,
)

CYRUS_CONF = "/etc/cyrus.conf"
RELEASES = {"cyrus-3.6": (3, 0), "cyrus-3.10": (3, 5)}  # with the OpenSSL that Debian has beside it
INSTALLED = frozenset({"PLAIN", "LOGIN", "SCRAM-SHA-256", "DIGEST-MD5"})
CERTIFICATE, OTHER = "mx.example.test", "other.example.test"
IMAP = Vserver("imap", certificate=CERTIFICATE, require_secure_channel=True, implicit_tls_port=993)
POP3 = replace(IMAP, protocol="pop3", implicit_tls_port=995)
NNTP = replace(IMAP, protocol="nntp", port=0, implicit_tls_port=563)
INTERNAL = replace(IMAP, name="internal-2", addresses=("127.0.0.1", "::1"), port=1143, implicit_tls_port=1993)
GONE = [replace(one, present=False) for one in (IMAP, POP3, NNTP, INTERNAL)]

CASES = {
    "imap": [IMAP],
    "imap-modern": [replace(IMAP, strength="modern")],
    "imap-optional": [replace(IMAP, require_secure_channel=False)],
    "imap-only-implicit": [replace(IMAP, port=0)],
    "pop3-legacy-two-certificates": [replace(POP3, alternative_certificate=OTHER, strength="legacy")],
    "nntp-starttls-only": [replace(NNTP, port=None, implicit_tls_port=0, require_secure_channel=False)],
    "logins": [
        replace(IMAP, require_secure_channel=False, auth_clear=("SCRAM-SHA-256",), auth_tls=("PLAIN", "SCRAM-SHA-256"))
    ],
    "further": [INTERNAL],
    "all": [IMAP, POP3, NNTP, INTERNAL],
}


@pytest.fixture(params=RELEASES)
def release(request, monkeypatch):
    library = TlsLibrary("OpenSSL", RELEASES[request.param])
    monkeypatch.setattr(cyrus_module, "openssl_library", lambda: library)
    monkeypatch.setattr(sasl, "installed", lambda: INSTALLED)
    for pause in ("_SETTLED", "_PATIENCE", "_PAUSE"):
        monkeypatch.setattr(cyrus_module, pause, 0.0)
    return request.param


def stock(release, state="stock"):
    host = RecordedHost(release, state=state)
    for program in ("imapd", "pop3d", "nntpd", "lmtpd", "timsieved", "notifyd", "httpd"):
        path = f"/usr/lib/cyrus/bin/{program}"
        host.files[path], host.states[path] = b"", FileState("root", "root", 0o755)
    return host


@pytest.fixture
def host(release):
    return stock(release)


def provider(host):
    return Cyrus(host, Store(host, STORE))


def change(host, path, old, new):
    text = host.read_text(path)
    assert old in text
    host.files[path] = text.replace(old, new, 1).encode()


# ---- planning


@pytest.mark.parametrize("case", CASES)
def test_plan_for_a_stock_host(case, host, release):
    check_golden(f"{release}/{case}.diff", as_diff(host, provider(host).plan(CASES[case]).changes))


@pytest.mark.parametrize("case", CASES)
def test_a_plan_is_read_back_changes_nothing_again_and_goes_without_a_trace(case, host):
    before = dict(host.files)
    host.take(provider(host).plan(CASES[case]).changes)
    found = provider(host).read()
    for one in CASES[case]:
        port = one.port if one.port is not None else {"imap": 143, "pop3": 110, "nntp": 119}[one.protocol]
        tls = found[one.key].auth_tls if one.auth_tls is None else one.auth_tls
        assert found[one.key] == replace(one, port=port, auth_tls=tls)
    assert needed(provider(host).plan(CASES[case]).changes, host) == []
    host.take(provider(host).plan([one for one in GONE if one.key in {each.key for each in CASES[case]}]).changes)
    assert host.files == before


def test_one_call_leaves_the_other_virtual_servers_alone(host):
    host.take(provider(host).plan(CASES["all"]).changes)
    before = provider(host).read()
    host.take(provider(host).plan([replace(POP3, strength="modern")]).changes)
    after = provider(host).read()
    assert after.pop(POP3.key).strength == "modern"
    before.pop(POP3.key)
    assert after == before


def test_options_and_services_of_the_administrator_come_back(host):
    change(host, IMAPD_CONF, "allowplaintext: yes\n", "allowplaintext: yes\nIMAP_TLS_versions:  tls1_0 \\\n tls1_3\n")
    change(host, CYRUS_CONF, "\t#imaps\t", "\timaps\t")
    host.files[IMAPD_CONF] = host.files[IMAPD_CONF].rstrip(b"\n")
    before = dict(host.files)
    host.take(provider(host).plan([replace(IMAP, implicit_tls_port=1993)]).changes)
    assert imapd_conf_options(host.read_text(IMAPD_CONF))["imap_tls_versions"] == "tls1_2 tls1_3"
    assert [one.port for one in provider(host).endpoints(IMAP)] == [143, 1993]
    host.take(provider(host).plan([IMAP]).changes)
    assert [one.port for one in provider(host).endpoints(IMAP)] == [143, 993]
    host.take(provider(host).plan(GONE).changes)
    assert host.files == before


def test_an_option_in_an_included_file_makes_way(host):
    extra = "/etc/cyrus-local.conf"
    change(host, IMAPD_CONF, "umask: 077\n", f"umask: 077\n@include: {extra}\n")
    host.files[extra] = b"# ours\nimap_allowplaintext: yes\npopminpoll: 2\n"
    before = dict(host.files)
    host.take(provider(host).plan([IMAP]).changes)
    assert list(imapd_conf_options(host.read_text(extra))) == ["popminpoll"]
    host.take(provider(host).plan(GONE).changes)
    assert host.files == before


def test_a_new_service_listens_where_its_sibling_does(host):
    change(host, CYRUS_CONF, 'listen="imap"', 'listen="[::1]:imap"')
    host.take(provider(host).plan([IMAP]).changes)
    assert provider(host).endpoints(IMAP) == [
        Endpoint("::1", 143, "imap", implicit_tls=False),
        Endpoint("::1", 993, "imap", implicit_tls=True),
    ]


def test_services_that_differ_are_none_of_ours(host):
    host.take(provider(host).plan([IMAP]).changes)
    change(host, IMAPD_CONF, "imaps_tls_versions: tls1_2 tls1_3", "imaps_tls_versions: tls1_0")
    assert provider(host).read()[IMAP.key].strength == ""


# ---- reading


def test_stock_host(host):
    offered = ("DIGEST-MD5", "LOGIN", "PLAIN", "SCRAM-SHA-256")
    assert provider(host).read() == {
        (protocol, "default"): Vserver(protocol, strength="", port=port, auth_clear=offered)
        for protocol, port in (("imap", 143), ("nntp", 119), ("pop3", 110))
    }


@pytest.mark.parametrize("state", ["stock", "secured"])
def test_tests_take_options_for_what_cyrus_shows(state, release):
    host = stock(release, state)
    for command, shown in recording(release)[state]["answers"].items():
        if " -n " in command:
            found = [line.rstrip() for line in host.query(command.split()).out.splitlines()]
            # a duration that is not set is shown as (null) here, and as nothing among the defaults
            assert sorted(found) == sorted(line.removesuffix(" (null)") for line in shown if line)


def test_secured_host_as_it_was_recorded(release):
    vservers = [Vserver(**one) for one in recording(release)["vservers"]]
    found = provider(stock(release, "secured")).read()
    for one in vservers:
        tls = None if one.auth_tls is None else tuple(one.auth_tls)
        assert found[one.key] == replace(one, addresses=(), sni=(), auth_clear=(), auth_tls=tls, server_names=())


@pytest.mark.parametrize(
    ("lines", "required", "offered"),
    [
        ("", False, ("DIGEST-MD5", "LOGIN", "PLAIN", "SCRAM-SHA-256")),
        ("imap_allowplaintext: no\n", False, ("DIGEST-MD5", "SCRAM-SHA-256")),
        ("imap_allowplaintext: 0\nsasl_mech_list: plain\n", True, ()),
        ("imap_allowplaintext: no\nimap_sasl_mech_list: PLAIN, SCRAM-SHA-256\n", False, ("SCRAM-SHA-256",)),
        ("imap_allowplaintext: no\nimap_sasl_minimum_layer: 128\n", False, ("DIGEST-MD5",)),
        ("sasl_mech_list: SCRAM-SHA-256\n", False, ("PLAIN", "SCRAM-SHA-256")),
        ("imap_tls_required: 1\n", False, ()),
        ("imap_tls_required: on\nimap_allowplaintext: f\n", True, ()),
    ],
)
def test_logins_in_clear_text(lines, required, offered, host):
    host.files[IMAPD_CONF] += lines.encode()
    found = provider(host).read()[IMAP.key]
    assert (found.require_secure_channel, found.auth_clear) == (required, offered)


@pytest.mark.parametrize(
    ("printed", "version", "known"),
    [
        ("cyrus-imapd 3.6.1-Debian-3.6.1-4+deb12u4", (3, 6, 1), True),
        ("cyrus-imapd 3.10.2", (3, 10, 2), True),
        ("cyrus-imapd 3.12.0-beta1", (3, 12, 0), False),
    ],
)
def test_versions(printed, version, known, host):
    host.answers["cyrus info version"] = printed
    found = provider(host).capabilities()
    assert (found.version, found.known) == (version, known)
    assert found.key_permissions == ("cyrus", "root", 0o400)


@pytest.mark.parametrize("printed", ["cyrus-imapd 3.4.8", "fatal"])
def test_too_old_a_version(printed, host):
    host.answers["cyrus info version"] = printed
    with pytest.raises(Problem, match="is too old"):
        provider(host).capabilities()


# ---- what cannot be done


@pytest.mark.parametrize(
    ("vserver", "message"),
    [
        (
            replace(INTERNAL, port=143),
            r"imap \(line \d+\) and imapinternal2 \(new\) .* would both listen on 127.0.0.1, port 143",
        ),
        (replace(INTERNAL, addresses=(), port=110, implicit_tls_port=0), "every address, port 110"),
        (replace(NNTP, port=None), "on port 119 Cyrus answers LIST, HEAD, STAT, CHECK and IHAVE in clear text"),
        (replace(NNTP, port=119, implicit_tls_port=0), "on port 119 Cyrus answers LIST"),
        (replace(NNTP, name="second", port=1119), "on port 1119 Cyrus answers LIST"),
        (replace(IMAP, auth_tls=("GSSAPI",)), "has no mechanism GSSAPI"),
        (replace(IMAP, auth_tls=("SOMETHING",)), "has no mechanism SOMETHING"),
        (replace(IMAP, require_secure_channel=False, auth_clear=("PLAIN",)), "single list of mechanisms"),
        (
            replace(IMAP, require_secure_channel=False, auth_clear=("PLAIN",), auth_tls=("PLAIN", "SCRAM-SHA-256")),
            "the same mechanisms before TLS as inside it",
        ),
    ],
)
def test_what_cyrus_cannot_do(vserver, message, host):
    with pytest.raises(Problem, match=message) as refused:
        provider(host).plan([vserver])
    assert refused.value.subject == vserver.title
    assert refused.value.option


@pytest.mark.parametrize(("implicit_tls_port", "also"), [(563, ""), (0, " and leave implicit_tls_port out")])
def test_news_in_clear_text_has_a_remedy(implicit_tls_port, also, host):
    asked = replace(NNTP, port=None, implicit_tls_port=implicit_tls_port)
    with pytest.raises(Problem) as refused:
        provider(host).plan([asked])
    assert f"set port to 0{also}, so that it is served on port 563 alone" in refused.value.remedy
    host.take(provider(host).plan([NNTP]).changes)
    assert provider(host).read()[NNTP.key].require_secure_channel
    provider(host).plan([asked if implicit_tls_port == 563 else NNTP])  # port 119 is closed by now


def test_what_stands_does_not_have_news_refused(host):
    host.files[IMAPD_CONF] += b"tls_required: yes\n"
    change(host, IMAPD_CONF, "allowplaintext: yes\n", "allowplaintext: no\n")
    left_out = frozenset({"require_secure_channel", "strength"})
    for protocol, required in (("imap", True), ("nntp", False)):
        asked = replace(IMAP, protocol=protocol, require_secure_channel=False, left_out=left_out)
        found = provider(host).read()[asked.key]
        assert found.require_secure_channel is required
        assert provider(host).never_below(asked, found).require_secure_channel is required
    asked = replace(NNTP, require_secure_channel=False, left_out=left_out)
    assert provider(host).never_below(asked, None).require_secure_channel


def test_a_protocol_that_is_not_installed(host):
    del host.files["/usr/lib/cyrus/bin/nntpd"]
    with pytest.raises(Problem, match="nntpd is missing") as refused:
        provider(host).plan([NNTP])
    assert "cyrus-nntpd" in refused.value.remedy


def test_other_files_than_the_usual_ones(host):
    host.files["/etc/default/cyrus-imapd"] = b"# CONF=/x\nCONF=/etc/imapd.conf\nMASTERCONF='/srv/cyrus.conf'\n"
    with pytest.raises(Problem, match=r"line 3 has Cyrus read /srv/cyrus\.conf"):
        provider(host).plan([IMAP])


def test_a_service_with_options_of_another_file(host):
    change(host, CYRUS_CONF, 'cmd="imapd -U 30"', 'cmd="imapd -U30 -C /etc/imapd-inside.conf"')
    with pytest.raises(Problem, match="read another file") as refused:
        provider(host).plan([IMAP])
    assert refused.value.option.startswith(f"{CYRUS_CONF}:")


@pytest.mark.parametrize("flags", ["-C /etc/imapd.conf", "-U30 -C/etc/imapd.conf", "-NC /etc/./imapd.conf"])
def test_a_service_that_names_the_usual_file(host, flags):
    change(host, CYRUS_CONF, 'cmd="imapd -U 30"', f'cmd="imapd {flags}"')
    assert provider(host).plan([IMAP]).changes


LOCAL = '\timaplocal cmd="imapd{}" listen="127.0.0.1:1143"\n'


@pytest.mark.parametrize("flags", ["", " -C /etc/imapd.conf", " -C /etc/imapd-local.conf"])
def test_a_service_for_programs_of_this_host_is_left_alone(flags, host):
    change(host, CYRUS_CONF, "\timap\t", LOCAL.format(flags) + "\timap\t")
    for vserver in (IMAP, replace(IMAP, port=143), replace(IMAP, port=0)):
        plan = provider(host).plan([vserver])
        assert any(
            re.search(r"cyrus.conf line \d+: the service imaplocal is for programs", one) for one in plan.warnings
        )
        before = dict(host.files)
        host.take(plan.changes)
        assert LOCAL.format(flags) in host.read_text(CYRUS_CONF)
        assert "imaplocal" not in host.read_text(IMAPD_CONF)
        assert not needed(provider(host).plan([vserver]).changes, host)
        host.take(provider(host).plan(GONE[:1]).changes)
        assert host.files == before


def test_the_only_service_is_no_exception(host):
    change(host, CYRUS_CONF, 'listen="imap"', 'listen="127.0.0.1:1143"')
    host.take(provider(host).plan([IMAP]).changes)
    assert "imap_tls_server_cert" in host.read_text(IMAPD_CONF)


def test_a_service_that_an_older_release_has_changed_stays_ours(host):
    before = dict(host.files)
    change(host, CYRUS_CONF, "\timap\t", LOCAL.format("") + "\timap\t")
    host.files[IMAPD_CONF] = imapd_conf.with_ours(
        host.read_text(IMAPD_CONF), {"imaplocal_tls_server_cert": "/old.pem"}
    ).encode()
    assert not provider(host).plan([IMAP]).warnings
    host.take(provider(host).plan(GONE[:1]).changes)
    assert host.files[IMAPD_CONF] == before[IMAPD_CONF]


def test_services_on_every_address_and_on_one(host):
    change(host, CYRUS_CONF, "\timap\t", '\timaphouse cmd="imapd" listen="192.0.2.1:2143"\n\timap\t')
    host.take(provider(host).plan([IMAP]).changes)
    assert re.findall(r'(?m)^\timaps.*listen="(\S+)"', host.read_text(CYRUS_CONF)) == ["993"]


def test_a_host_whose_options_cyrus_refuses(host, monkeypatch):
    cyrus = provider(host)
    refusal = Completed(78, "", "fatal error: option 'imap_tls_required' was specified twice in config file")
    monkeypatch.setattr(host, "query", lambda _argv, user: refusal if user == "cyrus" else None)
    with pytest.raises(Problem, match="specified twice"):
        cyrus.read()


# ---- the daemon's test


def checked(host, answer=lambda _argv: Completed(0, "", "")):
    mirrors = {IMAPD_CONF: "/mirror/0", CYRUS_CONF: "/mirror/1"}
    for path, mirror in mirrors.items():
        host.files[mirror] = host.files[path]
    asked = []

    def run(argv):
        asked.append(" ".join(argv))
        return answer(argv)

    provider(host).check(run, mirrors)
    return asked


def test_every_service_is_asked_about_its_options(host):
    host.take(provider(host).plan([IMAP]).changes)
    asked = checked(host)
    assert "cyrus info -C /mirror/0 -n imaps conf-lint" in asked
    assert len(asked) == 8


def test_what_the_daemons_test_complains_of(host):
    with pytest.raises(Problem, match=r"refuses the configuration \(fatal error: .* /etc/imapd\.conf"):
        checked(host, lambda _argv: Completed(78, "", "fatal error: twice in /mirror/0"))


def test_an_option_that_the_version_does_not_know(host):
    host.take(provider(host).plan([replace(IMAP, auth_tls=("PLAIN",))]).changes)
    words = "news: 1\nimap_sasl_mech_list: PLAIN\nimaps_tls_versions: tls1_2\nimap_tls_versions: tls1_2 tls1_3\n"
    with pytest.raises(Problem, match="does not support imap_tls_versions"):
        checked(host, lambda argv: Completed(0, words if argv[5] == "imap" else "", ""))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tpop3\t", "\timap\t", "the service imap is defined twice"),
        ("\tpop3\t", "\tpop-3\t", "'pop-3' cannot name a service"),
        ('listen="pop3"', "", "lacks cmd or listen"),
        ('listen="pop3"', 'listen="pop3', "is not of the form"),
        ('listen="pop3"', "listen", "is not of the form"),
        ('cmd="pop3d', 'cmd="pop3proxyd', "pop3proxyd of the service pop3 is not installed"),
    ],
)
def test_what_the_master_would_end_at(old, new, message, host):
    change(host, CYRUS_CONF, old, new)
    with pytest.raises(Problem, match=message) as refused:
        checked(host)
    assert refused.value.option.startswith(f"{CYRUS_CONF}:")


@pytest.mark.parametrize("spoil", [lambda host, path: host.files.pop(path), lambda host, path: host.states.pop(path)])
def test_the_stock_service_without_its_program(spoil, host):
    spoil(host, "/usr/lib/cyrus/bin/httpd")
    with pytest.raises(Problem, match="of the service http is not installed") as refused:
        checked(host)
    assert "cyrus-caldav" in refused.value.remedy


# ---- acting


class Systemd:
    """The unit: what commands do to it, and what is asked of it."""

    def __init__(self, host, monkeypatch, *, active=True, sockets="*:143 *:110 *:119"):
        self.active, self.sockets, self.ran = active, sockets, []
        self.after_hup, self.after_restart = active, True
        self.sockets_after_restart = sockets
        ask = host.query

        def query(argv, **options):
            if argv[0] == "systemctl":
                return Completed(0 if self.active else 3, "", "")
            if argv[0] == "ss":
                return Completed(0, "".join(f"LISTEN 0 32 {one} *:*\n" for one in self.sockets.split()), "")
            return ask(argv, **options)

        monkeypatch.setattr(host, "query", query)

    def run(self, argv):
        self.ran.append(argv[1])
        if argv[0] == "journalctl":
            return Completed(0, "cannot find executable for service 'http'\n", "")
        if argv[1] == "kill":
            self.active = self.after_hup
        if argv[1] == "restart":
            self.active, self.sockets = self.after_restart, self.sockets_after_restart
        return Completed(0, "", "")


def test_a_signal_suffices(host, monkeypatch):
    systemd = Systemd(host, monkeypatch)
    provider(host).activate(systemd.run)
    assert systemd.ran == ["kill"]


def test_started_anew_where_a_socket_is_missing(host, monkeypatch):
    systemd = Systemd(host, monkeypatch, sockets="0.0.0.0:143 [::]:110 127.0.0.1:119")
    provider(host).activate(systemd.run)
    assert systemd.ran == ["kill", "reset-failed", "restart"]


def test_started_anew_where_it_died(host, monkeypatch):
    systemd = Systemd(host, monkeypatch)
    systemd.after_hup = False
    provider(host).activate(systemd.run)
    assert systemd.ran == ["kill", "reset-failed", "restart"]


def test_a_dead_daemon_gets_no_signal_and_what_it_says_is_told(host, monkeypatch):
    systemd = Systemd(host, monkeypatch, active=False)
    systemd.after_restart = False
    with pytest.raises(Problem, match="cannot find executable for service 'http'"):
        provider(host).activate(systemd.run)
    assert systemd.ran[:2] == ["reset-failed", "restart"]
