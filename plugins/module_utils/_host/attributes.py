# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extended attributes of files: access control lists, security labels, and what the administrator noted."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

ACCESS_LIST = "system.posix_acl_access"
# what belongs to the content that a file had, and is made anew by the kernel or not at all
_OF_CONTENT = frozenset({"security.ima", "security.evm", "security.capability"})
_NONE = (errno.ENOTSUP, errno.ENODATA)


def attributes_of(handle: int) -> dict[str, bytes]:
    """All that a successor of an open file must have too."""
    try:
        names = os.listxattr(handle)
    except OSError as exc:
        if exc.errno in _NONE:  # a file system without them
            return {}
        raise
    return {name: os.getxattr(handle, name) for name in names if name not in _OF_CONTENT}


def give_attributes(handle: int, attributes: Mapping[str, bytes], path: str) -> None:
    """Give an open file the attributes of the one that it replaces; it has no other access control list than that.

    Args:
        handle: the new file.
        attributes: those of the old one.
        path: the file's, for messages.

    Raises:
        Problem: the file system refuses one.
    """
    own = attributes_of(handle)
    if ACCESS_LIST in own and ACCESS_LIST not in attributes:
        os.removexattr(handle, ACCESS_LIST)  # from the directory's default
    for name, value in attributes.items():
        if own.get(name) == value:
            continue
        try:
            os.setxattr(handle, name, value)
        except OSError as exc:
            raise Problem(
                f"the attribute {name} of {path} cannot be kept ({exc.strerror})",
                f"look at it with getfattr -d -m - {path}, and remove it if nobody needs it",
            ) from exc
