# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates for the servers of these tests."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import trust_store
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import Material


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="module")
def good_tls(material):
    return material.context()


@pytest.fixture(scope="module")
def trust(material):
    return trust_store(str(material.ca_file))
