# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules under strace on a host: every call that could change something is in the trace, with all that is written."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.reliability import shipped
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import key_traces
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab

PYTHON, TRACES, MARKS = "/run/reliability/python", "/run/reliability/traces", "/run/reliability/marks"
EMPTY = f"rm -rf {TRACES}; mkdir -p {TRACES}; chmod 700 {TRACES}"
OPENING = "open,openat,creat"
WRITING = "write,pwrite64,writev,pwritev"
CHANGING = (
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,mknod,mknodat,"
    "chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,truncate,ftruncate,setxattr,lsetxattr,fsetxattr,"
    "removexattr,utime,utimes,utimensat,mount,move_mount,umount2,sethostname,settimeofday,swapon"
)
# What is no change of the host: places of the module itself, of the kernel, or of nobody.
NOWHERE = re.compile(r"^(/dev/(null|tty|pts/\d+)|/proc/|/memfd:|/root/\.ansible/|/tmp/ansible[_-]|/run/reliability)")
# A file system of memory that only one process and its children see: what they write goes with them.
_PRIVATE = re.compile(r'mount\("none", "/", NULL, MS_REC\|MS_PRIVATE, NULL\) = 0')
# mount(8) of Debian 13 has other system calls for it
_MOUNTED = re.compile(
    r'(?:mount\("tmpfs", |move_mount\(\d+<[^>]*>, "", AT_FDCWD(?:<[^>]*>)?, )"(?P<place>/[^"]+)", .* = 0'
)
_QUOTED = re.compile(r'"([^"]*)"|<(/[^>]*)>')
_OPENED = re.compile(r" = \d+<(?P<path>/[^>]+)>$")
_FILLED = re.compile(rf"(?:{WRITING.replace(',', '|')}|ftruncate)\(\d+<(?P<path>/[^>]+)>")
_REMOVED = re.compile(r'unlink(?:at)?\((?:AT_FDCWD[^,]*, )?"(?P<path>/[^"]+)".* = 0')


def prepare(lab: Lab, host: Host) -> None:
    """Have a host trace every module that is run with PYTHON, with all that is written and started."""
    lab.shell(host, EMPTY)
    calls = f"{OPENING},{CHANGING},umask,execve,write,pwrite64,writev,sendto,sendmsg"
    options = f"-f -qq -y -v -s 65536 --seccomp-bpf -e trace={calls}"
    script = f'#!/bin/sh\nexec strace {options} -o {TRACES}/$$ /usr/bin/python3 "$@"\n'
    lab.write(host, PYTHON, script, "0755")


def check(
    lab: Lab, host: Host, calls: Sequence[tuple[str, Mapping[str, Any]]]
) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Call modules in check mode.

    Args:
        lab: the lab.
        host: the host.
        calls: modules with their arguments.

    Returns:
        what each of them answered, and all lines of the trace.
    """
    lab.shell(host, f"{EMPTY}; mkdir -p {MARKS}")
    tracing = ("strace", "-f", "-qq", "-y", "-s", "300", "--seccomp-bpf", "-e", f"trace={OPENING},{WRITING},{CHANGING}")
    program = ("python3", f"{shipped.CODE}/checked_modules.py", shipped.CODE, MARKS)
    printed = lab.ask(host, *tracing, "-o", f"{TRACES}/all", *program, given=json.dumps(calls))
    trace = lab.read(host, f"{TRACES}/all").splitlines()
    written = "\n".join(line for line in trace if MARKS in line)
    unseen = [number for number in range(len(calls)) if f'"{MARKS}/{number}"' not in written]
    assert not unseen, f"{host.name}: calls that were not traced: {unseen}"
    return [json.loads(line) for line in printed.splitlines()], trace


def inventory(lab: Lab, names: Sequence[str], path: Path, *, pipelining: bool = True) -> Path:
    """An inventory of the lab in which some hosts' modules are traced.

    Args:
        lab: the lab.
        names: the hosts.
        path: where to write it.
        pipelining: whether modules and their arguments go through a pipe, and not into files. A variable of the
            inventory decides: it comes before Ansible's own settings.
    """
    content = json.loads((lab.inventory / "hosts.json").read_text())
    content["lab"]["vars"]["ansible_ssh_pipelining"] = pipelining
    for name in names:
        content["lab"]["hosts"][name]["ansible_python_interpreter"] = PYTHON
    path.write_text(json.dumps(content))
    return path


def lines(lab: Lab, host: Host) -> list[list[str]]:
    """The lines of each trace of a host."""
    printed = lab.shell(host, f"cd {TRACES}; for trace in *; do echo ==; cat $trace; done")
    return [one.splitlines() for one in printed.split("==\n")[1:]]


def changes(trace: Sequence[str], before: Collection[str]) -> Iterator[str]:
    """The calls of a trace that have changed something of the host.

    Programs that are asked open their own files for writing without writing: nginx its logs and its pid file, master(8)
    its lock. doveconf has a file of its own for a moment. Neither changes anything; whatever is written to does.

    Args:
        trace: the lines of strace.
        before: the files that were there before.
    """
    lines = [line.split(maxsplit=1)[-1] for line in trace]
    filled = {found["path"] for found in map(_FILLED.match, lines) if found}
    removed = {found["path"] for found in map(_REMOVED.match, lines) if found}
    mounted = [found["place"] for found in map(_MOUNTED.match, lines) if found]
    own = tuple(f"{place}/" for place in mounted) if any(map(_PRIVATE.match, lines)) else ()
    opening, changing = set(OPENING.split(",")), set(CHANGING.split(","))
    for call in lines:
        name = call.partition("(")[0]
        if name not in opening | changing or " = -1 E" in call or "= ?" in call:
            continue
        if name in opening and not re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", call):
            continue
        paths = [quoted or known for quoted, known in _QUOTED.findall(call)]
        # the last one that strace knows of is where the call has led to
        if any(NOWHERE.match(path) or path.startswith(own) for path in paths):
            continue
        if _PRIVATE.match(call) or (own and _MOUNTED.match(call)) or _passes(call, filled, removed, before):
            continue
        yield call


def _passes(call: str, filled: Collection[str], removed: Collection[str], before: Collection[str]) -> bool:
    """Whether nothing is left of a call: an opening without writing, or a file that comes and goes."""
    opened, gone = _OPENED.search(call), _REMOVED.match(call)
    if gone:
        return gone["path"] not in before
    if not opened:
        return False
    path = opened["path"]
    if path in before:
        return "O_TRUNC" not in call and path not in filled
    return "O_EXCL" in call and path in removed


def files_with(trace: Sequence[str], needles: Iterable[str]) -> dict[str, list[int]]:
    """The files that one of some words was written to, with each mode that they had then or got later."""
    either = "|".join(re.escape(one) for one in needles)
    written = re.compile(rf"^(?P<process>\d+) +(?:p?write(?:64|v)?)\(\d+<(?P<path>/[^>]+)>.*(?:{either})")
    found = key_traces.files_written(trace, written)
    return {one.path: list(one.modes) or [0o777] for one in found if not NOWHERE.match(one.path)}
