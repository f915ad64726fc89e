# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import SubmissionProvider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import (
    PROVIDERS,
    account_backends,
    backend_choices,
    provider_choices,
    supporting,
    with_role,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import DomainProvider
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import RecordedHost

MODULES = "ansible_collections.postmaster.secure_channel.plugins.modules."


def documented(module, *path):
    found = yaml.safe_load(importlib.import_module(MODULES + module).DOCUMENTATION)["options"]
    for key in path:
        found = found[key]
    return found["choices"]


@pytest.mark.parametrize(
    ("module", "path", "choices"),
    [
        ("mail_vserver_tls", ["provider"], provider_choices()),
        ("mail_domain_security", ["provider"], provider_choices(DomainProvider)),
        ("mail_relay_account", ["backend"], backend_choices()),
    ],
)
def test_documentation_has_the_choices_of_the_registry(module, path, choices):
    assert documented(module, *path) == choices


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_is_served(protocol):
    assert [one for one in PROVIDERS if protocol in one.protocols]


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.name)
def test_package_of_a_provider_is_named_like_it(provider):
    assert provider.__module__.split(".")[-2:] == [provider.name, "provider"]
    assert set(provider.packages) == provider.protocols


def test_roles():
    assert [one.name for one in with_role(DomainProvider)] == ["postfix", "exim"]
    assert [one.name for one in with_role(SubmissionProvider)] == ["postfix"]
    assert [one.name for one in supporting("sni", "smtp")] == ["postfix", "exim"]
    assert account_backends() == {"dovecot": "dovecot-core", "sasldb": "libsasl2-2"}


@pytest.mark.parametrize(
    ("name", "unit"),
    [("postfix", "postfix"), ("exim", "exim4"), ("inn", "inn2"), ("openldap", "slapd"), ("apache", "apache2")],
)
def test_daemon_that_does_not_run_is_started_by_the_name_of_its_unit(name, unit):
    provider: Any = next(one for one in PROVIDERS if one.name == name)
    assert f"'systemctl restart {unit}'" in provider.remedy_where_down(SimpleNamespace(unit=provider.unit))


@pytest.mark.parametrize("program", [(one, program) for one in PROVIDERS for program in one.programs])
def test_a_daemon_of_which_a_program_is_missing_is_installed(program):
    provider, there = program
    host = RecordedHost()
    host.answers = {f"{there} -v": ""}
    assert provider.installed(host)
    host.answers = {}
    assert not provider.installed(host)
