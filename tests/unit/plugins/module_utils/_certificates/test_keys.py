# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import keys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import passphrase as passphrases
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import pem as pem_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    Authority,
    distinguished,
    key_pem,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

KEY = new_key()
OPEN = key_pem(KEY)
LEAF = pem(Authority().certify(KEY.public_key(), distinguished("mx")))
SECRET = "s3cret"


@pytest.fixture(scope="module")
def live():
    return keys.encrypted_key(this_host(), OPEN, SECRET) + LEAF


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "copy.pem"


def made(live, copy, passphrase):
    return keys.daemon_copy(this_host(), live, "/live.pem", str(copy), passphrase)


def test_sealed_and_opened(live):
    assert pem_text.is_protected(live)
    assert not pem_text.is_protected(OPEN)
    assert not pem_text.is_protected(LEAF)
    assert keys.opened(this_host(), live, SECRET, "/live.pem") == OPEN
    with pytest.raises(Problem, match=r"does not open the key in /live\.pem"):
        keys.opened(this_host(), live, "other", "/live.pem")


def test_no_secret_in_arguments_or_environment(monkeypatch, live):
    calls = []
    real = subprocess.Popen

    def popen(argv, **more):
        calls.append(f"{argv} {more.get('env')} {dict(os.environ)}")
        return real(argv, **more)

    monkeypatch.setattr(subprocess, "Popen", popen)
    keys.encrypted_key(this_host(), OPEN, SECRET)
    keys.opened(this_host(), live, SECRET, "/live.pem")
    assert len(calls) == 2
    assert not [one for one in calls if SECRET in one or "PRIVATE" in one]


def test_copy_of_an_open_key_is_the_same(copy):
    assert made(OPEN + LEAF, copy, None) == OPEN + LEAF
    with pytest.raises(Problem, match="not protected"):
        made(OPEN + LEAF, copy, SECRET)


def test_first_copy_takes_the_passphrase(live, copy):
    with pytest.raises(Problem, match="none was given"):
        made(live, copy, None)
    with pytest.raises(Problem, match="does not open"):
        made(live, copy, "other")
    assert made(live, copy, SECRET) == OPEN + LEAF


def test_copy_that_fits_is_kept(live, copy):
    there = b"# a note\n" + OPEN + LEAF  # not byte for byte what would be made
    copy.write_bytes(there)
    assert made(live, copy, None) == there


@pytest.mark.parametrize("there", [b"", LEAF, key_pem(new_key()) + LEAF, OPEN + LEAF + LEAF, OPEN])
def test_copy_that_does_not_fit(live, copy, there):
    copy.write_bytes(there)
    assert made(live, copy, SECRET) == OPEN + LEAF
    with pytest.raises(Problem, match="none was given"):
        made(live, copy, None)


def test_protected_copy_does_not_fit(live, copy):
    copy.write_bytes(live)
    assert made(live, copy, SECRET) == OPEN + LEAF


def test_passphrases_by_certificate():
    none = {"certificate": "a", "alternative_certificate": None, "sni": None, "key_passphrase": None}
    one = {**none, "key_passphrase": "x"}
    assert passphrases.passphrases_of([none, one, one, {**one, "certificate": None, "key_passphrase": "y"}]) == {
        "a": "x"
    }
    several = {
        **one,
        "alternative_certificate": "b",
        "sni": [{"name": "n", "certificate": "c", "alternative_certificate": "d"}],
    }
    assert passphrases.passphrases_of([several]) == {"a": "x", "b": "x", "c": "x", "d": "x"}
    with pytest.raises(Problem, match="certificate a, option key_passphrase: different"):
        passphrases.passphrases_of([one, {**one, "key_passphrase": "y"}])
    with pytest.raises(Problem, match="certificate a, option key_passphrase: the passphrase is empty"):
        passphrases.passphrases_of([{**one, "key_passphrase": ""}])
