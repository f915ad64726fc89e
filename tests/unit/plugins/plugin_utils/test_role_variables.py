# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Misspelt and malformed variables are found, and their values are not shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.plugin_utils import _role_variables as role_variables
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._role_variables import (
    Unknown,
    Variables,
    malformed,
    misspelt,
)

ROLES = Path(__file__).resolve().parents[4] / "roles"
SECRET = "geheim"
ENTRY = {
    "protocol": {"type": "str", "choices": ["smtp", "imap"], "required": True},
    "certificate": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "port": {"type": "int"},
    "strict": {"type": "bool"},
    "wait": {"type": "float"},
    "names": {"type": "list", "elements": "str"},
    "sni": {"type": "list", "elements": "dict", "options": {"name": {"type": "str", "required": True}}},
    "inbound": {"type": "dict", "options": {"required": {"type": "bool"}}},
}
KNOWN = Variables(
    specs={
        "vservers_list": {"type": "list", "elements": "dict", "options": ENTRY},
        "vservers_store": {"type": "path"},
        "certificate_authority_kind": {"type": "str", "choices": ["root", "subordinate"]},
        "certificates_list": {"type": "list", "elements": "dict"},
        "verify_timeout": {"type": "float"},
        "link_host": {},
    },
    defaults={"certificates_list": []},
    prefixes=("certificate_authority_", "certificates_", "link_", "secure_channel_", "verify_", "vservers_"),
)


def plain(value: Any) -> Any:
    """Templates nothing."""
    if value == "{{ unknown }}":
        raise Unknown
    return {"{{ entries }}": [{"protocol": "imap", "protocl": 1}], "{{ number }}": 25}.get(value, value)


def faults(**values: Any) -> list[str]:
    return list(malformed(values, KNOWN, plain))


def one_fault(**entry: Any) -> str:
    (found,) = faults(vservers_list=[{"protocol": "smtp", **entry}])
    return found.removeprefix("vservers_list[0]")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("vservers_lst", "did you mean vservers_list?"),
        ("vserver_list", "did you mean vservers_list?"),
        ("certificate_list", "did you mean certificates_list?"),
        ("certificate_authority_kin", "did you mean certificate_authority_kind?"),
        ("verify_timout", "did you mean verify_timeout?"),
        ("link_hots", "did you mean link_host?"),
        ("certificates_9876543210_and_more", "there are certificates_list"),
    ],
)
def test_misspelt_variables(name: str, meant: str) -> None:
    (found,) = misspelt([name, "vservers_list"], KNOWN)
    assert found == f"{name}: no role or playbook of postmaster.secure_channel has this variable; {meant}"


def test_variables_of_others_are_left_alone() -> None:
    others = ["ansible_host", "vhosts_list", "inventory_hostname", "certificate", "verify_found", "vservers_of_others"]
    others += ["vault_certificate_authority_passphrase", "site_vservers_list"]  # somebody's own values of ours
    others += ["verify_ssl", "verify_speed", "link_speed", "link_name"]
    assert list(misspelt(others, KNOWN, ["vservers_of_others"])) == []


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"certifcate": "x"}, ".certifcate: there is no such option; did you mean certificate?"),
        ({"sni": [{"nam": "x", "name": "y"}]}, ".sni[0].nam: there is no such option; did you mean name?"),
        ({"sni": [{}]}, ".sni[0]: name is missing"),
        ({"inbound": {"requird": True}}, ".inbound.requird: there is no such option; did you mean required?"),
        ({"inbound": "{{ number }}"}, ".inbound: it must be a dictionary"),
        ({"sni": "{{ number }}", "port": 1}, ".sni[0]: it must be a dictionary"),
        ({"protocol": "imapp"}, ".protocol: it must be one of smtp, imap; did you mean imap?"),
        ({"protocol": SECRET}, ".protocol: it must be one of smtp, imap"),
        ({"port": SECRET}, ".port: it must be a whole number"),
        ({"strict": SECRET}, ".strict: it must be true or false"),
        ({"wait": [SECRET]}, ".wait: it must be a number"),
        ({"names": {SECRET: SECRET}}, ".names: it must be a list"),
    ],
)
def test_malformed_entries(entry: dict[str, Any], fault: str) -> None:
    assert one_fault(**entry) == fault


def test_where_nothing_is_alike_all_options_are_told() -> None:
    assert one_fault(xyz=1).endswith(
        "there are certificate, inbound, names, password, port, protocol, sni, strict, wait"
    )


def test_entries_that_lack_something_or_are_none() -> None:
    assert faults(vservers_list=[{}]) == ["vservers_list[0]: protocol is missing"]
    assert faults(vservers_list=[SECRET]) == ["vservers_list[0]: it must be a dictionary"]
    assert faults(vservers_list={"protocol": SECRET}) == ["vservers_list: it must be a list"]
    assert faults(certificate_authority_kind="rot") == [
        "certificate_authority_kind: it must be one of root, subordinate; did you mean root?"
    ]


def test_what_is_right() -> None:
    entry = {"protocol": "imap", "port": "25", "strict": "yes", "wait": 1.5, "names": "a,b", "sni": None}
    assert faults(vservers_list=[entry, {"protocol": "smtp", "inbound": {"required": True}}]) == []
    assert faults(vservers_list=None, vservers_store="/x", somebodys=1) == []


def test_templates_are_looked_through_and_unknown_ones_left_alone() -> None:
    assert faults(vservers_list="{{ entries }}") == [
        "vservers_list[0].protocl: there is no such option; did you mean protocol?"
    ]
    assert faults(vservers_list="{{ unknown }}") == []
    assert faults(vservers_list=[{"protocol": "{{ unknown }}", "port": "{{ number }}"}]) == []


def test_secrets_are_not_even_templated() -> None:
    def resolve(value: Any) -> Any:
        assert value == "imap"
        return value

    entry = {"protocol": "imap", "password": "{{ lookup('vault') }}", "certificate": "{{ lookup('slow') }}"}
    assert list(malformed({"vservers_list": [entry]}, KNOWN, resolve)) == []


@pytest.mark.parametrize("given", [4711, 47.11, True, {"a": SECRET}, [SECRET]])
def test_a_secret_that_is_no_text_is_found_and_not_shown(given: Any) -> None:
    assert one_fault(password=given) == ".password: it must be text; put quotes around it"


@pytest.mark.parametrize("given", [False, {"a": "b"}, ["a"]])
def test_text_that_yaml_reads_as_something_else(given: Any) -> None:
    assert one_fault(certificate=given) == ".certificate: it must be text; put quotes around it"
    assert faults(vservers_list=[{"protocol": "smtp", "certificate": 1984}]) == []


# ---- the roles that there are


@pytest.fixture(scope="module")
def known() -> Variables:
    return role_variables.read(ROLES)


def test_all_roles_are_read(known: Variables) -> None:
    assert {f"{path.name}_" for path in ROLES.iterdir()} | {"secure_channel_"} == set(known.prefixes)
    assert {"certificates_list", "certificate_authority_requests", "link_list", "secure_channel_hosts"} <= set(
        known.specs
    )


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"certificates_list": [{"name": "a", "source": "exernal"}]}, "certificates_list[0].source: it must be one of"),
        ({"verify_vservers": [{"protocol": "imap", "prt": 1}]}, "verify_vservers[0].prt: there is no such option"),
        ({"relay_accounts_list": [{"name": "a", "pasword": SECRET}]}, "relay_accounts_list[0].pasword: there is no"),
        ({"domain_security_domains": [{"domain": "a", "inbound": {"adresses": []}}]}, "did you mean addresses?"),
        ({"link_list": [{"connector": "a", "acceptor": "b", "pasword": SECRET}]}, "did you mean password?"),
    ],
)
def test_faults_in_variables_of_the_roles(known: Variables, values: dict[str, Any], fault: str) -> None:
    (found,) = malformed(values, known, plain)
    assert fault in found
    assert SECRET not in found


def test_a_default_is_not_looked_at_again(known: Variables) -> None:
    assert list(malformed(dict(known.defaults), known, lambda _value: pytest.fail("templated"))) == []
