# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Untrusted bytes for ``cryptography``: whatever is wrong with them becomes one clear problem."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable


@contextlib.contextmanager
def reading(what: str, remedy: str) -> Iterator[None]:
    """Turn whatever ``cryptography`` raises for hostile bytes into one clear problem.

    That includes pyo3's PanicException, which is a BaseException.
    """
    try:
        yield
    except (Problem, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as exc:
        raise Problem(f"{what} cannot be read ({printable(str(exc)) or type(exc).__name__})", remedy) from exc
