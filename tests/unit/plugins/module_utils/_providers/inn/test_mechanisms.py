# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn import (
    mechanisms as inn_mechanisms,
)

ALL = frozenset({"PLAIN", "LOGIN", "CRAM-MD5"})


@pytest.mark.parametrize(
    ("clear", "tls", "expected"),
    [
        ((), None, ("LOGIN", "PLAIN")),
        ((), ("PLAIN",), ("PLAIN",)),
        (("PLAIN",), None, ("PLAIN",)),
        (("CRAM-MD5",), None, ("CRAM-MD5", "LOGIN", "PLAIN")),
        (("CRAM-MD5",), ("CRAM-MD5", "PLAIN"), ("CRAM-MD5", "PLAIN")),
        (("CRAM-MD5", "PLAIN"), ("CRAM-MD5", "PLAIN"), ("CRAM-MD5", "PLAIN")),
    ],
)
def test_mechanisms(clear, tls, expected):
    vserver = Vserver("nntp", auth_clear=clear, auth_tls=tls)
    assert inn_mechanisms.chosen(vserver, ALL) == expected
    assert inn_mechanisms.in_clear(expected, logins_in_clear=bool(set(clear) & inn_mechanisms.PLAIN)) == clear


@pytest.mark.parametrize(
    ("clear", "tls", "option"),
    [((), ("CRAM-MD5",), "auth_tls"), (("PLAIN",), ("LOGIN", "PLAIN"), "auth_clear")],
)
def test_mechanisms_that_inn_cannot_tell_apart(clear, tls, option):
    with pytest.raises(Problem, match="INN") as caught:
        inn_mechanisms.chosen(Vserver("nntp", auth_clear=clear, auth_tls=tls), ALL)
    assert caught.value.option == option


def test_a_password_in_clear_text_needs_no_mechanism():
    assert inn_mechanisms.in_clear((), logins_in_clear=True) == ("PLAIN",)
