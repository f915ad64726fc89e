# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import remove_tree


def test_a_tree_deeper_than_python_counts_goes(tmp_path):
    here = os.getcwd()
    (tmp_path / "tree").mkdir()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("")
    (tmp_path / "tree/link").symlink_to("../kept")
    os.chdir(tmp_path / "tree")
    try:
        for _level in range(3000):
            os.mkdir("d")
            os.symlink("/usr", "link-out")
            os.chdir("d")
    finally:
        os.chdir(here)
    remove_tree(str(tmp_path / "tree"))
    assert os.listdir(tmp_path) == ["kept"]
    assert (tmp_path / "kept/file").exists()


def test_what_is_not_there(tmp_path):
    remove_tree(str(tmp_path / "missing"))
