# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.ways_in import Way
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers import further_ports
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.planning import DaemonPlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import ClearText
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError

IMAP = Vserver("imap", port=143, implicit_tls_port=993, require_secure_channel=True)
SUBMISSION = Vserver("submission", port=587, require_secure_channel=True)
REFUSED, OPEN = ClearText(True, False, "e"), ClearText(False, False, "e")
LOGIN = ClearText(True, True, "e")


class Ports:
    """What each port answers in clear text; whoever is not asked for has TLS from the start."""

    def __init__(self, monkeypatch, **answers):
        self.answers = answers
        monkeypatch.setattr(further_ports, "clear_text", self.clear_text)

    def clear_text(self, endpoint, timeout):
        found = self.answers.get(f"port{endpoint.port}")
        if isinstance(found, WireError) and not endpoint.implicit_tls:
            raise found
        return OPEN if endpoint.implicit_tls and found else found or REFUSED


def warnings(*vservers, place="0.0.0.0:1143", name="dovecot", before=(), trusting=False):
    socket = Listening(place, frozenset([name]))
    ways_in: Any = SimpleNamespace(to=lambda endpoint: [Way(endpoint)], sources=lambda _endpoint: [""])
    provider: Any = SimpleNamespace(name="dovecot", processes={"dovecot"}, trusts_its_own_address=trusting)
    return list(
        further_ports.in_clear(ways_in, [socket], DaemonPlan(provider, vservers, {one.key: one for one in before}))
    )


@pytest.mark.parametrize("answer", [OPEN, replace(OPEN, auth_offered=True)])
def test_what_is_offered_to_the_own_address_alone(answer, monkeypatch):
    Ports(monkeypatch, port1143=replace(answer, own_address=True))
    assert warnings(IMAP, trusting=True) == []
    assert len(warnings(IMAP)) == 1
    Ports(monkeypatch, port1143=answer)
    assert len(warnings(IMAP, trusting=True)) == 1


@pytest.mark.parametrize(
    ("vserver", "answer", "words"),
    [
        (IMAP, OPEN, "also listens on 0.0.0.0:1143, which no virtual server is about, and does not refuse clear text"),
        (IMAP, LOGIN, "offers a login in clear text"),
        (SUBMISSION, LOGIN, "offers a login in clear text"),
    ],
)
def test_a_port_in_clear_text(vserver, answer, words, monkeypatch):
    Ports(monkeypatch, port1143=answer)
    (warning,) = warnings(vserver)
    assert words in warning


@pytest.mark.parametrize(
    ("vserver", "answer"),
    [
        (IMAP, REFUSED),
        (IMAP, None),  # TLS from the start
        (IMAP, WireError("protocol", "it speaks something else")),
        (SUBMISSION, OPEN),  # mail from strangers
        (Vserver("imap", port=143, require_secure_channel=False), OPEN),
        (Vserver("imap", port=143, auth_clear=("PLAIN",)), LOGIN),
        (Vserver("http", require_secure_channel=True), OPEN),
        (Vserver("imap", present=False), LOGIN),
    ],
)
def test_a_port_that_is_no_matter(vserver, answer, monkeypatch):
    Ports(monkeypatch, port1143=answer)
    assert warnings(vserver) == []


def test_ports_that_are_not_looked_at(monkeypatch):
    Ports(monkeypatch, port1143=OPEN, port143=OPEN, port993=OPEN)
    assert warnings(IMAP, place="127.0.0.1:1143") == []
    assert warnings(IMAP, place="[::1]:1143") == []
    assert warnings(IMAP, place="0.0.0.0:1143", name="nginx") == []
    assert warnings(IMAP, place="0.0.0.0:143") == []
    assert warnings(IMAP, place="0.0.0.0:1143", before=[Vserver("imap", "other", port=1143)]) == []
