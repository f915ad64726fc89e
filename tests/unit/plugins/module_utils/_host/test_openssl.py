# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that a server could not use now, by this host's clock."""

from __future__ import annotations

import datetime

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import refuse_unusable
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    DAY,
    NOW,
    Authority,
    distinguished,
    key_pem,
    new_key,
    pem,
)

FOR_EVER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)


@pytest.fixture
def refused(tmp_path):
    """Why a certificate with these dates is refused; None where it is not."""

    def look(not_before, not_after):
        key, path = new_key(), tmp_path / "certificate.pem"
        dates = {"not_before": not_before, "not_after": not_after}
        certificate = Authority().certify(key.public_key(), distinguished("mx1"), **dates)
        path.write_bytes(key_pem(key) + pem(certificate))
        try:
            refuse_unusable(Host(), str(path))
        except Problem as exc:
            return exc
        return None

    return look


@pytest.mark.parametrize(
    ("not_before", "not_after"), [(NOW - DAY, NOW + DAY), (NOW - 9000 * DAY, FOR_EVER), (NOW - DAY, NOW + 11000 * DAY)]
)
def test_what_is_valid_now_will_do(refused, not_before, not_after):
    assert refused(not_before, not_after) is None


@pytest.mark.parametrize(
    ("begins", "ends", "fault", "remedy"),
    [
        (-800, -1, "has expired", "else have it renewed with mail_cert_request and mail_cert_install"),
        (-4000, -3650, "has expired", "else have it renewed with mail_cert_request and mail_cert_install"),
        (1, 90, "is not valid yet", "else wait"),
        (365, 455, "is not valid yet", "else wait"),
    ],
)
def test_what_is_not_valid_by_the_clock_is_refused_with_what_the_clock_says(refused, begins, ends, fault, remedy):
    found = refused(NOW + begins * DAY, NOW + ends * DAY)
    assert f"{fault} by this host's clock, which says {NOW:%Y-%m-%dT%H:}" in found.found
    assert f"valid from {NOW + begins * DAY:%Y-%m-%dT%H:%M:%SZ} to {NOW + ends * DAY:%Y-%m-%dT%H:%M:%SZ}" in found.found
    assert found.remedy == f"set the clock where it is wrong, {remedy}"


def test_what_is_no_certificate(tmp_path):
    path = tmp_path / "certificate.pem"
    path.write_bytes(key_pem(new_key()))
    with pytest.raises(Problem, match="cannot be used"):
        refuse_unusable(Host(), str(path))
