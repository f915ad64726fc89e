# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ssl

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.versions import (
    accepted_versions,
    accepts_version,
)
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import implicit, serving, smtp

old_versions = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


@old_versions
@pytest.mark.parametrize("implicit_tls", [False, True])
def test_accepted_versions(implicit_tls, material):
    tls = material.context()
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version, tls.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2
    with serving(implicit(tls, smtp()) if implicit_tls else smtp(tls)) as server:
        found = accepted_versions(at(server, "submission", implicit_tls=implicit_tls))
    assert found == {"TLSv1": False, "TLSv1.1": True, "TLSv1.2": True, "TLSv1.3": False}


@old_versions
def test_versions_that_this_host_cannot_speak(good_tls, monkeypatch):
    monkeypatch.setattr(ssl, "HAS_TLSv1", False)
    with serving(smtp(good_tls)) as server:
        found = accepted_versions(at(server, "smtp"), ["TLSv1", "TLSv1.3"])
        assert found == {"TLSv1": None, "TLSv1.3": True}
        with pytest.raises(WireError) as caught:
            accepts_version(at(server, "smtp"), "TLSv1")
    assert caught.value.code == "unsupported"


def test_versions_of_a_server_without_starttls():
    with serving(smtp(clear=())) as server:
        assert accepted_versions(at(server, "smtp"), ["TLSv1.3"]) == {"TLSv1.3": None}
