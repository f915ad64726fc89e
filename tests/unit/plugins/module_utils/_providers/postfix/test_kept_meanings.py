# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What refers to parameters of outgoing mail that we change."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.tests.support.postfix_sending import apply, planned
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    RecordedHost,
)

EVERYTHING = DomainPolicy("*", tls="encrypt")


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    found = RecordedHost(request.param)
    found.set(MAIN_CF, smtp_tls_security_level="may")
    return found


@pytest.mark.parametrize(
    ("reference", "kept"),
    [
        ("$smtp_tls_security_level", "may"),
        ("${smtp_tls_security_level}", "may"),
        ("${{$smtp_tls_security_level} == {may} ? {dane} : {none}}", "dane"),
        ("$between", "may"),
    ],
)
def test_other_services_keep_what_they_had_by_reference(reference, kept, host):
    host.set(MAIN_CF, between="$smtp_tls_security_level", lmtp_tls_security_level=reference)
    before = host.files[MAIN_CF]
    for _run in range(2):
        apply(host, EVERYTHING)
        assert host.parameters["lmtp_tls_security_level"] == kept
        assert host.parameters["smtp_tls_security_level"] == "encrypt"
    apply(host, DomainPolicy("*", present=False))
    assert host.files[MAIN_CF] == before


def test_outgoing_mail_itself_follows(host):
    host.set(MAIN_CF, tlsproxy_client_level="$smtp_tls_security_level")
    apply(host, EVERYTHING)
    assert host.parameters["tlsproxy_client_level"] == "$smtp_tls_security_level"


def test_a_service_that_refers_is_named(host):
    host.files[MASTER_CF] += b"lm unix - - y - - lmtp\n  -o lmtp_tls_security_level=$smtp_tls_security_level\n"
    with pytest.raises(Problem, match=r"master\.cf line \d+ sets lmtp_tls_security_level"):
        planned(host, EVERYTHING)
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(b"level=$smtp_tls_security_level", b"level=may")  # the remedy
    planned(host, EVERYTHING)
