# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    NamedCertificate,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Capabilities, Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.certificates import (
    Certificates,
)
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    Authority,
    distinguished,
    key_pem,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

ROOT = Authority("Root")
KEYS = {
    "ecdsa": new_key(),
    "ecdsa2": new_key(),
    "rsa": rsa.generate_private_key(65537, 3072),
    "short": rsa.generate_private_key(65537, 2048),
}
NAMES = ("mx.example.test", "*.a.example.test")
IMAP = Vserver("imap", certificate="ecdsa")


def daemon(*, staples: bool = False) -> Any:
    found = Capabilities((1,), True, TlsLibrary("OpenSSL", (3, 0)), ("root", "root", 0o640))
    return SimpleNamespace(name="daemon", capabilities=lambda: found, staples=lambda _vserver: staples)


@pytest.fixture
def store(tmp_path):
    found = Store(this_host(), str(tmp_path))
    (tmp_path / "live").mkdir()
    for name, key in KEYS.items():
        leaf = ROOT.certify(key.public_key(), distinguished(NAMES[0]), NAMES)
        (tmp_path / "live" / f"{name}.pem").write_bytes(key_pem(key) + pem(leaf))
    return found


def copies(store, vserver, *, check_mode=False):
    return Certificates(this_host(), store, {}, check_mode=check_mode).copies(daemon(), vserver)


ALL = replace(
    IMAP,
    alternative_certificate="rsa",
    sni=(NamedCertificate("x.a.example.test", "ecdsa2", "rsa"),),
    server_names=("mx.example.test",),
    require_128_bit=True,
)


def test_a_copy_of_each(store):
    found = copies(store, ALL)
    assert [one.path for one in found] == [store.deployed_path("daemon", name) for name in ("ecdsa", "rsa", "ecdsa2")]
    assert {(one.mode, one.secret, one.prerequisite) for one in found} == {(0o640, True, True)}
    assert [one.content for one in found] == [store.entry(name).live.bundle for name in ("ecdsa", "rsa", "ecdsa2")]


def test_names_that_clients_ask_for_and_that_are_not_covered(store):
    web = replace(IMAP, protocol="http", alternative_certificate="rsa", server_names=("mx.example.test",))
    provider = daemon()
    certificates = Certificates(this_host(), store, {}, check_mode=True)
    provider.client_names = lambda _vserver: ["mx.example.test", "x.a.example.test", "*.a.example.test"]
    assert certificates.uncovered(provider, web) == []
    provider.client_names = lambda _vserver: ["mx", "*.example.test", "x.y.a.example.test"]
    assert certificates.uncovered(provider, web) == [
        f"virtual server http/default: the certificate {name} does not cover mx, *.example.test, x.y.a.example.test"
        " (it covers: mx.example.test, *.a.example.test), so clients will refuse it there"
        for name in ("ecdsa", "rsa")
    ]
    assert certificates.uncovered(provider, replace(web, certificate="not-yet")) == []


@pytest.mark.parametrize(
    ("vserver", "option", "words"),
    [
        (replace(ALL, alternative_certificate="ecdsa2"), "alternative_certificate", "keys of the same type"),
        (replace(ALL, alternative_certificate="short"), "require_128_bit", "short has 2048 bits"),
        (replace(ALL, server_names=("other.example.test",)), "server_names", "does not cover other.example.test"),
        (replace(ALL, sni=(NamedCertificate("b.example.test", "rsa"),)), "sni", "does not cover b.example.test"),
        (replace(ALL, sni=(NamedCertificate("x.a.example.test", "ecdsa2", "ecdsa"),)), "sni", "keys of the same type"),
        (
            replace(ALL, sni=(NamedCertificate("mx.example.test", "ecdsa", "other"),)),
            "sni",
            "no live certificate 'other'",
        ),
        (replace(ALL, certificate="gone"), "certificate", "no live certificate 'gone'"),
        (replace(ALL, alternative_certificate="gone"), "alternative_certificate", "no live certificate 'gone'"),
        (replace(ALL, sni=(NamedCertificate("mx.example.test", "gone"),)), "sni", "no live certificate 'gone'"),
    ],
)
def test_what_will_not_do(vserver, option, words, store):
    with pytest.raises(Problem, match=words) as caught:
        copies(store, vserver)
    assert (caught.value.subject, caught.value.option) == (vserver.title, option)


STAPLED = ("stapled", "rsa_stapled")


@pytest.fixture
def stapled(store):
    """A store with must-staple certificates as well."""
    for name, kind in zip(STAPLED, ("ecdsa", "rsa")):
        leaf = ROOT.certify(KEYS[kind].public_key(), distinguished(NAMES[0]), NAMES, must_staple=True)
        with open(store.live_path(name), "wb") as stream:
            stream.write(key_pem(KEYS[kind]) + pem(leaf))
    return store


@pytest.mark.parametrize(
    ("vserver", "option"),
    [
        (replace(ALL, certificate="stapled"), "certificate"),
        (replace(ALL, alternative_certificate="rsa_stapled"), "alternative_certificate"),
        (replace(ALL, sni=(NamedCertificate("x.a.example.test", "stapled"),)), "sni"),
        # check mode does not know the other one yet
        (replace(ALL, certificate="gone", alternative_certificate="rsa_stapled"), "alternative_certificate"),
    ],
)
def test_must_staple_where_nobody_staples(vserver, option, stapled):
    with pytest.raises(Problem, match=r"is must-staple .* and daemon sends none") as caught:
        copies(stapled, vserver, check_mode=True)
    assert (caught.value.subject, caught.value.option) == (vserver.title, option)
    assert "mail_cert_request and must_staple set to false" in caught.value.remedy


def test_must_staple_where_the_administrator_staples(stapled):
    certificates = Certificates(this_host(), stapled, {}, check_mode=False)
    assert len(certificates.copies(daemon(staples=True), replace(IMAP, certificate="stapled"))) == 1


def test_short_keys_where_nobody_minds(store):
    assert len(copies(store, replace(IMAP, certificate="short"))) == 1


def test_check_before_the_certificate_is_there(store):
    (found,) = copies(store, replace(IMAP, certificate="gone", require_128_bit=True), check_mode=True)
    assert found.path == store.deployed_path("daemon", "gone")


@pytest.fixture
def deployed(store, tmp_path):
    """All certificates have a copy, and so has one that the store does not hold."""
    (tmp_path / "deployed/daemon").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    for name in (*KEYS, "foreign"):
        (tmp_path / f"deployed/daemon/{name}.pem").write_bytes(b"")
    certificates = Certificates(this_host(), store, {}, check_mode=False)
    provider: Any = SimpleNamespace(name="daemon", config_roots=(ConfigRoot(str(tmp_path / "etc")),))

    def unused(before, after, *, leaving=False, files=()):
        changes, warnings = certificates.unused_copies(provider, Plan(files), before, after, leaving=leaving)
        assert {change.content for change in changes} <= {None}
        return [os.path.basename(change.path) for change in changes], warnings

    return unused


def test_copies_that_nobody_uses_any_more(deployed):
    assert deployed([ALL], [replace(IMAP, certificate="rsa")]) == (["ecdsa.pem", "ecdsa2.pem"], [])


def test_copies_that_no_virtual_server_had_go_where_one_is_given_up(deployed):
    assert deployed([], []) == ([], [])
    assert deployed([], [], leaving=True) == (sorted(f"{name}.pem" for name in KEYS), [])
    assert "rsa.pem" not in deployed([], [replace(IMAP, certificate="rsa")], leaving=True)[0]


def test_copies_that_the_configuration_names_stay(deployed, store, tmp_path):
    path, place = store.deployed_path("daemon", "ecdsa"), tmp_path / "etc/main.cf"
    place.write_text(f"smtp_tls_chain_files = {path}\n")
    assert deployed([ALL], []) == (["ecdsa2.pem", "rsa.pem"], [f"{path} stays, since {place} names it"])
    without = FileChange(str(place), b"smtp_tls_chain_files =\n")
    assert deployed([ALL], [], files=[without]) == (["ecdsa.pem", "ecdsa2.pem", "rsa.pem"], [])
