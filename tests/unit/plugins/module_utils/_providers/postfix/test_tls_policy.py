# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import glob
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import Compiled, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import FileState
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import SYSTEM_TRUST_STORE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    SaslAccount,
    TlsLibrary,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    provider as postfix_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import (
    Row,
    compiled,
    parse,
    render,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    SASL_ACCOUNTS,
    TLS_POLICY,
    TRANSPORT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import resolver as _resolver
from ansible_collections.postmaster.secure_channel.tests.support.postfix_sending import (
    STRONG,
    apply,
    planned,
    rows,
    whole_rows,
)
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    STORE,
    RecordedHost,
    as_diff,
    check_golden,
    main_cf_settings,
)

SECRET = "s3cret horse"
PARTNER = DomainPolicy("partner.example")
ORIGINALS = f"{STORE}/originals/postfix.json"
RELAYED = replace(
    PARTNER,
    relay_host="mail.partner.example",
    relay_port=587,
    account=SaslAccount("PARTNER\\relay", SECRET),
)


EVERYTHING = DomainPolicy("*", tls="encrypt")
FINGERPRINTS = (":".join(["AB"] * 32), ":".join(["CD"] * 32))


@pytest.fixture(autouse=True)
def _debian_with_sasl(monkeypatch):
    monkeypatch.setattr(_resolver, "authentic", lambda _servers, _name, _kind: True)
    monkeypatch.setattr(glob, "glob", lambda _pattern: ["/usr/lib/x86_64-linux-gnu/sasl2/libplain.so"])
    monkeypatch.setattr(postfix_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def release(request):
    return request.param


@pytest.fixture
def host(release):
    return RecordedHost(release)


def next_hop(host, domain, **parameters):
    host.set(MAIN_CF, **parameters)
    (outcome,) = planned(host, DomainPolicy(domain)).outcomes
    return outcome.next_hop


# ---- plans for stock hosts


@pytest.mark.parametrize(
    ("case", "policies"),
    [
        ("domain", [PARTNER]),
        ("domain-match", [replace(PARTNER, tls="verify", match=("mx.example.net", ".example.org"))]),
        ("domain-relay-account", [RELAYED]),
        ("domain-none", [replace(PARTNER, tls="none")]),
        ("domain-fingerprint", [replace(PARTNER, tls="fingerprint", fingerprints=FINGERPRINTS)]),
        ("domain-dane", [replace(PARTNER, tls="dane-only")]),
        ("domain-subdomains", [replace(PARTNER, subdomains=True)]),
        ("domain-implicit", [replace(RELAYED, relay_port=465, implicit_tls=True, subdomains=True)]),
        ("domain-clear-auth", [replace(RELAYED, tls="none", auth_cleartext=True)]),
        ("everything", [EVERYTHING, replace(PARTNER, tls="may")]),
        ("everything-relay", [replace(RELAYED, domain="*")]),
        ("everything-implicit", [replace(RELAYED, domain="*", relay_port=465, implicit_tls=True)]),
    ],
)
def test_plan_for_a_stock_host(case, policies, host, release):
    plan = planned(host, *policies)
    check_golden(f"{release}/{case}.diff", as_diff(host, plan.changes))
    host.take(plan.changes)
    assert needed(planned(host, *policies).changes, host) == []
    assert {one.reason for one in planned(host, *policies).outcomes} == {""}


def test_tables_are_roots_alone_and_compiled(host):
    changes = {one.path: one for one in planned(host, RELAYED).changes}
    assert list(changes) == [TRANSPORT, TLS_POLICY, SASL_ACCOUNTS, MASTER_CF, MAIN_CF, ORIGINALS]
    assert not changes[MASTER_CF].needed(host)
    for path in (TRANSPORT, TLS_POLICY, SASL_ACCOUNTS):
        table = changes[path]
        assert (table.owner, table.group, table.mode) == ("root", "root", 0o600)
        assert table.compiled == Compiled(".db", ("postmap", "hash:{source}"))
    assert [path for path, one in changes.items() if one.secret] == [SASL_ACCOUNTS]


def test_compiled_twin_is_part_of_the_table(host):
    apply(host, RELAYED)
    twin = SASL_ACCOUNTS + ".db"
    host.states[twin] = FileState("root", "root", 0o644)  # whoever ran postmap on it made it readable for all
    assert [one.path for one in needed(planned(host, RELAYED).changes, host)] == [SASL_ACCOUNTS]
    del host.files[twin]
    assert [one.path for one in needed(planned(host, RELAYED).changes, host)] == [SASL_ACCOUNTS]


@pytest.mark.parametrize(
    ("map_type", "suffix"), [("hash", ".db"), ("btree", ".db"), ("lmdb", ".lmdb"), ("cdb", ".cdb"), ("texthash", None)]
)
def test_map_types(map_type, suffix, host):
    found = compiled(map_type)
    assert (found.suffix if found else None) == suffix
    host.set(MAIN_CF, default_database_type=map_type)
    apply(host, PARTNER)
    assert host.parameters["smtp_tls_policy_maps"] == f"{map_type}:{TLS_POLICY}"
    assert needed(planned(host, PARTNER).changes, host) == []


def test_another_map_type_replaces_the_first(host):
    apply(host, PARTNER)
    host.set(MAIN_CF, default_database_type="lmdb")
    apply(host, PARTNER)
    assert host.parameters["smtp_tls_policy_maps"] == f"lmdb:{TLS_POLICY}"


# ---- where mail goes: answers of Postfix' own resolver, 3.7 and 3.10, to the same settings

TABLE = "inline:{...}"
ROWS = {
    "colon.test": ":",
    "host.test": ":[h]:26",
    "name.test": "smtp:",
    "bare.test": "smtp",
    ".par.test": "smtp:[p]",
    "elsewhere.test": "relay:[e]:27",
}


@pytest.fixture
def routed(host):
    host.tables = {TABLE: dict(ROWS)}
    host.set(MAIN_CF, transport_maps=TABLE)
    return host


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("colon.test", "[relay]:25"),
        ("host.test", "[h]:26"),
        ("name.test", "name.test"),
        ("bare.test", "bare.test"),
        ("x.par.test", "[p]"),
        ("x.y.par.test", "[p]"),
        ("par.test", "[relay]:25"),
        ("elsewhere.test", "[e]:27"),
        ("other.test", "[relay]:25"),
    ],
)
def test_transport_table_goes_before_relayhost(domain, expected, routed):
    assert next_hop(routed, domain, relayhost="[relay]:25") == expected


@pytest.mark.parametrize(
    ("domain", "expected"), [("host.test", "[h]:26"), ("par.test", "[star]"), ("z.test", "[star]")]
)
def test_wildcard_goes_last(domain, expected, routed):
    routed.tables[TABLE]["*"] = "smtp:[star]"
    assert next_hop(routed, domain, relayhost="[relay]:25") == expected


@pytest.mark.parametrize(
    ("domain", "expected"), [("colon.test", "[def]:27"), ("host.test", "[h]:26"), ("other.test", "[def]:27")]
)
def test_next_hop_of_default_transport_goes_before_relayhost(domain, expected, routed):
    found = next_hop(routed, domain, relayhost="[relay]:25", default_transport="smtp:[def]:27")
    assert found == expected


@pytest.mark.parametrize(
    ("parameters", "domain", "expected"),
    [
        ({"relay_transport": "relay:[rt]:29"}, "rel.test", "[rt]:29"),
        ({"relay_transport": "relay:[rt]:29"}, "sub.rel.test", "[rt]:29"),
        ({"relay_transport": "relay:[rt]:29"}, "other.test", "[relay]:25"),
        ({}, "rel.test", "[relay]:25"),
        (
            {"relay_transport": "relay:[rt]:29", "parent_domain_matches_subdomains": "mynetworks"},
            "sub.rel.test",
            "[relay]:25",
        ),
    ],
)
def test_relay_domains_have_a_transport_of_their_own(parameters, domain, expected, host):
    assert next_hop(host, domain, relay_domains="rel.test", relayhost="[relay]:25", **parameters) == expected


def test_relay_domains_in_a_table(host):
    host.tables["hash:/etc/postfix/relay_domains"] = {"rel.test": "OK"}
    parameters = {"relay_domains": "!x.rel.test, hash:/etc/postfix/relay_domains", "relay_transport": "smtp:[in]"}
    assert next_hop(host, "sub.rel.test", **parameters) == "[in]"
    assert next_hop(host, "x.rel.test", **parameters) == "x.rel.test"


def test_domains_in_a_file(host):
    host.files["/etc/postfix/relayed"] = b"rel.test\nother.test\n"
    assert next_hop(host, "rel.test", relay_domains="/etc/postfix/relayed", relay_transport="smtp:[in]") == "[in]"


def test_patterns_are_asked_for_whole_addresses(host):
    # Postfix shows a table of patterns the whole address and "*", never the domain alone
    table = "regexp:/etc/postfix/transport.re"
    host.tables[table] = {"postmaster@re.test": "smtp:[re]:25", "re2.test": "smtp:[re2]:25", "*": "smtp:[star]"}
    parameters = {"transport_maps": table, "relayhost": "[r]"}
    assert [next_hop(host, domain, **parameters) for domain in ("re.test", "re2.test", "o.test")] == [
        "[re]:25",
        "[star]",
        "[star]",
    ]


def test_the_first_table_that_knows_a_key_decides_and_an_exact_key_goes_first(host):
    host.tables = {
        "hash:/a": {".par.test": "smtp:[a-parent]", "two.test": "smtp:[a]"},
        "inline:{ {x.par.test=smtp:[b-exact]}, two.test=smtp:[b] }": {
            "x.par.test": "smtp:[b-exact]",
            "two.test": "smtp:[b]",
        },
    }
    maps = ", ".join(host.tables)
    assert next_hop(host, "x.par.test", transport_maps=maps) == "[b-exact]"
    assert next_hop(host, "y.par.test", transport_maps=maps) == "[a-parent]"
    assert next_hop(host, "two.test", transport_maps=maps) == "[a]"


def test_each_table_is_asked_once_for_all_domains(routed):
    planned(routed, *(DomainPolicy(f"d{number}.test") for number in range(50)))
    assert [command for command in routed.asked if command.startswith("postmap")] == [f"postmap -q - {TABLE}"]


def test_keys_are_in_lower_case_as_postmap_writes_them(host):
    assert next_hop(host, "o.test", relayhost="[Re.Lay]:25") == "[re.lay]:25"


@pytest.mark.parametrize(
    ("parameters", "domain"),
    [
        ({"mydestination": "$myhostname, Here.test"}, "here.test"),
        ({"virtual_mailbox_domains": "here.test"}, "here.test"),
        ({"virtual_alias_maps": "hash:/etc/postfix/virtual"}, "here.test"),  # the default for virtual_alias_domains
    ],
)
def test_mail_that_stays_here(parameters, domain, host):
    host.tables["hash:/etc/postfix/virtual"] = {"here.test": "anything"}
    with pytest.raises(Problem, match="delivered on this host") as caught:
        next_hop(host, domain, **parameters)
    assert (caught.value.subject, caught.value.option) == (f"domain {domain}", "domain")


@pytest.mark.parametrize("answer", [":", ":[loc]"])
def test_mail_stays_here_where_the_transport_table_names_no_transport(answer, host):
    host.tables[TABLE] = {"here.test": answer}
    with pytest.raises(Problem, match="delivered on this host"):
        next_hop(host, "here.test", mydestination="here.test", transport_maps=TABLE)


def test_mail_leaves_where_the_transport_table_says_so(host):
    host.tables[TABLE] = {"here.test": "smtp:[out]"}
    assert next_hop(host, "here.test", mydestination="here.test", transport_maps=TABLE) == "[out]"


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        ({"transport_maps": TABLE}, "lmtp:unix:/run/lmtp"),
        ({"transport_maps": TABLE}, "error:5.1.1 no mail here"),
        ({"default_transport": "uucp"}, None),
        ({"default_transport": "lmtp:inet:[x]"}, None),
    ],
)
def test_deliveries_on_which_a_policy_has_no_effect(parameters, answer, host):
    host.tables[TABLE] = {"odd.test": answer} if answer else {}
    with pytest.raises(Problem, match="which does not use this policy") as caught:
        next_hop(host, "odd.test", **parameters)
    assert caught.value.subject == "domain odd.test"


def test_several_next_hops(host):
    with pytest.raises(Problem, match=r"any of several next hops \(\[a\]:1, \[b\]:2\)"):
        next_hop(host, "o.test", relayhost="[a]:1, [b]:2")


def test_table_that_cannot_be_asked(host):
    with pytest.raises(Problem, match=r"hash:/etc/postfix/transport cannot be queried .*No such file") as caught:
        next_hop(host, "o.test", transport_maps="hash:/etc/postfix/transport")
    assert caught.value.option == MAIN_CF


def test_own_routes_are_not_asked_for(host):
    apply(host, RELAYED)
    (outcome,) = planned(host, replace(PARTNER)).outcomes
    assert outcome.next_hop == "partner.example"
    assert outcome.reason == (
        "route: partner.example smtp:[mail.partner.example]:587 -> none; "
        "TLS policy: [mail.partner.example]:587 secure strength=intermediate -> partner.example secure"
        " strength=intermediate; "
        "account: removed"
    )


@pytest.mark.parametrize("name", ["sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps"])
def test_mail_that_goes_by_its_sender_is_warned_of(name, host):
    host.set(MAIN_CF, **{name: "hash:/etc/postfix/by_sender"})
    (warning,) = planned(host, PARTNER).warnings
    assert name in warning
    assert "partner.example" in warning
    assert planned(host, RELAYED).warnings == []  # a transport table goes before it


def test_policy_that_holds_for_more_than_its_domain_is_warned_of(host):
    assert planned(host, PARTNER).warnings == []
    host.set(MAIN_CF, relayhost="[gw]:587")
    assert planned(host, PARTNER).warnings == [
        "the policy for partner.example holds for all mail that leaves by [gw]:587"
    ]


# ---- rows


@pytest.mark.parametrize(
    ("policy", "value"),
    [
        (replace(PARTNER, tls="none"), "none"),
        (replace(PARTNER, tls="may"), "may"),
        (replace(PARTNER, tls="dane"), "dane"),
        (replace(PARTNER, tls="encrypt"), f"encrypt{STRONG}"),
        (PARTNER, f"secure{STRONG}"),
        (replace(PARTNER, match=("a.test", ".b.test")), f"secure match=a.test:.b.test{STRONG}"),
    ],
)
def test_policy_row(policy, value, host):
    apply(host, policy)
    assert whole_rows(host, TLS_POLICY) == {"partner.example": value}


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("u", "p"),
        ("DOMAIN\\user", "pa ss#word\\"),
        ("user@example.org", ""),
        ("u", "a\x0bb\x85c\u2028d"),
        ("ü", "ß:$x"),
    ],
)
def test_accounts_are_kept_byte_for_byte(username, password, host):
    policy = replace(RELAYED, account=SaslAccount(username, password))
    apply(host, policy)
    assert rows(host, SASL_ACCOUNTS) == {"[mail.partner.example]:587": f"{username}:{password}"}
    assert needed(planned(host, policy).changes, host) == []
    assert [one.reason for one in planned(host, policy).outcomes] == [""]


def test_blank_password_is_not_the_same_as_no_account(host):
    blank = replace(RELAYED, account=SaslAccount("u", ""))
    assert apply(host, blank)["partner.example"].reason.endswith("account: set")
    assert apply(host, replace(RELAYED, account=None))["partner.example"].reason == "account: removed"
    assert rows(host, SASL_ACCOUNTS) == {}


def test_passwords_are_shown_nowhere(host):
    plan = planned(host, RELAYED)
    shown = [repr(RELAYED), str(RELAYED.account), repr(plan.outcomes), repr(plan.warnings)]
    shown += [repr(one.diff(host)) for one in plan.changes]
    host.take(plan.changes)
    changed = planned(host, replace(RELAYED, account=SaslAccount("u", SECRET + "2")))
    shown += [repr(changed.outcomes), *(repr(one.diff(host)) for one in changed.changes)]
    other = replace(RELAYED, domain="other.example", account=SaslAccount("other", SECRET + "3"))
    with pytest.raises(Problem) as caught:
        planned(host, RELAYED, other)
    shown += [caught.value.message, repr(caught.value.result())]
    assert [text for text in shown if SECRET in text or SECRET.split()[0] in text] == []
    assert changed.outcomes[0].reason == "account: changed"


def test_domains_with_one_next_hop_and_one_policy_share_a_row(host):
    host.set(MAIN_CF, relayhost="[gw]:25")
    other = replace(PARTNER, domain="other.example")
    apply(host, PARTNER, other)
    assert host.read_text(TLS_POLICY).split("\n")[1:] == [
        "# for other.example partner.example",
        f"[gw]:25 secure{STRONG}",
        "",
    ]
    apply(host, replace(PARTNER, present=False))
    assert host.read_text(TLS_POLICY).split("\n")[1:] == ["# for other.example", f"[gw]:25 secure{STRONG}", ""]


@pytest.mark.parametrize(
    ("other", "option"),
    [
        (replace(RELAYED, domain="other.example", tls="encrypt"), "tls"),
        (replace(RELAYED, domain="other.example", account=SaslAccount("other", "x")), "username"),
    ],
)
def test_two_domains_that_contradict_each_other_on_one_next_hop(other, option, host):
    with pytest.raises(
        Problem, match=r"next hop \[mail\.partner\.example\]:587 as does that of partner\.example"
    ) as caught:
        planned(host, RELAYED, other)
    assert (caught.value.subject, caught.value.option) == ("domain other.example", option)
    apply(host, RELAYED)
    with pytest.raises(Problem, match="as does that of"):
        planned(host, other)  # also against what an earlier run has written


# ---- leaving


def test_absent_removes_what_was_written(host):
    apply(host, RELAYED, replace(PARTNER, domain="kept.example"))
    outcome = apply(host, replace(RELAYED, present=False))["partner.example"]
    assert outcome.next_hop == ""
    assert outcome.reason == (
        "route: partner.example smtp:[mail.partner.example]:587 -> none; "
        "TLS policy: [mail.partner.example]:587 secure strength=intermediate -> none; account: removed"
    )
    assert rows(host, TLS_POLICY) == {"kept.example": "secure"}
    assert rows(host, TRANSPORT) == rows(host, SASL_ACCOUNTS) == {}
    assert apply(host, replace(RELAYED, present=False))["partner.example"].reason == ""


def test_absent_where_nothing_was(host):
    plan = planned(host, replace(PARTNER, present=False))
    assert needed(plan.changes, host) == []
    assert [one.reason for one in plan.outcomes] == [""]


def test_purge_removes_all_other_domains_of_ours_only(host):
    host.tables["hash:/etc/postfix/foreign"] = {"theirs.example": "smtp:[theirs]"}
    host.set(MAIN_CF, transport_maps="hash:/etc/postfix/foreign")
    gone = [replace(RELAYED, domain=f"{name}.example", relay_host=f"mx.{name}.example") for name in "ab"]
    apply(host, *gone, PARTNER)
    outcomes = apply(host, PARTNER, purge=True)
    assert list(outcomes) == ["partner.example", "a.example", "b.example"]
    assert outcomes["partner.example"].reason == ""
    assert "-> none" in outcomes["a.example"].reason
    assert rows(host, TLS_POLICY) == {"partner.example": "secure"}
    assert host.parameters["transport_maps"] == "hash:/etc/postfix/foreign"
    assert list(apply(host, purge=True)) == ["partner.example"]
    assert rows(host, TLS_POLICY) == {}


# ---- main.cf


def test_foreign_tables_are_kept_behind_ours(host):
    foreign = "inline:{ {a=b c}, d=e } hash:/etc/postfix/theirs"
    host.set(MAIN_CF, smtp_tls_policy_maps=foreign)
    apply(host, PARTNER)
    expected = f"hash:{TLS_POLICY}, inline:{{ {{a=b c}}, d=e }}, hash:/etc/postfix/theirs"
    assert host.parameters["smtp_tls_policy_maps"] == expected
    assert needed(planned(host, PARTNER).changes, host) == []


def test_table_that_somebody_put_before_ours_loses_its_place(host):
    apply(host, PARTNER)
    host.set(MAIN_CF, smtp_tls_policy_maps=f"hash:/etc/postfix/theirs, hash:{TLS_POLICY}")
    apply(host, PARTNER)
    assert host.parameters["smtp_tls_policy_maps"] == f"hash:{TLS_POLICY}, hash:/etc/postfix/theirs"


def test_accounts_switch_sasl_on_and_allow_passwords_inside_tls_only(host):
    apply(host, RELAYED)
    explicit = main_cf_settings(host.read_text(MAIN_CF))
    assert explicit["smtp_sasl_auth_enable"] == "yes"
    assert explicit["smtp_sasl_tls_security_options"] == "noanonymous"
    assert "smtp_sasl_security_options" not in explicit  # the default forbids passwords in clear text


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"smtp_sasl_tls_security_options": "noanonymous, noactive"}, "noanonymous, noactive"),
        ({"smtp_sasl_security_options": "noanonymous"}, "$smtp_sasl_security_options"),
        ({"smtp_sasl_tls_security_options": "noplaintext"}, "noanonymous"),
    ],
)
def test_sasl_options_of_somebody_else(parameters, expected, host):
    host.set(MAIN_CF, **parameters)
    apply(host, RELAYED)
    assert host.parameters["smtp_sasl_tls_security_options"] == expected


@pytest.mark.parametrize(
    ("policy", "before", "ca_file", "expected"),
    [
        (PARTNER, "", "", SYSTEM_TRUST_STORE),
        (replace(PARTNER, tls="encrypt"), "", "", ""),
        (PARTNER, "/own.pem", "", "/own.pem"),
        (PARTNER, "/own.pem", "/given.pem", "/given.pem"),
        (replace(PARTNER, tls="encrypt"), "", "/given.pem", "/given.pem"),
    ],
)
def test_roots(policy, before, ca_file, expected, host):
    host.set(MAIN_CF, smtp_tls_CAfile=before)
    apply(host, policy, ca_file=ca_file)
    assert host.parameters["smtp_tls_CAfile"] == expected


def test_account_needs_the_plug_ins(host, monkeypatch):
    monkeypatch.setattr(glob, "glob", lambda _pattern: [])
    with pytest.raises(Problem, match="libsasl2-modules"):
        planned(host, RELAYED)
    planned(host, PARTNER, replace(RELAYED, present=False))


# ---- the tables' own form

DOMAINS = st.sampled_from(["a.test", "b.test", "c.test", "xn--d.test"])
KEYS = st.sampled_from(["a.test", "[h]:25", "[h]:587", ".a.test"])
VALUES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1).map(str.strip)

ROWS_OF_ONE = st.sets(st.builds(Row, KEYS, VALUES), min_size=1).map(
    lambda rows: tuple(sorted(rows, key=lambda row: (row.key, row.value)))
)


@given(st.dictionaries(DOMAINS, ROWS_OF_ONE))
def test_table_is_read_as_it_was_written(table):
    assert parse(render(table)) == table


def test_rows_of_nobody_are_dropped():
    assert parse("# Kept by ...\nstray.test secure\n\n# for a.test b.test\n[h]:25 secure\nother.test may\n") == {
        "a.test": (Row("[h]:25", "secure"),),
        "b.test": (Row("[h]:25", "secure"),),
    }
