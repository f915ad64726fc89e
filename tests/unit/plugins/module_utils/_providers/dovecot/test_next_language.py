# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in the language of the next release: they wait, and take their places when that release starts."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    provider as dovecot_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.provider import Dovecot
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import STORE, RecordedHost

DIRECTORY = "/etc/dovecot/conf.d"
FILE = f"{DIRECTORY}/99-postmaster-imap.conf"
WAITING = f"{FILE}.2.4"
DROP_IN = "/etc/systemd/system/dovecot.service.d/postmaster-secure-channel.conf"
IMAP = Vserver("imap", certificate="main", require_secure_channel=True, implicit_tls_port=993)


def secure(host, vserver=IMAP):
    """Apply a plan with all that comes with it; what it changed."""
    provider = Dovecot(host, Store(host, STORE))
    plan = provider.plan([vserver])
    changes = needed((*plan.changes, *provider.complete(plan.changes)), host)
    host.take(changes)
    return changes


@pytest.fixture(autouse=True)
def library(monkeypatch):
    monkeypatch.setattr(dovecot_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))


@pytest.fixture
def host():
    return RecordedHost("dovecot-2.3")


def test_what_waits_is_what_the_next_release_would_be_given(host):
    secure(host)
    newer = RecordedHost("dovecot-2.4")
    secure(newer)
    assert host.files[WAITING] == newer.files[FILE] != host.files[FILE]
    assert WAITING not in newer.files
    assert DROP_IN not in newer.files


def test_what_waits_makes_nothing_reload_and_is_there_once(host):
    changes = {one.path: one for one in secure(host)}
    assert changes[FILE].makes_daemons_reload(RecordedHost("dovecot-2.3"))
    assert not changes[WAITING].loaded
    assert not changes[DROP_IN].loaded
    assert secure(host) == []


def test_all_of_it_goes_again(host):
    before = dict(host.files)
    secure(host)
    secure(host, replace(IMAP, present=False))
    assert host.files == before


def test_what_an_upgraded_host_still_has_waiting_goes_with_the_next_run(host):
    secure(host)
    newer = RecordedHost("dovecot-2.4")
    newer.files.update({path: host.files[path] for path in (FILE, WAITING, DROP_IN)})
    secure(newer)
    assert not {WAITING, DROP_IN} & set(newer.files)


@pytest.mark.parametrize(
    ("version", "moved"),
    [
        ("2.3.19.1 (9b53102964)", False),
        ("2.4.1-4 (7d8c0e5759)", True),
        ("2.10.0 (0)", True),
        ("", False),
    ],
)
def test_the_line_puts_in_place_what_waits_for_the_installed_version(host, tmp_path, version, moved):
    secure(host)
    (line,) = (one for one in host.files[DROP_IN].decode().splitlines() if one.startswith("ExecStartPre="))
    script = line.split("'")[1].replace("$$", "$").replace("%%", "%").replace(DIRECTORY, str(tmp_path))
    program = tmp_path / "dovecot"
    program.write_text(f'#!/bin/sh\necho "{version}"\n')
    program.chmod(0o755)
    (tmp_path / "99-postmaster-imap.conf").write_text("old")
    (tmp_path / "99-postmaster-imap.conf.2.4").write_text("new")
    done = subprocess.run(
        ["/bin/sh", "-euc", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "99-postmaster-imap.conf").read_text() == ("new" if moved else "old")
    assert (tmp_path / "99-postmaster-imap.conf.2.4").exists() is not moved
