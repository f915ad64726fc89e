# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard of a transaction, which undoes it when its run is killed, at once or when the system starts again.

It is there while a change is under way, and goes with it: a program made of the very files that are in use here, a
process of it that waits for the host's lock, and a unit that runs it before any daemon when the system starts. So no
other code than the transaction's own undoes anything, a newer release leaves no older program behind, systemd never
has to read its units again, and a host on which nothing is under way has nothing of this.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import os
import sys
import zipfile
from collections.abc import Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import (
    BEFORE_ANY_DAEMON,
    FILES_ARE_THERE,
    SEARCH_PATH,
    SYSLOG_NAME,
    SYSTEM_ENDS,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import (
    create,
    sync_directory,
    unlink,
    write_private,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.trusted_paths import held

_PACKAGE = __name__.rpartition("._host.")[0]
_MAIN = f"from {_PACKAGE}._host.recovery import main\n\nraise SystemExit(main())\n"
_TITLE = "Undoes a change of mail servers if it is cut off"
_UNIT = """# made by the Ansible collection postmaster.secure_channel; removed when its change is done
[Unit]
Description={title}
DefaultDependencies=no
RequiresMountsFor={places.transaction}
ConditionPathExists={places.program}
After={files}
Before={target} {end}
Conflicts={end}

[Service]
Type=oneshot
ExecStart={python} -IS {places.program} boot {places.state} {places.lock} {places.units} {places.systemd}
SyslogIdentifier={syslog}
TimeoutStartSec=60
"""


def shipped() -> list[str]:
    """The recovery and all modules of ours that it imports, by their names."""
    found: list[str] = []
    waiting = [f"{_PACKAGE}._host.recovery"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.append(name)
        for node in ast.walk(ast.parse(_source(name))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(_PACKAGE):
                package = node.module == f"{_PACKAGE}._host"
                waiting += [f"{node.module}.{one.name}" for one in node.names] if package else [node.module]
    return sorted(found)


def _source(name: str) -> str:
    return inspect.getsource(importlib.import_module(name))


def program() -> bytes:
    """The program, which needs nothing but Python."""
    found = shipped()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("__main__.py", _MAIN)
        packages = {name.rpartition(".")[0] for name in found}
        packages |= {_PACKAGE[:at] for at, letter in enumerate(_PACKAGE) if letter == "."}
        for name in sorted(packages):
            members.writestr(f"{name.replace('.', '/')}/__init__.py", "")
        for name in found:
            members.writestr(f"{name.replace('.', '/')}.py", _source(name))
    return archive.getvalue()


class Guard:
    """The guard of one run.

    Args:
        places: where things are.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._watching = False

    def possible(self) -> bool:
        """Whether there can be one: systemd is the first process."""
        return os.path.isdir(self._places.systemd)

    def post(self, run: Callable[..., Completed]) -> str:
        """Have it watch, before anything is changed; it may be there already.

        Args:
            run: runs a program with an effect.

        Returns:
            Why nobody will notice that the run is killed; empty where all is well.
        """
        os.makedirs(self._places.transaction, mode=0o700, exist_ok=True)
        write_private(self._places.program, program())
        sync_directory(self._places.transaction)
        done = Completed(0, "", "")
        if not self._watching:  # it waits for the end of the whole run, however many transactions that has
            try:
                done = run(self._watcher())
            except Problem as exc:
                done = Completed(1, "", exc.found)
            self._watching = done.code == 0
        self._write_unit()
        return "" if done.code == 0 else done.complaint or "systemd-run does not say why"

    def _watcher(self) -> list[str]:
        """The command that starts the waiting process outside of the run's own session, and waits until it is ready."""
        places = self._places
        return [
            *("systemd-run", "--quiet", "--collect", "--no-ask-password", "--service-type=notify"),
            f"--description={_TITLE}",
            f"--unit={os.path.basename(places.unit).partition('.')[0]}-of-{os.getpid()}",
            *(
                "--property=TimeoutStartSec=30",
                f"--property=SyslogIdentifier={SYSLOG_NAME}",
                f"--setenv=PATH={SEARCH_PATH}",
                "--setenv=LC_ALL=C",
            ),
            *(sys.executable, "-IS", places.program),
            *("watch", places.state, places.lock, places.units, places.systemd),
        ]

    def _write_unit(self) -> None:
        places = self._places
        os.makedirs(places.units, exist_ok=True)
        content = _UNIT.format(
            title=_TITLE,
            syslog=SYSLOG_NAME,
            places=places,
            python=sys.executable,
            files=FILES_ARE_THERE,
            target=BEFORE_ANY_DAEMON,
            end=SYSTEM_ENDS,
        )
        self._write(places.unit, content.encode())
        directory = os.path.dirname(places.wanted)
        os.makedirs(directory, exist_ok=True)
        with held(directory) as wants:
            name = os.path.basename(places.wanted)
            unlink(name, wants)
            os.symlink(os.path.join("..", os.path.basename(places.unit)), name, dir_fd=wants)
            os.fsync(wants)
        sync_directory(places.units)

    @staticmethod
    def _write(path: str, content: bytes) -> None:
        """Write a file that everybody may read."""
        with held(os.path.dirname(path)) as directory:
            name = os.path.basename(path)
            unlink(name, directory)
            with os.fdopen(create(name, directory), "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fchmod(stream.fileno(), 0o644)
                os.fsync(stream.fileno())
            os.fsync(directory)
