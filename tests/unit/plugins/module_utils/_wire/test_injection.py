# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.injection import injection
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import GOOD, at
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import serving, smtp


@pytest.mark.parametrize("protocol", GOOD)
def test_injection(protocol, good_tls):
    with serving(GOOD[protocol](good_tls, keep=True)) as server:
        found = injection(at(server, protocol))
    assert found.vulnerable
    assert "answered inside TLS" in found.evidence
    with serving(GOOD[protocol](good_tls)) as server:
        found = injection(at(server, protocol))
    assert not found.vulnerable


def test_injection_that_the_server_does_not_put_up_with():
    with serving(smtp(answers={"STARTTLS": "554 5.5.0 pipelining"})) as server:
        found = injection(at(server, "smtp"))
    assert not found.vulnerable
    assert "554 5.5.0 pipelining" in found.evidence


def test_injection_without_starttls():
    with serving(smtp(clear=())) as server, pytest.raises(WireError) as caught:
        injection(at(server, "smtp"))
    assert caught.value.code == "no_starttls"
