# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of certificates that are gone, though a daemon's configuration names them."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.lost_copies import (
    lost_copies,
    named_in,
)
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

KEY = "-----BEGIN {}PRIVATE KEY-----\nAAAA\n-----END {}PRIVATE KEY-----\n"
PERMISSIONS = ("root", "root", 0o600)


@pytest.fixture
def store(tmp_path):
    """A store with three live certificates, one of which has a passphrase."""
    found = Store(this_host(), str(tmp_path / "store"))
    for name, kind in (("main", ""), ("other", ""), ("closed", "ENCRYPTED ")):
        path = tmp_path / "store/live" / f"{name}.pem"
        assert str(path) == found.entry(name).live.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(KEY.format(kind, kind))
    return found


def lost(tmp_path, store, text):
    etc = tmp_path / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "site.conf").write_text(text)
    return lost_copies(this_host(), store, "nginx", PERMISSIONS, named_in([str(etc)]))


def test_what_the_configuration_names_is_made_again(tmp_path, store):
    paths = {name: store.deployed_path("nginx", name) for name in ("main", "other", "closed")}
    text = f"ssl_certificate {paths['main']};\n# {paths['closed']}\nssl_certificate {paths['other']}.old;\n"
    (change,) = lost(tmp_path, store, text)
    assert (change.path, change.content) == (paths["main"], KEY.format("", "").encode())
    assert (change.owner, change.group, change.mode) == PERMISSIONS
    assert (change.secret, change.prerequisite) == (True, True)
    assert "AAAA" not in str(change.diff(this_host()))


def test_what_is_there_is_left_alone(tmp_path, store):
    path = store.deployed_path("nginx", "main")
    (tmp_path / "store/deployed/nginx").mkdir(parents=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("damaged")
    assert lost(tmp_path, store, f"ssl_certificate {path};\n") == []
