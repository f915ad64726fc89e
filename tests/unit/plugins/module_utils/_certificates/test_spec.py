# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import KeyType
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import (
    CertificateSpec,
    friendly_name_in,
    label_record,
    required_names,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.modules.mail_cert_request import ELEMENT

DEFAULTS = {option: spec.get("default") for option, spec in ELEMENT.items()}
SPEC = CertificateSpec("mx.example.test", ("mx.example.test",), "ECDSA_P256", 0)


def spec(**params):
    return CertificateSpec.from_params({**DEFAULTS, "name": "mx.example.test", **params})


def test_from_options():
    found = spec(subject_alt_names=["SMTP.example.test", "b\u00fccher.example", "mx.example.test."], country=" de ")
    assert found.names == ("mx.example.test", "smtp.example.test", "xn--bcher-kva.example")
    assert (found.common_name, found.country, found.key_type, found.key_size) == ("mx.example.test", "DE", "RSA", 3072)
    assert spec(key_type="Ed25519").key_size == 0  # the type says it
    assert spec(key_type="ECDSA_P384", digest="sha384") == spec(key_type="ECDSA_P384")  # the default


@pytest.mark.parametrize(
    ("params", "option"),
    [
        ({"common_name": "not a name"}, "common_name"),
        ({"subject_alt_names": ["-"]}, "subject_alt_names"),
        ({"country": "Germany"}, "country"),
        ({"country": "4\u00c4"}, "country"),
        ({"organization": "x" * 65}, "organization"),
        ({"locality": "two\nlines"}, "locality"),
        ({"email": "m\u00fcller@example.test"}, "email"),
        ({"friendly_name": "x" * 129}, "friendly_name"),
    ],
)
def test_what_no_certificate_can_carry(params, option):
    with pytest.raises(Problem) as caught:
        spec(**params)
    assert caught.value.option == option


def test_record_brings_it_all_back():
    full = replace(SPEC, organization="Example Ltd", must_staple=True, friendly_name="Label", renews="00" * 32)
    found = CertificateSpec.from_record(full.record)
    assert found == full
    assert (found.friendly_name, found.renews) == ("Label", "00" * 32)
    assert friendly_name_in(full.record) == "Label"


@pytest.mark.parametrize(
    "record", [None, b"", b"{", b"[]", b"null", b"{}", b'{"names": 1}', SPEC.record.replace(b'"mx.', b'7, "mx.', 1)]
)
def test_record_that_says_nothing(record):
    assert CertificateSpec.from_record(record) is None
    assert friendly_name_in(record) == ""


def test_label_without_anything_else():
    assert friendly_name_in(label_record("Label")) == "Label"
    assert CertificateSpec.from_record(label_record("Label")) is None
    assert label_record("") is None


def test_differences_are_those_of_the_certificate():
    requested = replace(SPEC, digest="sha512", friendly_name="Label", renews="00", organization="X", must_staple=True)
    assert SPEC.differences(requested) == ["organization", "must_staple"]


@pytest.mark.parametrize(
    ("asked", "found", "allowed"),
    [
        (("RSA", 3072), KeyType("RSA", 3072), True),
        (("RSA", 3072), KeyType("RSA", 4096), False),
        (("ECDSA_P256", 0), KeyType("ECDSA_P256", 256), True),
        (("ECDSA_P256", 0), KeyType("ECDSA_P384", 384), False),
    ],
)
def test_keys_that_are_allowed(asked, found, allowed):
    assert replace(SPEC, key_type=asked[0], key_size=asked[1]).allows(found) is allowed


def test_for_the_result_and_for_the_diff():
    assert SPEC.for_diff() == {
        "common_name": "mx.example.test",
        "names": ("mx.example.test",),
        "key_type": "ECDSA_P256",
    }
    result = replace(SPEC, renews="00").for_result()
    assert (result["digest"], result["key_size"], result["key_reused"]) == ("sha256", None, True)
    assert replace(SPEC, key_type="Ed25519").for_result()["digest"] is None


def test_names_that_a_certificate_must_cover():
    record = replace(SPEC, names=("mx.example.test", "a.example.test")).record
    assert required_names("mx", record, ["B.example.test"]) == ["b.example.test"]
    assert required_names("mx", record, None) == ("mx.example.test", "a.example.test")
    assert required_names("MX.example.test", None, None) == ["mx.example.test"]
