# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    InboundRequirement,
    NamedCertificate,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import DAEMONS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.capability_check import (
    OPTIONS,
    refuse_unsupported,
    used_by_domains,
    used_by_vservers,
)

IMAP = Vserver("imap", certificate="one")
PARTNER = DomainPolicy("partner.example", inbound=InboundRequirement())


def daemon(*options) -> Any:
    return SimpleNamespace(name="daemon", supported_options=lambda: frozenset(options))


@pytest.mark.parametrize(
    ("vserver", "option"),
    [
        (replace(IMAP, name="x"), "name"),
        (replace(IMAP, alternative_certificate="rsa"), "alternative_certificate"),
        (replace(IMAP, sni=(NamedCertificate("a.test", "one"),)), "sni"),
        (replace(IMAP, auth_tls=()), "auth_tls"),
        (replace(IMAP, auth_clear=("PLAIN",)), "auth_clear"),
    ],
)
def test_option_of_a_virtual_server_that_the_daemon_does_not_support(vserver, option):
    with pytest.raises(Problem, match="daemon does not support") as caught:
        refuse_unsupported(daemon(), used_by_vservers([IMAP, vserver], "default"))
    assert (caught.value.subject, caught.value.option) == (vserver.title, option)
    refuse_unsupported(daemon(option), used_by_vservers([vserver], "default"))
    refuse_unsupported(daemon(), used_by_vservers([replace(vserver, present=False)], "default"))


@pytest.mark.parametrize(
    ("option", "policies", "mta_sts", "preflight_fails"),
    [
        ("inbound", [PARTNER], None, False),
        ("require_128_bit", [DomainPolicy("partner.example", require_128_bit=True)], None, False),
        ("mta_sts", [], True, False),
        ("preflight", [], False, True),
    ],
)
def test_option_for_domains_that_the_daemon_does_not_support(option, policies, mta_sts, preflight_fails):
    uses = list(used_by_domains(policies, mta_sts=mta_sts, preflight_fails=preflight_fails))
    with pytest.raises(Problem, match="daemon does not support") as caught:
        refuse_unsupported(daemon(), uses)
    assert caught.value.option == option
    assert caught.value.subject == ("domain partner.example" if policies else "")
    assert caught.value.remedy == f"leave the option out, or use {'exim' if option == 'require_128_bit' else 'postfix'}"
    refuse_unsupported(daemon(option), uses)


def test_what_is_absent_or_left_as_it_is_uses_nothing():
    absent = [replace(PARTNER, present=False)]
    assert list(used_by_domains(absent, mta_sts=False, preflight_fails=False)) == []


def test_remedy_names_the_daemons_that_support_the_option():
    with pytest.raises(Problem) as caught:
        refuse_unsupported(daemon(), used_by_vservers([replace(IMAP, name="x")], "default"))
    assert caught.value.remedy == "leave the option out, or use dovecot or cyrus"


def test_every_option_of_a_provider_is_known_to_the_check():
    assert {option for one in DAEMONS for option in one.options} == set(OPTIONS)


FOR_DOMAINS = {"inbound", "mta_sts", "preflight", "servername"}
SUPPORTED: dict[str, set[str]] = {
    "postfix": {"name", "alternative_certificate", "sni", "auth_tls", "auth_clear", *FOR_DOMAINS},
    "exim": {"name", "alternative_certificate", "sni", "require_128_bit"},
    "dovecot": {"name", "alternative_certificate", "sni", "auth_tls", "auth_clear"},
    "cyrus": {"name", "alternative_certificate", "auth_tls", "auth_clear"},
    "inn": {"name", "auth_tls", "auth_clear"},
    "openldap": {"auth_tls", "auth_clear"},
    "nginx": {"name", "alternative_certificate"},
    "apache": {"name", "alternative_certificate"},
}


def test_what_each_daemon_supports():
    assert {one.name: set(one.options) for one in DAEMONS} == SUPPORTED
