# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.cleartext_audit import (
    cleartext_vservers,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver


def daemon(*vservers: Vserver, alive: bool = True, problem: Problem | None = None) -> Any:
    def read():
        if problem:
            raise problem
        return {one.key: one for one in vservers}

    return SimpleNamespace(name="daemon", running=lambda: alive, read=read)


@pytest.mark.parametrize(
    ("vserver", "found"),
    [
        (Vserver("imap", auth_clear=("PLAIN",), port=143), ["imap/default"]),
        (Vserver("imap", "second", auth_clear=("PLAIN",)), ["imap/second"]),
        (Vserver("imap", port=143), []),
        (Vserver("imap", auth_clear=("PLAIN",), port=0), []),
        (Vserver("submission", port=587), []),
        (Vserver("smtp", auth_clear=("PLAIN",), port=25), []),
        (Vserver("nntp", port=119), ["nntp/default"]),
        (Vserver("ldap", port=389, require_secure_channel=True), []),
        (Vserver("http", port=80), ["http/default"]),
    ],
)
def test_who_is_let_in_in_clear_text(vserver, found):
    assert cleartext_vservers([daemon(vserver)]) == (found, [])


def test_daemons_that_do_not_answer():
    nntp = Vserver("nntp", port=119)
    broken = daemon(problem=Problem("it is broken", "mend it"))
    assert cleartext_vservers([daemon(nntp, alive=False), broken, daemon(nntp)]) == (
        ["nntp/default"],
        ["daemon: it is broken"],
    )
