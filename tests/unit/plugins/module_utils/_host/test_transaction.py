# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import fcntl
import grp
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes, lock, staging
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import Compiled, FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, FileState, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.journal import Journal
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import WayBack
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction
from ansible_collections.postmaster.secure_channel.tests.support import killed_transaction
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

USER, GROUP = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
OWNER: dict[str, Any] = {"owner": USER, "group": GROUP}
TABLE = Compiled(".db", ("compile", "{source}"))
NAMELESS = 4242424  # a user and group that no machine knows
ON_A_FULL_DISK = """
import os, sys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction
top = sys.argv[1]
for name in "ab":
    open(f"{top}/{name}", "w").write("old")
places = Places(f"{top}/state", f"{top}/lock", f"{top}/units", f"{top}/no-systemd")
transaction = Transaction(Host(), lambda _name: None, check_mode=False, warn=lambda _text: None, places=places)
try:
    with transaction:
        transaction.apply([FileChange(f"{top}/a", b"new"), FileChange(f"{top}/b", b"x" * 200000)])
except Problem as exc:
    print(exc.message)
found = {name: open(f"{top}/{name}").read() for name in sorted(os.listdir(top)) if name != "lock"}
print("as before" if found == {"a": "old", "b": "old"} else found)
"""


class Machine(Host):
    """This machine, with a compiler of lookup tables that fails on demand; like postmap it copies the source's mode."""

    def __init__(self):
        super().__init__()
        self.compiler_works = True
        self.guard_starts = True
        self.guards: list[Any] = []

    def query(self, argv, **_options):
        if argv[0] == "systemd-run":
            self.guards.append(argv)
            return Completed(0 if self.guard_starts else 1, "", "no guard\n" if not self.guard_starts else "")
        assert argv[0] == "compile"
        if self.compiler_works:
            handle = os.open(argv[1] + ".db", os.O_WRONLY | os.O_CREAT, mode(argv[1]))
            with open(argv[1], "rb") as source, os.fdopen(handle, "wb") as twin:
                shutil.copyfileobj(source, twin)
        return Completed(0 if self.compiler_works else 1, "", "compile: fatal: bad row\n")


class Daemon:
    """A daemon that notes what it finds when it is called, and fails on demand."""

    name = "daemon"
    reads_files_by_itself = False

    def __init__(self, tree):
        self.tree = tree
        self.config_roots = (ConfigRoot(str(tree / "etc")),)
        self.events = []
        self.mirrored = {}
        self.fails_at = set()

    def note(self, event):
        certificate = "certificate" if (self.tree / "store/deployed/cert.pem").exists() else "no certificate"
        self.events.append((event, self.tree.joinpath("etc/main.cf").read_text().strip(), certificate))
        if event in self.fails_at or (event, len(self.events)) in self.fails_at:
            raise Problem(f"{event} failed", "mend it", subject="daemon", option="o")

    def refuse_broken(self, _changes):
        """It goes on with whatever is there."""

    def check(self, _run, mirrors):
        for mirror in mirrors.values():
            files = [path for path in Path(mirror).rglob("*") if path.is_file() or path.is_symlink()]
            self.mirrored.update({str(path.relative_to(mirror)): path.read_text() for path in files})
        self.note("check")

    def activate(self, _run):
        self.note("activate")

    def snapshot(self):
        return {"main.cf": self.tree.joinpath("etc/main.cf").read_text()}

    def way_back(self, snapshot):
        assert snapshot == self.snapshot()
        return WayBack(self.name, ("daemon.service",), ("daemon.service",))

    def restore(self, run, snapshot):
        assert snapshot == self.snapshot()  # the file has been put back, and this is what it was
        self.activate(run)

    def probe(self):
        self.note("probe")


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    for name, content in (("etc/main.cf", "old"), ("etc/table", "old row"), ("etc/table.db", "old row")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o640)
        os.utime(path, ns=(1, 1))
    (root / "elsewhere.cf").write_text("old linked")
    (root / "etc/linked.cf").symlink_to("../elsewhere.cf")
    (root / "etc/gone.cf").write_text("going")
    return root


@pytest.fixture
def daemon(tree):
    return Daemon(tree)


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def places(tmp_path):
    """Places beside the tree, on a host with systemd."""
    (tmp_path / "systemd").mkdir()
    return Places(*(str(tmp_path / name) for name in ("state", "run/lock", "units", "systemd")))


@pytest.fixture
def begin(places, machine, daemon, warnings):
    """Makes transactions whose own files lie beside the tree."""

    def make(check_mode=False):
        return Transaction(
            machine,
            {"daemon": daemon}.get,
            check_mode=check_mode,
            warn=warnings.append,
            places=places,
        )

    return make


@pytest.fixture
def apply(begin, daemon):
    """Carries changes out with the daemon."""

    def make(*changes, check_mode=False, probe=daemon.probe):
        with begin(check_mode) as transaction:
            transaction.apply(changes, [daemon], probe)

    return make


@pytest.fixture
def everything(tree):
    """One change of each kind."""
    return [
        FileChange(
            str(tree / "store/deployed/cert.pem"), b"key", mode=0o600, parent_mode=0o700, prerequisite=True, **OWNER
        ),
        FileChange(str(tree / "etc/main.cf"), b"new"),
        FileChange(str(tree / "etc/table"), b"new row", mode=0o600, compiled=TABLE, **OWNER),
        FileChange(str(tree / "etc/conf.d/fresh.cf"), b"fresh", **OWNER),
        FileChange(str(tree / "etc/linked.cf"), b"new linked"),
        FileChange(str(tree / "etc/gone.cf"), None),
    ]


def shape(root):
    """All that is below a directory: which inodes, how old, whose, with what in them."""
    found = {}
    for path in sorted(root.rglob("*")):
        state = os.lstat(path)
        found[str(path.relative_to(root))] = (
            (state.st_ino, state.st_mode, state.st_uid, state.st_gid)
            if path.is_dir()
            else (state.st_ino, state.st_mode, state.st_uid, state.st_gid, state.st_mtime_ns, path.read_bytes())
        )
    return found


def leftovers(tmp_path):
    return [str(path) for path in tmp_path.rglob("*") if ".postmaster-" in path.name] + [
        str(path) for path in tmp_path.glob("state*")
    ]


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


# ---- all goes well


def test_everything_is_as_planned(apply, everything, tree, tmp_path):
    apply(*everything)
    contents = {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}
    assert contents == {
        "elsewhere.cf": "new linked",
        "etc/conf.d/fresh.cf": "fresh",
        "etc/linked.cf": "new linked",
        "etc/main.cf": "new",
        "etc/table": "new row",
        "etc/table.db": "new row",
        "store/deployed/cert.pem": "key",
    }
    assert leftovers(tmp_path) == []


def test_owner_and_mode(apply, everything, tree):
    apply(*everything)
    modes = {
        "etc/main.cf": 0o640,  # kept
        "etc/table": 0o600,
        "etc/table.db": 0o600,
        "etc/conf.d/fresh.cf": 0o644,
        "store": 0o755,
        "store/deployed": 0o700,
        "store/deployed/cert.pem": 0o600,
        "etc/conf.d": 0o755,
    }
    assert {name: mode(tree / name) for name in modes} == modes
    assert this_host().state(str(tree / "etc/conf.d/fresh.cf")) == FileState(USER, GROUP, 0o644)


def test_symbolic_link_stays_one(apply, tree):
    apply(FileChange(str(tree / "etc/linked.cf"), b"new linked"))
    assert os.readlink(tree / "etc/linked.cf") == "../elsewhere.cf"
    assert (tree / "elsewhere.cf").read_text() == "new linked"


def test_order(apply, everything, daemon):
    apply(*everything)
    assert daemon.events == [
        ("check", "old", "certificate"),  # what configuration refers to is there, configuration is not
        ("activate", "new", "certificate"),
        ("probe", "new", "certificate"),
    ]


def test_nothing_to_change_still_activates(apply, daemon, tmp_path):
    apply()
    assert [event for event, *_rest in daemon.events] == ["check", "activate", "probe"]
    assert leftovers(tmp_path) == []


class Dead(Daemon):
    """A daemon that did not run before."""

    def way_back(self, snapshot):
        return replace(super().way_back(snapshot), active=(), down=True)

    def lay_down(self, _run, snapshot):
        assert snapshot == self.snapshot()  # the file has been put back
        self.note("lay down")


def test_a_daemon_that_did_not_run_before_is_not_started_again(begin, tree, tmp_path):
    dead = Dead(tree)
    dead.fails_at = {"probe"}
    with begin() as transaction, pytest.raises(Problem, match="everything was put back as it was"):
        transaction.apply([FileChange(str(tree / "etc/main.cf"), b"new")], [dead], dead.probe)
    assert [event for event, *_rest in dead.events] == ["check", "activate", "probe", "lay down"]
    assert leftovers(tmp_path) == []


def test_one_guard_waits_for_the_end_of_a_run_with_several_transactions(begin, tree, daemon, machine, warnings):
    with begin() as transaction:
        for content in (b"new", b"newer"):
            transaction.apply([FileChange(str(tree / "etc/main.cf"), content)], [daemon])
    assert len(machine.guards) == 1
    assert warnings == []


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_umask_bends_nothing(umask, apply, everything, tree):
    before = os.umask(umask)
    try:
        apply(*everything)
    finally:
        os.umask(before)
    names = ("etc/main.cf", "etc/table.db", "etc/conf.d", "etc/conf.d/fresh.cf", "store", "store/deployed")
    assert [mode(tree / name) for name in names] == [0o640, 0o600, 0o755, 0o644, 0o755, 0o700]


def test_staged_files_are_never_more_open_than_the_final_ones(apply, everything, tree, monkeypatch):
    seen: list[int] = []

    def watch(name):
        function = getattr(os, name)

        def watched(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            finally:
                staged = [*tree.rglob(".cert.pem.postmaster-new*"), *tree.rglob(".table.postmaster-new*")]
                seen.extend(mode(path) for path in staged)

        monkeypatch.setattr(os, name, watched)

    for name in ("open", "fsync", "fchown", "fchmod", "rename", "link"):
        watch(name)
    apply(*everything)
    assert set(seen) == {0o600}


def test_directories_are_closed_until_they_have_their_mode(apply, everything, monkeypatch):
    made = {}
    mkdir = os.mkdir

    def watched(path, mode=0o777, **options):
        made[str(path)] = mode
        mkdir(path, mode, **options)

    monkeypatch.setattr(os, "mkdir", watched)
    apply(*everything)
    assert {name: made[name] for name in ("store", "deployed", "conf.d")} == dict.fromkeys(
        ("store", "deployed", "conf.d"), 0o700
    )


def test_file_of_somebody_without_a_name(apply, tree):
    alone = tree / "alone.cf"
    alone.write_text("old")
    os.chown(alone, NAMELESS, NAMELESS)
    apply(FileChange(str(alone), b"new"))
    assert (alone.stat().st_uid, alone.stat().st_gid) == (NAMELESS, NAMELESS)


# ---- the mirror


def test_mirror_shows_what_will_be(apply, everything, daemon, tree):
    (tree / "etc/.stale.cf.postmaster-before").write_text("ours, left behind")
    (tree / "etc/up").symlink_to(".")  # without end
    (tree / "etc/dangling.cf").symlink_to("nowhere")
    (tree / "etc/included.cf").symlink_to("../elsewhere.cf")
    apply(*everything)
    assert daemon.mirrored == {
        "main.cf": "new",
        "table": "new row",
        "table.db": "new row",
        "conf.d/fresh.cf": "fresh",
        "linked.cf": "new linked",
        "included.cf": "old linked",  # the mirror has no links, so every file is a copy
    }


def test_mirror_of_a_linked_directory_is_not_the_directory(apply, daemon, tree):
    (tree / "conf.d").mkdir()
    (tree / "conf.d/ours.cf").write_text("old ours")
    (tree / "etc/conf.d").symlink_to(tree / "conf.d")
    daemon.fails_at = {"check"}
    with pytest.raises(Problem):
        apply(FileChange(str(tree / "etc/conf.d/ours.cf"), b"new ours"))
    assert daemon.mirrored["conf.d/ours.cf"] == "new ours"
    assert (tree / "conf.d/ours.cf").read_text() == "old ours"


def test_configuration_that_lies_elsewhere_is_tested(apply, daemon, tree):
    (tree / "etc").rename(tree / "srv")
    (tree / "etc").symlink_to("srv")
    apply(FileChange(str(tree / "etc/main.cf"), b"new"))
    assert daemon.mirrored["main.cf"] == "new"
    assert (tree / "srv/main.cf").read_text() == "new"


def test_mirror_of_single_files(apply, daemon, tree, monkeypatch):
    main, table = str(tree / "etc/main.cf"), str(tree / "etc/table")
    seen, made = {}, []
    daemon.config_roots = (ConfigRoot(main), ConfigRoot(table))

    def check(_run, mirrors):
        seen.update({path: Path(mirror).read_text() for path, mirror in mirrors.items()})
        made.extend(mirrors.values())

    monkeypatch.setattr(daemon, "check", check)
    apply(FileChange(main, b"new"))
    assert seen == {main: "new", table: "old row"}
    assert not any(Path(mirror).exists() for mirror in made)


def test_mirror_is_private(apply, everything, daemon, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(daemon, "check", lambda *_args: seen.append(mode(tmp_path / "state/transaction")))
    apply(*everything)
    assert seen == [0o700]


# ---- all goes wrong


def fail_to_compile(_daemon, machine, _monkeypatch):
    machine.compiler_works = False


def fail_at(event):
    def prepare(daemon, _machine, _monkeypatch):
        daemon.fails_at = {(event, {"check": 1, "activate": 2, "probe": 3}[event])}

    return prepare


def fail_in(name, number):
    """The system refuses a call of a function once."""

    def prepare(_daemon, _machine, monkeypatch):
        function, left = getattr(os, name), [number]

        def refuse(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(28, "No space left on device", str(args[0]))
            return function(*args, **kwargs)

        monkeypatch.setattr(os, name, refuse)

    return prepare


FAILURES = {
    "compile": (fail_to_compile, False),
    "check": (fail_at("check"), False),
    "activate": (fail_at("activate"), True),
    "probe": (fail_at("probe"), True),
    **{f"mkdir-{number}": (fail_in("mkdir", number), False) for number in (2, 3, 4)},
    **{f"link-{number}": (fail_in("link", number), False) for number in (1, 3)},
    **{f"fchown-{number}": (fail_in("fchown", number), False) for number in (1, 4)},
    "journal": (fail_in("rename", 1), False),
    "commit-certificate": (fail_in("rename", 3), False),
    "commit-main": (fail_in("rename", 4), True),
    "commit-twin": (fail_in("rename", 6), True),
    "journal-done": (fail_in("rename", 9), True),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_failure_puts_everything_back(failure, apply, everything, tree, tmp_path, daemon, machine, monkeypatch):
    before = shape(tree)
    prepare, disturbed = FAILURES[failure]
    prepare(daemon, machine, monkeypatch)
    with pytest.raises(Problem) as caught:
        apply(*everything)
    assert shape(tree) == before
    assert leftovers(tmp_path) == []
    # whatever had been told to use the new files is told to use the old ones; nobody else is told anything
    told_to = ("activate", "new", "certificate") in daemon.events
    assert (daemon.events[-1:] == [("activate", "old", "no certificate")]) is told_to
    told = "everything was put back as it was" if disturbed else "nothing was changed"
    assert caught.value.found.endswith(told)


def test_only_a_daemon_that_was_disturbed_is_told_to_use_the_old_files(begin, everything, tree):
    first, second, live = Daemon(tree), Daemon(tree), Daemon(tree)
    second.name, live.name, live.reads_files_by_itself = "second", "live", True
    first.fails_at = {("activate", 2)}
    with pytest.raises(Problem, match="everything was put back as it was"), begin() as transaction:
        transaction.apply(everything, [first, second, live])
    told = [[event for event, *_rest in one.events] for one in (first, second, live)]
    assert told == [["check", "activate", "activate"], ["check"], ["check", "activate"]]


def test_file_that_was_not_replaced_yet_is_not_put_back(apply, everything, tree, daemon, monkeypatch):
    replaced = []
    monkeypatch.setattr(os, "replace", lambda source, target: replaced.append(target))  # overlayfs: ESTALE
    daemon.fails_at.add("check")
    with pytest.raises(Problem, match="check failed; nothing was changed"):
        apply(*everything)
    assert replaced == []
    assert (tree / "etc/main.cf").read_text() == "old"


@pytest.mark.parametrize("program", ["ss", "systemctl"])
@pytest.mark.parametrize("check_mode", [False, True])
def test_without_what_brings_daemons_up_nothing_begins(everything, tree, daemon, machine, begin, program, check_mode):
    machine.which = lambda tool: None if tool == program else f"/usr/bin/{tool}"
    with begin(check_mode=check_mode) as transaction, pytest.raises(Problem, match=f"the program {program} "):
        transaction.apply(everything, [daemon])
    assert (tree / "etc/main.cf").read_text() == "old"
    assert daemon.events == []


def test_directory_goes_with_its_last_file(apply, tree):
    for name in ("own/a", "own/b", "shared/c", "shared/foreign"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("x")
    apply(FileChange(str(tree / "own/a"), None, own_directory=True), FileChange(str(tree / "shared/c"), None))
    assert (tree / "own").is_dir()
    apply(
        FileChange(str(tree / "own/b"), None, own_directory=True),
        FileChange(str(tree / "shared/foreign"), None),
    )
    assert not (tree / "own").exists()
    assert (tree / "shared").is_dir()


def test_problem_keeps_its_parts(apply, everything, daemon):
    daemon.fails_at = {"check"}
    with pytest.raises(Problem) as caught:
        apply(*everything)
    problem = caught.value
    assert (problem.subject, problem.option, problem.remedy) == ("daemon", "o", "mend it")
    assert problem.found == "check failed; nothing was changed"


def test_fault_of_the_system_is_a_problem(apply, tree):
    (tree / "file").write_text("")
    with pytest.raises(Problem, match=r"cannot be (changed|written) \(") as caught:
        apply(FileChange(str(tree / "file/below"), b"x", **OWNER))
    assert "nothing was changed" in caught.value.message
    assert caught.value.__cause__ is not None


def test_what_cannot_be_put_back_is_not_begun(apply, everything, tree, daemon, monkeypatch):
    before = shape(tree)
    refused = {str(tree / "etc/gone.cf"): ("it is immutable", "make it mutable")}
    monkeypatch.setattr(causes, "unchangeable", refused.get)
    with pytest.raises(Problem) as caught:
        apply(*everything)
    assert caught.value.found == f"{tree}/etc/gone.cf cannot be changed (it is immutable); nothing was changed"
    assert caught.value.remedy == "make it mutable"
    assert (shape(tree), daemon.events) == (before, [])


def test_check_mode_sees_what_cannot_be_changed(begin, everything, monkeypatch):
    monkeypatch.setattr(causes, "unchangeable", lambda _path: ("it is immutable", "make it mutable"))
    with begin(check_mode=True) as transaction, pytest.raises(Problem, match="immutable"):
        transaction.apply(everything)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts are for root")
@pytest.mark.parametrize("room", [16, 24, 32, 48, 64, 96])
def test_a_full_disk_is_named_and_everything_is_as_it_was(room, tmp_path):
    """In a mount namespace of its own; whatever of it does not fit."""
    where = tmp_path / "disk"
    where.mkdir()
    script = f'mount -t tmpfs -o size={room}k tmpfs "{where}"; "$0" -c "$ON_A_FULL_DISK" "{where}"'
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-e", "-c", script, sys.executable],
        env={**os.environ, "ON_A_FULL_DISK": ON_A_FULL_DISK, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"no space is left on the file system at {where}); nothing was changed" in done.stdout
    assert done.stdout.endswith("as before\n")


def test_what_cannot_be_tidied_up_is_left_for_the_next_run(apply, everything, tree, warnings, monkeypatch):
    def refuse(_files):
        raise OSError(errno.EIO, "Input/output error", str(tree / "etc/.main.cf.postmaster-before"))

    monkeypatch.setattr(staging, "tidy", refuse)
    apply(*everything)
    assert (tree / "etc/main.cf").read_text() != "old"
    assert "the disk does not do as it is told" in warnings[0]


def test_unknown_owner(apply, tree, tmp_path):
    before = shape(tree)
    with pytest.raises(Problem, match=r"must belong to no-such-user:.* which this host does not know"):
        apply(FileChange(str(tree / "etc/main.cf"), b"new", owner="no-such-user"))
    assert shape(tree) == before
    assert leftovers(tmp_path) == []


def test_interruption_puts_everything_back(apply, everything, tree, daemon):
    before = shape(tree)

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(*everything, probe=interrupt)
    assert shape(tree) == before
    assert daemon.events[-1] == ("activate", "old", "no certificate")


def test_daemon_that_does_not_come_back(apply, begin, everything, tree, tmp_path, daemon, warnings):
    before = shape(tree)
    daemon.fails_at = {"activate"}
    with pytest.raises(Problem, match=r"could NOT all be put back \(daemon: activate failed\)"):
        apply(*everything)
    assert shape(tree) == before
    # the next run does not go on with that daemon as though all were well
    with pytest.raises(Problem, match="what an earlier run left could not be undone") as caught:
        apply(*everything)
    assert str(tmp_path / "state/transaction") in caught.value.remedy
    # but with others it does, whether it succeeds or not, and the debt stays
    other = Daemon(tree)
    other.name = "other"
    with begin() as transaction:
        transaction.apply([FileChange(str(tree / "etc/other.cf"), b"new")], [other])
    assert (tree / "etc/other.cf").read_text() == "new"
    other.fails_at = {"check"}
    with pytest.raises(Problem, match="check failed; nothing was changed"), begin() as transaction:
        transaction.apply([FileChange(str(tree / "etc/other.cf"), None)], [other])
    # until the daemon is mended
    del warnings[:]
    daemon.fails_at = set()
    with begin():
        pass
    (tree / "etc/other.cf").unlink()
    assert shape(tree) == before
    assert leftovers(tmp_path) == []
    assert warnings == ["an earlier run could not put everything back; what it had changed was put back first"]


def test_remains_of_long_ago_are_not_put_back(apply, tree, daemon):
    # somebody removed the journal by hand, as he was told
    (tree / "etc/.main.cf.postmaster-before").write_text("ancient")
    (tree / "etc/.main.cf.postmaster-new").write_text("ancient")
    daemon.fails_at = {"check"}
    with pytest.raises(Problem):
        apply(FileChange(str(tree / "etc/main.cf"), b"new"))
    assert (tree / "etc/main.cf").read_text() == "old"
    daemon.fails_at = set()
    apply(FileChange(str(tree / "etc/main.cf"), b"new"))
    assert (tree / "etc/main.cf").read_text() == "new"


# ---- check mode


def test_check_mode_touches_nothing(apply, begin, everything, tree, tmp_path, daemon):
    def times(root):
        return {path: os.lstat(path).st_mtime_ns for path in (root, *root.rglob("*"))}

    before = shape(tmp_path), times(tmp_path)
    apply(*everything, check_mode=True)
    assert (shape(tmp_path), times(tmp_path)) == before
    assert daemon.events == []


def test_check_mode_runs_no_program(begin):
    with pytest.raises(AssertionError, match="in check mode"):
        begin(check_mode=True)._run(["compile"])


# ---- runs that were killed


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "state/transaction/journal.json"


def killed(begin, daemon, changes, monkeypatch, *, at):
    """Leave what a run leaves that is killed in one of its steps."""

    class Killed(BaseException):
        pass

    def die(*_args):
        raise Killed

    with monkeypatch.context() as patch:
        owner = {"set_done": Journal, "_test": Transaction}.get(at, staging)
        patch.setattr(owner, at, die)
        if at != "tidy":
            patch.setattr(Transaction, "_put_back", die)
        with pytest.raises(Killed), begin() as transaction:
            transaction.apply(changes, [daemon])
    daemon.events.clear()


@pytest.mark.parametrize("at", ["save", "stage", "commit", "_test", "set_done"])
def test_next_run_undoes_what_a_killed_one_left(at, begin, everything, tree, tmp_path, daemon, warnings, monkeypatch):
    before = shape(tree)
    killed(begin, daemon, everything, monkeypatch, at=at)
    assert leftovers(tmp_path) != []
    with begin():
        pass
    assert shape(tree) == before
    assert leftovers(tmp_path) == []
    # what was never replaced has disturbed nobody
    assert daemon.events == ([] if at in ("save", "stage") else [("activate", "old", "no certificate")])
    assert warnings == ["an earlier run was killed half-way; what it had changed was put back first"]


def test_next_run_tidies_up_behind_one_that_had_succeeded(
    begin, everything, tree, tmp_path, daemon, journal, warnings, monkeypatch
):
    killed(begin, daemon, everything, monkeypatch, at="tidy")
    assert json.loads(journal.read_text())["done"] is True
    with begin():
        pass
    assert (tree / "etc/main.cf").read_text() == "new"
    assert leftovers(tmp_path) == []
    assert daemon.events == []
    assert warnings == []


def test_daemon_that_is_gone_is_not_missed(begin, everything, tree, daemon, journal, monkeypatch):
    before = shape(tree)
    killed(begin, daemon, everything, monkeypatch, at="set_done")
    content = json.loads(journal.read_text())
    journal.write_text(json.dumps({**content, "participants": {"removed": {}, **content["participants"]}}))
    with begin():
        pass
    assert shape(tree) == before
    assert len(daemon.events) == 1


def test_journal_of_an_older_release_is_understood(begin, everything, tree, daemon, journal, monkeypatch):
    before = shape(tree)
    killed(begin, daemon, everything, monkeypatch, at="set_done")
    journal.write_text(journal.read_text().replace('"prerequisite"', '"material"'))
    with begin():
        pass
    assert shape(tree) == before


def test_check_mode_only_warns_of_a_killed_run(begin, everything, tmp_path, daemon, warnings, monkeypatch):
    killed(begin, daemon, everything, monkeypatch, at="set_done")
    before = shape(tmp_path)
    with begin(check_mode=True):
        pass
    assert shape(tmp_path) == before
    assert warnings == ["an earlier run was killed half-way; a run without check mode will first undo what it left"]


def test_mirror_without_a_journal_is_tidied(begin, tmp_path):
    (tmp_path / "state/transaction/mirror-daemon-0").mkdir(parents=True)
    with begin():
        pass
    assert leftovers(tmp_path) == []


def test_journal_shows_no_content(begin, everything, daemon, journal, monkeypatch):
    killed(begin, daemon, everything, monkeypatch, at="set_done")
    assert "new row" not in journal.read_text()
    assert (mode(journal), mode(journal.parent)) == (0o600, 0o700)


def test_kill_at_every_step(tmp_path):
    script = Path(killed_transaction.__file__)
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    new = outcomes[-1]["after"]
    states = []
    for one in outcomes:
        assert one["left"] == [], one["step"]
        assert one["old"] or one["after"] == new, f"a mixture, killed at step {one['step']}"
        assert one["loaded"] == ("old main\n" if one["old"] else "new main\n"), one["step"]
        states.append("old" if one["old"] else "new")
    # there is one point of no return, and it lies within the run
    assert states == sorted(states, reverse=True)
    assert 50 < states.count("old") < len(states)


# ---- what is advised, followed


def saved_main_cf(tree):
    (found,) = tree.glob("etc/.main.cf.postmaster-before-*")
    return found


def test_a_damaged_journal_is_no_dead_end(begin, apply, everything, tree, tmp_path, daemon, journal, monkeypatch):
    before = shape(tree)
    killed(begin, daemon, everything, monkeypatch, at="set_done")
    journal.write_text(journal.read_text()[:100])
    with pytest.raises(Problem, match="is damaged") as caught, begin():
        pytest.fail("the transaction began")
    assert journal.exists()
    # the old files are put back as it says, then the journal is removed
    find = ["find", tree, "-xdev", "-name", ".*.postmaster-before*"]
    found = subprocess.run(find, check=True, capture_output=True, text=True).stdout.split()
    assert '-name ".*.postmaster-before*"' in caught.value.remedy
    for path in found:
        subprocess.run(["mv", path, re.sub(r"/\.([^/]*)\.postmaster-before-[0-9a-f]{16}$", r"/\1", path)], check=True)
    assert f"'rm -r {journal}'" in caught.value.remedy
    subprocess.run(["rm", "-r", journal], check=True)
    old = {path: content for path, content in shape(tree).items() if path in before}
    assert old == before
    apply(*everything)
    assert (tree / "etc/main.cf").read_text() == "new"
    assert leftovers(tmp_path) == []


def test_a_lost_old_file_is_said_and_is_no_dead_end(
    begin, apply, everything, tree, tmp_path, journal, daemon, monkeypatch
):
    killed(begin, daemon, everything, monkeypatch, at="set_done")
    saved_main_cf(tree).unlink()
    monkeypatch.setattr(daemon, "restore", lambda *_args: None)
    for _time in range(2):  # no run forgets it
        with pytest.raises(Problem, match=r"etc/main\.cf is not the old file, and .* is missing") as caught, begin():
            pytest.fail("the transaction began")
    assert (tree / "etc/table").read_text() == "old row"
    assert f"'rm -r {journal}'" in caught.value.remedy
    subprocess.run(["rm", "-r", journal], check=True)
    apply(*everything)
    assert leftovers(tmp_path) == []


def test_a_lost_directory_is_said(begin, everything, tree, daemon, monkeypatch):
    killed(begin, daemon, everything, monkeypatch, at="set_done")
    shutil.rmtree(tree / "etc")
    monkeypatch.setattr(daemon, "restore", lambda *_args: None)
    with pytest.raises(Problem, match=r"etc/main\.cf is missing with its directory"), begin():
        pytest.fail("the transaction began")


def test_an_old_file_that_is_in_its_place_again_is_not_missed(begin, everything, tree, tmp_path, daemon, monkeypatch):
    before = shape(tree)
    killed(begin, daemon, everything, monkeypatch, at="set_done")
    saved_main_cf(tree).rename(tree / "etc/main.cf")  # by hand
    with begin():
        pass
    assert shape(tree) == before
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("snapshot", [{}, {"daemon": {}}, {"daemon": {"main.cf": 5}}])
def test_damaged_settings_are_no_traceback(snapshot, begin, everything, daemon, journal, monkeypatch):
    killed(begin, daemon, everything, monkeypatch, at="set_done")
    journal.write_text(json.dumps({**json.loads(journal.read_text()), "participants": snapshot}))
    monkeypatch.setattr(daemon, "restore", lambda _run, found: found["main.cf"].strip())
    with begin() as transaction:
        if snapshot:
            with pytest.raises(Problem, match="what the journal says of its settings is damaged"):
                transaction.apply(everything, [daemon])


def test_a_file_made_by_somebody_else_meanwhile_stays(begin, everything, tree, daemon, monkeypatch):
    killed(begin, daemon, everything, monkeypatch, at="stage")
    (tree / "etc/conf.d").mkdir(exist_ok=True)
    (tree / "etc/conf.d/fresh.cf").write_text("not ours")
    with begin():
        pass
    assert (tree / "etc/conf.d/fresh.cf").read_text() == "not ours"


def test_a_check_run_says_what_a_run_would(begin, everything, daemon, journal, warnings, monkeypatch):
    killed(begin, daemon, everything, monkeypatch, at="set_done")
    journal.write_text("{")
    with begin(check_mode=True):
        pass
    (warning,) = warnings
    assert "a run without check mode would end with" in warning
    assert "is damaged" in warning


# ---- signals


@pytest.fixture(autouse=True)
def as_started_by_hand():
    """No signal is ignored, as some of them are where something like nohup has started the tests."""
    ways: dict[int, Any] = {
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
    }
    before = {number: signal.signal(number, way) for number, way in ways.items()}
    yield
    for number, way in before.items():
        signal.signal(number, way)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_puts_everything_back(number, apply, everything, tree, tmp_path, daemon):
    before = shape(tree)
    handlers = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    with pytest.raises(Problem, match=rf"told to end \({number.name}\); everything was put back as it was"):
        apply(*everything, probe=lambda: os.kill(os.getpid(), number))
    assert shape(tree) == before
    assert leftovers(tmp_path) == []
    assert daemon.events[-1] == ("activate", "old", "no certificate")
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)] == handlers


def test_no_signal_comes_in_the_middle_of_putting_back(apply, everything, tree, tmp_path, daemon, monkeypatch):
    before = shape(tree)

    def restore(run, snapshot):
        os.kill(os.getpid(), signal.SIGTERM)
        Daemon.restore(daemon, run, snapshot)

    monkeypatch.setattr(daemon, "restore", restore)
    daemon.fails_at = {"probe"}
    with pytest.raises(Problem, match="probe failed; everything was put back as it was"):
        apply(*everything)
    assert shape(tree) == before
    assert leftovers(tmp_path) == []


def test_a_signal_waits_for_the_program_that_runs(begin, everything, tree, daemon, machine, monkeypatch):
    before, ended = shape(tree), []

    def query(argv, **options):
        os.kill(os.getpid(), signal.SIGHUP)
        ended.append(argv[0])
        return Machine.query(machine, argv, **options)

    monkeypatch.setattr(machine, "query", query)
    with pytest.raises(Problem, match="SIGHUP"), begin() as transaction:
        transaction.apply(everything, [daemon])
    assert ended == ["systemd-run"]  # it was let run to its end, and no other was begun
    assert shape(tree) == before


def test_a_signal_between_the_changes_is_a_problem(begin):
    with pytest.raises(Problem, match=r"told to end \(SIGTERM\); nothing was changed"), begin():
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_that_is_ignored_stays_so(apply, everything, tree):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        apply(*everything, probe=lambda: os.kill(os.getpid(), signal.SIGHUP))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (tree / "etc/main.cf").read_text() == "new"


# ---- the guard


def test_the_guard_is_there_before_anything_is_changed(begin, everything, daemon, machine, places, tree, monkeypatch):
    seen = []

    def query(argv, **_options):
        seen.append((argv[0], os.path.exists(places.program), os.path.exists(places.journal), shape(tree) == before))
        return Completed(0, "", "")

    before = shape(tree)
    monkeypatch.setattr(machine, "query", query)
    with begin() as transaction:
        transaction.apply([everything[1]], [daemon], lambda: seen.append(os.readlink(places.wanted)))
    assert seen == [("systemd-run", True, False, True), "../postmaster-secure-channel-recovery.service"]
    assert not os.path.lexists(places.unit)
    assert not os.path.lexists(os.path.dirname(places.wanted))


def test_others_keep_their_links(apply, everything, places, tmp_path):
    directory = tmp_path / "units/sysinit.target.wants"
    directory.mkdir(parents=True)
    (directory / "other.service").symlink_to("elsewhere")
    apply(*everything)
    assert [path.name for path in (tmp_path / "units").rglob("*")] == ["sysinit.target.wants", "other.service"]


def test_no_guard_is_said(apply, everything, machine, tree, warnings):
    machine.guard_starts = False
    apply(*everything)
    assert warnings == ["if this run is killed half-way, only the next one undoes what it left (no guard)"]
    assert (tree / "etc/main.cf").read_text() == "new"


def test_no_systemd_is_said(apply, everything, places, machine, tree, warnings):
    os.rmdir(places.systemd)
    apply(*everything)
    assert ["systemd is not the first process" in one for one in warnings] == [True]
    assert machine.guards == []
    assert not os.path.exists(places.units)


def test_a_run_without_a_change_posts_no_guard(begin, machine, tmp_path):
    with begin():
        pass
    assert machine.guards == []
    assert not (tmp_path / "units").exists()


# ---- the lock


def test_check_mode_takes_no_lock(begin, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_PATIENCE", 0.0)
    with begin(), begin(check_mode=True):
        pass


def test_lock_is_given_up_when_recovery_fails(begin, tmp_path, monkeypatch):
    def refuse(_self):
        raise Problem("no", "no")

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "_recover", refuse)
        with pytest.raises(Problem), begin():
            pytest.fail("the transaction began")
    with open(tmp_path / "run/lock", "rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_the_disk_may_not_keep_is_said(begin, everything, tree, daemon, journal, monkeypatch):
    set_done = Journal.set_done

    def fail_from_then_on(self, record):
        set_done(self, record)
        monkeypatch.setattr(staging, "_sync_names", lambda _files: [f"{tree}: Input/output error"])

    monkeypatch.setattr(Journal, "set_done", fail_from_then_on)
    with pytest.raises(Problem, match=r"the disk may not keep it .*Input/output error"), begin() as transaction:
        transaction.apply(everything, [daemon])
    assert journal.exists()  # the next run tries again
