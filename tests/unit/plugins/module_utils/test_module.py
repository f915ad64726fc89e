# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import errno
import json
import time
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import (
    DiscreetModule,
    SortedSecrets,
    run,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import LABEL, PASSWORD

WORDS = st.text("abc", min_size=1, max_size=9)


@given(st.sets(WORDS), st.lists(WORDS), WORDS)
def test_no_secret_that_is_in_a_result_is_missed(secrets, texts, key):
    result = {"list": texts, key: [{"deep": "".join(texts)}], "number": 1234567}
    everything = [*texts, "".join(texts), key, "list", "deep", "number", "1234567"]
    there = {secret for secret in secrets if any(secret in text for text in everything)}
    assert there <= SortedSecrets(secrets).seen_in(result) <= secrets


def test_secret_number():
    assert SortedSecrets({"1234567", "7654321"}).seen_in({"port": 1234567}) == {"1234567"}


def test_many_secrets_and_many_strings():
    secrets = {f"a secret {number}" for number in range(10_000)}
    result = {"domains": [{"domain": f"d{number}.example"} for number in range(10_000)]}
    start = time.process_time()
    assert SortedSecrets(secrets).seen_in(result) == set()
    assert time.process_time() - start < 30  # looking for each in each would take minutes


# ---- what leaves a module


SPEC = {"name": {"type": "str", "kind": LABEL}, "password": {"type": "str", "no_log": True, "kind": PASSWORD}}


def left(capsys, leave, **params):
    """What a module prints that leaves at once."""
    warnings._global_warnings.clear()
    capsys.readouterr()
    given = {**params, "_ansible_remote_tmp": "/tmp"}
    on_the_host = mock.patch("ansible.module_utils._internal.is_controller", False)
    with on_the_host, patch_module_args(given), contextlib.suppress(SystemExit):
        leave(DiscreetModule(argument_spec=SPEC, title="thing {name}"))
    return json.loads(capsys.readouterr().out)


def test_results_are_escaped_and_blocks_keep_their_lines(capsys):
    def leave(module):
        module.warn("careful\x1b[2J\nnow")
        module.exit_json(
            reason="a\x1bb\nc", rows=[{"subject": "\u202eCN=x", "csr": "a\nb\x07"}], diff=[{"before": "a\n\x1b"}]
        )

    found = left(capsys, leave)
    assert found["reason"] == "a\\x1bb\\x0ac"
    assert found["rows"] == [{"subject": "\\u202eCN=x", "csr": "a\nb\\x07"}]
    assert found["diff"] == [{"before": "a\n\\x1b"}]
    assert r"careful\\x1b[2J\\x0anow" in json.dumps(found["warnings"])


def test_an_error_is_one_bounded_line_with_its_remedy(capsys):
    problem = Problem("\x1b" + "x" * 5000 + "; nothing was changed", "do this", subject="thing a")
    found = left(capsys, lambda module: module.fail_json(**problem.result()))
    assert len(found["msg"]) <= 1000
    assert found["msg"].endswith("x; nothing was changed. Do this.")
    assert "thing a: \\x1bxxx" in found["msg"]
    assert len(found["problem"]["found"]) <= 1000


def test_secrets_are_masked_before_anything_is_cut_or_escaped(capsys):
    secret = "hunter2" + "\u200d" + "hunter3"

    def leave(module):
        module.warn(f"it said {secret}")
        module.fail_json(msg="a" * 660 + secret + "b" * 5000, found=[secret])

    found = left(capsys, leave, password=secret)
    assert "hunter" not in json.dumps(found)


def test_warnings_do_not_show_a_secret_that_the_result_does_not_have(capsys):
    def leave(module):
        module.warn("it said hunter2-canary")
        module.exit_json(changed=False)

    assert "hunter2" not in json.dumps(left(capsys, leave, password="hunter2-canary"))


@pytest.mark.parametrize(
    ("exception", "found"),
    [
        (Problem("it is broken", "fix it"), "it is broken"),
        (
            OSError(errno.EMFILE, "Too many open files", "/etc/x"),
            "/etc/x cannot be used (this process has too many",
        ),
        (MemoryError(), "there is not enough memory for this process"),
        (RuntimeError("can't start new thread"), "there are too many processes"),
    ],
)
def test_what_the_system_refuses_is_one_clear_error(exception, found):
    failures = []

    def work(_module):
        raise exception

    module: Any = SimpleNamespace(argument_spec={}, params={}, fail_json=lambda **result: failures.append(result))
    run(module, work)
    (failure,) = failures
    assert failure["problem"]["found"].startswith(found)
    assert failure["problem"]["remedy"]
    assert "\n" not in failure["msg"]
