# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import NGINX


@pytest.fixture(params=NGINX.releases)
def release(request):
    return request.param


@pytest.fixture
def host(release):
    found = NGINX.host(release)
    found.files["/proc/net/if_inet6"] = b""
    return found
