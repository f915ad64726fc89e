# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strange and broken input by the thousand: the vectors that ``cryptography`` is tested with, and mutations."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import cryptography_vectors
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import csr, formats, key_pair
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import summary as summary_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.install import InstallPlanner
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import CertificateSpec
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_cert_install
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    NAME,
    NOW,
    Authority,
    distinguished,
    key_pem,
    new_key,
    openssl,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

ROOT = Authority()
KEY = new_key()
LEAF = ROOT.certify(KEY.public_key(), distinguished(NAME))
PASSPHRASES = {"x509": (None, "password"), "pkcs12": (None, "", "cryptography")}  # those that the vectors have

SAMPLE = 100  # vectors of a directory; each may take a process of its own

pytestmark = pytest.mark.filterwarnings("ignore")  # of the library's, about what it still reads


@pytest.fixture
def vectors(request):
    """The vectors of a directory: a sample, or all with --all-vectors."""

    def chosen(directory):
        found = all_vectors(directory)
        return found if request.config.getoption("--all-vectors") else found[:: max(1, len(found) // SAMPLE)]

    return chosen


def all_vectors(directory):
    root = Path(cryptography_vectors.__file__).parent / directory
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    cast = [path for path in paths if "PKITS" in str(path) and path.suffix == ".p12"]  # hundreds, all from one mould
    return sorted({*paths} - {*cast[10:]})


def check(problem):
    """Each is told in one line and says what to do."""
    assert "\n" not in problem.message
    assert problem.remedy


def opened(data, passphrase):
    """Look at everything in a file; answers what came of it, and raises whatever is no Problem."""
    try:
        content = formats.opened(data, passphrase)
    except Problem as problem:
        check(problem)
        return None
    for certificate in content.certificates:
        assert "\n" not in str(summary_module.summary(certificate, NOW))
        assert formats.load_certificates(certificate.pem)[0] == certificate
        certificate.may_have_issued(content.certificates[0])
    if content.key is not None:
        assert key_pair.public_key_of(content.key)
    return content


def look(data, passphrases):
    """Take a file for everything that it could be; answers how many times it was that."""
    found = sum(opened(data, passphrase) is not None for passphrase in passphrases)
    for load in (key_pair.load_key, csr.load_request):
        try:
            key_pair.key_type_of(load(data, "/file").public_key())
        except Problem as problem:
            check(problem)
        else:
            found += 1
    CertificateSpec.from_record(data)
    return found


@pytest.mark.parametrize("directory", ["x509", "pkcs7", "pkcs12", "asymmetric"])
def test_every_vector_is_read_or_refused(vectors, directory):
    faults, read = [], 0
    passphrases = PASSPHRASES.get(directory, (None, "password"))
    paths = vectors(directory)
    for path in paths:
        try:
            read += look(path.read_bytes(), passphrases) > 0
        except Exception as exc:
            faults.append(f"{path}: {exc!r}")
    assert faults == []
    assert len(paths) * 0.05 < read < len(paths)  # that is, neither is everything refused nor everything believed


def test_every_vector_leaves_the_host_alone(vectors, tmp_path):
    """As an answer to a pending request, and as a backup to be imported."""
    store = Store(this_host(), str(tmp_path / "store"))
    os.makedirs(store.pending_directory("pending.example.test"))
    Path(store.pending_key_path("pending.example.test")).write_bytes(key_pem(KEY))
    roots = tmp_path / "roots.pem"
    roots.write_bytes(pem(ROOT.certificate))
    planner = InstallPlanner(this_host(), store, NOW, lambda: (), check_mode=False, require_library=lambda: None)
    before = sorted(tmp_path.rglob("*"))
    faults = []
    for path in (*vectors("x509"), *vectors("pkcs7"), *vectors("pkcs12"), *vectors("asymmetric")):
        for name in ("pending.example.test", NAME):
            options = {option: spec.get("default") for option, spec in mail_cert_install.ELEMENT.items()}
            try:
                planner.plan({**options, "name": name, "src": str(path), "trust_store": str(roots)})
            except Problem as problem:
                check(problem)
            except Exception as exc:
                faults.append(f"{path}: {exc!r}")
            else:
                faults.append(f"{path}: accepted")
    assert faults == []
    assert sorted(tmp_path.rglob("*")) == before


# ---- mutations of what is good


def pkcs12_of(passphrase):
    arguments = ("-export", "-name", "Label", "-iter", "16", "-passout", f"pass:{passphrase}")
    return openssl("pkcs12", *arguments, stdin=key_pem(KEY) + pem(LEAF, ROOT.certificate))


GOOD = {
    "PKCS#12": (pkcs12_of("secret"), "secret"),
    "PKCS#12 without a passphrase": (pkcs12_of(""), None),
    "PKCS#7": (
        openssl("crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", "DER", stdin=pem(LEAF, ROOT.certificate)),
        None,
    ),
    "PEM": (b"friendlyName: Label\n" + key_pem(KEY) + pem(LEAF), None),
    "protected PEM": (key_pem(KEY, b"secret") + pem(LEAF), "secret"),
}


@pytest.mark.parametrize("what", GOOD)
def test_what_the_mutations_are_made_of_is_good(what):
    assert opened(*GOOD[what]).certificates[0].der == formats.load_certificates(pem(LEAF))[0].der


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 4000),
)
def test_a_mutated_file_is_read_or_refused(what, changes, cut):
    data, passphrase = GOOD[what]
    mutated = bytearray(data)
    for at, value in changes:
        mutated[at % len(mutated)] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened(bytes(mutated), passphrase)
        opened(bytes(mutated[: cut % len(mutated)]), passphrase)


REQUEST = csr.new_request(KEY, distinguished(NAME), [NAME])


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(REQUEST) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_mutated_request_or_key_is_read_or_refused(changes):
    for data, load in ((REQUEST, csr.load_request), (key_pem(KEY), key_pair.load_key)):
        mutated = bytearray(data)
        for at, value in changes:
            mutated[at % len(mutated)] = value
        try:
            found = load(bytes(mutated), "/file")
        except Problem as problem:
            check(problem)
        else:
            assert key_pair.key_type_of(found.public_key())


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_no_record(data):
    CertificateSpec.from_record(data)
    CertificateSpec.from_record(b'{"names": [], "common_name": ' + data + b"}")
