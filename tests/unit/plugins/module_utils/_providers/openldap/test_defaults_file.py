# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import (
    defaults_file,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('# A="no"\nA="x y"\n', "x y"),
        ("A='x y' # why\nB=z\n", "x y"),
        ("A=x\nA=y", "y"),
        ("export A=x\n", "x"),
        ("B=x\n", ""),
        ("A=\n", ""),
    ],
)
def test_a_variable_is_changed_and_put_back(text, value):
    assert defaults_file.assigned(text, "A") == value
    changed = defaults_file.with_line(text, "A", 'A="new value"')
    assert defaults_file.assigned(changed, "A") == "new value"
    back = defaults_file.with_line(changed, "A", defaults_file.line_of(text, "A"))
    assert back == text
