# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action that looks at all variables of a host, with Ansible's own templates."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar, trust_as_template

from ansible_collections.postmaster.secure_channel.plugins.action.check_variables import ActionModule


@pytest.fixture
def look() -> Any:
    """Looks at some variables."""

    def run(*, declared: bool = False, **variables: Any) -> dict[str, Any]:
        templar = Templar(DataLoader(), variables)
        task = Task()
        task.args = {"declared": declared}
        action = ActionModule(task, mock.Mock(), mock.Mock(), DataLoader(), templar, mock.Mock())
        return action.run(task_vars=variables)

    return run


def test_nothing_is_wrong(look: Any) -> None:
    entry = {"protocol": "imap", "certificate": "a", "port": trust_as_template("{{ 100 + 43 }}")}
    assert look(vservers_list=[entry]) == {
        "changed": False,
        "faults": [],
    }


def test_all_faults_are_told_at_once(look: Any) -> None:
    result = look(
        vserver_list=[],
        entries=[{"name": "a", "source": "exernal"}],
        certificates_list=trust_as_template("{{ entries }}"),
    )
    assert result["failed"] is True
    assert result["faults"] == [
        "vserver_list: no role or playbook of postmaster.secure_channel has this variable; did you mean vservers_list?",
        "certificates_list[0].source: it must be one of own_ca, external, acme, lineage; did you mean external?",
    ]
    assert result["msg"] == "; ".join(result["faults"])


def test_what_cannot_be_templated_yet_is_left_alone(look: Any) -> None:
    unknown = trust_as_template("{{ in_a_vault_that_is_not_given }}")
    assert look(relay_accounts_list=unknown, vservers_list=[{"protocol": unknown}])["faults"] == []


def test_variables_of_others(look: Any) -> None:
    assert look(vservers_speed=1)["faults"]
    assert not look(vservers_speed=1, secure_channel_foreign_variables=["vservers_speed"])["faults"]
    assert look(vservers_speed=1, secure_channel_foreign_variables=trust_as_template("{{ unknown }}"))["faults"]


# ---- the declaration as a whole

ACME = {
    "certificates_list": [{"name": "mx1.example.test", "source": "acme"}],
    "certificates_acme_directory": "https://ca.example.test/dir",
    "certificates_acme_terms_agreed": True,
}


def test_acme_with_all_that_it_needs(look: Any) -> None:
    assert look(**ACME)["faults"] == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"certificates_acme_directory": None}, "certificates_acme_directory: it is missing"),
        ({"certificates_acme_terms_agreed": False}, "certificates_acme_terms_agreed: it must be true"),
        ({"certificates_acme_terms_agreed": "no"}, "certificates_acme_terms_agreed: it must be true"),
        (
            {"certificates_list": [{"name": "mx4", "source": "acme"}]},
            "certificates_list[0]: mx4 is not a full host name",
        ),
        (
            {"certificates_list": [{"name": "a.test", "source": "acme", "subject_alt_names": ["mx4"]}]},
            "certificates_list[0]: mx4 is not a full host name",
        ),
        (
            {"certificates_list": [{"name": "all", "common_name": "*.a.test", "source": "acme"}]},
            "certificates_list[0]: a wildcard needs acme_challenge dns-01",
        ),
        (
            {"certificates_list": [{"name": "a.test", "source": "acme", "acme_challenge": "dns-01"}]},
            "certificates_list[0]: acme_challenge dns-01 needs certificates_acme_dns_tasks",
        ),
        (
            {"certificates_list": [{"name": "a.test", "source": "lineage", "src": "/a"}]},
            "certificates_list[0]: source lineage needs src and key_src",
        ),
        (
            {"certificates_list": [{"name": "a.test", "src": "/a", "key_src": "/b"}]},
            "certificates_list[0]: src and key_src needs source lineage",
        ),
        (
            {"vservers_list": [{"protocol": "smtp", "certificate": "a", "require_secure_channel": True}]},
            "vservers_list[0].require_secure_channel: ",
        ),
        (
            {"domain_security_list": [{"domain": "a.test", "tls": "fingerprint"}]},
            "domain_security_list[0].",
        ),
        ({"relay_accounts_list": [{"name": "a b", "password": "geheim geheim"}]}, "relay_accounts_list[0].name: "),
        (
            {"domain_security_list": [{"domain": "a.test"}], "domain_security_domains": [{"domain": "b.test"}]},
            "domain_security_list: domain_security_domains, its former name, has other entries",
        ),
    ],
)
def test_what_cannot_succeed_is_refused_before_anything(look: Any, change: dict[str, Any], fault: str) -> None:
    result = look(**{**ACME, **change})
    assert result["failed"]
    assert result["faults"][0].startswith(fault), result["faults"]
    assert "geheim" not in str(result)


def test_a_secret_is_not_looked_up(look: Any) -> None:
    unknown = trust_as_template("{{ in_a_vault_that_is_not_given }}")
    entry = {"domain": "a.test", "relay_host": "b.test", "tls": "secure", "username": "u", "password": unknown}
    assert look(domain_security_list=[entry])["faults"] == []


@pytest.mark.parametrize(
    "name", ["certificates_list", "vservers_list", "relay_accounts_list", "domain_security_domains"]
)
def test_nothing_declared_at_all(look: Any, name: str) -> None:
    assert not look(**{name: []})["faults"]
    (fault,) = look(declared=True, **{name: []})["faults"]
    assert fault.startswith("nothing is declared for this host")
    assert not look(declared=True, **{name: trust_as_template("{{ unknown }}")})["faults"]


@pytest.mark.parametrize("name", ["vservers", "certificates", "mail_domain_security"])
def test_nothing_declared_but_something_of_almost_that_name(look: Any, name: str) -> None:
    (fault,) = look(declared=True, **{name: [{"name": "a"}]})["faults"]
    assert f"is {name} one of these?" in fault


def test_names_without_a_domain_get_a_warning(look: Any) -> None:
    result = look(
        certificates_list=[{"name": "mx4"}, {"name": "a.test", "subject_alt_names": ["mail"]}],
        vservers_list=[{"protocol": "http", "name": "webmail", "certificate": "mx4"}],
    )
    assert [one.split(" is no")[0] for one in result["warnings"]] == [
        "certificates_list[0]: mx4",
        "certificates_list[1]: mail",
        "vservers_list[0]: webmail",
    ]
    assert not result["faults"]
