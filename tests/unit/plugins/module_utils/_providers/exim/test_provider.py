# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import socket
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    Endpoint,
    NamedCertificate,
    SaslSocket,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import provider as exim_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.expressions import OPTIONS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    LOCALMACROS,
    MAIN_DIRECTORY,
    MAIN_FILE,
    SASL_SOCKET,
    SETTINGS,
    TEMPLATE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.provider import Exim
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS
from ansible_collections.postmaster.secure_channel.tests.support.recorded_exim import EximHost
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    RecordedHost,
    as_diff,
    check_golden,
    recording,
)

RELEASES = ("exim-4.96", "exim-4.98")
FORMS = ("", "split-")
SMTP = Vserver("smtp", certificate="mx.example.test", port=25)
SUBMISSION = Vserver(
    "submission", certificate="sub.example.test", require_secure_channel=True, port=587, implicit_tls_port=465
)
DUAL = replace(
    SUBMISSION,
    alternative_certificate="sub-ec.example.test",
    sni=(
        NamedCertificate("*.example.com", "com.example.test"),
        NamedCertificate("a.example.org", "org.example.test", "o2.example.test"),
    ),
)
PARTNER = Vserver("smtp", "partner", certificate="p.example.test", addresses=("192.0.2.7",), port=2525)
CASES = {
    "smtp": [SMTP],
    "smtp-modern": [replace(SMTP, strength="modern")],
    "smtp-legacy-required": [replace(SMTP, strength="legacy", require_secure_channel=True)],
    "submission": [SUBMISSION],
    "submission-names": [DUAL],
    "submission-starttls-only": [replace(SUBMISSION, implicit_tls_port=0)],
    "submission-implicit-only": [replace(SUBMISSION, port=0)],
    "both": [SMTP, SUBMISSION],
    "partner": [SMTP, PARTNER],
    "own-address": [SMTP, replace(PARTNER, port=25)],
    "all": [SMTP, DUAL, PARTNER, replace(PARTNER, name="open", addresses=(), port=2526)],
}


@pytest.fixture(autouse=True)
def _services(monkeypatch):
    """Every machine that runs tests knows the services that Debian's /etc/services names."""
    monkeypatch.setattr(socket, "getservbyname", lambda name, _protocol: {"smtp": 25, "submission": 587}[name])


@pytest.fixture(params=itertools.product(RELEASES, FORMS), ids="-".join)
def host(request):
    release, form = request.param
    host = EximHost(release)
    host.golden += form
    if form:
        host.files[SETTINGS] = host.files[SETTINGS].replace(b"config='false'", b"config='true'")
    return host


def provider(host):
    return Exim(host, Store(host, STORE))


def apply(host, *vservers):
    """Carry a plan out, and give it."""
    plan = provider(host).plan(vservers)
    host.take(plan.changes)
    return plan


def add(host, path, text):
    host.files[path] = host.files.get(path, b"") + text.encode()


def administrators(host):
    """Where an administrator sets things."""
    return f"{MAIN_DIRECTORY}/000_localmacros" if host.split else LOCALMACROS


def option(host, name):
    return host.understood()[1].get(name, "")


# ---- plans for stock hosts


@pytest.mark.parametrize("case", CASES)
def test_plan_for_a_stock_host(case, host):
    check_golden(f"{host.golden}{case}.diff", as_diff(host, provider(host).plan(CASES[case]).changes))


@pytest.mark.parametrize("case", CASES)
def test_a_second_run_changes_nothing(case, host):
    apply(host, *CASES[case])
    again = provider(host)
    assert needed(again.plan(CASES[case]).changes, host) == []
    found = again.read()
    assert [found[one.key] for one in CASES[case]] == CASES[case]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "before", ["", "# mine\n", "# no end", "MAIN_TLS_ENABLE = yes\ntls_require_ciphers = NORMAL\n"]
)
def test_taken_back_everything_is_as_before(case, before, host):
    if before:
        add(host, administrators(host), before)
    files = dict(host.files)
    stock = provider(host).read()
    apply(host, *CASES[case])
    apply(host, *(replace(one, strength="modern") for one in CASES[case]))
    assert host.files != files
    for one in CASES[case]:
        apply(host, replace(one, present=False))
    assert host.files == files
    assert provider(host).read() == stock


def test_an_empty_file_of_macros_stays(host):
    add(host, LOCALMACROS, "")
    files = dict(host.files)
    apply(host, SMTP)
    apply(host, replace(SMTP, present=False))
    assert host.files == files


def test_what_is_not_there_is_absent_already(host):
    assert list(provider(host).plan([replace(SMTP, present=False), replace(PARTNER, present=False)]).changes) == []


@pytest.mark.parametrize("order", list(itertools.permutations([SMTP, DUAL, PARTNER])))
def test_one_after_the_other_is_the_same_as_all_at_once(order, host):
    once = EximHost(host.golden.split("/")[0])
    once.files = dict(host.files)
    apply(once, *order)
    for one in order:
        apply(host, one)
    assert host.files == once.files


@pytest.mark.parametrize("pair", list(itertools.permutations(STRENGTHS, 2)))
def test_every_change_of_strength_is_whole(pair, host):
    for strength in pair:
        desired = [replace(one, strength=strength) for one in (SMTP, SUBMISSION)]
        apply(host, *desired)
        assert set(provider(host).read().values()) == set(desired)


def _as_recorded(one):
    names = tuple(NamedCertificate(**each) for each in one["sni"])
    return Vserver(**{**one, "sni": names, "addresses": tuple(one["addresses"])})


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("state", ["stock", "secured", "split"])
def test_as_it_was_recorded(release, state):
    # proves the tests' own Exim, and the files that record_exim.py wrote on a real host
    host = EximHost(release)
    if state == "split":
        host.files[SETTINGS] = host.files[SETTINGS].replace(b"config='false'", b"config='true'")
    recorded = recording(release)[state]
    if state != "stock":
        apply(host, *(_as_recorded(one) for one in recording(release)["vservers"]))
    for path, lines in recorded["files"].items():
        assert host.read_text(path).split("\n") == lines
    question = "exim4 -bP disable_ipv6 " + " ".join(OPTIONS)
    assert [line.rstrip() for line in host.query(question.split()).out.split("\n")] == recorded["answers"][question]
    macros = [line for line in recorded["answers"]["exim4 -bP macros"] if line.startswith("POSTMASTER_")]
    assert [line for line in host.query(["exim4", "-bP", "macros"]).out.split("\n") if line in macros] == macros
    real = RecordedHost(release, state=state)
    assert provider(real).read() == provider(host).read()
    assert provider(real)._servers == provider(host)._servers == {}


# ---- reading


def test_stock_host(host):
    found = provider(host).read()
    assert list(found) == [("smtp", "default")]
    stock = found["smtp", "default"]
    assert (stock.certificate, stock.strength, stock.port, stock.auth_clear) == ("", "", 25, ())


def test_foreign_submission_is_seen(host):
    add(host, administrators(host), "daemon_smtp_ports = 25 : submission : 465\ntls_on_connect_ports = 465\n")
    found = provider(host).read()["submission", "default"]
    assert (found.port, found.implicit_tls_port, found.require_secure_channel) == (587, 465, False)


def test_foreign_certificate_is_a_path(host):
    add(host, administrators(host), "MAIN_TLS_ENABLE = yes\nMAIN_TLS_CERTIFICATE = /etc/x.crt\n")
    assert provider(host).read()["smtp", "default"].certificate == "/etc/x.crt"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("MAIN_TLS_CERTIFICATE == /etc/x.crt", "certificate"),
        ("MAIN_ACL_CHECK_MAIL == acl_check_mail", "require_secure_channel"),
    ],
)
def test_what_is_set_after_us_is_noticed(line, field, host):
    desired = replace(SUBMISSION)
    apply(host, desired)
    path = MAIN_FILE if host.split else LOCALMACROS
    add(host, path, line + "\n")
    found = provider(host).read()["submission", "default"]
    assert getattr(found, field) != getattr(desired, field)
    assert replace(found, **{field: getattr(desired, field)}) == desired


def test_configuration_that_exim_refuses(host):
    add(host, administrators(host), "tls_dhparam = 1\ntls_dhparam = 2\n")
    with pytest.raises(Problem, match=r"refuses its own configuration .*second time"):
        provider(host).read()


def test_one_big_file_is_left_alone(host):
    add(host, "/etc/exim4/exim4.conf", "")
    with pytest.raises(Problem, match=r"replaces the configuration"):
        provider(host).plan([SMTP])


@pytest.mark.parametrize(("version", "known"), [("4.94", True), ("4.98.2", True), ("4.99", False), ("5.0", False)])
def test_versions(version, known, host):
    host.answers["exim4 -bV"] = f"Exim version {version} #2 built\nSupport for: GnuTLS DANE\n"
    assert provider(host).capabilities().known is known


@pytest.mark.parametrize(
    "printed", ["Exim version 4.93\nSupport for: GnuTLS\n", "Exim version 4.96\nSupport for: OpenSSL\n"]
)
def test_an_exim_that_will_not_do(printed, host):
    host.answers["exim4 -bV"] = printed
    with pytest.raises(Problem, match=r"(?i)upgrade|install"):
        provider(host).capabilities()


# ---- what the administrator has set


@pytest.mark.parametrize("name", ["tls_require_ciphers", "auth_advertise_hosts", "acl_smtp_mail", "tls_certificate"])
def test_other_ports_keep_what_the_administrator_had_set(name, host):
    line = {
        "tls_require_ciphers": "tls_require_ciphers = SECURE256\n",
        "auth_advertise_hosts": "auth_advertise_hosts = ${if eq{$tls_in_cipher}{}\\\n   {}{*}}\n",
        "acl_smtp_mail": "MAIN_ACL_CHECK_MAIL = acl_of_mine\n",
        "tls_certificate": "MAIN_TLS_ENABLE = yes\nMAIN_TLS_CERTIFICATE = /etc/x.crt\n",
    }[name]
    add(host, administrators(host), line)
    before = option(host, name)
    assert before
    apply(host, SUBMISSION)
    ours = option(host, name)
    assert before in ours
    assert before != ours
    apply(host, replace(SUBMISSION, strength="modern"))
    assert option(host, name).count(before) == ours.count(before)
    assert provider(host).read()["submission", "default"] == replace(SUBMISSION, strength="modern")


@pytest.mark.parametrize("name", ["acl_smtp_vrfy", "acl_smtp_expn", "acl_smtp_etrn"])
def test_what_the_administrator_lets_be_asked_is_refused_in_clear_where_mail_is(name, host):
    before = dict(host.files)
    apply(host, SUBMISSION)
    bare = option(host, name)
    host.files = dict(before)
    add(host, administrators(host), f"{name} = acl_of_mine\n")
    before = dict(host.files)
    apply(host, replace(SUBMISSION, require_secure_channel=False))
    assert (bare, option(host, name)) == ("", "acl_of_mine")
    for _again in range(2):
        apply(host, SUBMISSION)
        ours = option(host, name)
        assert ours.startswith("${if and{{eq{$tls_in_cipher}{}}{eq{${extract{")
        assert ours.endswith("{deny message = Must issue a STARTTLS command first}{acl_of_mine}}")
    apply(host, replace(SUBMISSION, require_secure_channel=False))
    assert option(host, name) == "acl_of_mine"
    apply(host, replace(SUBMISSION, present=False))
    assert host.files == before


def test_other_ports_stay_open(host):
    add(host, administrators(host), "daemon_smtp_ports = smtp : 2500\n")
    apply(host, SUBMISSION)
    assert option(host, "daemon_smtp_ports") == "25 : 465 : 587 : 2500"


def test_addresses_of_debconf_are_kept(host):
    host.files[SETTINGS] = host.files[SETTINGS].replace(b"interfaces=''", b"interfaces='127.0.0.1 ; ::1'")
    host.files[SETTINGS] = host.files[SETTINGS].replace(b"'127.0.0.1 ;", b"'<; 127.0.0.1 ;")
    apply(host, SUBMISSION)
    assert option(host, "local_interfaces") == "<; 127.0.0.1 ; ::1"
    apply(host, PARTNER)
    assert "[192.0.2.7]:2525" in option(host, "local_interfaces")
    assert "[::1]:587" in option(host, "local_interfaces")
    apply(host, replace(PARTNER, present=False))
    assert option(host, "local_interfaces") == "<; 127.0.0.1 ; ::1"


def test_address_that_is_covered_needs_no_listener_of_its_own(host):
    apply(host, SMTP, replace(PARTNER, port=25))
    assert option(host, "local_interfaces") == ""
    assert provider(host).read()["smtp", "partner"] == replace(PARTNER, port=25)


def test_form_that_was_changed_meanwhile(host):
    apply(host, SMTP)
    other = (b"'false'", b"'true'") if not host.split else (b"'true'", b"'false'")
    host.files[SETTINGS] = host.files[SETTINGS].replace(b"config=" + other[0], b"config=" + other[1])
    apply(host, SMTP)
    assert provider(host).read()["smtp", "default"] == SMTP
    apply(host, replace(SMTP, present=False))
    assert MAIN_FILE not in host.files
    assert LOCALMACROS not in host.files


def test_listeners_on_the_command_line_are_named(host):
    add(host, "/etc/default/exim4", "\nSMTPLISTENEROPTIONS='-oX 25:587'\n")
    number = host.read_text("/etc/default/exim4").count("\n")
    assert needed(provider(host).plan([SMTP]).changes, host)  # port 25 is there
    with pytest.raises(Problem, match="-oX") as caught:
        provider(host).plan([SUBMISSION])
    assert caught.value.option == f"/etc/default/exim4:{number}"


@pytest.mark.parametrize("option", ["-DMAIN_TLS_ENABLE", "-DMAIN_TLS_CERTIFICATE=/x", "-bd -D MAIN_TLS_CERTKEY=/x"])
def test_macros_on_the_command_line_are_named(option, host):
    add(host, "/etc/default/exim4", f"\nCOMMONOPTIONS='{option}'\n")
    number = host.read_text("/etc/default/exim4").count("\n")
    with pytest.raises(Problem, match=r"the option -D there defines MAIN_TLS_") as caught:
        provider(host).plan([SMTP])
    assert caught.value.option == f"/etc/default/exim4:{number}"


# ---- macros of the administrator's that are read after ours

BEHIND = {
    "plain": "MAIN_TLS_ENABLE = yes\nMAIN_TLS_CERTIFICATE = /etc/x.crt\nMAIN_TLS_PRIVATEKEY = /etc/x.key\n",
    "redefined": ".ifdef MAIN_TLS_ENABLE\nMAIN_TLS_ENABLE == yes\n.endif\nMAIN_TLS_CERTKEY = /etc/x.crt\n",
    "guarded": ".ifndef MAIN_TLS_ENABLE\nMAIN_TLS_ENABLE = yes\n.endif\nMAIN_ACL_CHECK_MAIL = acl_check_mine\n",
    "continued": "MAIN_TLS_ENABLE = \\\n  yes\nMAIN_TLS_ADVERTISE_HOSTS = \\\n  # mine\n  10.0.0.0/8\n",
}


def put_behind(host, text):
    path = f"{MAIN_DIRECTORY}/01_tls_local" if host.split else TEMPLATE
    host.files[path] = text.encode() + host.files.get(path, b"")


@pytest.mark.parametrize("case", BEHIND)
def test_macros_behind_ours(case, host):
    put_behind(host, BEHIND[case])
    files, stock, before = dict(host.files), provider(host).read(), option(host, "tls_certificate")
    apply(host, SMTP)
    assert provider(host).effective.expected
    assert all(provider(host).effective.ours(name) for name in provider(host).effective.expected)
    assert provider(host).read()["smtp", "default"] == SMTP
    assert provider(host).effective.former("tls_certificate") == before
    assert needed(provider(host).plan([SMTP]).changes, host) == []
    apply(host, replace(SMTP, present=False))
    assert host.files == files
    assert provider(host).read() == stock


@pytest.mark.parametrize("line", ["MAIN_TLS_ENABLE = yes", "tls_certificate = /etc/x.crt"])
def test_included_files_behind_ours_are_named(line, host):
    add(host, "/etc/exim4/local.conf", f"# mine\n{line}\n")
    put_behind(host, ".include /etc/exim4/local.conf\n")
    with pytest.raises(Problem, match=f"'{line}' there comes after this collection's settings") as caught:
        provider(host).plan([SMTP])
    assert caught.value.option == "/etc/exim4/local.conf:2"
    assert administrators(host) in caught.value.remedy


@pytest.mark.parametrize(
    ("priorities", "strength"),
    [
        ("SECURE256:-VERS-ALL:+VERS-TLS1.3", "modern"),
        ("NORMAL:-VERS-TLS-ALL:+VERS-TLS1.3:%SERVER_PRECEDENCE", "modern"),
        ("NONE:+VERS-TLS1.3:+AES-256-GCM", "modern"),
        ("NORMAL:-VERS-TLS1.0:-VERS-TLS1.1:-VERS-TLS1.2", "modern"),
        ("NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", ""),
        ("NORMAL", ""),
    ],
)
def test_tls_1_3_alone_is_the_strength_modern(priorities, strength, host):
    add(host, administrators(host), f"tls_require_ciphers = {priorities}\n")
    found = provider(host).read()["smtp", "default"]
    assert found.strength == strength
    kept = provider(host).never_below(replace(SMTP, left_out=frozenset({"strength"})), found)
    assert kept.strength == (strength or "intermediate")
    apply(host, kept)
    assert provider(host).read()["smtp", "default"].strength == kept.strength


@pytest.mark.parametrize(
    ("lines", "warned"),
    [
        ("auth_advertise_hosts = 10.0.0.0/8\ndaemon_smtp_ports = 25 : 587\n", True),
        ("auth_advertise_hosts =\ndaemon_smtp_ports = 25 : 465\n", True),
        ("auth_advertise_hosts = 10.0.0.0/8\n", False),
        ("daemon_smtp_ports = 25 : 587\n", False),
        ("auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}\ndaemon_smtp_ports = 25 : 587\n", False),
    ],
)
def test_logins_that_are_offered_to_more_clients_are_warned_of(lines, warned, host):
    add(host, administrators(host), lines)
    assert provider(host).plan([SMTP]).warnings == ()
    found = apply(host, SUBMISSION).warnings
    assert ["every client is offered logins inside TLS" in one for one in found] == [True] * warned
    assert provider(host).plan([SUBMISSION]).warnings == ()


# ---- passwords


def test_dovecot_is_asked_for_passwords(host):
    assert apply(host, SUBMISSION).needs == (SaslSocket(SASL_SOCKET, "Debian-exim", "Debian-exim"),)
    assert "postmaster_plain authenticator:" in host.understood()[2]
    assert apply(host, SMTP).needs == (SaslSocket(SASL_SOCKET, "Debian-exim", "Debian-exim"),)


def test_no_passwords_where_there_is_no_submission(host):
    assert apply(host, SMTP).needs == ()
    assert "postmaster_plain" not in host.understood()[2]


def test_authenticators_of_the_administrator_are_used(host):
    lines = "mine:\n  driver = plaintext\n  public_name = PLAIN\n  server_condition = ${if eq{$auth2}{x}}\n"
    if host.split:
        add(host, "/etc/exim4/conf.d/auth/40_mine", lines)
    else:
        add(host, TEMPLATE, lines)
    stock = provider(host).read()["smtp", "default"]
    assert stock.auth_clear == ("PLAIN",)
    assert apply(host, SMTP, SUBMISSION).needs == ()
    assert "postmaster_plain" not in host.understood()[2]
    assert [one.auth_clear for one in provider(host).read().values()] == [(), ()]


def test_light_exim_cannot_ask_dovecot(host):
    host.answers["exim4 -bV"] = host.answers["exim4 -bV"].replace(" dovecot", "")
    with pytest.raises(Problem, match="exim4-daemon-heavy") as caught:
        provider(host).plan([SUBMISSION])
    assert caught.value.subject == "virtual server submission/default"


def test_template_without_authenticators(host):
    host.files[SETTINGS] = host.files[SETTINGS].replace(b"config='true'", b"config='false'")
    host.files[TEMPLATE] = host.files[TEMPLATE].replace(b"begin authenticators", b"begin  nothing")
    with pytest.raises(Problem, match="no line 'begin authenticators'"):
        provider(host).plan([SUBMISSION])


# ---- what cannot be


@pytest.mark.parametrize(
    ("vservers", "option_name"),
    [
        ([replace(PARTNER, name="Ä")], "name"),
        ([PARTNER, replace(PARTNER, name="other")], "port"),
        ([SUBMISSION, replace(PARTNER, port=465)], "port"),
        ([replace(SUBMISSION, port=0, implicit_tls_port=0)], "port"),
    ],
)
def test_refused(vservers, option_name, host):
    with pytest.raises(Problem) as caught:
        provider(host).plan(vservers)
    assert caught.value.option == option_name
    assert caught.value.subject.startswith("virtual server ")


def test_store_whose_path_would_break_the_tables(host):
    with pytest.raises(Problem) as caught:
        Exim(host, Store(host, "/srv/my store")).plan([SMTP])
    assert caught.value.option == "store"


# ---- proving and acting


def test_endpoints(host):
    apply(host, SMTP, SUBMISSION, PARTNER)
    exim = provider(host)
    assert exim.endpoints(replace(SMTP, port=None)) == [Endpoint("127.0.0.1", 25, "smtp", False)]
    assert [(one.port, one.implicit_tls) for one in exim.endpoints(SUBMISSION)] == [(587, False), (465, True)]
    assert exim.endpoints(PARTNER) == [Endpoint("192.0.2.7", 2525, "smtp", False)]


def test_endpoints_at_several_addresses(host):
    several = replace(PARTNER, addresses=("192.0.2.7", "192.0.2.8"))
    apply(host, several)
    found = [(one.address, one.port) for one in provider(host).endpoints(several)]
    assert found == [("192.0.2.7", 2525), ("192.0.2.8", 2525)]


@pytest.mark.parametrize(
    ("hosts", "version"),
    [("*", 1), ("127.0.0.0/8 : 10.0.0.1", 1), ("10.0.0.1", 0), ("", 0), ("<; 2001:db8::/32 ; +relays", 0)],
)
def test_load_balancers(hosts, version, host, monkeypatch):
    apply(host, SMTP)
    shown = {("-bV",): "Support for: PROXY", ("-bP", "hosts_proxy"): f"hosts_proxy = {hosts}"}
    ask = Exim._asked
    monkeypatch.setattr(Exim, "_asked", lambda exim, *words: shown.get(words) or ask(exim, *words))
    assert [one.proxy_protocol for one in provider(host).endpoints(SMTP)] == [version]


class Runs:
    """Notes what is run; programs in ``failing`` fail."""

    def __init__(self, host, *failing):
        self.host, self.failing, self.ran = host, failing, []

    def __call__(self, argv, **_options):
        self.ran.append(" ".join(argv[:2]))
        if self.ran[-1] in self.failing:
            return Completed(1, "", "no\n")
        return self.host.query(argv) if argv[0] == "exim4" else Completed(0, "", "")


@pytest.fixture
def _at_once(monkeypatch):
    monkeypatch.setattr(exim_module, "_SETTLES", 0)
    monkeypatch.setattr(exim_module, "_COMES_UP", 0)


def listening(*places):
    return "".join(f'LISTEN 0 20 {place} 0.0.0.0:* users:(("exim4",pid=1,fd=5))\n' for place in places)


@pytest.mark.usefixtures("_at_once")
def test_a_reload_is_enough(host):
    host.listening = listening("0.0.0.0:25", "[::]:25")
    runs = Runs(host)
    provider(host).activate(runs)
    assert runs.ran == ["systemctl reload"]


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("places", [(), ("0.0.0.0:25",)])
def test_a_daemon_that_does_not_listen_everywhere_is_restarted(places, host):
    host.listening = listening(*places)
    runs = Runs(host)
    exim = provider(host)
    with pytest.raises(Problem, match="does not start"):
        exim.activate(runs)
    assert runs.ran[-3:] == ["systemctl reset-failed", "systemctl restart", "systemctl show"]
    # what waits to listen takes no notice of a reload, so that putting things back takes a restart
    host.listening = listening("0.0.0.0:25", "[::]:25")
    runs.ran.clear()
    exim.restore(runs, {})
    assert runs.ran == ["systemctl reset-failed", "systemctl restart"]


@pytest.mark.parametrize("failing", ["update-exim4.conf --confdir", "exim4 -C"])
def test_what_exim_refuses_is_not_used(failing, host):
    with pytest.raises(Problem, match=r"Exim refuses the configuration \(no\)"):
        provider(host).check(Runs(host, failing), {"/etc/exim4": "/mirror"})
