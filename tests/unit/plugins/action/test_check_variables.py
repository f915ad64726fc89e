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

    def run(**variables: Any) -> dict[str, Any]:
        templar = Templar(DataLoader(), variables)
        action = ActionModule(Task(), mock.Mock(), mock.Mock(), DataLoader(), templar, mock.Mock())
        return action.run(task_vars=variables)

    return run


def test_nothing_is_wrong(look: Any) -> None:
    assert look(vservers_list=[{"protocol": "imap", "port": trust_as_template("{{ 100 + 43 }}")}]) == {
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
