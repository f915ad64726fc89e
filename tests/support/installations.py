# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of requests and installed certificates share."""

from __future__ import annotations

import os

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import WayBack
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    Authority,
    snapshot,
)

ROOT = Authority("Root")
ISSUING = Authority("Issuing", ROOT)


class Daemon:
    """Stands for a provider: notes what it is told, and serves what its copy says when it is activated."""

    protocols = frozenset({"imap"})
    config_roots = ()
    reads_files_by_itself = False

    def __init__(self, name, journal):
        self.name = name
        self.journal = journal
        self.refuses = False
        self.serves = []
        self.staple = False

    def read(self):
        return {one.key: one for one in self.serves}

    def staples(self, _vserver):
        return self.staple

    def refuse_broken(self, _changes):
        """It goes on with whatever is there."""

    def check(self, _run, _mirrors):
        self.journal.append(f"{self.name} check")

    def running(self):
        return True

    def refuse_halted(self):
        """It never stands still."""

    def activate(self, _run):
        self.journal.append(f"{self.name} activate")
        if self.refuses:
            self.refuses = False
            raise Problem(f"{self.name} died", "look at its log")

    def snapshot(self):
        return {}

    def restore(self, run, _snapshot):
        self.activate(run)

    def way_back(self, _snapshot):
        return WayBack(self.name)


def files(directory):
    """As a snapshot, without directories, whose times change also when everything is put back."""
    return {path: state for path, state in snapshot(directory).items() if os.path.isfile(path) and path[-5:] != "/lock"}


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


def put(path, content, mode=0o600):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(content)
    os.chmod(path, mode)
