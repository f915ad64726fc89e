# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take down how a host is configured. Runs on the host, beside tree.py.

``config.py FILE`` writes JSON of the same form as tree.py does, of /etc and of what our own runs left. In the place of
the files in which slapd keeps its settings stands what ``slapcat`` says, without what slapd notes about each change.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types

PLACES = ("/etc", "/var/lib/exim4", "/var/lib/postmaster-secure-channel", "/usr/local")
SLAPD = "/etc/ldap/slapd.d"
OPERATIONAL = re.compile(
    r"^(entryCSN|modifyTimestamp|modifiersName|structuralObjectClass|entryUUID|creatorsName|createTimestamp): .*\n",
    re.MULTILINE,
)


def take(tree: types.ModuleType) -> dict[str, list[object]]:
    """Everything that configures a daemon."""
    found: dict[str, list[object]] = {}
    for place in PLACES:
        if os.path.isdir(place):
            found.update(tree.take(place))
    if os.path.isdir(SLAPD):
        found = {path: node for path, node in found.items() if not path.startswith(SLAPD + "/")}
        del found[SLAPD]
        printed = subprocess.run(["slapcat", "-n0", "-o", "ldif-wrap=no"], capture_output=True, text=True, check=True)
        found["cn=config"] = [0, 0, 0, 0, 0, 0, OPERATIONAL.sub("", printed.stdout)]
    return found


def main(target: str) -> None:
    """Write it down."""
    import tree  # lies beside this program on the host only

    with open(target, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(take(tree), sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1])
