# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a domain publishes for those that send it mail: MTA-STS and TLSRPT."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.postmaster.secure_channel.plugins.filter.mta_sts_policy import mta_sts_policy
from ansible_collections.postmaster.secure_channel.plugins.filter.mta_sts_record import mta_sts_record
from ansible_collections.postmaster.secure_channel.plugins.filter.tlsrpt_record import tlsrpt_record


def test_policy_has_the_lines_of_the_rfc() -> None:
    assert mta_sts_policy(["mx1.example.test", "*.backup.test"], "enforce", 86400) == (
        "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.test\r\nmx: *.backup.test\r\nmax_age: 86400\r\n"
    )
    assert mta_sts_policy([], "none") == "version: STSv1\r\nmode: none\r\nmax_age: 604800\r\n"


@pytest.mark.parametrize(
    ("exchangers", "options", "fault"),
    [
        ("mx1.example.test", {}, "not a list"),
        (["mx1.example.test\nmode: none"], {}, "not a list of host names"),
        (["mx1"], {}, "not a list of host names"),
        ([], {}, "no mail exchanger"),
        (["mx1.example.test"], {"mode": "strict"}, "'strict' is not one of enforce"),
        (["mx1.example.test"], {"max_age": 0}, "from 1 to 31557600"),
        (["mx1.example.test"], {"max_age": 31557601}, "from 1 to 31557600"),
    ],
)
def test_policy_that_nobody_could_use(exchangers: Sequence[str], options: dict[str, Any], fault: str) -> None:
    with pytest.raises(AnsibleFilterError, match=fault):
        mta_sts_policy(exchangers, **options)


def test_id_changes_with_the_policy_and_only_then() -> None:
    one, same, other = (
        mta_sts_record(mta_sts_policy(["mx1.example.test"], mode), "example.test")
        for mode in ("enforce", "enforce", "testing")
    )
    assert one == same != other
    assert one["name"] == "_mta-sts.example.test"
    assert one["type"] == "TXT"
    assert re.fullmatch(r"v=STSv1; id=[A-Za-z0-9]{1,32};", *one["values"])


def test_reports_go_to_mail_addresses_and_web_servers() -> None:
    assert tlsrpt_record(["tlsrpt@example.test", "https://reports.test/v1"], "example.test") == {
        "name": "_smtp._tls.example.test",
        "type": "TXT",
        "values": ["v=TLSRPTv1; rua=mailto:tlsrpt@example.test,https://reports.test/v1"],
    }


@pytest.mark.parametrize("places", ["a@b.test", [], ["http://b.test"], ["a"], ["a@b.test,c@d.test"]])
def test_places_that_no_report_can_go_to(places: Sequence[str]) -> None:
    with pytest.raises(AnsibleFilterError):
        tlsrpt_record(places, "example.test")
