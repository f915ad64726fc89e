# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be wrong with a host itself: its disks, its limits, its programs, daemons that stand still or hang."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play

CALLED = "mail_vserver_tls"
UNTOUCHED, NOT_TOLD = "nothing was changed", "could NOT all be put back"
PROMPT = 30  # seconds that a call may take where something hangs, on a host that is not busy
_STATE = "/var/lib/postmaster-secure-channel"
_LEGACY: Mapping[str, Any] = {"certificate": "{{ lab_fqdn }}", "require_secure_channel": True, "strength": "legacy"}
IMAP: Mapping[str, Any] = {"protocol": "imap", **_LEGACY}
_DOMAIN: Mapping[str, Any] = {"domain": "partner.invalid", "tls": "encrypt", "preflight": "off"}
SUBMISSION: Mapping[str, Any] = {"protocol": "submission", **_LEGACY}


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a host while a module is called.

    Attributes:
        name: what it is.
        vserver: the virtual server that is called for, or what else the module is told.
        found: words that the error has to contain.
        begin: shell commands by which it comes about.
        end: shell commands by which it ends.
        remedy: the program of a command in the remedy that is followed, after which a check run succeeds; empty where
            there is no such command.
        interpreter: the path of a Python for the call; empty for the host's own.
        outcome: words that say what became of the host.
        module: which one is called.
        moved: a program that is moved away and back, which leaves another time of change.
    """

    name: str
    vserver: Mapping[str, Any]
    found: str
    begin: str
    end: str
    remedy: str = ""
    interpreter: str = ""
    outcome: str = UNTOUCHED
    module: str = CALLED
    moved: str = ""

    @property
    def label(self) -> str:
        """Its name for files."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name)


def _read_only(path: str) -> dict[str, str]:
    """A path is a mount of its own, and read-only."""
    return {"begin": f"mount --bind {path} {path}; mount -o remount,bind,ro {path}", "end": f"umount -l {path}"}


def _hangs(program: str) -> dict[str, str]:
    """A program does not go on; nothing that it has started may be left behind."""
    path = f"/usr/local/sbin/{program}"
    script = "#!/bin/sh\\nsleep 4321 &\\nwait\\n"
    end = f"rm {path}; test -z \"$(pgrep -f 'sleep 432[1]')\""
    return {"begin": f"printf '{script}' >{path}; chmod 755 {path}", "end": end}


def _away(program: str) -> dict[str, str]:
    """A program is not where it belongs."""
    kept = f"{WORK}/where-{program}"
    return {
        "moved": program,
        "found": f"the program {program} is not installed",
        "begin": f"command -v {program} >{kept}; mv $(cat {kept}) {kept}.away",
        "end": f"mv {kept}.away $(cat {kept}); rm {kept}",
    }


def _marked(path: str, attribute: int) -> dict[str, str]:
    """A file has an attribute of chattr(1), which not every host has; linux/fs.h."""
    lines = (
        "import array, fcntl, os",
        f"file, flags = os.open('{path}', os.O_RDONLY), array.array('l', [0])",
        "fcntl.ioctl(file, 0x80086601, flags)",
        f"flags[0] ^= {attribute}",
        "fcntl.ioctl(file, 0x40086602, flags)",
    )
    command = f'python3 -c "{"; ".join(lines)}"'
    return {"begin": command, "end": command}


def _python(name: str, script: str) -> dict[str, str]:
    """The module is run by a Python in other circumstances."""
    path = f"{WORK}/{name}"
    begin = f"printf '%s\\n' '#!/bin/sh' '{script}' >{path}; chmod 755 {path}"
    return {"begin": begin, "end": f"rm {path}", "interpreter": path}


def _full_group() -> dict[str, str]:
    """The module is in a control group that takes one process, of version 1 where the lab's machine counts so."""
    top = "/sys/fs/cgroup"
    counting = (
        f"grep -q pids {top}/cgroup.controllers || {{ mkdir -p {_PIDS}; mount -t cgroup -o pids cgroup {_PIDS}; }}"
    )
    link = f"test -d {_PIDS} || ln -s {top} {_PIDS}"
    # hosts that share the lab's machine may see one another's groups of version 1
    kept = f"{WORK}/few-group"
    group = f"echo {_PIDS}/few-$(cat /proc/sys/kernel/random/uuid) >{kept}; mkdir $(cat {kept})"
    limit = f"echo 1 >$(cat {kept})/pids.max"
    python = _python("few-processes", f'echo $$ >$(cat {kept})/cgroup.procs; exec python3 "$@"')
    gone = (
        f"rmdir $(cat {kept}); rm {kept}; if test -h {_PIDS}; then rm {_PIDS}; else umount {_PIDS}; rmdir {_PIDS}; fi"
    )
    return {
        **python,
        "begin": "\n".join((counting, link, group, limit, python["begin"])),
        "end": "\n".join((gone, python["end"])),
    }


def _large(path: str, circumstances: Mapping[str, str]) -> dict[str, str]:
    """A file has 5 MB of comments, in certain circumstances."""
    kept = f"{WORK}/kept"
    lines = f"yes '# {'x' * 97}' | head -n 50000 >>{path}"
    return {
        **circumstances,
        "begin": f"cp -a {path} {kept}; {lines}; {circumstances['begin']}",
        "end": f"cat {kept} >{path}; touch -r {kept} {path}; rm {kept}; {circumstances['end']}",
    }


def _stopped(process: str) -> dict[str, str]:
    """A daemon is stopped; it goes on already where the remedy has been followed."""
    return {"begin": f"kill -STOP {process}", "end": f"kill -CONT {process}", "remedy": "kill"}


_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20
_LARGEST = 4 * 1024 * 1024  # bytes of a file
_TOOL = "$(realpath /usr/bin/ss)"
_PIDS = f"{WORK}/pids"
_MASTER, _OTHER_NAME = "/etc/postfix/master.cf", "/etc/postfix-master.cf"
_WAITS = '/bin/sh -c "while test ! -e /nowhere-4322; do sleep 1; done"'
_HANGING_RELOAD = "/run/systemd/system/dovecot.service.d/hangs.conf"
FAULTS = (
    Fault("all of etc is read-only", IMAP, "at /etc is mounted read-only", remedy="mount", **_read_only("/etc")),
    Fault(
        "a directory is read-only",
        IMAP,
        "the file system at /etc/dovecot/conf.d is mounted read-only",
        remedy="mount",
        **_read_only("/etc/dovecot/conf.d"),
    ),
    Fault(
        "a file is mounted by itself",
        SUBMISSION,
        "/etc/postfix/master.cf is mounted by itself",
        "mount --bind /etc/postfix/master.cf /etc/postfix/master.cf",
        'test -z "$(findmnt -n /etc/postfix/master.cf)"',
        remedy="umount",
    ),
    Fault(
        "there is no room for the journal",
        IMAP,
        f"no space is left on the file system at {_STATE}",
        f"mkdir -p {_STATE}; mount -t tmpfs -o size=8k tmpfs {_STATE}; head -c 4096 /dev/zero >{_STATE}/full",
        f"umount {_STATE}; rmdir {_STATE}",
    ),
    Fault(
        "few open files",
        IMAP,
        "too many open files, whose limit is 9",
        **_python("few-files", 'ulimit -n 9; exec python3 "$@"'),
    ),
    Fault(
        "a file is larger than files may be",
        SUBMISSION,
        f"the file is too large for this process, whose limit is {_LARGEST}",
        **_large("/etc/postfix/master.cf", _python("small-files", f'ulimit -f {_LARGEST // 512}; exec python3 "$@"')),
    ),
    Fault(
        "a file is immutable",
        SUBMISSION,
        "/etc/postfix/master.cf is immutable, chattr +i",
        **_marked("/etc/postfix/master.cf", _IMMUTABLE),
    ),
    Fault(
        "a file can only grow",
        SUBMISSION,
        "/etc/postfix/master.cf is append-only, chattr +a",
        **_marked("/etc/postfix/master.cf", _APPEND_ONLY),
    ),
    Fault(
        "few processes",
        IMAP,
        "too many processes: the control group",
        remedy="echo",
        **_full_group(),
    ),
    Fault(
        "a file has another name",
        SUBMISSION,
        f"{_MASTER} has 2 names (hard links)",
        f"ln {_MASTER} {_OTHER_NAME}",
        f"ln {_OTHER_NAME} {_MASTER}.old; mv {_MASTER}.old {_MASTER}; rm {_OTHER_NAME}",
        remedy="cp",
    ),
    Fault(
        "a tool cannot be run",
        IMAP,
        "the program ss cannot be run",
        f"mount --bind /dev/null {_TOOL}",
        f"umount {_TOOL}",
    ),
    Fault("Postfix lacks a program", vserver=SUBMISSION, **_away("postconf")),
    Fault("Dovecot lacks a program", vserver=IMAP, **_away("dovecot")),
    Fault("what shows sockets is missing", vserver=_DOMAIN, module="mail_domain_security", **_away("ss")),
    Fault(
        "Postfix is stopped",
        SUBMISSION,
        "it stands still: its process",
        **_stopped("$(cat /var/spool/postfix/pid/master.pid)"),
    ),
    Fault("Dovecot is stopped", IMAP, "it stands still: its process", **_stopped("$(pgrep -o -x dovecot)")),
    Fault("doveconf hangs", IMAP, "'doveconf", **_hangs("doveconf")),
    Fault("systemctl hangs", IMAP, "'systemctl", **_hangs("systemctl")),
    # It looks again and again for what never comes, and does so once more while everything is put back. systemd's own
    # reload goes on after the call, so that nobody knows what Dovecot has read; the next call settles it.
    Fault(
        "the reload hangs",
        IMAP,
        "'systemctl reload dovecot.service' hangs",
        f"mkdir -p $(dirname {_HANGING_RELOAD});"
        f" printf '[Service]\\nExecReload=\\nExecReload={_WAITS}\\n' >{_HANGING_RELOAD};"
        " systemctl daemon-reload",
        f"rm {_HANGING_RELOAD}; systemctl daemon-reload; pkill -f 'nowhere-432[2]' || :",
        outcome=NOT_TOLD,
    ),
)
# What is odd about a host, but no reason to fail.
ODD_LINE = b"#caf\xe9 \x80 a line that is no text in UTF-8, and ends as on another system; there are many of them\r\n"
ODD_FILES = ("/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/dovecot/conf.d/00-notes.conf")
ODD_CALLS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    f"{vserver['protocol']}: {strength}": (vserver, strength)
    for strength in ("legacy", "intermediate")
    for vserver in (IMAP, SUBMISSION)
}
_LINES = 50000
LOOK, PROOF = "the other host looks", "the other host looks by our module"


def odd_host(name_server: str) -> tuple[str, str]:
    """Shell commands: a bare host name, no IPv4 at all, links to huge files that are no text; and the way back.

    Args:
        name_server: the address of the lab's name server, of IPv6.
    """
    kept = f"{WORK}/odd"
    begin = [
        f"mkdir {kept}; hostname >{kept}/name; hostname bare",
        f"cp -a /etc/resolv.conf {kept}; echo 'nameserver {name_server}' >/etc/resolv.conf",
        f"ip -4 -o address show dev eth0 | sed 's/.*inet //; s/ .*//' >{kept}/address; ip -4 address flush dev eth0",
        "ip addr del 127.0.0.1/8 dev lo",
        f'python3 -c "import sys; sys.stdout.buffer.write({ODD_LINE!r} * {_LINES})" >{kept}/lines',
    ]
    end = [
        f"ip addr add 127.0.0.1/8 dev lo; ip addr add $(cat {kept}/address) dev eth0",
        f"cat {kept}/resolv.conf >/etc/resolv.conf; touch -r {kept}/resolv.conf /etc/resolv.conf",
        f"hostname $(cat {kept}/name)",
    ]
    for number, path in enumerate(ODD_FILES):
        begin.append(f"touch {path}; cp -a {path} {kept}/{number}; cat {kept}/lines >>{path}")
        begin.append(f"mv {path} {path}.real; ln -s {path}.real {path}")
        end.append(f"rm {path} {path}.real; cp -a {kept}/{number} {path}")
    end.append(f"rm {ODD_FILES[-1]}; rm -r {kept}; postfix reload; systemctl reload dovecot")
    return "\n".join(begin), "\n".join(end)


def add(play: Play, fault: Fault) -> None:
    """The tasks of a fault: begin, call, follow the remedy, end."""
    began = f"{WORK}/began"
    play.shell(f"begin: {fault.name}", snapshots.script(f"{fault.label}-before"), fault.begin, f"date +%s >{began}")
    variables = {"vars": {"ansible_python_interpreter": fault.interpreter}} if fault.interpreter else {}
    play.call(fault.name, fault.module, fault.vserver, register="called", **variables)
    play.shell(f"took: {fault.name}", f"echo $(($(date +%s) - $(cat {began}))) $(cut -d' ' -f1 /proc/loadavg) $(nproc)")
    if fault.remedy:
        command = f"called.problem.remedy | regex_findall(\"'({fault.remedy} [^']+)'\") | first"
        play.shell(f"follow: {fault.name}", f"{{{{ {command} }}}}")
        play.call(f"again: {fault.name}", CALLED, fault.vserver, check_mode=True, **variables)
    play.shell(f"end: {fault.name}", fault.end)
    if fault.outcome == NOT_TOLD:
        play.call(f"next: {fault.name}", CALLED, {**fault.vserver, "strength": "intermediate"})
    play.shell(f"after: {fault.name}", snapshots.script(f"{fault.label}-after"))


def add_odd_calls(play: Play) -> None:
    """The calls on an odd host: two changes, and the way back. In between the other host looks, by our module too."""
    for name, (vserver, strength) in ODD_CALLS.items():
        play.call(name, CALLED, {**vserver, "strength": strength})
    play.look_at_peer(LOOK)
    peer = play.tasks[-1]["vars"]
    one = {"host": "{{ peer }}", "ca_file": "{{ root }}"}
    endpoints = [{**one, "protocol": protocol} for protocol in ("imap", "submission")]
    play.call(PROOF, "mail_tls_info", {"endpoints": endpoints}, vars=peer)
