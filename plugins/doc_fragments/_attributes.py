# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``attributes:`` of this collection's modules.

Private to the collection: it may change at any time, so nothing outside may build on it.
"""

from __future__ import annotations


class ModuleDocFragment:
    """What each attribute means; a module adds its own ``support:``."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description:
      - In C(check_mode) the module reports what a real run would change, and changes nothing.
  diff_mode:
    description:
      - In diff mode the module shows the state before and after its changes. Secrets never appear in it.
  idempotent:
    description:
      - A second run with the same options, on a host that nothing else has changed, reports no change.
  platform:
    description:
      - The target systems on which the module works.
    platforms: posix, debian
    support: full
"""

    # Added to the standard fragment by modules that only look.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - The module only reads, so check mode makes no difference to it.
  diff_mode:
    support: N/A
    details:
      - The module only reads, so there is never a difference to show.
  idempotent:
    support: full
    details:
      - The module only reads.
"""

    ACTIONGROUP_SECURE_CHANNEL = r"""
options: {}
attributes:
  action_group:
    description:
      - Defaults for all modules of this collection can be given at once, in C(module_defaults), under
        C(group/postmaster.secure_channel.secure_channel).
    support: full
    membership:
      - postmaster.secure_channel.secure_channel
"""

    ACTIONGROUP_SECURE_CHANNEL_STORE = r"""
options: {}
attributes:
  store_group:
    description:
      - A default for O(store) can be given to all modules that have it, in C(module_defaults), under
        C(group/postmaster.secure_channel.secure_channel_store). The other group has modules without it.
    support: full
"""
