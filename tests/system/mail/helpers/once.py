# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A property that is worked out once. Where that fails, it has failed for good: a long story is not told again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Found = TypeVar("Found")


class once(Generic[Found]):  # noqa: N801 - used like functools.cached_property
    """A property of which the value, or the exception, is kept."""

    def __init__(self, work: Callable[[Any], Found]) -> None:
        self._work = work
        self.__doc__ = work.__doc__

    def __get__(self, owner: Any, kind: Any = None) -> Found:
        kept: dict[str, tuple[Found | None, BaseException | None]] = owner.__dict__.setdefault("_once", {})
        name = self._work.__name__
        if name not in kept:
            try:
                kept[name] = (self._work(owner), None)
            except BaseException as error:
                kept[name] = (None, error)
        found, failure = kept[name]
        if failure is not None:
            raise failure
        return found  # type: ignore[return-value]
