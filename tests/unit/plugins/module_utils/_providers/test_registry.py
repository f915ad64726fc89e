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
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import (
    AccountBackend,
    SubmissionProvider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import (
    DAEMONS,
    account_backends,
    backend_choices,
    provider_choices,
    provider_of,
    senders,
    submission_servers,
    supporting,
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
        ("mail_domain_security", ["provider"], provider_choices(senders())),
        ("mail_relay_account", ["backend"], backend_choices()),
    ],
)
def test_documentation_has_the_choices_of_the_registry(module, path, choices):
    assert documented(module, *path) == choices


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_is_served(protocol):
    assert [one for one in DAEMONS if protocol in one.protocols]


def names(daemon):
    return daemon.name


@pytest.mark.parametrize("daemon", DAEMONS, ids=names)
def test_package_of_a_provider_is_named_like_it(daemon):
    provider = provider_of(daemon)
    assert daemon.__module__.split(".")[-2:] == [daemon.name, "daemon"]
    assert provider.__module__.split(".")[-2:] == [daemon.name, "provider"]
    assert set(daemon.packages) == daemon.protocols


@pytest.mark.parametrize("daemon", DAEMONS, ids=names)
def test_provider_is_what_was_known_of_it_before(daemon):
    provider: Any = provider_of(daemon)
    assert issubclass(provider, daemon)
    known = Daemon.__annotations__
    assert {one: getattr(provider, one) for one in known} == {one: getattr(daemon, one) for one in known}
    assert provider.installed.__func__ is daemon.installed.__func__
    assert issubclass(provider, DomainProvider) == daemon.sends_mail
    assert issubclass(provider, SubmissionProvider) == daemon.relays_for_accounts
    assert issubclass(provider, AccountBackend) == bool(daemon.backends)


def test_roles():
    assert [one.name for one in senders()] == ["postfix", "exim"]
    assert [one.name for one in submission_servers()] == ["postfix"]
    assert [one.name for one in supporting("sni", "smtp")] == ["postfix", "exim"]
    assert account_backends() == {"dovecot": "dovecot-core", "sasldb": "libsasl2-2"}


@pytest.mark.parametrize(
    ("name", "unit"),
    [("postfix", "postfix"), ("exim", "exim4"), ("inn", "inn2"), ("openldap", "slapd"), ("apache", "apache2")],
)
def test_daemon_that_does_not_run_is_started_by_the_name_of_its_unit(name, unit):
    provider: Any = next(provider_of(one) for one in DAEMONS if one.name == name)
    assert f"'systemctl restart {unit}'" in provider.remedy_where_down(SimpleNamespace(unit=provider.unit))


@pytest.mark.parametrize("program", [(one, program) for one in DAEMONS for program in one.programs])
def test_a_daemon_of_which_a_program_is_missing_is_installed(program):
    daemon, there = program
    host = RecordedHost()
    host.answers = {f"{there} -v": ""}
    assert daemon.installed(host)
    host.answers = {}
    assert not daemon.installed(host)
