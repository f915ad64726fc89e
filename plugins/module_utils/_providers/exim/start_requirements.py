# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether Exim could go on: update-exim4.conf makes what Exim reads of the files below its directory, at each reload.

What Exim has read is of another day than these files. So the same is done here where nothing is left of it: on a file
system in memory that only the two programs see. Where a container does not allow that, the transaction's test, which
has a copy of the files, is the first to find out.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    CONFIG_DIRECTORY,
    SETTINGS,
    SPLIT_DIRECTORY,
    TEMPLATE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import (
    cannot_go_on,
    concerns,
    line_with,
)

_MADE = "/mnt/made"
_NO_WAY = 42  # the script's exit code where there can be no such file system
# what was made is printed for the line that Exim complains of
_SCRIPT = f"""
mount -t tmpfs -o mode=0755 tmpfs /mnt 2>/dev/null || exit {_NO_WAY}
export TMPDIR=/mnt
update-exim4.conf --output {_MADE} && exim4 -C {_MADE} -bV >/dev/null && exit 0
cat {_MADE} 2>/dev/null
exit 1
"""
_LINE = re.compile(rf"line (\d{{1,9}}) of {re.escape(_MADE)}")


def refuse_unmet(host: Host, written: Collection[str]) -> None:
    """Raise Problem where Exim would refuse what is made of the files that are there.

    Args:
        host: the machine.
        written: files that the call writes or removes, whose present content does not count.
    """
    done = host.query(["unshare", "--mount", "sh", "-c", _SCRIPT])
    if done.code in (0, _NO_WAY) or not done.err.strip() or "unshare" in done.err:
        return
    place = _place(host, done.err, done.out)
    if place.rpartition(":")[0] in written or concerns(done.err, written):
        return
    complaint = re.sub(rf" in line \d+ of {re.escape(_MADE)}", "", " / ".join(done.err.split("\n"))).strip(" /")
    raise cannot_go_on(
        "Exim",
        complaint,
        "put that right, until 'update-exim4.conf --output /tmp/made && exim4 -C /tmp/made -bV' reports no error",
        place,
    )


def _place(host: Host, complaint: str, made: str) -> str:
    """File and line of the administrator's that a line of what was made comes from."""
    found = _LINE.search(complaint)
    lines = made.splitlines()
    if not found or int(found[1]) > len(lines):
        return CONFIG_DIRECTORY
    text = lines[int(found[1]) - 1].strip()
    sources = [TEMPLATE, SETTINGS]
    for section in host.names_in(SPLIT_DIRECTORY):
        sources += [f"{SPLIT_DIRECTORY}/{section}/{name}" for name in host.names_in(f"{SPLIT_DIRECTORY}/{section}")]
    return line_with({path: host.read_text(path) for path in sources}, text) if text else CONFIG_DIRECTORY
