# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import stat
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import journal as journal_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.journal import Journal
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import (
    Command,
    Record,
    RegisteredFile,
    WayBack,
)

FILE = RegisteredFile("/etc/a", "/srv/a", "/srv/.a.postmaster-new", "/srv/.a.postmaster-before", True, False, False)
WAY = WayBack("postfix", ("a.service", "b.service"), ("a.service",), (Command(("change", "it"), "so\n"),))
RECORD = Record(False, [FILE], ["/srv/new"], {"postfix": {"setting": "value"}}, [WAY], begun=False)


def test_what_is_written_is_read(tmp_path):
    journal = Journal(Places(str(tmp_path / "state")))
    assert not journal.exists()
    assert journal.read() is None
    journal.write(RECORD)
    assert journal.exists()
    assert journal.read() == RECORD
    journal.set_done(RECORD)
    found = journal.read()
    assert found is not None
    assert found.done


def test_journal_is_for_root_alone_and_leaves_nothing(tmp_path):
    journal = Journal(Places(str(tmp_path / "state")))
    journal.write(RECORD)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in sorted((tmp_path / "state").rglob("*"))]
    assert modes == [0o700, 0o600]
    journal.remove()
    assert list(tmp_path.iterdir()) == []
    journal.remove()  # once more does no harm


# ---- journals that no run has written


def written(tmp_path):
    """A journal, its file, and what is in it."""
    journal = Journal(Places(str(tmp_path / "state")))
    journal.write(RECORD)
    path = tmp_path / "state/transaction/journal.json"
    return journal, path, json.loads(path.read_text())


@pytest.mark.parametrize("release", ["0.3.0", "0.4.0"])
def test_journals_of_older_releases(release, tmp_path):
    journal, path, content = written(tmp_path)
    for key in ("form", "ways_back", "begun"):
        del content[key]
    for one in content["entries"]:
        del one["age"]
        if release == "0.3.0":
            one["material"] = one.pop("prerequisite")
            del one["own_directory"]
    path.write_text(json.dumps(content))
    found = journal.read()
    assert found == Record(False, [FILE], ["/srv/new"], {"postfix": {"setting": "value"}}, [], begun=True)


DAMAGES: dict[str, Any] = {
    "empty": "",
    "zeros": "\0" * 512,
    "no object": "[]",
    "a number": "5",
    "nothing": "null",
    "without end": "[" * 100000,
    "a number without end": "9" * 5000,
    "no files": {"entries": None},
    "a file that is a text": {"entries": ["text"]},
    "no switch": {"done": 1},
    "no settings": {"participants": {"postfix": []}},
    "no daemons": {"participants": None},
    "no directory": {"directories": ["relative"]},
    "a directory that is a number": {"directories": [5]},
    "no way back": {"ways_back": [{"daemon": "postfix"}]},
    "a way back that is down or not": {
        "ways_back": [{"daemon": "x", "units": [], "active": [], "commands": [], "down": "no"}]
    },
    "a way back without words": {"ways_back": [{"daemon": "x", "units": [], "active": [5], "commands": []}]},
    "no command": {"ways_back": [{"daemon": "x", "units": [], "active": [], "commands": [{"argv": [], "stdin": ""}]}]},
    "no form": {"form": "new"},
}
BAD_FILES: dict[str, Any] = {
    "path that is no text": {"target": 5},
    "path that is nowhere": {"target": "a", "staged": "b", "saved": "c"},
    "saved elsewhere": {"saved": "/etc/shadow"},
    "staged elsewhere": {"staged": "/etc/../srv/x/y"},
    "path with a NUL": {"target": "/srv/a\0"},
    "unknown column": {"colour": "red"},
    "age that is a text": {"age": "old"},
}


def damaged(journal):
    with pytest.raises(Problem) as caught:
        journal.read()
    problem = caught.value
    assert "is damaged" in problem.found
    assert problem.option == journal.path
    assert len(problem.message) < 1200
    return problem


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_a_problem(damage, tmp_path):
    journal, path, content = written(tmp_path)
    how = DAMAGES[damage]
    path.write_text(how if isinstance(how, str) else json.dumps({**content, **how}))
    damaged(journal)


@pytest.mark.parametrize("damage", BAD_FILES)
def test_damage_to_a_file_of_it_is_a_problem(damage, tmp_path):
    journal, path, content = written(tmp_path)
    content["entries"][0].update(BAD_FILES[damage])
    path.write_text(json.dumps(content))
    damaged(journal)


def test_every_truncation_is_a_problem(tmp_path):
    journal, path, _content = written(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        damaged(journal)


@pytest.mark.parametrize("kind", ["pipe", "link", "directory"])
def test_what_is_not_a_file_is_a_problem(kind, tmp_path):
    journal, path, _content = written(tmp_path)
    path.unlink()
    {"pipe": os.mkfifo, "link": lambda one: os.symlink("/dev/zero", one), "directory": os.mkdir}[kind](path)
    assert journal.exists()
    damaged(journal)


def test_a_journal_from_the_future(tmp_path):
    journal, path, content = written(tmp_path)
    path.write_text(json.dumps({**content, "form": 99, "entries": {"unheard": "of"}}))
    with pytest.raises(Problem, match="newer release") as caught:
        journal.read()
    assert "that release or a newer one" in caught.value.remedy


def test_a_journal_that_cannot_be_closed_as_done_is_not_done(tmp_path, monkeypatch):
    journal, _path, _content = written(tmp_path)
    calls = []

    def refuse(_path):
        calls.append(1)
        if len(calls) == 1:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(journal_module, "sync_directory", refuse)
    with pytest.raises(OSError, match="Input"):
        journal.set_done(RECORD)
    found = journal.read()
    assert found is not None
    assert not found.done
