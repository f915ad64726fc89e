# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a job in namespaces of its own so that nothing of it can stay behind.

Three processes take part:

* the *client*, the command the user has started;
* the *keeper*, a child of it in a session of its own, which stays in the machine's namespaces;
* the *init*, process 1 of a new pid namespace, in which the job runs.

All mounts, network interfaces and processes of the job belong to the init's namespaces, so the kernel removes them
when the init ends, even by ``kill -9``. What the kernel does not remove (directories, cgroups) is the keeper's duty,
and the init's if the keeper was killed. The client's death ends the job too, unless the client has told the keeper
that the job is to outlive it. Each one learns of another's death by the end of file on a socket or pipe, which works
for every way to die.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from postmaster_lab import kernel
from postmaster_lab.settings import LabError

KEEP = b"keep\n"
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program; its failure is an error that shows what it said."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(words, check=True, text=True, capture_output=True, **options)
    except FileNotFoundError as error:
        raise LabError(f"program not found: {words[0]} (see tests/lab/apt-packages.txt)") from error
    except subprocess.CalledProcessError as error:
        raise LabError(f"'{' '.join(words)}' failed: {(error.stderr or error.stdout or '').strip()}") from error


class Job:
    """What a keeper keeps. The methods are listed in the order of their use."""

    namespaces = 0

    def claim(self, link: Link) -> None:
        """In the keeper: become the only owner of the job's places. On failure nothing is cleaned up."""

    def prepare(self, link: Link) -> None:
        """In the keeper: lay out what has to exist before the init does."""

    def started(self, init: kernel.Process) -> None:
        """In the keeper: the init runs."""

    def inside(self, init: Init) -> None:
        """In the init, in its namespaces: set up and start what is to run."""

    def kept(self) -> None:
        """In the keeper: the client has left the job to itself."""

    def clean_up(self) -> None:
        """In the keeper, or in the init when the keeper is dead: remove what the kernel does not."""


class Link:
    """The keeper's and the init's end of the line to the client."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def tell(self, **message: Any) -> None:
        """Send a message; a client that is gone need not hear it."""
        with suppress(OSError):
            self.end.sendall(json.dumps(message).encode() + b"\n")

    def tell_failure(self) -> None:
        """Called in a "finally" clause: tell of an exception that nobody has expected."""
        error = sys.exc_info()[1]
        if error is not None:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
            self.tell(error=f"unexpected failure of the lab: {text}")

    def lost(self) -> bool:
        """Whether the client has died."""
        try:
            return self.end.recv(16, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Let go of the line."""
        self.end.close()


class Init:
    """Process 1 of a job's pid namespace: starts the job's programs, reaps everything, watches its keeper."""

    def __init__(self, link: Link, lifeline: int) -> None:
        self.link = link
        self.selector = selectors.DefaultSelector()
        self.selector.register(lifeline, selectors.EVENT_READ, self._keeper_died)
        self.exit_code: int | None = None
        self.keeper_is_dead = False
        self._on_exit: dict[int, Callable[[int], None]] = {}

    def watch(self, source: socket.socket, callback: Callable[[], None]) -> None:
        """Call back whenever a socket is readable."""
        self.selector.register(source, selectors.EVENT_READ, callback)

    def spawn(
        self,
        command: Sequence[object],
        on_exit: Callable[[int], None],
        output: int = subprocess.DEVNULL,
        before: Callable[[], None] | None = None,
        environment: dict[str, str] | None = None,
    ) -> int:
        """Start a program; call back with its exit code (negative: the signal) when it ends."""
        words = [str(word) for word in command]
        pid = os.fork()
        if pid == 0:
            try:
                null = os.open(os.devnull, os.O_RDWR)
                os.dup2(null, 0)
                os.dup2(null if output == subprocess.DEVNULL else output, 1)
                os.dup2(1, 2)
                signal.set_wakeup_fd(-1)
                for number in (*ENDING_SIGNALS, signal.SIGCHLD, signal.SIGPIPE):
                    signal.signal(number, signal.SIG_DFL)
                if before is not None:
                    before()
                os.execvpe(words[0], words, dict(os.environ) if environment is None else environment)
            except OSError as error:
                os.write(2, f"{words[0]}: {error}\n".encode())
            finally:
                os._exit(127)
        self._on_exit[pid] = on_exit
        return pid

    def finish(self, exit_code: int) -> None:
        """End the loop, and with it every process of the namespace."""
        self.exit_code = exit_code

    def main(self, job: Job) -> int:
        """Run a job to its end."""
        wake_receive, wake_send = socket.socketpair()
        wake_receive.setblocking(False)
        wake_send.setblocking(False)
        signal.set_wakeup_fd(wake_send.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_unused: None)
        self.selector.register(wake_receive, selectors.EVENT_READ, lambda: self._reap(wake_receive))
        try:
            job.inside(self)
            self._reap(wake_receive)  # children may have ended before the loop begins
            while self.exit_code is None:
                for key, _events in self.selector.select():
                    key.data()
        except LabError as error:
            self.link.tell(error=str(error))
            self.exit_code = 1
        if self.keeper_is_dead:
            self._end_all_others()
            job.clean_up()
        return self.exit_code or 0

    def _keeper_died(self) -> None:
        self.keeper_is_dead = True
        self.finish(1)

    def _reap(self, wake: socket.socket) -> None:
        with suppress(BlockingIOError):
            while wake.recv(4096):
                pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            callback = self._on_exit.pop(pid, None)
            if callback is not None:
                callback(os.waitstatus_to_exitcode(status))

    @staticmethod
    def _end_all_others() -> None:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(-1, signal.SIGKILL)
            while True:
                os.wait()


class Handle:
    """The client's end of the line to a keeper."""

    def __init__(self, pid: int, end: socket.socket) -> None:
        self.pid = pid
        self.end = end
        self._rest = b""
        self._waited = False

    def receive(self) -> list[dict[str, Any]] | None:
        """The messages that have arrived, waiting for the first; None when the keeper is gone."""
        data = self.end.recv(65536)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def messages(self) -> Iterator[dict[str, Any]]:
        """All messages until the keeper is gone."""
        while (received := self.receive()) is not None:
            yield from received

    def keep(self) -> None:
        """Let the job outlive this process."""
        self.end.sendall(KEEP)
        self.end.close()
        self._waited = True

    def end_job(self) -> None:
        """Have the keeper end the job, if it still runs, and wait until all is cleaned up."""
        if self._waited:
            return
        self._waited = True
        self.end.close()
        os.waitpid(self.pid, 0)


def start(job: Job) -> Handle:
    """Start a keeper for a job."""
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    # No signal may hit the child between its birth and its own signal set-up.
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
        theirs.close()
        return Handle(pid, ours)
    exit_code = 1
    link = Link(theirs)
    try:
        ours.close()
        exit_code = _Keeper(job, link).main()
    finally:
        link.tell_failure()
        os._exit(exit_code)


class _Keeper:
    """The keeper process."""

    def __init__(self, job: Job, link: Link) -> None:
        self.job = job
        self.link = link
        self.init_pid = 0

    def main(self) -> int:
        """Keep the job until it, or its client, ends."""
        wake = self._become_independent()
        try:
            self.job.claim(self.link)
        except LabError as error:
            self.link.tell(error=str(error))
            return 1
        exit_code = 1
        try:
            self.job.prepare(self.link)
            lifeline = self._launch()
            self.job.started(kernel.Process.from_pid(self.init_pid))
            self.link.tell(init=self.init_pid)
            exit_code = self._watch(wake)
            os.close(lifeline)
        except LabError as error:
            self.link.tell(error=str(error))
        finally:
            self.link.tell_failure()
            self._end_init()
            self.job.clean_up()
            self.link.tell(exit=exit_code)
        return exit_code

    def _become_independent(self) -> socket.socket:
        """Leave the terminal, the open files and the directory of the client; turn ending signals into events."""
        os.setsid()
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        kernel.close_descriptors(keep=[self.link.end.fileno()])
        wake_receive, wake_send = socket.socketpair()
        wake_send.setblocking(False)
        self._wake_send = wake_send
        for number in ENDING_SIGNALS:
            signal.signal(number, lambda *_unused: None)
        signal.set_wakeup_fd(wake_send.fileno(), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
        return wake_receive

    def _launch(self) -> int:
        """Start the init in its namespaces; returns the end of its lifeline."""
        read_end, write_end = os.pipe()
        own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        kernel.unshare(kernel.CLONE_NEWPID)
        self.init_pid = os.fork()
        if self.init_pid == 0:
            exit_code = 1
            try:
                os.close(write_end)
                exit_code = _init_main(self.job, self.link, read_end)
            finally:
                self.link.tell_failure()
                os._exit(exit_code)
        os.close(read_end)
        # Without this every later child of the keeper would be born into the init's namespace, or not at all.
        kernel.setns(own, kernel.CLONE_NEWPID)
        os.close(own)
        return write_end

    def _watch(self, wake: socket.socket) -> int:
        """Wait for the end of the init, of the client, or for a signal; returns the exit code."""
        selector = selectors.DefaultSelector()
        init = os.pidfd_open(self.init_pid)
        for source in (wake, init, self.link.end):
            selector.register(source, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _events in selector.select()]
            if init in ready:
                status = os.waitpid(self.init_pid, 0)[1]
                self.init_pid = 0
                return abs(os.waitstatus_to_exitcode(status))
            if wake in ready:
                return 1
            if self.link.end in ready:
                if self.link.end.recv(16) != KEEP:
                    return 1
                selector.unregister(self.link.end)
                self.link.close()
                self.job.kept()

    def _end_init(self) -> None:
        """Kill the init; returns when all processes of its namespace are gone."""
        if self.init_pid:
            os.kill(self.init_pid, signal.SIGKILL)
            os.waitpid(self.init_pid, 0)
            self.init_pid = 0


def _init_main(job: Job, link: Link, lifeline: int) -> int:
    """The init process: enter the other namespaces, then run the job."""
    kernel.unshare(kernel.CLONE_NEWNS | job.namespaces)
    # "slave": what the machine unmounts later does not stay busy in here; nothing in here is seen outside.
    run("mount", "--make-rslave", "/")
    run("mount", "-t", "proc", "proc", "/proc")
    return Init(link, lifeline).main(job)


def wait_for(condition: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Wait until a condition holds; False when it did not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
