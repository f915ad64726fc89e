# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import re
import socket
from dataclasses import replace

import pytest

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
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    master_cf,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    provider as postfix_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lines import split_words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import services
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.provider import Postfix
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.services import port_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    STORE,
    RecordedHost,
    as_diff,
    check_golden,
    main_cf_settings,
    recording,
)

RELEASES = {"postfix-3.7": (3, 0), "postfix-3.10": (3, 5)}  # with the OpenSSL that Debian has beside it
ORIGINALS = f"{STORE}/originals/postfix.json"
PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465}
CERTIFICATE = "mx.example.test"
BUNDLE = f"{STORE}/deployed/postfix/{CERTIFICATE}.pem"
SMTP = Vserver("smtp", certificate=CERTIFICATE, port=25)
SUBMISSION = Vserver(
    "submission", certificate=CERTIFICATE, require_secure_channel=True, port=587, implicit_tls_port=465
)

CASES = {
    "smtp-intermediate": [SMTP],
    "smtp-modern": [replace(SMTP, strength="modern")],
    "smtp-legacy": [replace(SMTP, strength="legacy")],
    "smtp-required": [replace(SMTP, require_secure_channel=True)],
    "submission": [SUBMISSION],
    "submission-modern": [replace(SUBMISSION, strength="modern")],
    "submission-starttls-only": [replace(SUBMISSION, implicit_tls_port=0)],
    "submission-other-port": [replace(SUBMISSION, implicit_tls_port=1465)],
    "both": [SMTP, SUBMISSION],
}


@pytest.fixture(autouse=True)
def _debian_services(monkeypatch):
    """Every machine that runs tests knows the services that Debian's /etc/services names."""

    def getservbyname(name, _protocol):
        if name not in PORTS:
            raise OSError("service/proto not found")
        return PORTS[name]

    monkeypatch.setattr(socket, "getservbyname", getservbyname)


@pytest.fixture(params=RELEASES)
def release(request, monkeypatch):
    library = TlsLibrary("OpenSSL", RELEASES[request.param])
    monkeypatch.setattr(postfix_module, "openssl_library", lambda: library)
    return request.param


@pytest.fixture
def host(release):
    return RecordedHost(release)


def provider(host):
    return Postfix(host, Store(host, STORE))


def apply(host, *vservers):
    """Carry a plan out, and give it."""
    plan = provider(host).plan(vservers)
    host.take(plan.changes)
    return plan


def service_at(host, port):
    found = [one for one in services(host.read_text(MASTER_CF)) if one.type == "inet" and port_of(one.name) == port]
    return found[-1] if found else None


def overrides_at(host, port):
    return {name: one.value for name, one in service_at(host, port).overrides.items()}


# ---- plans for stock hosts


@pytest.mark.parametrize("case", CASES)
def test_plan_for_a_stock_host(case, host, release):
    check_golden(f"{release}/{case}.diff", as_diff(host, provider(host).plan(CASES[case]).changes))


@pytest.mark.parametrize("case", CASES)
def test_a_second_run_changes_nothing(case, host):
    apply(host, *CASES[case])
    again = provider(host)
    assert needed(again.plan(CASES[case]).changes, host) == []
    found = again.read()
    assert [found[one.protocol, one.name] for one in CASES[case]] == CASES[case]


def test_the_same_lines_of_master_cf_are_read_once(host, monkeypatch):
    read = []

    def noted(text, blanks):
        read.append(text)
        return split_words(text, blanks)

    monkeypatch.setattr(master_cf, "split_words", noted)
    many = [replace(SMTP, name=f"v{number}", addresses=(f"192.0.2.{number}",)) for number in range(1, 41)]
    apply(host, *many)
    master_cf._parsed.cache_clear()
    read.clear()
    assert needed(provider(host).plan(many).changes, host) == []
    # when one of its settings is looked for an entry is read for itself, a few times
    assert len(read) <= len(services(host.read_text(MASTER_CF))) + 5 * len(many)


def test_order_of_declaration_does_not_matter(host):
    plans = [provider(host).plan(order).changes for order in itertools.permutations([SMTP, SUBMISSION])]
    assert plans[0] == plans[1]


@pytest.mark.parametrize("pair", list(itertools.permutations(STRENGTHS, 2)))
def test_every_change_of_strength_is_whole(pair, host):
    for strength in pair:
        desired = [replace(one, strength=strength) for one in (SMTP, SUBMISSION)]
        apply(host, *desired)
        assert set(provider(host).read().values()) == set(desired)


def test_only_postfix_files_are_planned_and_their_owner_and_mode_stay(host):
    changes = provider(host).plan([SMTP, SUBMISSION]).changes
    assert [(one.path, one.owner, one.group, one.mode, one.prerequisite) for one in changes] == [
        (MAIN_CF, "", "", None, False),
        (MASTER_CF, "", "", None, False),
        (ORIGINALS, "root", "root", 0o600, False),
    ]


def test_secured_host_as_it_was_recorded(release):
    # the files that record.py wrote on a real host, and what postconf said of them there
    host = RecordedHost(release)
    plan = provider(host).plan([SMTP, SUBMISSION])
    host.take(plan.changes)
    secured = recording(release)["secured"]
    assert host.read_text(MAIN_CF).split("\n") == secured["files"][MAIN_CF]
    assert host.read_text(MASTER_CF).split("\n") == secured["files"][MASTER_CF]
    assert main_cf_settings("\n".join(secured["answers"]["postconf -n"])) == main_cf_settings(host.read_text(MAIN_CF))


@pytest.mark.parametrize("state", ["stock", "secured"])
def test_expanded_values_are_those_that_were_recorded(state, release):
    # proves the tests' own postconf
    host = RecordedHost(release, state=state)
    expected = main_cf_settings(host.answers["postconf -nx"])
    postfix = provider(host)
    assert {name: " ".join(postfix.expanded(name).split()) for name in expected} == expected
    assert postfix.expanded("relay_domains") == ""


def test_groups_over_finite_fields_are_left_out_where_postfix_has_them(host, release):
    before = host.read_text(MAIN_CF)
    apply(host, SMTP)
    assert ("tls_ffdhe_auto_groups =" in host.read_text(MAIN_CF)) is (release == "postfix-3.10")
    apply(host, replace(SMTP, present=False))
    assert host.read_text(MAIN_CF) == before


def test_hybrid_group_only_where_openssl_has_it(host, release):
    apply(host, SMTP)
    assert ("X25519MLKEM768" in host.parameters["tls_eecdh_auto_curves"]) is (release == "postfix-3.10")


def test_parameters_are_asked_once(host):
    postfix = provider(host)
    postfix.read()
    postfix.plan([SMTP, SUBMISSION])
    assert host.asked == ["postconf"]


# ---- reading


def test_stock_host(host):
    found = provider(host).read()
    assert list(found) == [("smtp", "default")]
    stock = found["smtp", "default"]
    assert (stock.certificate, stock.require_secure_channel) == ("/etc/ssl/certs/ssl-cert-snakeoil.pem", False)
    assert (stock.strength, stock.implicit_tls_port) == ("", 0)


def test_equal_notations_are_left_as_they_are(host):
    apply(host, SMTP)
    text = host.read_text(MAIN_CF)
    text = text.replace("smtpd_tls_protocols = >=TLSv1.2", "smtpd_tls_protocols=!SSLv2, !SSLv3, !TLSv1, !TLSv1.1")
    host.files[MAIN_CF] = text.replace("tls_eecdh_auto_curves = ", "tls_eecdh_auto_curves =\n  ").encode()
    assert needed(provider(host).plan([SMTP]).changes, host) == []
    assert provider(host).read()["smtp", "default"] == SMTP


def test_old_way_to_require_tls_is_understood(host):
    host.set(MAIN_CF, smtpd_tls_security_level="", smtpd_enforce_tls="yes")
    assert provider(host).read()["smtp", "default"].require_secure_channel is True


def test_host_without_a_service_on_port_25(host):
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(b"\nsmtp      inet", b"\n#smtp     inet")
    assert provider(host).read() == {}
    with pytest.raises(Problem) as caught:
        provider(host).plan([SMTP])
    assert "no service on port 25" in caught.value.message
    assert caught.value.subject == "virtual server smtp/default"


@pytest.mark.parametrize(
    ("version", "known"), [("3.6.0", True), ("3.10.99", True), ("3.11.0", False), ("4.0-20270101", False)]
)
def test_versions(version, known, host):
    host.set(MAIN_CF, mail_version=version)
    assert provider(host).capabilities().known is known


def test_too_old_a_version(host):
    host.set(MAIN_CF, mail_version="3.5.18")
    with pytest.raises(Problem, match=r"Postfix 3\.5\.18 is too old\. Upgrade"):
        provider(host).plan([SMTP])


def test_configuration_that_postfix_refuses(host, monkeypatch):
    monkeypatch.setattr(host, "query", lambda _argv: Completed(1, "", "postconf: fatal: main.cf, line 3: no '='\n"))
    with pytest.raises(Problem, match=r"Postfix refuses its own configuration .*line 3") as caught:
        provider(host).read()
    assert caught.value.option == MAIN_CF


@pytest.mark.parametrize(
    ("service", "port"),
    [
        ("smtp", 25),
        ("submission", 587),
        ("smtps", 465),
        ("submissions", 465),
        ("urd", 465),
        ("10025", 10025),
        ("192.0.2.1:smtp", None),
        ("[::1]:587", None),
        ("no-such-service", None),
        ("²", None),  # a digit to Python, no number
    ],
)
def test_port_of_a_service(service, port):
    assert port_of(service) == port


# ---- port 25


def test_setting_that_hides_ours_names_file_and_line(host):
    line = b"\nsmtp      inet  n       -       y       -       -       smtpd\n"
    assert host.files[MASTER_CF].count(line) == 1
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(
        line, line + b"  -o x=y\n  -o smtpd_tls_security_level=none\n"
    )
    with pytest.raises(Problem) as caught:
        provider(host).plan([SMTP])
    assert caught.value.option == f"{MASTER_CF}:14"
    assert caught.value.subject == "virtual server smtp/default"
    assert "line 14 sets '-o smtpd_tls_security_level=none'" in caught.value.message
    assert "overrides the new setting (may)" in caught.value.message


def test_setting_that_says_the_same_is_no_fault(host):
    line = b"\nsmtp      inet  n       -       y       -       -       smtpd"
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(line, line + b" -o smtpd_tls_security_level=may")
    assert [one.path for one in needed(provider(host).plan([SMTP]).changes, host)] == [MAIN_CF, ORIGINALS]


def test_setting_behind_postscreen_hides_ours(host):
    text = host.read_text(MASTER_CF)
    text = text.replace("\nsmtp      inet  n       -       y       -       -       smtpd", "\n#")
    text = text.replace("\n#smtp      inet", "\nsmtp      inet").replace("\n#smtpd     pass", "\nsmtpd     pass")
    host.files[MASTER_CF] = text.encode()
    apply(host, SMTP)
    line = "\nsmtpd     pass  -       -       y       -       -       smtpd"
    host.files[MASTER_CF] = (
        host.read_text(MASTER_CF).replace(line, line + "\n  -o smtpd_tls_protocols=>=TLSv1").encode()
    )
    with pytest.raises(Problem, match=r"'-o smtpd_tls_protocols=>=TLSv1' for the service smtpd"):
        provider(host).plan([SMTP])


def test_superseded_parameters_are_emptied_only_where_they_are_set(host):
    host.set(MAIN_CF, smtpd_tls_eccert_file="/ec.pem", smtpd_tls_eckey_file="$smtpd_tls_eccert_file")
    apply(host, SMTP)
    names = ("cert", "key", "eccert", "eckey", "dcert", "dkey")
    explicit = main_cf_settings(host.read_text(MAIN_CF))
    found = {name: explicit.get(f"smtpd_tls_{name}_file") for name in names}
    assert found == {
        "cert": "",
        "key": "",
        "eccert": "",
        "eckey": "$smtpd_tls_eccert_file",
        "dcert": None,
        "dkey": None,
    }


def test_second_chain_of_somebody_else_is_replaced(host):
    apply(host, SMTP)
    host.set(MAIN_CF, smtpd_tls_chain_files=f"{BUNDLE}, /ec.pem")
    assert apply(host, SMTP)
    assert host.parameters["smtpd_tls_chain_files"] == BUNDLE


# ---- submission


def test_needs_a_socket_that_checks_passwords(host):
    plan = provider(host).plan([SUBMISSION])
    assert list(plan.needs) == [SaslSocket("/var/spool/postfix/private/auth", "postfix", "postfix")]
    assert provider(host).plan([SMTP]).needs == []


@pytest.mark.parametrize(
    ("sasl", "socket"),
    [
        ({"smtpd_sasl_type": "cyrus"}, None),
        ({"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "inet:auth.example.test:12345"}, None),
        ({"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "unix:private/other"}, "/var/spool/postfix/private/other"),
        ({"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "/run/auth"}, "/run/auth"),
    ],
)
def test_sasl_that_is_set_up_already_is_kept(sasl, socket, host):
    host.set(MAIN_CF, smtpd_sasl_auth_enable="yes", **sasl)
    plan = apply(host, SUBMISSION)
    assert [one.path for one in plan.needs] == ([socket] if socket else [])
    assert not {"smtpd_sasl_type", "smtpd_sasl_path"} & set(overrides_at(host, 587))


FOREIGN = """
# our own
submission inet n - n - 50 smtpd
  -o syslog_name=postfix/mine -o smtpd_tls_security_level=may
  -o
# to be kept
  smtpd_sasl_auth_enable=yes
  -o { smtpd_relay_restrictions = permit_mynetworks, reject }
  -o smtpd_tls_chain_files=/a.pem -o smtpd_banner=hello
smtps inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
"""


def test_service_of_somebody_else_is_edited_in_place(host, release):
    host.files[MASTER_CF] += FOREIGN.encode()
    changes = provider(host).plan([SUBMISSION]).changes
    check_golden(f"{release}/submission-foreign.diff", as_diff(host, changes))
    before = len(services(host.read_text(MASTER_CF)))
    host.take(changes)
    assert len(services(host.read_text(MASTER_CF))) == before
    assert provider(host).read()["submission", "default"] == SUBMISSION
    assert needed(provider(host).plan([SUBMISSION]).changes, host) == []
    assert overrides_at(host, 587)["syslog_name"] == "postfix/mine"
    assert overrides_at(host, 587)["smtpd_banner"] == "hello"
    assert service_at(host, 465).name == "smtps"


def test_each_port_gets_the_socket_that_it_asks(host):
    host.files[MASTER_CF] += FOREIGN.encode()  # where SASL is set up for 587 only, after the default type: cyrus
    plan = apply(host, SUBMISSION)
    assert "smtpd_sasl_type" not in overrides_at(host, 587)
    assert overrides_at(host, 465)["smtpd_sasl_type"] == "dovecot"
    assert [one.path for one in plan.needs] == ["/var/spool/postfix/private/auth"]


@pytest.mark.parametrize("name", ["submissions", "smtps", "465"])
def test_port_0_removes_the_port(name, host):
    host.files[MASTER_CF] += f"# kept\n{name} inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n".encode()
    apply(host, replace(SUBMISSION, implicit_tls_port=0))
    assert service_at(host, 465) is None
    assert b"\n# kept\n" in host.files[MASTER_CF]
    assert provider(host).read()["submission", "default"].implicit_tls_port == 0


def test_port_that_stands_there_twice_is_removed_twice(host):
    host.files[MASTER_CF] += b"smtps inet n - y - - smtpd\nsubmissions inet n - y - - smtpd\n"
    apply(host, replace(SUBMISSION, implicit_tls_port=0))
    assert service_at(host, 465) is None


def test_there_and_back_leaves_nothing_behind(host):
    without = replace(SUBMISSION, implicit_tls_port=0)
    apply(host, without)
    before = host.files[MASTER_CF]
    for port in (465, 1465, 465, 1465):
        moved = replace(SUBMISSION, implicit_tls_port=port)
        apply(host, moved)
        assert provider(host).read()["submission", "default"] == moved
        assert needed(provider(host).plan([moved]).changes, host) == []
    assert service_at(host, 465) is None
    apply(host, without)
    assert host.files[MASTER_CF] == before


def test_foreign_port_with_implicit_tls_is_left_alone(host):
    foreign = b"10465 inet n - y - - smtpd -o smtpd_tls_wrappermode=yes\n"
    host.files[MASTER_CF] += foreign
    apply(host, SUBMISSION)
    apply(host, replace(SUBMISSION, implicit_tls_port=0))
    assert foreign in host.files[MASTER_CF]


def test_names_that_the_host_does_not_know_become_numbers(host, monkeypatch):
    monkeypatch.setattr(socket, "getservbyname", lambda _name, _protocol: 1)
    apply(host, SUBMISSION)
    assert [service_at(host, port).name for port in (587, 465)] == ["587", "465"]


def test_main_cf_is_not_touched_for_submission(host):
    assert [one.path for one in needed(provider(host).plan([SUBMISSION]).changes, host)] == [MASTER_CF]


# ---- further virtual servers, names, mechanisms

PARTNERS = replace(SUBMISSION, name="partners", port=0, implicit_tls_port=2465)
INSIDE = replace(SMTP, name="inside", addresses=("192.0.2.1", "2001:db8::1"), require_secure_channel=True)
NAMED = replace(
    SMTP,
    alternative_certificate="rsa",
    sni=(NamedCertificate("*.a.example.test", "a"), NamedCertificate("b.example.test", "b", "b-rsa")),
)
PLAIN = replace(SUBMISSION, auth_tls=("LOGIN", "PLAIN"))
SCRAM = replace(
    SUBMISSION,
    require_secure_channel=False,
    auth_clear=("SCRAM-SHA-256",),
    auth_tls=("PLAIN", "SCRAM-SHA-256"),
)
SEVERAL = {
    "smtp-inside": [INSIDE],
    "smtp-names": [NAMED],
    "submission-partners": [PARTNERS],
    "submission-mechanisms": [PLAIN],
    "submission-mechanisms-in-clear": [SCRAM],
    "several": [NAMED, INSIDE, replace(SUBMISSION, sni=NAMED.sni), PARTNERS],
}


@pytest.mark.parametrize("case", SEVERAL)
def test_plan_with_more_than_the_least(case, host, release):
    check_golden(f"{release}/{case}.diff", as_diff(host, provider(host).plan(SEVERAL[case]).changes))
    apply(host, *SEVERAL[case])
    again = provider(host)
    assert needed(again.plan(SEVERAL[case]).changes, host) == []
    found = again.read()
    assert [found[one.key] for one in SEVERAL[case]] == SEVERAL[case]


def test_names_of_the_server_on_port_25_are_not_those_of_others(host):
    apply(host, NAMED, SUBMISSION)
    found = provider(host).read()
    assert found["submission", "default"] == SUBMISSION
    apply(host, replace(NAMED, sni=()))
    assert host.read("/etc/postfix/postmaster-sni-smtp-default") is None
    assert provider(host).read()["smtp", "default"].sni == ()


def test_names_that_the_administrator_arranged_stay(host):
    host.set(MAIN_CF, tls_server_sni_maps="hash:/etc/postfix/sni")
    apply(host, SMTP)
    assert host.parameters["tls_server_sni_maps"] == "hash:/etc/postfix/sni"


def test_mechanisms_that_postfix_cannot_tell_apart(host):
    with pytest.raises(Problem, match="before TLS either all mechanisms") as caught:
        provider(host).plan([replace(SCRAM, auth_tls=("CRAM-MD5", "PLAIN", "SCRAM-SHA-256"))])
    assert (caught.value.subject, caught.value.option) == (SCRAM.title, "auth_clear")


def test_socket_of_somebody_else(host):
    host.files[MASTER_CF] += b"192.0.2.1:2465 inet n - y - - smtpd\n"
    with pytest.raises(Problem, match=r"has a service 192.0.2.1:2465 that this collection did not") as caught:
        provider(host).plan([replace(PARTNERS, addresses=("192.0.2.1",))])
    assert caught.value.subject == "virtual server submission/partners"
    assert caught.value.option.startswith(f"{MASTER_CF}:")


# ---- taking back


def absent(vserver):
    return Vserver(vserver.protocol, vserver.name, present=False)


ALL = {**CASES, **SEVERAL}


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("case", ALL)
def test_taken_back_everything_is_as_before(case, end, host):
    for path in (MAIN_CF, MASTER_CF):
        host.files[path] = host.files[path].rstrip(b"\n") + end.encode()
    before = dict(host.files)
    apply(host, *ALL[case])
    apply(host, *(replace(one, strength="modern") for one in ALL[case]))
    assert host.files != before
    apply(host, *map(absent, ALL[case]))
    assert host.files == before
    apply(host, *map(absent, ALL[case]))
    assert host.files == before


@pytest.mark.parametrize("implicit", [0, 465, 1465])
def test_taken_back_services_of_somebody_else_are_as_before(implicit, host):
    host.set(MAIN_CF, smtpd_tls_chain_files="\n  # old\n  /a.pem,\n# older\n  /b.pem")
    host.files[MASTER_CF] += FOREIGN.encode()
    before = dict(host.files)
    apply(host, SMTP, SUBMISSION)
    apply(host, replace(SUBMISSION, implicit_tls_port=implicit))
    assert provider(host).read()["submission", "default"].implicit_tls_port == implicit
    apply(host, absent(SUBMISSION), absent(SMTP))
    assert host.files == before


def lose_what_was_saved(host):
    del host.files[f"{STORE}/originals/postfix.json"]


@pytest.mark.parametrize("again", [False, True])
def test_taken_back_when_what_was_saved_is_lost(again, host):
    apply(host, SMTP)
    lose_what_was_saved(host)
    if again:  # what is ours counts as the original now
        apply(host, replace(SMTP, strength="modern"))
    before = dict(host.files)
    with pytest.raises(Problem, match="nobody knows what was there before") as caught:
        apply(host, absent(SMTP))
    assert host.files == before
    assert caught.value.option == MAIN_CF
    # as it says, which postconf -X does
    (names,) = re.findall(r"'postconf -X ([^']*)'", caught.value.remedy)
    lines = host.files[MAIN_CF].decode().splitlines(keepends=True)
    kept = [line for line in lines if line.partition("=")[0].strip() not in names.split()]
    host.files[MAIN_CF] = "".join(kept).encode()
    apply(host, absent(SMTP))
    assert f"{STORE}/deployed".encode() not in host.files[MAIN_CF]


def test_taken_back_from_a_service_of_somebody_else_when_what_was_saved_is_lost(host):
    host.files[MASTER_CF] += FOREIGN.encode()
    apply(host, SUBMISSION)
    lose_what_was_saved(host)
    with pytest.raises(Problem, match="nobody knows what was there before") as caught:
        apply(host, absent(SUBMISSION))
    assert caught.value.option.startswith(f"{MASTER_CF}:")
    assert "remove the lines '-o smtpd_tls_" in caught.value.remedy


def test_taken_back_one_after_the_other(host):
    before = dict(host.files)
    apply(host, NAMED, INSIDE, SUBMISSION, PARTNERS)
    for one in (SUBMISSION, NAMED, PARTNERS):
        apply(host, absent(one))
        assert one.key not in provider(host).read() or one.key == ("smtp", "default")
    assert provider(host).read()[INSIDE.key] == INSIDE
    apply(host, absent(INSIDE))
    assert host.files == before


# ---- proving


@pytest.mark.parametrize(
    ("interfaces", "protocols", "address"),
    [
        ("all", "all", "127.0.0.1"),
        ("all", "ipv6", "::1"),
        ("loopback-only", "ipv4", "127.0.0.1"),
        ("192.0.2.1, 127.0.0.1", "all", "192.0.2.1"),
        ("[2001:db8::1]", "all", "2001:db8::1"),
        ("$myhostname", "all", None),
    ],
)
def test_endpoints(interfaces, protocols, address, host):
    host.set(MAIN_CF, inet_interfaces=interfaces, inet_protocols=protocols)
    found = provider(host).endpoints(SUBMISSION)
    expected = address or host.parameters["myhostname"]
    assert [(one.address, one.port, one.implicit_tls) for one in found] == [
        (expected, 587, False),
        (expected, 465, True),
    ]
    assert [one.port for one in provider(host).endpoints(SMTP)] == [25]


@pytest.mark.parametrize(
    ("parameters", "settings", "expected"),
    [
        ({}, "", [(0, False), (0, False)]),
        ({}, "-o smtpd_upstream_proxy_protocol=haproxy", [(1, False), (0, False)]),
        ({"house": "haproxy"}, "-o smtpd_upstream_proxy_protocol=$house", [(1, False), (0, False)]),
        ({"smtpd_upstream_proxy_protocol": "haproxy"}, "", [(1, False), (0, False)]),
        ({"smtpd_tls_req_ccert": "yes"}, "", [(0, True), (0, False)]),
        ({}, "-o smtpd_tls_req_ccert=yes", [(0, True), (0, False)]),
    ],
)
def test_what_a_server_wants_of_its_clients_is_known_to_the_proof(parameters, settings, expected, host):
    host.set(MAIN_CF, **parameters)
    host.files[MASTER_CF] += f"submission inet n - y - - smtpd {settings}\n".encode()
    apply(host, SUBMISSION)
    found = provider(host).endpoints(SUBMISSION)
    assert [(one.proxy_protocol, one.wants_certificate) for one in found] == expected


def test_postscreen_behind_a_load_balancer_is_known_to_the_proof(host):
    host.files[MASTER_CF] = (
        host.files[MASTER_CF]
        .replace(b"\nsmtp      inet", b"\n#smtp      inet")
        .replace(
            b"\n#smtp      inet  n       -       y       -       1       postscreen",
            b"\nsmtp inet n - y - 1 postscreen",
        )
    )
    host.set(MAIN_CF, postscreen_upstream_proxy_protocol="haproxy")
    assert [one.proxy_protocol for one in provider(host).endpoints(SMTP)] == [1]


# ---- acting


OPEN = "LISTEN 0 100 0.0.0.0:25 0.0.0.0:*\nLISTEN 0 100 [::]:25 [::]:*\n"


class Machine:
    """Answers programs with an effect; the daemon lives as long as the script says."""

    def __init__(self, alive, codes=(), sockets=OPEN):
        self.sockets = sockets
        self.alive = list(alive)  # what each look at the daemon finds; the last one stays
        self.codes = dict(codes)
        self.ran = []

    def run(self, argv, **_options):
        self.ran.append(" ".join(argv))
        return Completed(self.codes.get(self.ran[-1], 0), self.codes.get("out", ""), "a\n b\n")

    def attach(self, host, monkeypatch):
        ask = host.query

        def query(argv, **options):
            if argv[0] == "ss":
                return Completed(0, self.sockets, "")
            if argv[-1] != "-t":
                return ask(argv, **options)
            return Completed(1 if (self.alive.pop(0) if len(self.alive) > 1 else self.alive[0]) else 0, "", "")

        monkeypatch.setattr(host, "query", query)


def test_running_daemon_is_reloaded(host, monkeypatch):
    machine = Machine([True])
    machine.attach(host, monkeypatch)
    provider(host).activate(machine.run)
    assert machine.ran == ["postfix reload"]


@pytest.mark.parametrize(
    ("parameters", "sockets"),
    [
        ({}, "LISTEN 0 100 127.0.0.1:25 0.0.0.0:*\nLISTEN 0 100 [::1]:25 [::]:*\n"),
        ({"inet_interfaces": "loopback-only"}, OPEN),
        ({"inet_interfaces": "$house", "house": "127.0.0.2, 127.0.0.1"}, OPEN),
        ({"inet_protocols": "all"}, "LISTEN 0 100 0.0.0.0:25 0.0.0.0:*\n"),
    ],
)
def test_daemon_that_listens_elsewhere_than_its_files_say_is_restarted(parameters, sockets, host, monkeypatch):
    monkeypatch.setattr(postfix_module, "_PATIENCE", 0.0)
    monkeypatch.setattr(postfix_module, "has_ipv6", lambda: True)
    host.set(MAIN_CF, **parameters)
    machine = Machine([True], {"out": "forking\n"}, sockets)
    machine.attach(host, monkeypatch)
    provider(host).activate(machine.run)
    assert machine.ran[0] == "postfix reload"
    assert machine.ran[-1] == "systemctl restart postfix.service"


@pytest.mark.parametrize(
    ("parameters", "sockets"),
    [
        ({"inet_interfaces": "192.0.2.1, 127.0.0.1"}, OPEN),
        ({"inet_interfaces": "127.0.0.1"}, 'LISTEN 0 100 0.0.0.0:25 0.0.0.0:* users:(("nc",pid=1,fd=3))\n'),
    ],
)
def test_daemon_that_would_not_come_back_is_not_restarted(parameters, sockets, host, monkeypatch):
    # an address that is gone, and a port that another program has taken
    monkeypatch.setattr(postfix_module, "_PATIENCE", 0.0)
    host.set(MAIN_CF, **parameters)
    machine = Machine([True], sockets=sockets)
    machine.attach(host, monkeypatch)
    provider(host).activate(machine.run)
    assert machine.ran == ["postfix reload"]


def test_sockets_of_ipv6_are_not_missed_where_there_is_none(host, monkeypatch):
    monkeypatch.setattr(postfix_module, "has_ipv6", lambda: False)
    machine = Machine([True], sockets="LISTEN 0 100 0.0.0.0:25 0.0.0.0:*\n")
    machine.attach(host, monkeypatch)
    provider(host).activate(machine.run)
    assert machine.ran == ["postfix reload"]


@pytest.mark.parametrize(("kind", "unit"), [("oneshot\n", "postfix@-.service"), ("forking\n", "postfix.service")])
def test_daemon_that_dies_of_the_reload_is_started(kind, unit, host, monkeypatch):
    machine = Machine([True, False, True], {"out": kind})
    machine.attach(host, monkeypatch)
    provider(host).activate(machine.run)
    assert machine.ran == [
        "postfix reload",
        "systemctl show --property=Type --value postfix.service",
        f"systemctl reset-failed {unit}",
        f"systemctl restart {unit}",
    ]


def test_daemon_that_does_not_come_up(host, monkeypatch):
    machine = Machine([False])
    machine.attach(host, monkeypatch)
    with pytest.raises(Problem, match=r"Postfix does not start \(a / b\)"):
        provider(host).activate(machine.run)
    assert "postfix reload" not in machine.ran


def test_parameters_are_asked_anew_after_a_reload(host, monkeypatch):
    postfix = provider(host)
    assert postfix.expanded("inet_interfaces") == "all"
    host.set(MAIN_CF, inet_interfaces="127.0.0.1")
    machine = Machine([True], sockets="LISTEN 0 100 127.0.0.1:25 0.0.0.0:*\n")
    machine.attach(host, monkeypatch)
    postfix.activate(machine.run)
    assert postfix.expanded("inet_interfaces") == "127.0.0.1"


def test_own_test_runs_on_the_mirror(host):
    machine = Machine([True])
    provider(host).check(machine.run, {"/etc/postfix": "/mirror"})
    assert machine.ran == [
        "postconf -c /mirror",
        "postfix -c /mirror check",
        "/usr/lib/postfix/sbin/smtpd -S -o syslog_name=postmaster-check",
    ]


def test_complaint_names_the_real_file(host):
    def run(argv, **_options):
        return Completed(int(argv[0] == "postfix"), "", "postfix: fatal: /mirror/main.cf, line 3: bad\n")

    with pytest.raises(Problem, match=r"fatal: /etc/postfix/main\.cf, line 3: bad"):
        provider(host).check(run, {"/etc/postfix": "/mirror"})


@pytest.mark.parametrize(
    ("logged", "words"),
    [
        (Completed(0, "fatal: bad boolean configuration: x = y\n", ""), r"\(fatal: bad boolean configuration: x = y\)"),
        (Completed(1, "", "No journal files were found."), r"\(its reason is in the mail log\)"),
    ],
)
def test_complaint_that_only_the_log_has(host, logged, words):
    def run(argv, **_options):
        if argv[0] == "journalctl":
            return logged
        return Completed(int(argv[0].endswith("smtpd")), "", "")

    with pytest.raises(Problem, match=words):
        provider(host).check(run, {"/etc/postfix": "/mirror"})
