# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong in each daemon's own test, when it is told to read its files, and when clients look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    CYRUS,
    EXIM,
    FULL,
    ODD,
    RSA,
    SPARE,
    Options,
    vserver,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK

_TRACES = "/run/system-tests-fired"  # where daemons' users can leave them too: their tests run as them
FIRED = f"{_TRACES}/it"
MIRROR = "/var/lib/postmaster-secure-channel/*"
UNDONE, UNTOUCHED = "everything was put back as it was", "nothing was changed"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong during a call.

    Attributes:
        name: what it is.
        vservers: what is called for.
        outcome: how the error has to end.
        begin: shell commands that bring it about.
        end: shell commands that end it; the first fails if nothing went wrong.
    """

    name: str
    vservers: Sequence[Options]
    outcome: str
    begin: str
    end: str


@dataclass(frozen=True)
class Death:
    """A run is killed half-way, by a program that it calls."""

    name: str
    vservers: Sequence[Options]
    begin: str
    end: str


def quoted(pattern: str) -> str:
    """A shell pattern in which spaces stand for themselves."""
    return pattern.replace(" ", "\\ ")


def in_place_of(program: str, **reactions: str) -> tuple[str, str]:
    """Shell commands that shadow one of the host's programs, and those that undo it.

    Args:
        program: its name.
        reactions: arguments, as a shell pattern -> shell commands that are run before the real program, at the
            first such call only.
    """
    cases = "\n".join(
        f"{quoted(words)}) if mkdir {FIRED}-{number} 2>/dev/null; then {reaction}; fi ;;"
        for number, (words, reaction) in enumerate(reactions.items())
    )
    begin = f"""install -d -m 1777 {_TRACES}
cat >/usr/local/sbin/{program} <<'END'
#!/bin/sh
case "$*" in
{cases}
esac
exec /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin {program} "$@"
END
chmod 755 /usr/local/sbin/{program}"""
    return begin, f"rm /usr/local/sbin/{program}; ls -d {FIRED}-0; rm -r {FIRED}-*"


FAILS = "echo injected >&2; exit 1"
DIES = "kill -9 $PPID"


def _systemctl(unit: str, verb: str = "reload") -> tuple[str, str]:
    """systemd can neither reload nor restart it, once."""
    return in_place_of("systemctl", **{f"{verb}*{unit}*": FAILS, f"restart*{unit}*": FAILS})


def _goes_on(unit: str) -> tuple[str, str]:
    """systemd cannot reload it, once; while it goes on serving it must not be restarted."""
    begin, end = in_place_of("systemctl", **{f"reload*{unit}*": FAILS, f"restart*{unit}*": ":"})
    return begin, end.replace("; rm -r", f"; test ! -e {FIRED}-1; rm -r")


def _postfix_does_not_reload() -> tuple[str, str]:
    """Postfix cannot be reloaded, nor can systemd restart it, once."""
    ours, systemd = in_place_of("postfix", reload=FAILS), _systemctl("postfix")
    return "\n".join((ours[0], systemd[0])), f"rm /usr/local/sbin/postfix; {systemd[1]}"


def _deaf(unit: str) -> tuple[str, str]:
    """The reload is lost without an error."""
    return in_place_of("systemctl", **{f"reload*{unit}*": "exit 0"})


def _refusing_neighbours(who: str) -> tuple[str, str]:
    """It turns away clients on its own host, as a firewall could."""
    kept = f"{WORK}/hosts.deny"
    begin = f"cp -a /etc/hosts.deny {kept}; echo '{who}: 127.0.0.0/255.0.0.0' >>/etc/hosts.deny"
    return begin, f"mv {kept} /etc/hosts.deny"


def _replaced(program: str, content: str) -> tuple[str, str]:
    """One of INN's programs, which have their own directory, does something else."""
    path, kept = f"/usr/lib/news/bin/{program}", f"{WORK}/{program}"
    begin = f"mv {path} {kept}; printf '#!/bin/sh\\n{content}\\n' >{path}; chmod 755 {path}"
    return begin, f"cat {kept} >{path}.new; chmod 755 {path}.new; mv {path}.new {path}; rm {kept}"


STOPPED = "is stopped (as by SIGSTOP)"
_MAIN_PROCESS = {
    "Postfix": "master",
    "Dovecot": "dovecot",
    "INN": "innd",
    "OpenLDAP": "slapd",
    "nginx": "nginx",
    "Exim": "exim4",
    "Apache": "apache2",
    "Cyrus": "cyrmaster",
}


def _stopped(daemon: str) -> tuple[str, str]:
    """It keeps its sockets open and answers nobody."""
    process = f"$(pgrep -o -x {_MAIN_PROCESS[daemon]})"
    return f"kill -STOP {process}", f"kill -CONT {process}"


def _faults(
    daemon: str,
    protocol: str,
    test: tuple[str, str],
    reload: tuple[str, str],
    probe: tuple[str, str],
    certificate: str = RSA,
    **options: int,
) -> Sequence[Fault]:
    """The faults of a daemon."""
    wanted = (vserver(protocol, certificate, **options),)
    return (
        Fault(f"{daemon}: it is stopped", wanted, STOPPED, *_stopped(daemon)),
        Fault(f"{daemon}: its own test", wanted, UNTOUCHED, *test),
        Fault(f"{daemon}: it does not take its files over", wanted, UNDONE, *reload),
        Fault(f"{daemon}: clients do not see it", wanted, UNDONE, *probe),
    )


LOST_KEY = "rm -f /etc/postmaster/deployed/{}/{}.pem"  # of a certificate that the daemon has not had before
FAULTS: Mapping[tuple[str, str], Sequence[Fault]] = {
    ODD: (
        *_faults(
            "Postfix",
            "submission",
            in_place_of("postfix", **{f"-c {MIRROR}check": FAILS}),
            _postfix_does_not_reload(),
            in_place_of("postfix", reload=LOST_KEY.format("postfix", RSA)),
        ),
        *_faults(
            "Dovecot",
            "imap",
            in_place_of("doveconf", **{f"-c {MIRROR}": FAILS}),
            _systemctl("dovecot"),
            _deaf("dovecot"),
        ),
        *_faults(
            "INN",
            "nntp",
            # what it says of the files as they are is no reason to refuse
            _replaced("inncheck", 'case "$*" in readers.conf=/etc/news/*) exit 0 ;; esac; exit 1'),
            in_place_of("systemctl", **{"restart*nntp*": FAILS}),
            _replaced("nnrpd", "echo 400 fault"),
            implicit_tls_port=5631,
        ),
        Fault(
            "Dovecot refuses what Postfix has taken over already",
            (vserver("submission", RSA), vserver("imap", RSA)),
            UNDONE,
            *_systemctl("dovecot"),
        ),
    ),
    FULL: (
        *_faults(
            "OpenLDAP",
            "ldap",
            in_place_of("slaptest", **{"*": FAILS}),
            in_place_of("ldapmodify", **{"*": FAILS}),
            _refusing_neighbours("slapd"),
        ),
        *_faults(
            "nginx",
            "http",
            in_place_of("nginx", **{f"-t*-c {MIRROR}": FAILS}),
            _goes_on("nginx"),
            _deaf("nginx"),
        ),
    ),
    EXIM: (
        *_faults(
            "Exim",
            "submission",
            in_place_of("update-exim4.conf", **{f"--confdir {MIRROR}": FAILS}),
            _systemctl("exim4"),
            in_place_of("systemctl", **{"reload*exim4*": LOST_KEY.format("exim", SPARE)}),
            certificate=SPARE,
        ),
        *_faults(
            "Apache",
            "http",
            in_place_of("apache2ctl", **{f"-t -d {MIRROR}": FAILS}),
            _goes_on("apache2"),
            _deaf("apache2"),
        ),
    ),
    CYRUS: _faults(
        "Cyrus",
        "pop3",
        in_place_of("cyrus", **{f"info -C {MIRROR}conf-lint": FAILS}),
        _systemctl("cyrus-imapd", "kill"),
        _refusing_neighbours("ALL"),
    ),
}


def _death(daemon: str, protocol: str, trap: tuple[str, str], **options: int) -> Death:
    return Death(f"{daemon}: killed", (vserver(protocol, RSA, **options),), *trap)


def _death_on_the_way_out(daemon: str, protocol: str, trap: tuple[str, str]) -> Death:
    return Death(f"{daemon}: killed while it goes", ({"protocol": protocol, "state": "absent"},), *trap)


DEATHS: Mapping[tuple[str, str], Sequence[Death]] = {
    ODD: (
        _death("Postfix", "submission", in_place_of("postfix", reload=DIES)),
        _death("Dovecot", "imap", in_place_of("doveconf", **{f"-c {MIRROR}": DIES})),
        _death("INN", "nntp", in_place_of("systemctl", **{"restart*nntp*": DIES}), implicit_tls_port=5631),
        _death_on_the_way_out("INN", "nntp", in_place_of("systemctl", **{"stop*nntp*": DIES})),
        # slapd has been stopped by then
        _death_on_the_way_out(
            "OpenLDAP", "ldap", in_place_of("systemctl", **{"stop*slapd*": f'/usr/bin/systemctl "$@"; {DIES}'})
        ),
    ),
    FULL: (
        # slapd has taken it over by then
        _death("OpenLDAP", "ldap", in_place_of("ldapmodify", **{"*": f'/usr/bin/ldapmodify "$@"; {DIES}'})),
        _death("nginx", "http", in_place_of("systemctl", **{"reload*nginx*": DIES})),
    ),
    EXIM: (
        _death("Exim", "submission", in_place_of("systemctl", **{"reload*exim4*": DIES})),
        _death("Apache", "http", in_place_of("systemctl", **{"reload*apache2*": DIES})),
    ),
    CYRUS: (_death("Cyrus", "pop3", in_place_of("systemctl", **{"kill*cyrus*": DIES})),),
}

# A run without a guard, as though that had died at the same moment.
NO_GUARD = """printf '#!/bin/sh\\necho injected >&2; exit 1\\n' >/usr/local/sbin/systemd-run
chmod 755 /usr/local/sbin/systemd-run"""
# What kills a run that changes everything, when some daemons have taken it over and one has not.
LAST_STEP: Mapping[str, tuple[str, str]] = {
    name: in_place_of("systemctl", **{pattern: DIES})
    for pair, pattern in ((ODD, "reload*nginx*"), (EXIM, "reload*apache2*"), (CYRUS, "kill*cyrus*"))
    for name in pair
}
