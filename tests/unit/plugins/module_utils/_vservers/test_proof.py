# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers import proof
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.probe import Expectation
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.proof import prove_served

IMAP = Endpoint("127.0.0.1", 143, "imap", implicit_tls=False)
IMAPS = Endpoint("127.0.0.1", 993, "imap", implicit_tls=True)


def test_every_virtual_server_that_shows_a_certificate_is_proven(monkeypatch):
    proven = []
    monkeypatch.setattr(proof, "prove", lambda *args: proven.append(args))
    bound = Vserver("imap", certificate="mx", require_secure_channel=True)
    other = Vserver("pop3", certificate="other")
    daemon: Any = SimpleNamespace(
        read=lambda: {("imap", "default"): bound, ("pop3", "default"): other},
        endpoints=lambda vserver: [IMAP, IMAPS] if vserver is bound else pytest.fail("asked for another one"),
    )
    prove_served([daemon], "mx", {"mx": b"leaf"}.__getitem__)
    expectation = Expectation((b"leaf",), True)
    assert proven == [(IMAP, expectation, bound.title), (IMAPS, expectation, bound.title)]
