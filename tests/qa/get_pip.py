# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install pip the way ansible-test asks for it, from the interpreter itself and then from the package index.

ansible-test runs the script it finds in its cache, with arguments for pip, and would otherwise download one.
"""

from __future__ import annotations

import os
import subprocess
import sys


def main() -> int:
    """Put the interpreter's bundled pip in place, and let it install the version asked for."""
    # ansible-test wraps pip in a script that comes back here as long as this variable is set.
    environment = {name: value for name, value in os.environ.items() if name != "GET_PIP"}
    subprocess.run([sys.executable, "-m", "ensurepip"], env=environment, check=True, stdout=subprocess.DEVNULL)
    wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
    return subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *wanted], env=environment)


if __name__ == "__main__":
    sys.exit(main())
