# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where secrets go: during a run of Ansible, and on the hosts afterwards.

On the hosts, strace records every program that the modules start and every file that they create. On this machine,
which sees the hosts' processes too, every command line and environment is read over and over during the run.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Run
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Site

TRACED_PYTHON = f"{WORK}/python"
TRACES = f"{WORK}/traces"
# Names of files, in either state of being written, that hold a key or a password.
SECRET_FILE = re.compile(r"/etc/(postmaster/(live|pending|deployed)/.*(key|\.pem)|postfix/.*sasl_password)")
_PAUSE = 0.02  # seconds between two looks


@dataclass(frozen=True)
class Watched:
    """What was seen during one run.

    Attributes:
        run: what Ansible printed and returned.
        traces: by host, the lines of strace.
        processes: command lines and environments on this machine and in all of its hosts.
    """

    run: Run
    traces: Mapping[str, Sequence[str]]
    processes: frozenset[bytes]


@dataclass(frozen=True)
class Made:
    """A file that was created, or whose mode was changed."""

    path: str
    mode: int


def trace_modules(lab: Lab, host: Host) -> None:
    """Have a host trace every module that is run with TRACED_PYTHON."""
    calls = "execve,open,openat,creat,chmod,fchmod,fchmodat,umask"
    script = f"""#!/bin/sh
exec strace -f -qq -v -y -s 65536 --seccomp-bpf -e trace={calls} -o {TRACES}/$$ /usr/bin/python3 "$@"
"""
    lab.ask(host, "mkdir", "-p", TRACES)
    lab.write(host, TRACED_PYTHON, script, "0755")


def traces(lab: Lab, host: Host) -> list[str]:
    """The lines of all traces of a host."""
    return lab.shell(host, f"cat {TRACES}/*").splitlines()


def inventory_with_traces(lab: Lab, hosts: Sequence[str], path: Path) -> Path:
    """An inventory of the lab in which some hosts' modules are traced."""
    content = json.loads((lab.inventory / "hosts.json").read_text())
    for name in hosts:
        content["lab"]["hosts"][name]["ansible_python_interpreter"] = TRACED_PYTHON
    path.write_text(json.dumps(content))
    return path


# A name may be given with the directory that it is in, which strace shows with its path.
_IN = r'\((?:AT_FDCWD|\d+)(?:<(?P<directory>[^>"]*)>)?, '
MAKING = (
    rf'\bopenat{_IN}"(?P<path>[^"]+)", [^,]*O_CREAT[^,]*, (?P<mode>0\d+)\)',
    r'\bopen\("(?P<path>[^"]+)", [^,]*O_CREAT[^,]*, (?P<mode>0\d+)\)',
    r'\bcreat\("(?P<path>[^"]+)", (?P<mode>0\d+)\)',
)
CHANGING = (
    r'\bchmod\("(?P<path>[^"]+)", (?P<mode>0\d+)\)',
    r"\bfchmod\(\d+<(?P<path>[^>]+)>, (?P<mode>0\d+)\)",
    rf'\bfchmodat{_IN}"(?P<path>[^"]+)", (?P<mode>0\d+)',
)


def made(lines: Sequence[str]) -> list[Made]:
    """Files for secrets that were created, and changes of their modes."""
    found = []
    masks: dict[str, int] = {}  # by process
    for line in lines:
        process = line.split(maxsplit=1)[0]
        mask = re.search(r"\bumask\((0\d*)\)", line)
        if mask:
            masks[process] = int(mask[1], 8)
        for patterns, kept in ((MAKING, ~masks.get(process, 0o022)), (CHANGING, ~0)):
            matches = (re.search(pattern, line) for pattern in patterns)
            found += [
                Made(_path(match), int(match["mode"], 8) & kept)
                for match in matches
                if match and SECRET_FILE.match(_path(match)) and " = -1 E" not in line
            ]
    return found


def _path(match: re.Match[str]) -> str:
    return os.path.join(match.groupdict().get("directory") or "", match["path"])


def started(lines: Sequence[str]) -> list[str]:
    """Programs that were started, with arguments and environment."""
    return [line for line in lines if "execve(" in line]


@contextmanager
def all_processes() -> Iterator[set[bytes]]:
    """Gather the command lines and environments of all processes, those of the hosts too, until the end."""
    seen: set[bytes] = set()
    enough = threading.Event()

    def look() -> None:
        while not enough.wait(_PAUSE):
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    for name in ("cmdline", "environ"):
                        try:
                            seen.add((process / name).read_bytes())
                        except OSError:  # gone by now
                            continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        enough.set()
        watcher.join()


# ---- where secrets are found afterwards


@dataclass(frozen=True)
class Search:
    """Where secrets are found on some hosts.

    Attributes:
        needles: what was looked for, by name: each password, and a line from the middle of each key.
        journals: by host, the whole journal.
        files: by host, path -> owner and mode, of each file that holds a needle.
        authority: by host, the answer of grep to the search for the CA's key alone.
    """

    needles: Mapping[str, str]
    journals: Mapping[str, str]
    files: Mapping[str, Mapping[str, tuple[str, str]]]
    authority: Mapping[str, Answer]

    def seen_in(self, text: str) -> list[str]:
        """Names of the needles in a text."""
        return [name for name, needle in self.needles.items() if needle in text]


PLACES = "/dev/shm /etc /home /opt /root /run /srv /tmp /usr/local /var"
# The needles themselves, the traces, and the lab's own mount of this machine.
_LEFT_OUT = "--exclude=needles --exclude-dir=traces --exclude-dir=host"


def search(lab: Lab, site: Site, names: Sequence[str]) -> Search:
    """Look for the passwords of a site and the keys of its hosts and its CA."""
    login = base64.b64encode(f"\0relay\0{site.secrets.relay}".encode()).decode()
    needles = {**site.secrets.middles, "login": login[8:-8]}
    for name in names:
        host = lab.hosts[name]
        needles[f"key of {name}"] = _line_of_key(lab.read(host, f"/etc/postmaster/live/{host.fqdn}.pem"))
    needles["key of the CA"] = _line_of_key((site.authority / "root.key").read_text())

    def files(name: str) -> dict[str, tuple[str, str]]:
        host = lab.hosts[name]
        lab.write(host, f"{WORK}/needles", "".join(needle + "\n" for needle in needles.values()), "0600")
        printed = lab.shell(
            host,
            f"grep --recursive --devices=skip --binary-files=text --files-with-matches {_LEFT_OUT} --fixed-strings "
            f"--file={WORK}/needles {PLACES} | xargs stat -c '%n %U %a'",
        )
        return {path: (user, mode) for path, user, mode in (line.split() for line in printed.splitlines())}

    def journal(name: str) -> str:
        return lab.ask(lab.hosts[name], "journalctl", "--output=verbose", "--all", "--no-pager")

    def authority(name: str) -> Answer:
        places = ("/etc", "/var", "/root", "/tmp", "/srv", "/usr/local")
        return lab.run_in(lab.hosts[name], "grep", "-rlF", needles["key of the CA"], *places)

    with ThreadPoolExecutor() as pool:
        found = dict(zip(names, pool.map(files, names)))
        journals = dict(zip(names, pool.map(journal, names)))
        return Search(needles, journals, found, dict(zip(names, pool.map(authority, names))))


def _line_of_key(text: str) -> str:
    begin = re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n", text)
    assert begin
    return text[begin.end() :].splitlines()[1]
