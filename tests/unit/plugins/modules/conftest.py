# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests and installations on a store of their own; a test module may have fixtures of the same names."""

from __future__ import annotations

import functools
import hashlib

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import keys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import guard
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service import probe, runner, site
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_cert_install, mail_cert_request
from ansible_collections.postmaster.secure_channel.tests.support.authorities import NAME, call, pem
from ansible_collections.postmaster.secure_channel.tests.support.installations import (
    ROOT,
    Daemon,
    files,
)
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host


@pytest.fixture(autouse=True)
def cheap_passphrases(monkeypatch):
    """A passphrase costs a quarter of a second each time, by design; that it does is shown by one test."""
    monkeypatch.setattr(keys, "ITERATIONS", 2048)


@pytest.fixture
def store(tmp_path):
    return Store(this_host(), str(tmp_path / "store"))


@pytest.fixture
def journal():
    return []


@pytest.fixture
def daemons(journal):
    return {name: Daemon(name, journal) for name in ("postfix", "dovecot")}


@pytest.fixture
def no_daemons(tmp_path, monkeypatch):
    """No daemon, lock or state of the machine that the tests run on."""
    own = Places(str(tmp_path / "state"), str(tmp_path / "lock"), str(tmp_path / "units"), str(tmp_path))
    quiet = functools.partial(Transaction, places=own)
    monkeypatch.setattr(guard.Guard, "post", lambda _self, _run: "")
    monkeypatch.setattr(runner, "Transaction", quiet)
    monkeypatch.setattr(site, "installed_providers", lambda _host, _store: {})


@pytest.fixture
def surroundings(no_daemons, monkeypatch, journal, daemons):
    """The same with daemons that only note what they are told."""
    monkeypatch.setattr(site, "installed_providers", lambda _host, _store: daemons)

    def served(provider, names, leaf_of):
        for name in sorted(names):
            journal.append(f"{provider.name} serves {name} {hashlib.sha256(leaf_of(name)).hexdigest()}")

    monkeypatch.setattr(probe, "prove_served", served)


@pytest.fixture
def trust_store(tmp_path):
    path = tmp_path / "roots.pem"
    path.write_bytes(pem(ROOT.certificate))
    return path


@pytest.fixture
def request_(store, capsys):
    """Calls mail_cert_request and gives the CSR."""

    def run(**params):
        params = {"name": NAME, "key_type": "ECDSA_P256", "store": store.root, **params}
        result = call(mail_cert_request.main, capsys, params)
        assert "msg" not in result, result["msg"]
        return result["requests"][0]["csr"]

    return run


@pytest.fixture
def install(store, trust_store, capsys):
    """Calls mail_cert_install; certificates and bytes are given as PEM."""

    def run(*content, check=False, **params):
        if content:
            params["content"] = b"".join(one if isinstance(one, bytes) else pem(one) for one in content).decode()
        if "certificates" not in params:
            params = {"name": NAME, "trust_store": trust_store, **params}
        return call(mail_cert_install.main, capsys, {"store": store.root, **params}, check=check)

    return run


@pytest.fixture
def good(install):
    """Installs what must be accepted and gives the entry."""

    def run(*content, **params):
        result = install(*content, **params)
        assert "msg" not in result, result["msg"]
        assert result["changed"] == result["certificates"][0]["changed"]
        return result["certificates"][0]

    return run


@pytest.fixture
def refused(install, tmp_path):
    """Gives the problem of what must be refused with an untouched host."""

    def run(*content, **params):
        before = files(tmp_path)
        result = install(*content, **params)
        assert result.get("failed"), result
        assert "exception" not in result
        assert files(tmp_path) == before
        for word in (result["problem"]["host"], result["problem"]["remedy"][1:], f"certificate {NAME}"):
            assert word
            assert word in result["msg"]
        assert "\n" not in result["msg"]
        return result["problem"]

    return run
