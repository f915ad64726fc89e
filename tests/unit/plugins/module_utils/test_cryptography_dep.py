# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the library is there."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any
from unittest import mock

from ansible_collections.postmaster.secure_channel.plugins.module_utils import _cryptography_dep


def _has_it_with(library: ModuleType | None) -> bool:
    """What a module finds that starts with this in the library's place."""
    spec = importlib.util.spec_from_file_location(_cryptography_dep.__name__, _cryptography_dep.__file__)
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    present: dict[str, Any] = {"cryptography": library}
    with mock.patch.dict(sys.modules, present):
        spec.loader.exec_module(fresh)
    found: bool = fresh.has_cryptography()
    return found


def _library(**attributes: str) -> ModuleType:
    library = ModuleType("cryptography")
    vars(library).update(attributes)
    return library


def test_a_new_enough_version_will_do() -> None:
    assert _has_it_with(_library(__version__="38.0.4"))


def test_an_older_version_will_not_do() -> None:
    assert not _has_it_with(_library(__version__="3.3.2"))


def test_the_library_may_be_missing() -> None:
    assert not _has_it_with(None)


def test_the_directory_that_a_removed_package_leaves_is_no_library() -> None:
    assert not _has_it_with(_library())
