# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.live import (
    certificates_in,
    check_renew_at,
    is_due,
    why_unfit,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import CertificateSpec
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import StoredCertificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    DAY,
    NAME,
    NOW,
    Authority,
    der,
    distinguished,
    key_pem,
    new_key,
    pem,
)

ROOT = Authority()
KEY = new_key()
LEAF = ROOT.certify(KEY.public_key(), distinguished(NAME), not_before=NOW - 50 * DAY, not_after=NOW + 50 * DAY)
SPEC = CertificateSpec(NAME, (NAME,), "ECDSA_P256", 0)


def stored(bundle):
    return StoredCertificate("/live.pem", "/live.json", bundle, None)


def leaf():
    return certificates_in(stored(pem(LEAF)))[0]


def test_leaf_and_chain():
    found = certificates_in(stored(key_pem(KEY) + pem(LEAF, ROOT.certificate)))
    assert [one.der for one in found] == [der(LEAF), der(ROOT.certificate)]
    assert certificates_in(stored(None)) == []


@pytest.mark.parametrize("bundle", [b"", b"garbage", key_pem(KEY)])
def test_damaged_file(bundle):
    with pytest.raises(Problem, match=r"/live\.pem: .*Move /live\.pem away"):
        certificates_in(stored(bundle))


@pytest.mark.parametrize("renew_at", [0, -1, 1.01])
def test_no_fraction_of_a_life(renew_at):
    with pytest.raises(Problem) as caught:
        check_renew_at(renew_at)
    assert caught.value.option == "renew_at"


def test_due_by_a_fraction_of_its_life():
    check_renew_at(1)
    assert is_due(leaf(), 0.5, NOW)
    assert not is_due(leaf(), 0.51, NOW)


@pytest.mark.parametrize(
    ("spec", "record", "renew_at", "found"),
    [
        (SPEC, SPEC.record, 0.6, ""),
        (SPEC, None, 0.6, ""),
        (replace(SPEC, friendly_name="Label", digest="sha512"), SPEC.record, 0.6, ""),
        (replace(SPEC, names=(NAME, "other.example.test")), None, 0.6, "does not cover other.example.test"),
        (replace(SPEC, key_type="RSA", key_size=3072), None, 0.6, "has a key of type ECDSA_P256"),
        (replace(SPEC, locality="X"), SPEC.record, 0.6, "requested with another locality"),
        (SPEC, SPEC.record, 0.4, "due for renewal (50 days left)"),
    ],
)
def test_why_it_will_not_do(spec, record, renew_at, found):
    why = why_unfit(leaf(), record, spec, renew_at, NOW)
    assert (found == "") == (why == "")
    assert found in why


def test_must_staple_that_is_not_asked_for():
    made = ROOT.certify(KEY.public_key(), distinguished(NAME), not_after=NOW + 50 * DAY, must_staple=True)
    found = certificates_in(stored(pem(made)))[0]
    assert why_unfit(found, None, SPEC, 1, NOW) == "the live certificate is must-staple, which is not asked for"
    assert why_unfit(found, None, replace(SPEC, must_staple=True), 1, NOW) == ""


def test_none_and_expired():
    assert why_unfit(None, SPEC.record, SPEC, 1, NOW) == "there is no live certificate yet"
    assert why_unfit(leaf(), SPEC.record, SPEC, 1, NOW + 51 * DAY) == "the live certificate has expired"
