# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the Python library ``cryptography`` is installed. Goes with the doc fragment of the same name."""

from __future__ import annotations

import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import (
    FAMILY,
    PYTHON_CRYPTOGRAPHY,
)

MINIMAL_CRYPTOGRAPHY_VERSION = 38

CRYPTOGRAPHY_IMP_ERR: str | None = None
CRYPTOGRAPHY_VERSION = "0"
try:
    # The directory that a removed package leaves behind can be imported, but has no version.
    from cryptography import __version__ as _found

    CRYPTOGRAPHY_VERSION = _found
except ImportError:
    CRYPTOGRAPHY_IMP_ERR = traceback.format_exc()


def has_cryptography() -> bool:
    """Whether a new enough version is installed."""
    return int(CRYPTOGRAPHY_VERSION.split(".", 1)[0]) >= MINIMAL_CRYPTOGRAPHY_VERSION


def require_cryptography(module: AnsibleModule) -> None:
    """Leave the module with a clear error where the library is missing or too old."""
    if not has_cryptography():
        module.fail_json(
            msg=missing_required_lib(f"cryptography >= {MINIMAL_CRYPTOGRAPHY_VERSION}.0")
            + f" On {FAMILY} install {PYTHON_CRYPTOGRAPHY}.",
            exception=CRYPTOGRAPHY_IMP_ERR,
        )
