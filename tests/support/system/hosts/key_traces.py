# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What strace has recorded of modules on a host: which files private keys are written to, and who can read them.

A private key is the label of RFC 7468 followed by encoded data. The label alone is no key: programs that handle keys
have it among their constants, and Python writes those into its byte-code caches, which everybody may read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK

PYTHON = f"{WORK}/python-keys"
TRACES = f"{WORK}/keys"
_CALLS = "open,openat,creat,write,pwrite64,writev,chmod,fchmod,fchmodat,umask,rename,renameat,renameat2,link,linkat"
# each write whole: a bundle's key may stand anywhere in it
_STRACE = f"strace -f -qq -y -s 1048576 --seccomp-bpf -e trace={_CALLS}"
_PROCESS = r"^(?P<process>\d+) +"
_OPENED = re.compile(
    _PROCESS + r'open(?:at)?\((?:AT_FDCWD[^,]*, |\d+<[^>]*>, )?"[^"]*", [^,]*O_CREAT[^,]*, (?P<mode>0\d*)\)'
    r" = \d+<(?P<path>[^>]+)>"
)
# a pipe and a file of memory have no name: only whoever has a descriptor can read them, and root
_WRITTEN = re.compile(
    _PROCESS + r"(?:p?write(?:64|v)?)\(\d+<(?P<path>/(?!memfd:)[^>]+)>.*"
    # strace shows a line break as \n; the older format has headers such as "Proc-Type: 4,ENCRYPTED" first
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\r)?\\n(?:[A-Za-z-]+: |[A-Za-z0-9+/=]{16})"
)
_RENAMED = re.compile(
    _PROCESS + r'(?:rename|link)(?:at2?)?\((?:[^"<]*(?:<(?P<directory>[^>"]*)>)?, )?"(?P<path>[^"]+)", '
    r'(?:[^"<]*(?:<(?P<target_directory>[^>"]*)>)?, )?"(?P<target>[^"]+)".* = 0$'
)
_MODE = re.compile(_PROCESS + r'(?:fchmod\(\d+<|chmod\("|fchmodat\([^"]*")(?P<path>[^">]+)[">][^)]*, (?P<mode>0\d+)')
_MASK = re.compile(_PROCESS + r"umask\((?P<mode>0\d*)\)")


@dataclass(frozen=True)
class KeyFile:
    """A file that a private key was written to.

    Attributes:
        path: the path by which it was opened.
        modes: the mode that it was created with, and any that it got later, also under another name.
    """

    path: str
    modes: tuple[int, ...]

    @property
    def closed(self) -> bool:
        """Whether nobody but its owner could ever read it. A file without a known mode counts as open."""
        return bool(self.modes) and not any(mode & 0o077 for mode in self.modes)


def prepare(lab: Lab, host: Host) -> None:
    """Have a host trace every module that is run with PYTHON."""
    script = f"""#!/bin/sh
exec {_STRACE} -o {TRACES}/$$ /usr/bin/python3 "$@"
"""
    lab.ask(host, "mkdir", "-m", "700", "-p", TRACES)
    lab.write(host, PYTHON, script, "0755")


def traces(lab: Lab, host: Host) -> list[list[str]]:
    """The lines of each trace of a host."""
    printed = lab.shell(host, f"cd {TRACES}; for trace in *; do echo ==; cat $trace; done")
    return [one.splitlines() for one in printed.split("==\n")[1:]]


def written_by(lab: Lab, host: Host, program: str) -> list[KeyFile]:
    """Every file that one Python program, whose text is given, writes a private key to."""
    trace = f"{TRACES}.one"
    lab.shell(host, f"{_STRACE} -o {trace} /usr/bin/python3 - <<'PROGRAM'\n{program}\nPROGRAM\n")
    return key_files_in(lab.read(host, trace).splitlines())


def key_files_in(lines: Sequence[str]) -> list[KeyFile]:
    """Every file that a private key was written to, by the lines of one trace."""
    return files_written(lines, _WRITTEN)


def files_written(lines: Sequence[str], written: re.Pattern[str]) -> list[KeyFile]:
    """Every file that something was written to, by the lines of one trace.

    Args:
        lines: the trace.
        written: matches the lines in which that is written, with the groups "process" and "path".
    """
    files: dict[str, list[int]] = {}  # path as it is now -> all modes of the file
    keys: dict[str, list[int]] = {}
    masks: dict[str, int] = {}  # by process; the others have the mask of the first one, which has started them
    first = ""
    for line in lines:
        process = line.partition(" ")[0]
        first = first or process
        if found := _MASK.match(line):
            masks[process] = int(found["mode"], 8)
        elif found := _OPENED.match(line):
            mask = masks.get(process, masks.get(first, 0o022))
            files[found["path"]] = [int(found["mode"], 8) & ~mask]
        elif found := _RENAMED.match(line):
            path = os.path.join(found["directory"] or "", found["path"])
            files[os.path.join(found["target_directory"] or "", found["target"])] = files.setdefault(path, [])
        elif found := _MODE.match(line):
            files.setdefault(found["path"], []).append(int(found["mode"], 8))
        elif found := written.match(line):
            keys[found["path"]] = files.setdefault(found["path"], [])
    return [KeyFile(path, tuple(modes)) for path, modes in keys.items()]


def key_files(lab: Lab, host: Host) -> list[KeyFile]:
    """Every file that a module, or a program that it has started, has written a private key to."""
    return [one for trace in traces(lab, host) for one in key_files_in(trace)]
