# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Base trees: one read-only Debian tree per release and kind of host, which all hosts of that kind share."""

from __future__ import annotations

import fcntl
import hashlib
import os
import selectors
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from postmaster_lab import keeper, kernel
from postmaster_lab.settings import LabError, Settings

HOOKS = Path(__file__).resolve().parent.parent / "hooks"

# The name a tree's packages are configured for; machine.py puts the host's own in its place.
BUILD_DOMAIN = "example.test"
BUILD_NAME = "base." + BUILD_DOMAIN

SYSTEM = ["systemd", "systemd-sysv", "dbus", "iproute2", "ca-certificates"]
MANAGED = ["openssh-server", "python3", "python3-apt", "python3-cryptography", "openssl", "procps", "ssl-cert"]
CLIENTS = [
    "curl",
    "fetchmail",
    "gnutls-bin",
    "isync",
    "libnet-dns-perl",  # lets swaks look up MX records
    "libnet-ssleay-perl",  # lets swaks speak TLS
    "strace",
    "swaks",
    "tcpdump",
]


@dataclass(frozen=True)
class Kind:
    """What is installed on a kind of host, and how the packages' questions are answered."""

    packages: list[str]
    preseed: list[str] = field(default_factory=list)


DEFAULT_KIND = "mail"
EXIM_INTERNET_SITE = "internet site; mail is sent and received directly using SMTP"  # in Debian's own words
MAIL = Kind(
    [
        *SYSTEM,
        *MANAGED,
        *CLIENTS,
        "postfix",
        "libsasl2-modules",
        "sasl2-bin",
        "dovecot-imapd",
        "dovecot-pop3d",
        "dovecot-lmtpd",
    ],
    [
        "postfix postfix/main_mailer_type select Internet Site",
        f"postfix postfix/mailname string {BUILD_NAME}",
    ],
)
KINDS = {
    DEFAULT_KIND: MAIL,
    # everything that one host can serve side by side
    "full": Kind(
        [*MAIL.packages, "inn2", "ldap-utils", "nginx-light", "slapd"],
        [
            *MAIL.preseed,
            f"slapd slapd/domain string {BUILD_DOMAIN}",
            "slapd shared/organization string Example",
            "slapd slapd/password1 password lab",
            "slapd slapd/password2 password lab",
        ],
    ),
    # the second server of each protocol, where only one can have the port
    "exim": Kind(
        # the heavy Exim can ask Dovecot for passwords, the light one cannot
        [*SYSTEM, *MANAGED, *CLIENTS, "apache2", "dovecot-imapd", "exim4-daemon-heavy"],
        [
            f"exim4-config exim4/dc_eximconfig_configtype select {EXIM_INTERNET_SITE}",
            "exim4-config exim4/dc_local_interfaces string",
            f"exim4-config exim4/mailname string {BUILD_NAME}",
        ],
    ),
    "cyrus": Kind(
        [*SYSTEM, *MANAGED, *CLIENTS, "cyrus-admin", "cyrus-imapd", "cyrus-nntpd", "cyrus-pop3d", "sasl2-bin"],
    ),
    # A mail host with a validating resolver, which follows the TLS policies that others publish.
    "resolving": Kind([*MAIL.packages, "postfix-mta-sts-resolver", "unbound"], MAIL.preseed),
    # Publishes a signed zone and web pages.
    "names": Kind([*SYSTEM, *MANAGED, "bind9-dnsutils", "ldnsutils", "nginx-light", "nsd"]),
    # A public CA that answers by ACME, with the name server that it looks names up at.
    "acme": Kind([*SYSTEM, *MANAGED, "curl", "pebble"]),
}

# What a minimal installation of Debian has, for fresh-machine; not a host of the lab, which needs more.
MACHINE = "machine"
ALL_KINDS = {**KINDS, MACHINE: Kind(SYSTEM)}

# Progress is reported at least this often.
SILENCE_SECONDS = 15

# What mmdebstrap says when a long step begins.
STEPS = (b"I: downloading", b"I: extracting", b"I: installing")

# Tests read no manuals, and a lost tree is simply built again.
OPTIONS = [
    "--mode=root",
    "--variant=minbase",
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
]

# Settings of this machine's apt that decide how the mirror is reached.
REACHING = ("Acquire::http::", "Acquire::https::", "Acquire::Retries", "Acquire::ForceIPv4", "Acquire::ForceIPv6")


@dataclass(frozen=True)
class Base:
    """One base tree."""

    settings: Settings
    release: str
    kind: str = DEFAULT_KIND

    @property
    def label(self) -> str:
        """Name for messages and files."""
        return self.release if self.kind == DEFAULT_KIND else f"{self.release}-{self.kind}"

    @property
    def content(self) -> Kind:
        """What is installed in the tree."""
        return ALL_KINDS[self.kind]

    @property
    def stamp(self) -> str:
        """Hash of all that decides what is in the tree, but for the mirror's state."""
        inputs = [self.release, BUILD_NAME, *OPTIONS, *self.content.packages, *self.content.preseed]
        inputs += [hook.read_text() for hook in sorted(HOOKS.iterdir())]
        return hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:12]

    @property
    def tree(self) -> Path:
        """The tree, once it is complete: it gets this name in one step at the very end."""
        return self.settings.bases / f"{self.label}-{self.stamp}"

    @property
    def partial(self) -> Path:
        """Where the tree is built."""
        return self.settings.bases / f".{self.label}.partial"

    @property
    def lock(self) -> Path:
        """Locked during the build."""
        return self.settings.bases / f".{self.label}.lock"

    def hold(self) -> int:
        """Keep the tree from being removed until the returned descriptor is closed."""
        descriptor = os.open(self.tree, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor


class Build(keeper.Job):
    """The building of one base tree."""

    namespaces = kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC

    def __init__(self, base: Base, again: bool = False) -> None:
        self.base = base
        self.again = again
        self.lock_descriptor = -1

    @property
    def log(self) -> Path:
        """What mmdebstrap has said."""
        return self.base.settings.bases / f"{self.base.label}.log"

    def claim(self, link: keeper.Link) -> None:
        """Wait for our turn: another build of the same tree may be going on."""
        self.base.settings.bases.mkdir(parents=True, exist_ok=True)
        self.lock_descriptor = os.open(self.base.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        waiting = False
        while not _try_lock(self.lock_descriptor):
            if link.lost():
                raise LabError("interrupted")
            if not waiting:
                link.tell(say="waiting for another build of the same base")
                waiting = True
            time.sleep(0.2)

    def prepare(self, link: keeper.Link) -> None:
        """Start with an empty directory."""
        self.clean_up()
        if not self.again and self.base.tree.is_dir():  # the other build has done it
            return
        self.base.partial.mkdir(mode=0o755)

    def inside(self, init: keeper.Init) -> None:
        """Run mmdebstrap, and put the tree in its place when that has succeeded."""
        if not self.base.partial.is_dir():
            init.finish(0)
            return
        socket.sethostname(BUILD_NAME)
        preseed = self.base.partial / "preseed"
        preseed.write_text("".join(line + "\n" for line in self.base.content.preseed))
        output, log_input = socket.socketpair()
        follower = _LogFollower(init, output, self.log)

        def ended(exit_code: int) -> None:
            follower.read()
            self._built(init, exit_code)

        command = _mmdebstrap_command(self.base, self.base.partial / "tree", preseed)
        # Its temporary files would survive it in /tmp when it is killed.
        temporary = self.base.partial / "tmp"
        temporary.mkdir()
        environment = {**os.environ, "TMPDIR": str(temporary)}
        init.spawn(command, ended, output=log_input.fileno(), environment=environment)
        init.watch(output, follower.read)

    def _built(self, init: keeper.Init, exit_code: int) -> None:
        """mmdebstrap has ended."""
        if exit_code:
            init.link.tell(error=f"building the base failed, see {self.log}:\n{last_lines(self.log)}")
            init.finish(1)
            return
        if self.base.tree.exists():
            os.rename(self.base.tree, self.base.settings.bases / f"{self.base.label}-replaced-{os.urandom(4).hex()}")
        os.rename(self.base.partial / "tree", self.base.tree)
        _remove_old_trees(self.base)
        init.finish(0)

    def clean_up(self) -> None:
        """Remove what is half built."""
        remove_tree(self.base.partial)


class _LogFollower:
    """Writes a program's output to a log and passes its progress lines on."""

    def __init__(self, init: keeper.Init, source: socket.socket, log: Path) -> None:
        self.init = init
        self.source = source
        source.setblocking(False)
        self.log = log.open("wb")
        self.rest = b""

    def read(self) -> None:
        """Read what has arrived."""
        data = b""
        with suppress(BlockingIOError):
            while received := self.source.recv(65536):
                data += received
        self.log.write(data)
        self.log.flush()
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            if line.startswith(STEPS):
                self.init.link.tell(say=line[3:].decode(errors="replace"))


def ensure(bases: Iterable[Base], say: Callable[[str], None], again: bool = False) -> None:
    """Build the trees that are missing (``again``: all), side by side."""
    wanted = [base for base in dict.fromkeys(bases) if again or not base.tree.is_dir()]
    if not wanted:
        return
    if shutil.which("mmdebstrap") is None:
        raise LabError("program not found: mmdebstrap (see tests/lab/apt-packages.txt)")
    began = time.monotonic()
    handles = {base: keeper.start(Build(base, again)) for base in wanted}
    try:
        failures = _follow(handles, say, began)
    finally:
        for handle in handles.values():
            handle.end_job()
    if failures:
        raise LabError("\n".join(failures))


def _follow(handles: dict[Base, keeper.Handle], say: Callable[[str], None], began: float) -> list[str]:
    """Report the progress of several builds until all have ended; returns what failed."""
    failures: dict[Base, str] = {}
    done: set[Base] = set()
    selector = selectors.DefaultSelector()
    for base, handle in handles.items():
        selector.register(handle.end, selectors.EVENT_READ, (base, handle))
        say(f"base {base.label}: building it (a minute or so, only this once)")
    while selector.get_map():
        ready = selector.select(timeout=SILENCE_SECONDS)
        seconds = f"({time.monotonic() - began:.0f} s)"
        if not ready:
            going_on = ", ".join(key.data[0].label for key in selector.get_map().values())
            say(f"base {going_on}: still building {seconds}")
        for key, _events in ready:
            base, handle = key.data
            messages = handle.receive()
            if messages is None:
                selector.unregister(handle.end)
                continue
            for message in messages:
                if "say" in message:
                    say(f"base {base.label}: {message['say']} {seconds}")
                if "error" in message:
                    failures[base] = f"base {base.label}: {message['error']}"
                if message.get("exit") == 0:
                    done.add(base)
                    say(f"base {base.label}: ready {seconds}")
    for base in handles:
        if base not in done:
            failures.setdefault(base, f"base {base.label}: its building was broken off")
    return list(failures.values())


def _mmdebstrap_command(base: Base, tree: Path, preseed: Path) -> list[str]:
    essential = shlex.join(["sh", str(HOOKS / "essential.sh")])
    customize = shlex.join(["sh", str(HOOKS / "customize.sh")])
    command = [
        "mmdebstrap",
        *OPTIONS,
        *(f"--aptopt={line}" for line in apt_reaching_options()),
        "--include=" + ",".join(base.content.packages),
        f'--essential-hook={essential} "$1" {BUILD_NAME} {shlex.quote(str(preseed))}',
        f'--customize-hook={customize} "$1"',
        base.release,
        str(tree),
    ]
    mirror = base.settings.mirror or _mirror_of_this_machine()
    return [*command, mirror] if mirror else command


def apt_reaching_options() -> list[str]:
    """How this machine's apt reaches its mirrors: proxies and the like."""
    lines = keeper.run("apt-config", "dump").stdout.splitlines()
    return [line.rstrip(";") for line in lines if line.startswith(REACHING)]


def _mirror_of_this_machine() -> str | None:
    """The first Debian mirror among the sources of this machine's apt."""
    listing = keeper.run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").stdout
    for address in listing.split():
        if urlsplit(address).path.rstrip("/").endswith("/debian"):
            return address
    return None


def _remove_old_trees(base: Base) -> None:
    """Remove this base's earlier trees, but for those that a running lab uses."""
    for tree in base.settings.bases.glob(f"{base.label}-*"):
        if tree == base.tree or not _is_tree_of(base, tree.name):
            continue
        descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
        if _try_lock(descriptor):
            remove_tree(tree)
        os.close(descriptor)


def _is_tree_of(base: Base, name: str) -> bool:
    """Whether a name is the base's, and not that of a kind that begins alike."""
    rest = name[len(base.label) + 1 :]
    return rest.split("-")[0] not in ALL_KINDS and not name.endswith(".log")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def remove_tree(path: Path) -> None:
    """Remove a directory or file; whatever might be mounted in it is left alone."""
    if os.path.lexists(path):
        keeper.run("rm", "-rf", "--one-file-system", path)


def say_to_stderr(text: str) -> None:
    """Progress goes to standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)
