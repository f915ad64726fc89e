# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that get mail while those of its domain cannot be reached."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.tests.support.postfix_sending import STRONG, planned
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    RecordedHost,
)

PARTNER = DomainPolicy("partner.test")
EVERYTHING = DomainPolicy("*", tls="encrypt")
RELAY = {"smtp_fallback_relay": "[backup.test]"}


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    return RecordedHost(request.param)


@pytest.mark.parametrize("value", ["[backup.test]", "backup.test", "[backup.test]:587", "$backup"])
def test_less_demanded_of_the_fallback_is_refused(value, host):
    host.set(MAIN_CF, backup="backup.test", smtp_fallback_relay=value)
    with pytest.raises(
        Problem, match=r"main\.cf line \d+ sends mail by \[?backup\.test.* while no host of the domain"
    ) as caught:
        planned(host, PARTNER)
    assert caught.value.remedy == "remove smtp_fallback_relay, or declare '*' with tls secure as well"


def test_remedies(host):
    host.set(MAIN_CF, **RELAY)
    planned(host, PARTNER, replace(EVERYTHING, tls="secure"))
    with pytest.raises(Problem, match="demands only encrypt of that host"):
        planned(host, PARTNER, EVERYTHING)
    host.set(MAIN_CF, smtp_fallback_relay="")
    planned(host, PARTNER)


def test_a_fallback_with_a_policy_that_is_strict_enough(host):
    host.set(MAIN_CF, smtp_fallback_relay="backup.test")
    planned(host, PARTNER, DomainPolicy("backup.test"))
    host.set(MAIN_CF, smtp_fallback_relay="[backup.test]", smtp_tls_policy_maps="hash:/p")
    host.tables["hash:/p"] = {"[backup.test]": f"secure match=backup.test{STRONG}"}
    planned(host, PARTNER)
    host.tables["hash:/p"] = {"[backup.test]": "secure match=backup.test"}
    with pytest.raises(Problem, match="only secure with less than strength intermediate of that host"):
        planned(host, PARTNER)


def test_lenient_mail_may_leave_by_it(host):
    host.set(MAIN_CF, **RELAY)
    planned(host, replace(PARTNER, tls="may"))


def test_a_service_with_its_own_fallback(host):
    host.files[MASTER_CF] += b"slow unix - - y - - smtp\n  -o smtp_fallback_relay=[backup.test]\n"
    planned(host, PARTNER)
    host.set(MAIN_CF, transport_maps="hash:/t")
    host.tables["hash:/t"] = {"partner.test": "slow:"}
    with pytest.raises(Problem, match=r"master\.cf line \d+ sends mail by"):
        planned(host, PARTNER)
