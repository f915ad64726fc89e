# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import time

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import host as host_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import programs
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, FileState, Host
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

NAMELESS = 4242424  # a user and group that no machine knows


@pytest.fixture
def host():
    return this_host()


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("doveconf: Fatal: /etc/x: Too many open files", "this process has too many open files, whose limit is"),
        ("x: Cannot allocate memory", "there is not enough memory for this process"),
        (
            "x: error while loading shared libraries: libc: failed to map segment from shared object",
            "there is not enough",
        ),
        ("postfix-script: 91: Cannot fork", "there are too many processes"),
        ("postfix: fatal: fork: Resource temporarily unavailable", "there are too many processes"),
        ("postmap: fatal: lock /etc/x: Resource temporarily unavailable", None),
        ("all is lost", None),
    ],
)
def test_a_limit_that_a_program_has_reached_is_the_cause(said, found):
    for code in (0, 1):
        argv = ["sh", "-c", f"printf '{said}' >&2; exit {code}"]
        if found and code:
            with pytest.raises(Problem) as caught:
                Host().query(argv)
            assert f"fails ({found}" in caught.value.found
        else:
            assert Host().query(argv).err == said


def test_content(host, tmp_path):
    (tmp_path / "file").write_bytes(b"caf\xe9\n")
    assert host.read(str(tmp_path / "file")) == b"caf\xe9\n"
    text = host.read_text(str(tmp_path / "file"))
    assert text.encode("utf-8", "surrogateescape") == b"caf\xe9\n"


@pytest.mark.parametrize("name", ["missing", "file/below", "missing/below"])
def test_what_is_not_there(name, host, tmp_path):
    (tmp_path / "file").write_text("")
    path = str(tmp_path / name)
    assert (host.read(path), host.read_text(path), host.state(path), host.names_in(path)) == (None, "", None, [])


@pytest.mark.parametrize("ask", [Host.read, Host.state])
def test_what_cannot_be_read(ask, host, tmp_path, monkeypatch):
    def refuse(path, *_args):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        patched.setattr(os, "stat", refuse)
        patched.setattr(os, "geteuid", lambda: NAMELESS)
        # pytest itself opens files when it explains a failure, so nothing is judged before they are put back
        with pytest.raises(Problem) as caught:
            ask(host, "/etc/shadow")
    assert "cannot be read (Permission denied). Run the module as root" in caught.value.message


def test_what_even_root_cannot_read(host, monkeypatch):
    def refuse(path, *_args):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", refuse)
        patched.setattr(os, "geteuid", lambda: 0)
        with pytest.raises(Problem, match=r"/etc/private cannot be read \(Permission denied, even to root\)\. Look in"):
            host.names_in("/etc/private")


def test_owner_and_mode_of_what_a_link_leads_to(host, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    assert host.state(str(tmp_path / "link")) == host.state(str(tmp_path / "file"))
    assert host.state(str(tmp_path / "link")).mode == 0o640


def test_owner_without_a_name(host, tmp_path, monkeypatch):
    found = os.stat_result((stat.S_IFREG | 0o600, 0, 0, 1, NAMELESS, NAMELESS, 0, 0, 0, 0))
    monkeypatch.setattr(os, "stat", lambda _path: found)
    assert host.state("/file") == FileState(str(NAMELESS), str(NAMELESS), 0o600)


def test_names(host, tmp_path):
    for name in "ba":
        (tmp_path / name).write_text("")
    assert host.names_in(str(tmp_path)) == ["a", "b"]


def test_programs(host):
    assert host.which("sh").endswith("/sh")
    assert host.which("no-such-program") is None


def test_tool_is_asked_without_a_shell_and_with_a_small_environment(host, monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    done = host.query(
        ["sh", "-c", 'cat; echo "$0|$SECRET|$LC_ALL|$X" >&2; exit 3', "$(id)"], stdin=b"in", environment={"X": "y"}
    )
    assert done == Completed(3, "in", "$(id)||C|y\n")


def test_tool_reads_nothing_that_is_not_its_own(host):
    reader, writer = os.pipe()
    own_input = os.dup(0)
    os.dup2(reader, 0)
    try:
        os.write(writer, b"the module")
        assert host.query(["cat"]).out == ""
        assert os.read(0, 100) == b"the module"
    finally:
        os.dup2(own_input, 0)
        for handle in (own_input, reader, writer):
            os.close(handle)


def test_environment_is_as_it_was_afterwards(host):
    before = dict(os.environ)
    assert host.query(["true"], environment={"X": "y"}).code == 0
    assert dict(os.environ) == before


@pytest.mark.parametrize("tool", ["cat", "true"])
def test_tool_that_is_given_more_than_a_pipe_holds(tool, host):
    given = "x" * 1_000_000
    assert host.query([tool], stdin=given.encode()) == Completed(0, given if tool == "cat" else "", "")


def test_arguments_are_taken_literally(host):
    assert host.query(["echo", "~", "$HOME"]).out == "~ $HOME\n"


def test_descriptor_that_is_kept_open(host):
    reader, writer = os.pipe()
    os.write(writer, b"secret")
    os.close(writer)
    assert host.query(["cat", f"/dev/fd/{reader}"], keep_open=[reader]).out == "secret"
    os.close(reader)


def test_tool_that_is_missing(host):
    with pytest.raises(Problem, match=r"program no-such-program is not installed\. Install the package"):
        host.query(["no-such-program"])


def test_tools_that_are_needed(host, tmp_path, monkeypatch):
    host.require("cat", "sh")
    with pytest.raises(Problem, match=r"program no-such-program is not installed"):
        host.require("cat", "no-such-program")
    (tmp_path / "tool").write_text("")
    monkeypatch.setattr(host_module, "SEARCH_PATH", str(tmp_path))
    with pytest.raises(Problem, match=rf"program tool cannot be run .*'chmod 755 {tmp_path}/tool'"):
        host.require("tool")


def test_tool_that_is_no_program(host, tmp_path):
    (tmp_path / "tool").write_text("")
    with pytest.raises(Problem, match=r"tool cannot be run \(it may not be executed\)\. Make it exec"):
        host.query([str(tmp_path / "tool")])


def test_tool_whose_interpreter_is_missing(host, tmp_path):
    (tmp_path / "tool").write_text("#!/no/such/interpreter\n")
    (tmp_path / "tool").chmod(0o755)
    with pytest.raises(Problem, match=r"tool cannot be run \(the interpreter that it names is not installed\)"):
        host.query([str(tmp_path / "tool")])


def test_tool_that_does_not_end(host, monkeypatch):
    monkeypatch.setattr(programs, "IDLE", 0.5)
    monkeypatch.setattr(programs, "slowness", lambda: 1.0)
    with pytest.raises(Problem, match=r"'sleep 5' hangs: it did nothing for 0\.5 seconds and was ended\. Find out"):
        Host().query(["sleep", "5"])


@pytest.mark.parametrize(
    ("out", "err", "expected"), [("o\n", " a\n\n b \n", "a / b"), ("one\ntwo\n", "", "one / two"), ("", "", "")]
)
def test_complaint_is_one_line(out, err, expected):
    assert Completed(1, out, err).complaint == expected


def test_what_has_just_been_written(host, tmp_path):
    path = tmp_path / "file"
    assert not host.just_written(str(path))
    path.write_text("")
    assert host.just_written(str(path))
    os.utime(path, (time.time() - 60, time.time() - 60))
    assert not host.just_written(str(path))


def test_a_program_is_not_asked_twice_until_files_change(host, tmp_path):
    asked = tmp_path / "asked"
    argv = ["sh", "-c", f"echo once >> {asked}; grep -c once {asked}"]
    other = host.guarded(lambda _program: None)
    assert [one.ask(argv).out for one in (host, other, host)] == ["1\n"] * 3
    host.forget()
    assert [one.ask(argv).out for one in (other, host)] == ["2\n"] * 2
