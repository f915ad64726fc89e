# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import itertools
import re
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import FileState
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    SaslAccount,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import authenticators as clients
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import lsearch as table
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.domain_table import (
    names_expression,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.managed_sections import (
    with_blocks,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    ACCOUNTS,
    DOMAINS,
    HUBBED_HOSTS,
    LOCALMACROS,
    MAIN_DIRECTORY,
    ROUTER_DIRECTORY,
    SETTINGS,
    TEMPLATE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.places import place_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.provider import Exim
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.smarthost import (
    Smarthost,
    default_level,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import resolver as _resolver
from ansible_collections.postmaster.secure_channel.tests.support.recorded_exim import EximHost
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    as_diff,
    check_golden,
)

SECRET = "s3cret ^horse:\\$"
PARTNER = DomainPolicy("partner.example")
RELAYED = replace(
    PARTNER, relay_host="mail.partner.example", relay_port=587, account=SaslAccount("PARTNER\\relay", SECRET)
)
EVERYTHING = DomainPolicy("*", tls="encrypt")
FINGERPRINTS = (":".join(["AB"] * 32), ":".join(["CD"] * 32))
CASES = {
    "exchanger": [PARTNER],
    "account": [RELAYED, replace(EVERYTHING, relay_host="relay.example", relay_port=465, implicit_tls=True)],
}
AUTH = "/etc/exim4/conf.d/auth/30_exim4-config_examples"


@pytest.fixture(params=itertools.product(("exim-4.96", "exim-4.98"), ("", "split-")), ids="-".join)
def host(request):
    release, form = request.param
    host = EximHost(release)
    host.golden += form
    if form:
        host.files[SETTINGS] = host.files[SETTINGS].replace(b"config='false'", b"config='true'")
    return host


@pytest.fixture
def one():
    """A host of one kind, for what is the same everywhere."""
    return EximHost("exim-4.98")


def planned(host, *policies, purge=False, ca_file="", mta_sts=None):
    provider = Exim(host, Store(host, STORE))
    return provider.plan_domains(policies, purge=purge, ca_file=ca_file, mta_sts=mta_sts)


def apply(host, *policies, **options):
    """Carry a plan out; gives the outcome of each domain."""
    plan = planned(host, *policies, **options)
    host.take(plan.changes)
    return {one.domain: one for one in plan.outcomes}


def entries(host):
    return table.parse(host.read_text(DOMAINS), DOMAINS, "level")


def add(host, path, text):
    host.files[path] = host.files.get(path, b"") + text.encode()


def smarthost(host, *hosts, kind="smarthost"):
    """Have update-exim4.conf(8) say what it says for a smarthost; the recorded one is of an internet site."""
    macros = f"DCconfig_{kind} = 1\nDCsmarthost = {' : '.join(hosts)}\n"
    add(host, f"{MAIN_DIRECTORY}/000_localmacros" if host.split else LOCALMACROS, macros)


# ---- plans


@pytest.mark.parametrize("case", CASES)
def test_plan_for_a_stock_host(case, host):
    check_golden(f"{host.golden}outgoing-{case}.diff", as_diff(host, planned(host, *CASES[case]).changes))


@pytest.mark.parametrize(
    "policies",
    [
        *CASES.values(),
        [replace(PARTNER, tls="verify", match=("mx.example.net", ".example.org"))],
        [replace(PARTNER, tls="fingerprint", fingerprints=FINGERPRINTS)],
        [replace(PARTNER, subdomains=True), EVERYTHING],
        [replace(RELAYED, tls="none", auth_cleartext=True)],
    ],
)
def test_a_second_run_changes_nothing_and_absent_takes_all_back(policies, host):
    before = dict(host.files)
    apply(host, *policies)
    assert host.files != before
    again = planned(host, *policies)
    assert needed(again.changes, host) == []
    assert {one.reason for one in again.outcomes} == {""}
    apply(host, *(replace(one, present=False) for one in policies))
    assert host.files == before


def test_configuration_with_our_part_can_be_read(host):
    apply(host, RELAYED, ca_file="/etc/ssl/own.pem")
    macros, _options, shown = host.understood()
    assert macros["POSTMASTER_OUT_CA_FILE"] == "/etc/ssl/own.pem"
    assert macros["POSTMASTER_OUT_ROOTS"] == "/etc/ssl/own.pem"
    names = re.findall(r"^public_name = (.*)$", shown, re.MULTILINE)
    assert sorted(names) == sorted(2 * ["PLAIN", "LOGIN", "CRAM-MD5"])  # Debian's are there, but are clients no more
    assert clients.former(shown, {}).names == ()
    apply(host, RELAYED)
    assert host.understood()[0]["POSTMASTER_OUT_CA_FILE"] == "/etc/ssl/own.pem"


def test_roots_of_the_administrators_smarthost_are_in_force(one):
    add(one, LOCALMACROS, "REMOTE_SMTP_SMARTHOST_TLS_VERIFY_CERTIFICATES = /etc/ssl/smart.pem\n")
    apply(one, PARTNER)
    assert one.understood()[0]["POSTMASTER_OUT_ROOTS"] == "/etc/ssl/smart.pem"


def test_other_form_takes_its_part_along(host):
    apply(host, RELAYED)
    was, becomes = (b"'true'", b"'false'") if host.split else (b"'false'", b"'true'")
    host.files[SETTINGS] = host.files[SETTINGS].replace(
        b"dc_use_split_config=" + was, b"dc_use_split_config=" + becomes
    )
    apply(host, RELAYED)
    fresh = EximHost("exim-4.98" if "4.98" in host.golden else "exim-4.96")
    fresh.files[SETTINGS] = host.files[SETTINGS]
    apply(fresh, RELAYED)
    assert host.files == fresh.files


def test_tables_are_for_exim_alone(host):
    changes = {one.path: one for one in planned(host, RELAYED).changes}
    assert list(changes)[:2] == [DOMAINS, ACCOUNTS]
    for path in (DOMAINS, ACCOUNTS):
        assert (changes[path].owner, changes[path].group, changes[path].mode) == ("root", "Debian-exim", 0o640)
    assert [path for path, one in changes.items() if one.secret] == [ACCOUNTS]
    host.take(list(changes.values()))
    for path, content in host.files.items():
        shown = SECRET.encode() in content or base64.b64encode(SECRET.encode()) in content
        assert shown == (path == ACCOUNTS and SECRET.encode() not in content)
    gone = list(planned(host, purge=True).changes)
    assert [one.path for one in gone[-2:]] == [DOMAINS, ACCOUNTS]  # after the configuration that names them


@pytest.mark.parametrize("password", ["", SECRET, "^", ": \"';${}\\", "pä\udcff"])
def test_account_is_kept_byte_for_byte(password, one):
    apply(one, replace(RELAYED, account=SaslAccount("D\\user ^x", password)))
    fields = table.parse(one.read_text(ACCOUNTS), ACCOUNTS, "user")["partner.example"]
    decoded = {name: base64.b64decode(value).decode("utf-8", "surrogateescape") for name, value in fields.items()}
    assert decoded == {"user": "D\\user ^x", "password": password}


def test_password_is_kept_where_that_is_asked(one):
    apply(one, RELAYED)
    other = replace(RELAYED, account=SaslAccount("PARTNER\\relay", "other"), keep_password=True)
    assert apply(one, other)["partner.example"].reason == ""
    assert "account: changed" in apply(one, replace(other, relay_port=25))["partner.example"].reason


def test_purge_leaves_what_is_declared(one):
    apply(one, PARTNER, EVERYTHING, replace(RELAYED, domain="other.example"))
    outcomes = apply(one, PARTNER, purge=True)
    assert set(entries(one)) == {"partner.example"}
    names = "match=mail.partner.example:.mail.partner.example"
    assert outcomes["other.example"].reason == (
        "route: [mail.partner.example]:587 -> none;"
        f" TLS policy: [mail.partner.example]:587 secure {names} strength=intermediate -> none; account: removed"
    )
    assert outcomes["other.example"].next_hop == ""
    assert one.read(ACCOUNTS) is None


# ---- ways


def test_next_hops(one):
    add(one, HUBBED_HOSTS, "hub.example: inside.example::2525 byname\n")
    outcomes = apply(
        one,
        replace(PARTNER, subdomains=True),
        replace(PARTNER, domain="six.example", relay_host="2001:db8::1", relay_port=26),
        replace(PARTNER, domain="hub.example"),
    )
    assert {name: outcome.next_hop for name, outcome in outcomes.items()} == {
        "partner.example": "partner.example",
        "six.example": "[2001:db8::1]:26",
        "hub.example": "[inside.example]:2525",
    }
    assert outcomes["partner.example"].other_next_hops == (".partner.example",)
    assert entries(one)["six.example"]["host"] == "[2001:db8::1]"
    assert "inside" in entries(one)["hub.example"]["names"]
    assert "names" not in entries(one)["partner.example"]  # the domain's own, which Exim puts in


def test_smarthost_is_the_next_hop(host):
    smarthost(host, "smart.example::587", "spare.example")
    outcomes = apply(host, PARTNER, EVERYTHING)
    assert {one.next_hop for one in outcomes.values()} == {"[smart.example]:587"}
    assert "spare" in entries(host)["partner.example"]["names"]
    assert apply(host, replace(EVERYTHING, account=SaslAccount("u", "p")))["*"].reason == "account: set"


def test_tls_at_once_is_the_smarthosts(one):
    smarthost(one, "smart.example::465")
    add(one, LOCALMACROS, "REMOTE_SMTP_SMARTHOST_PROTOCOL = smtps\n")
    apply(one, replace(PARTNER, tls="encrypt"))
    assert entries(one)["partner.example"]["tls"] == "implicit"
    with pytest.raises(Problem, match="begins with TLS"):
        planned(one, replace(PARTNER, tls="may"))


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        (PARTNER, {"strength": "intermediate"}),
        (replace(PARTNER, strength="legacy"), {"strength": "legacy"}),
        (replace(PARTNER, require_128_bit=True), {"strength": "intermediate", "bits": "128"}),
        (replace(PARTNER, tls="may", strength="modern"), {}),
    ],
)
def test_strength(policy, found, one):
    outcome = apply(one, policy)["partner.example"]
    fields = entries(one)["partner.example"]
    assert {name: fields[name] for name in ("strength", "bits") if name in fields} == found
    assert all(f"{name}={value}" in outcome.reason for name, value in found.items())


def test_entries_of_earlier_releases_have_the_default_strength(one):
    """By the transport, until they are declared again, which writes it down."""
    apply(one, PARTNER)
    one.files[DOMAINS] = one.files[DOMAINS].replace(b" strength=intermediate", b"")
    reason = "TLS policy: partner.example secure -> partner.example secure strength=intermediate"
    assert apply(one, PARTNER)["partner.example"].reason == reason
    assert needed(planned(one, PARTNER).changes, one) == []


def test_nothing_changes_the_second_time_where_all_mail_has_a_host(one):
    relay = replace(EVERYTHING, relay_host="relay.example")
    apply(one, PARTNER)
    apply(one, relay)
    assert needed(planned(one, relay).changes, one) == []


def test_all_mail_goes_to_the_host_of_the_entry_for_all_mail(one):
    relay = replace(EVERYTHING, relay_host="relay.example", relay_port=587, account=SaslAccount("u", "p"))
    apply(one, relay, replace(PARTNER, tls="encrypt"))
    assert entries(one)["partner.example"] == {
        "level": "encrypt",
        "host": "relay.example",
        "port": "587",
        "account": "*",
        "strength": "intermediate",
        "shared": "yes",
    }
    with pytest.raises(Problem, match="the level may does not go together"):
        planned(one, replace(PARTNER, tls="may"))
    apply(one, replace(EVERYTHING, present=False))
    assert entries(one)["partner.example"] == {"level": "encrypt", "strength": "intermediate", "shared": "yes"}


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ("driver = plaintext\npublic_name = XOAUTH2\nclient_send = alice\n", True),
        ("driver = spa\npublic_name = NTLM\nclient_username = alice\nclient_password = x\n", True),
        (
            "driver = plaintext\npublic_name = XOAUTH2\nclient_send = a\nclient_condition = ${if def:tls_out_cipher}\n",
            True,
        ),
        ("driver = external\npublic_name = EXTERNAL\nclient_send = a\nclient_condition = ${if eq{$host}{x}}\n", False),
        ("driver = plaintext\npublic_name = PLAIN\nclient_send = ^alice^x\n", False),
        ("driver = plaintext\npublic_name = XOAUTH2\nclient_send = \nserver_prompts = :\n", False),
    ],
)
def test_logins_of_others_by_other_mechanisms(options, refused):
    shown = f"theirs authenticator:\n{options}"
    if not refused:
        clients.refuse_other_mechanisms(shown, clients.former(shown, {}), str)
        return
    with pytest.raises(Problem, match="/etc/theirs line 7: the authenticator theirs logs in wherever"):
        clients.refuse_other_mechanisms(shown, clients.former(shown, {}), "/etc/{} line 7".format)


@pytest.mark.parametrize("split", [False, True])
def test_where_a_driver_is_written(split, host):
    one = host
    path = f"{ROUTER_DIRECTORY}/040_own" if split else TEMPLATE
    one.files[path] = b"# mine:\n\nmine:\n  driver = accept\n"
    assert place_of(one, "mine", ROUTER_DIRECTORY, split=split) == f"{path} line 3"
    assert "includes" in place_of(one, "other", ROUTER_DIRECTORY, split=split)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("", Smarthost()),
        ("Smart.Example", Smarthost(("smart.example",), "[smart.example]:25")),
        ("a.example::587 : b.example", Smarthost(("a.example", "b.example"), "[a.example]:587")),
        ("<; a.example:26 ; [2001:db8::1]:27 byname", Smarthost(("a.example", "2001:db8::1"), "[a.example]:26")),
        ("a.example randomize byname", Smarthost(("a.example",), "[a.example]:25")),
    ],
)
def test_lists_of_hosts(listed, expected):
    assert Smarthost.from_route(listed) == expected


@pytest.mark.parametrize(
    ("shown", "authentic", "level"),
    [
        ("hosts_avoid_tls = *\nhosts_try_dane = *", True, "none"),
        ("hosts_require_tls = *\nhosts_try_dane = *", True, "encrypt"),
        ("hosts_require_tls = \nhosts_try_dane = *", True, "dane"),
        ("hosts_require_tls = \nhosts_try_dane = *", False, "may"),
        ("hosts_try_dane = ", True, "may"),
    ],
)
def test_level_of_all_other_mail(shown, authentic, level):
    assert default_level(shown, authentic=authentic) == level


def test_entry_for_all_mail_is_the_level_of_all_other_mail(one):
    assert planned(one, PARTNER).default_level == "may"
    assert planned(one, PARTNER, EVERYTHING).default_level == "encrypt"
    assert planned(one, PARTNER, EVERYTHING).levels == {"partner.example": "secure", "*": "encrypt"}


# ---- names


@pytest.mark.parametrize(
    ("names", "covered", "others"),
    [
        (["mx.example.net"], ["MX.example.net", "*.example.net"], ["a.mx.example.net", "mx.example.net.evil", "x"]),
        ([".example.net"], ["a.example.net", "*.example.net", "a.b.example.net"], ["example.net", "axexample.net"]),
    ],
)
def test_names_of_certificates(names, covered, others):
    expression = names_expression(names)
    for one in covered:
        assert re.search(expression, f"first.test\n{one}")
    for one in others:
        assert not re.search(expression, f"first.test\n{one}")


# ---- what cannot be


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        (DomainPolicy("localhost"), "delivered on this host"),
        (replace(PARTNER, subdomains=True, account=SaslAccount("u", "p")), "no single host that receives all"),
        (replace(EVERYTHING, account=SaslAccount("u", "p")), "no single host that receives all"),
        (replace(PARTNER, tls="dane"), "trust-ad"),
    ],
)
def test_what_could_never_apply_is_refused(policy, found, one):
    with pytest.raises(Problem, match=found):
        planned(one, policy)


def test_host_that_sends_nothing_needs_a_relay_host(one):
    smarthost(one, kind="local")
    with pytest.raises(Problem, match="sends no mail to other hosts"):
        planned(one, PARTNER)
    assert planned(one, RELAYED).outcomes[0].next_hop == "[mail.partner.example]:587"


@pytest.mark.parametrize(("feature", "level"), [("Event", "secure"), ("Event", "fingerprint"), ("DANE", "dane-only")])
def test_build_without_a_feature_is_told(feature, level, one):
    one.answers["exim4 -bV"] = one.answers["exim4 -bV"].replace(f" {feature}", "")
    with pytest.raises(Problem, match=f"without support for {feature}"):
        planned(one, replace(PARTNER, tls=level))


def test_policies_of_others_are_left_out(one):
    assert planned(one, mta_sts=False).outcomes == []


def test_dane_needs_a_resolver_that_exim_can_trust(one, monkeypatch):
    one.files["/etc/resolv.conf"] = b"nameserver 192.0.2.53\noptions edns0 trust-ad\n"
    monkeypatch.setattr(_resolver, "authentic", lambda *_asked: False)
    with pytest.raises(Problem, match="does not validate DNSSEC"):
        planned(one, replace(PARTNER, tls="dane"))
    monkeypatch.setattr(_resolver, "authentic", lambda *_asked: True)
    plan = planned(one, replace(PARTNER, tls="dane"))
    assert plan.warnings == ["DANE relies on the answers of 192.0.2.53, which can be forged on their way to this host"]
    assert plan.default_level == "dane"


@pytest.mark.parametrize(
    ("path", "state", "found"),
    [
        ("/etc/ssl/a b.pem", None, "cannot contain the path"),
        ("/etc/ssl/own.pem", FileState("root", "root", 0o640), "cannot be read by Debian-exim"),
    ],
)
def test_roots_that_exim_cannot_use_are_refused(path, state, found, one):
    one.files[path] = b""
    one.states[path] = state or FileState("root", "root", 0o644)
    with pytest.raises(Problem, match=found):
        planned(one, PARTNER, ca_file=path)
    one.states[path] = FileState("root", "Debian-exim", 0o640)
    if state:
        planned(one, PARTNER, ca_file=path)


def test_circumflex_in_front_is_told(one):
    policy = replace(RELAYED, account=SaslAccount("u", "^p"))
    assert any("begins with a circumflex" in warning for warning in planned(one, policy).warnings)
    assert not any("circumflex" in warning for warning in planned(one, RELAYED).warnings)


def test_template_without_a_section_is_told(one):
    one.files[TEMPLATE] = one.files[TEMPLATE].replace(b"begin transports", b"")
    with pytest.raises(Problem, match="no line 'begin transports'"):
        planned(one, PARTNER)


@pytest.mark.parametrize("end", ["\n", ""])
def test_last_section_may_be_the_end(end, one):
    blocks = with_blocks(f"begin transports\nx:{end}", {"transports": "y:\n"})
    assert blocks.startswith("begin transports\nx:\n# BEGIN outgoing mail")
    one.files[TEMPLATE] = one.files[TEMPLATE].rstrip(b"\n") + end.encode()
    before = dict(one.files)
    apply(one, RELAYED)
    apply(one, RELAYED)
    apply(one, purge=True)
    assert one.files == before


def test_virtual_servers_and_outgoing_mail_leave_one_another_alone(host):
    submission = Vserver("submission", certificate="sub.example.test", port=587)
    exim = Exim(host, Store(host, STORE))
    host.take(exim.plan([submission]).changes)
    served = dict(host.files)
    apply(host, RELAYED)
    assert needed(Exim(host, Store(host, STORE)).plan([submission]).changes, host) == []
    assert needed(planned(host, RELAYED).changes, host) == []
    sends = dict(host.files)
    host.take(Exim(host, Store(host, STORE)).plan([replace(submission, present=False)]).changes)
    host.take(Exim(host, Store(host, STORE)).plan([submission]).changes)
    assert host.files == sends
    apply(host, purge=True)
    assert host.files == served


# ---- those who logged in before


def test_what_logged_in_before_still_does_where_no_account_is_asked_for(host):
    theirs = clients.former(host.understood()[2], {}).options
    apply(host, RELAYED)
    macros, _options, shown = host.understood()
    assert clients.former(shown, macros).options == theirs
    sent = re.findall(r"^client_send = (.*)$", shown, re.MULTILINE)
    assert ["passwd.client" in one for one in sent] == [True, True]
    assert shown.count("client_name = ") == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("^a^b", ["^a^b"]),
        ("<; a ; b;;c", ["a", "b;c"]),
        (": a : b::c", ["", "a", "b:c"]),
        ("<;  ; u ; p", ["", "u", "p"]),
    ],
)
def test_items_of_lists(value, expected):
    assert clients.items(value) == expected


def test_lines_that_made_a_client_are_set_aside():
    text = (
        'a:\n  driver = plaintext\n  client_send = "<; \\\n     # no comment\n   x"\n'
        "  server_prompts = :\nb:\n  client_send = y\n"
    )
    aside = clients.set_aside(text, ("a",))
    assert clients.without_aside(aside) == text
    kept = [line for line in aside.splitlines() if not line.startswith("#")]
    assert kept == [
        "a:",
        "  driver = plaintext",
        "     # no comment",
        "  server_prompts = :",
        "b:",
        "  client_send = y",
    ]


def test_own_condition_of_a_client_is_kept(one):
    one.files[TEMPLATE] = one.files[TEMPLATE].replace(
        b"  public_name = PLAIN\n.ifndef AUTH_CLIENT",
        b"  public_name = PLAIN\n  client_condition = mine\n.ifndef AUTH_CLIENT",
    )
    apply(one, RELAYED)
    assert "{mine}" in one.understood()[2]


# ---- mail to programs of this host


@pytest.mark.parametrize("route", ["127.0.0.1", "localhost byname", "<; ::1", "127.0.0.1::10024"])
def test_mail_for_a_program_of_this_host_is_not_cut_off(host, route):
    host.files["/etc/exim4/hubbed_hosts"] = f"other.test: mx.other.test\nlists.test: {route}\n".encode()
    everything = DomainPolicy("*", tls="encrypt")
    with pytest.raises(Problem, match=r"hubbed_hosts line 2 hands mail for lists\.test"):
        planned(host, everything)
    planned(host, everything, DomainPolicy("lists.test", tls="may"))  # the remedy
    planned(host, DomainPolicy("*", tls="may"))
