# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of ours in configuration files: the notice at the top of a file, and marked blocks in files of others."""

from __future__ import annotations

_NOTICE = "kept by the Ansible collection postmaster.secure_channel; changes made here are lost."


def heading(what: str = "") -> str:
    """The comment at the top of a file that is ours alone.

    Args:
        what: what the file is for, such as ``http/default``; empty to leave that out.
    """
    return f"# {what}: {_NOTICE}\n" if what else f"# K{_NOTICE[1:]}\n"
