# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.chain import verified_chain
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import load_certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    DAY,
    NAME,
    NOW,
    Authority,
    der,
    distinguished,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

ROOT = Authority("Root")
UPPER = Authority("Upper", ROOT)
LOWER = Authority("Lower", UPPER)
LEAF = LOWER.certify(new_key().public_key(), distinguished(NAME))


def parsed(*certificates):
    return [load_certificate(der(one), "it") for one in certificates]


@pytest.fixture
def judge(tmp_path):
    """Verifies a leaf with others against roots; gives the subjects of the chain."""

    def verify(leaf, others, roots=(ROOT,)):
        trust_store = tmp_path / "roots.pem"
        trust_store.write_bytes(b"".join(pem(one.certificate) for one in roots))
        chain = verified_chain(this_host(), parsed(leaf)[0], parsed(*others), str(trust_store))
        return [one.subject for one in chain]

    return verify


@pytest.mark.parametrize("order", list(itertools.permutations((ROOT, UPPER, LOWER, Authority("Foreign")))))
def test_any_order_and_without_the_root(judge, order):
    assert judge(LEAF, [one.certificate for one in order]) == ["CN=Lower", "CN=Upper"]


def test_leaf_of_the_root_itself(judge):
    assert judge(ROOT.certify(new_key().public_key(), distinguished(NAME)), [ROOT.certificate]) == []


def test_self_signed_leaf_that_is_trusted(judge):
    alone = Authority(NAME)
    alone.certificate = alone.certify(alone.key.public_key(), alone.subject)
    assert judge(alone.certificate, [], [alone]) == []
    with pytest.raises(Problem, match="it is self-signed and not in"):
        judge(alone.certificate, [])


@pytest.mark.parametrize(
    ("others", "missing"),
    [
        ([], "the issuer CN=Lower of CN=mx1.example.test is neither"),
        ([UPPER], "the issuer CN=Lower of CN=mx1.example.test is neither"),
        ([LOWER], "the issuer CN=Upper of CN=Lower is neither"),
        ([LOWER, ROOT], "the issuer CN=Upper of CN=Lower is neither"),
    ],
)
def test_missing_intermediate_is_named(judge, others, missing):
    with pytest.raises(Problem, match=missing) as caught:
        judge(LEAF, [one.certificate for one in others])
    assert caught.value.option == "chain"
    assert "add its certificate" in caught.value.remedy


def test_intermediate_that_only_this_host_has(judge):
    """The trust store holds the intermediate: verification succeeds here, and fails at every client."""
    with pytest.raises(Problem, match="the intermediate certificate CN=Upper is missing"):
        judge(LEAF, [LOWER.certificate], [ROOT, UPPER])


def test_root_that_is_not_trusted(judge):
    with pytest.raises(Problem, match="leads to the root CN=Root") as caught:
        judge(LEAF, [one.certificate for one in (ROOT, UPPER, LOWER)], [Authority("Foreign")])
    assert caught.value.option == "trust_store"
    assert "update-ca-certificates" in caught.value.remedy


def test_root_that_is_not_there(judge):
    with pytest.raises(Problem, match="the issuer CN=Root of CN=Upper is neither"):
        judge(LEAF, [one.certificate for one in (UPPER, LOWER)], [Authority("Foreign")])


def test_impostor_with_the_roots_name(judge):
    with pytest.raises(Problem, match="CN=Upper was signed by a different CA with the same name") as caught:
        judge(LEAF, [one.certificate for one in (UPPER, LOWER)], [Authority("Root")])
    assert caught.value.option == "trust_store"


def test_cross_signed_intermediate_takes_the_way_that_is_trusted(judge):
    old = Authority("Old Root")
    crossed = Authority("Upper", old, key=UPPER.key)
    others = [one.certificate for one in (crossed, UPPER, LOWER)]
    assert judge(LEAF, others) == judge(LEAF, others, [old]) == ["CN=Lower", "CN=Upper"]


def test_certificates_that_issue_each_other(judge):
    one = Authority("One", ROOT)
    two = Authority("Two", one)
    loop = Authority("One", two, key=one.key)
    leaf = two.certify(new_key().public_key(), distinguished(NAME))
    assert judge(leaf, [loop.certificate, two.certificate, one.certificate]) == ["CN=Two", "CN=One"]


def test_intermediate_that_expired(judge):
    old = Authority("Expired", ROOT, not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    with pytest.raises(Problem, match=r"certificate CN=Expired is not valid now .*; this host's clock says 2"):
        judge(old.certify(new_key().public_key(), distinguished(NAME)), [old.certificate])


def test_intermediate_with_a_broken_signature(judge):
    weak = Authority("Weak", ROOT)
    weak.certificate = ROOT.certify_with_sha1(weak.key, "Weak", "basicConstraints=critical,CA:true")
    with pytest.raises(Problem, match=r"no client would accept it: .*weak.*CN=Weak"):
        judge(weak.certify(new_key().public_key(), distinguished(NAME)), [weak.certificate])


def test_leaf_for_something_else(judge):
    leaf = ROOT.certify(new_key().public_key(), distinguished(NAME), purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    with pytest.raises(Problem, match="no client would accept it"):
        judge(leaf, [])


def test_trust_store_that_is_not_there():
    with pytest.raises(Problem, match="is not there") as caught:
        verified_chain(this_host(), parsed(LEAF)[0], [], "/nonexistent/roots.pem")
    assert caught.value.option == "trust_store"


def test_trust_store_that_is_none(tmp_path):
    path = tmp_path / "roots.pem"
    path.write_text("hello")
    with pytest.raises(Problem, match="openssl could not verify it") as caught:
        verified_chain(this_host(), parsed(LEAF)[0], [], str(path))
    assert caught.value.option == "trust_store"
