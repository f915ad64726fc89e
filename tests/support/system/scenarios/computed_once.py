# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A property that is computed once. A failure is kept too: a long scenario that has failed is not run again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

Found = TypeVar("Found")


class _ComputedOnce(Generic[Found]):
    """Like functools.cached_property, but for exceptions as well."""

    def __init__(self, compute: Callable[[Any], Found]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, owner: Any, kind: Any = None) -> Found:
        kept: dict[str, Future[Found]] = owner.__dict__.setdefault("_computed", {})
        name = self._compute.__name__
        if name not in kept:
            future: Future[Found] = Future()
            try:
                future.set_result(self._compute(owner))
            except BaseException as error:
                future.set_exception(error)
            kept[name] = future
        return kept[name].result()


def computed_once(compute: Callable[[Any], Found]) -> _ComputedOnce[Found]:
    """A property whose value, or exception, is computed when it is first asked for, and kept."""
    return _ComputedOnce(compute)
