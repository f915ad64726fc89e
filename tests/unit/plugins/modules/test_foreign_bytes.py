# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What administrators name and others made: never opened while the host is locked, and nothing that could block."""

from __future__ import annotations

import contextlib
import fcntl
import os

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import formats
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.confined import confined
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_cert_request
from ansible_collections.postmaster.secure_channel.tests.support.authorities import call, pem, snapshot
from ansible_collections.postmaster.secure_channel.tests.support.installations import ISSUING

pytestmark = pytest.mark.usefixtures("surroundings")


pytestmark = pytest.mark.usefixtures("no_waiting")


def is_locked(path):
    """Whether somebody holds the host's lock."""
    with contextlib.suppress(FileNotFoundError), open(path) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_the_answer_is_opened_once_and_before_the_host_is_locked(request_, install, monkeypatch, tmp_path):
    opened = []

    def watched(work, what):
        opened.append(is_locked(tmp_path / "lock"))
        return confined(work, what)

    leaf = ISSUING.answer(request_())
    monkeypatch.setattr(formats, "confined", watched)
    assert install(leaf, chain=pem(ISSUING.certificate).decode())["changed"]
    assert opened == [False, False]  # the answer, and the chain


ODD = {
    "a FIFO": os.mkfifo,
    "a directory": os.mkdir,
    "a device": lambda path: os.symlink("/dev/zero", path),
}


@pytest.fixture(params=sorted(ODD))
def odd(request, tmp_path):
    path = str(tmp_path / "odd")
    ODD[request.param](path)
    return request.param, path


@pytest.mark.parametrize("option", ["src", "key_src", "trust_store"])
@pytest.mark.parametrize("check", [False, True])
def test_paths_of_an_installation(option, check, odd, request_, install, tmp_path):
    kind, path = odd
    answer = tmp_path / "answer.pem"
    answer.write_bytes(pem(ISSUING.answer(request_()), ISSUING.certificate))
    before = snapshot(tmp_path)
    result = install(**{"src": str(answer), option: path}, check=check)
    assert result["problem"]["found"] == f"{path} is {kind}, not a regular file"
    assert result["problem"]["option"] == option
    assert snapshot(tmp_path) == before


def test_path_of_a_requests_copy(odd, store, capsys):
    kind, path = odd
    result = call(mail_cert_request.main, capsys, {"name": "odd.example.test", "store": store.root, "csr_path": path})
    assert result["problem"]["found"].endswith(f" is {kind}, not a regular file")
    assert result["problem"]["option"] == "csr_path"
    assert not store.entry("odd.example.test").pending.exists
