# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module that handles certificates needs on the host it runs on.

Private to the collection: it may change at any time, so nothing outside may build on it.
"""

from __future__ import annotations


class ModuleDocFragment:
    """The Python packages that certificate handling needs."""

    DOCUMENTATION = r"""
options: {}
requirements:
  - python >= 3.9
  - cryptography >= 38
"""
