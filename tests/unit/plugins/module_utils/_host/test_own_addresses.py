# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import socket

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import own_addresses
from ansible_collections.postmaster.secure_channel.tests.support.no_more_files import no_more_files


@pytest.mark.parametrize(("address", "here"), [("127.0.0.2", True), ("::1", True), ("192.0.2.9", False)])
def test_addresses_of_this_host(address, here):
    assert own_addresses.is_here(address) == here


def test_a_kernel_without_ipv6_has_no_address_of_it(monkeypatch):
    real = socket.socket

    def without(family, *others):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return real(family, *others)

    monkeypatch.setattr(socket, "socket", without)
    assert not own_addresses.is_here("::1")
    assert own_addresses.is_here("127.0.0.1")


def test_a_limit_of_this_process_is_no_answer():
    with no_more_files(), pytest.raises(OSError, match="Too many open files"):
        own_addresses.is_here("127.0.0.1")
