# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.inn_conf import effective

PRINTED = "PORT=119; export PORT;\nPATHETC='/etc/news'; export PATHETC;\n"


class Innconfval(Host):
    """A host whose innconfval prints something."""

    def __init__(self, printed: str) -> None:
        self.printed = printed

    def query(self, argv: Sequence[str], **_options: Any) -> Completed:
        assert argv[0].endswith("/innconfval")
        return Completed(0, self.printed, "")


@pytest.mark.parametrize(
    ("flags", "readers", "others"),
    [
        ("", "/etc/news/readers.conf", ()),
        ("-c x.conf -n", "/etc/news/x.conf", ("-n",)),
        ("-n -c", "/etc/news/readers.conf", ("-n", "-c")),
    ],
)
def test_settings(flags, readers, others):
    found = effective(Innconfval(f"{PRINTED}NNRPDFLAGS='{flags}'; export NNRPDFLAGS;\n"))
    assert (found.port, found.readers, found.flags) == (119, readers, others)


@pytest.mark.parametrize(
    "printed",
    [
        "NNRPDFLAGS='-o \"x'; export NNRPDFLAGS;",
        "PORT='a'b'; export PORT;",
        "PORT=nntp; export PORT;",
        f"PORT={'1' * 5000}; export PORT;",
        "TLSPROTOCOLS='\"x'; export TLSPROTOCOLS;",
    ],
)
def test_settings_that_are_not_understood(printed):
    with pytest.raises(Problem, match="INN's settings are not understood") as caught:
        effective(Innconfval(f"{PRINTED}{printed}\n"))
    assert caught.value.option == "/etc/news/inn.conf"


def test_nothing_is_set():
    assert effective(Innconfval("")).port == 0
