# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import stat

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.journal import (
    Journal,
    Record,
    RegisteredFile,
)
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

FILE = RegisteredFile("/etc/a", "/srv/a", "/srv/.a.postmaster-new", "/srv/.a.postmaster-before", True, False, False)
RECORD = Record(False, [FILE], ["/srv/new"], {"postfix": {"setting": "value"}})


def test_what_is_written_is_read(tmp_path):
    journal = Journal(str(tmp_path / "state"))
    assert not journal.exists()
    assert journal.read(this_host()) is None
    journal.write(RECORD)
    assert journal.exists()
    assert journal.read(this_host()) == RECORD
    journal.set_done(RECORD)
    found = journal.read(this_host())
    assert found is not None
    assert found.done


def test_journal_is_for_root_alone_and_leaves_nothing(tmp_path):
    journal = Journal(str(tmp_path / "state"))
    journal.write(RECORD)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in sorted((tmp_path / "state").rglob("*"))]
    assert modes == [0o700, 0o600]
    journal.remove()
    assert list(tmp_path.iterdir()) == []
    journal.remove()  # once more does no harm
