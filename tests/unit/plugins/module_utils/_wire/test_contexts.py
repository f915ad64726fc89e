# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import trust_store


@pytest.mark.parametrize("content", [None, "", "no certificate\n"])
def test_a_ca_file_that_is_none(content, tmp_path):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Problem) as caught:
        trust_store(str(path))
    assert caught.value.option == "ca_file"
    assert str(path) in caught.value.found
