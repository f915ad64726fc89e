# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a daemon's user can plant in configuration that our modules read, to have root run it or give things away."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    CYRUS,
    EXIM,
    FULL,
    Options,
    vserver,
)

PLACE = "/var/tmp/planted"  # belongs to whoever plants
MODULE = f"{PLACE}/module.so"
AS_ROOT, AS_ANYBODY = "/planted-as-root", f"{PLACE}/ran"  # the first can be made by root only
MADE_BY_CODE = (AS_ROOT, AS_ANYBODY)
_MKDIR = f"mkdir {' '.join(MADE_BY_CODE)}"
_STAYS = "sleep 424242"
_SLAPD, _NEWS = "/etc/ldap/slapd.d", "/etc/news"


@dataclass(frozen=True)
class Payload:
    """Something planted.

    Attributes:
        name: what it is.
        wanted: the call that is made then.
        user: who plants it.
        places: files and directories that are put back afterwards.
        plant: shell commands, run as that user.
        given: of the places, those that an administrator has given to the user, unlike the package.
        refused: words of the error; empty where the call has to succeed.
        daemon: a process that has to be there before and afterwards, the same one.
        meant: shell commands of root's, who then refers to what has been planted.
    """

    name: str
    wanted: Options
    user: str
    places: Sequence[str]
    plant: str
    daemon: str
    given: Sequence[str] = ()
    refused: str = ""
    meant: str = "true"

    @property
    def begin(self) -> str:
        """Shell commands of root's that plant it."""
        kept = [f"mkdir -p $(dirname {PLACE}.kept{one}); cp -a {one} {PLACE}.kept{one}" for one in self.places]
        given = [f"chown -R {self.user} {one}" for one in self.given]
        commands = f"setpriv --reuid {self.user} --regid $(id -g {self.user}) --clear-groups sh -euc '{self.plant}'"
        own = f"install -d -o {self.user} -m 755 {PLACE}; install -o {self.user} /run/system-tests/module.so {MODULE}"
        return "\n".join(
            (f"rm -rf {PLACE} {PLACE}.kept {AS_ROOT}", own, *kept, *given, commands, self.meant, self._processes)
        )

    @property
    def _processes(self) -> str:
        return f"pgrep -o -x '{self.daemon}' >{PLACE}.pid"

    @property
    def end(self) -> str:
        """Shell commands of root's that put everything back, after they have said what came of it."""
        back = [f"rm -rf {one}; cp -a {PLACE}.kept{one} {one}" for one in self.places]
        look = f"""if test -e {AS_ROOT}; then echo ran as root; fi
if test -e {AS_ANYBODY}; then echo ran as $(stat -c %U {AS_ANYBODY}); fi
if test "$(pgrep -o -x '{self.daemon}')" = "$(cat {PLACE}.pid)"; then echo the daemon serves; fi
if pkill -f -x '{_STAYS}'; then echo a program is left; fi
if test -e /var/lib/postmaster-secure-channel/transaction; then echo something is left; fi"""
        return "\n".join((look, *back, f"rm -rf {PLACE} {PLACE}.kept {PLACE}.pid {AS_ROOT}"))


def _ldap(name: str, plant: str, refused: str) -> Payload:
    return Payload(f"OpenLDAP: {name}", vserver("ldap"), "openldap", (_SLAPD,), plant, "slapd", (), refused)


def _news(name: str, plant: str, refused: str = "") -> Payload:
    """INN as its authors install it: the directory belongs to its user."""
    return Payload(f"INN: {name}", vserver("nntp"), "news", (_NEWS,), plant, "innd", (_NEWS,), refused)


def _given(daemon: str, user: str, place: str, plant: str, *, wanted: Options, process: str) -> Payload:
    """A place that an administrator has given to the daemon's user."""
    refused = f"{place} can be written by {user}"
    return Payload(f"{daemon}: {place}", wanted, user, (place,), plant, process, (place,), refused)


def _elsewhere(daemon: str, user: str, file: str, line: str, plant: str, *, wanted: Options, process: str) -> Payload:
    """A file or directory of the daemon's user, outside of the configuration, which a line of root's refers to."""
    return Payload(
        f"{daemon}: {line}",
        wanted,
        user,
        (os.path.dirname(file),),
        plant,
        process,
        refused=f"{PLACE} can be written by {user}, and {file}:",
        # Postfix takes nothing from a file that is a few seconds old
        meant=f'echo "{line}" >>{file}; touch -d "1 minute ago" {file}',
    )


LDAP = (
    _ldap(
        "a module",
        f'echo "olcModuleLoad: {{1}}{MODULE}" >>{_SLAPD}/cn=config/cn=module{{0}}.ldif',
        "slapd's configuration in /etc/ldap/slapd.d cannot be read",
    ),
    _ldap("a link to a tree", f"ln -s /usr {_SLAPD}/usr", f"{_SLAPD}/usr is a symbolic link"),
    _ldap("a link to a secret", f"ln -s /etc/shadow {_SLAPD}/shadow.ldif", "shadow.ldif is a symbolic link"),
    _ldap("a pipe", f"mkfifo {_SLAPD}/pipe.ldif", "pipe.ldif is a named pipe"),
    _ldap("a file without end", f"truncate -s 4T {_SLAPD}/large.ldif", "is too large"),
    _ldap(
        "directories without end",
        f"cd {_SLAPD}; for i in $(seq 600); do mkdir d; cd d; done",
        "directories more than",
    ),
)
NEWS = (
    _news(
        "code in Perl",
        f'echo "mkdir q({AS_ROOT}); mkdir q({AS_ANYBODY});" >{_NEWS}/planted; chmod 755 {_NEWS}/planted'
        f"; mv {_NEWS}/planted {_NEWS}/innshellvars.pl.local",
    ),
    _news(
        "a program that stays",
        f'echo "use POSIX; unless (fork) {{ POSIX::setsid(); exec qw({_STAYS}) }} 1;" >{_NEWS}/planted'
        f"; chmod 755 {_NEWS}/planted; mv {_NEWS}/planted {_NEWS}/innshellvars.pl.local",
    ),
    _news("a link to a tree", f"ln -s /usr {_NEWS}/usr", f"{_NEWS}/usr is a symbolic link"),
    _news("a link to a secret", f"ln -s /etc/shadow {_NEWS}/shadow", f"{_NEWS}/shadow is a symbolic link"),
    _news("a pipe", f"mkfifo {_NEWS}/pipe", "pipe is a named pipe"),
    _news("a file without end", f"truncate -s 4T {_NEWS}/large", "is too large"),
)
_ALL: Mapping[tuple[str, str], Sequence[Payload]] = {
    FULL: (
        *LDAP,
        *NEWS,
        _given(
            "Postfix",
            "postfix",
            "/etc/postfix/main.cf",
            f'printf "#!/bin/sh\\n{_MKDIR}\\n" >{PLACE}/master; chmod 755 {PLACE}/master'
            f"; echo daemon_directory = {PLACE} >>/etc/postfix/main.cf"
            '; touch -d "1 minute ago" /etc/postfix/main.cf',
            wanted=vserver("submission"),
            process="qmgr",
        ),
        _elsewhere(
            "Postfix",
            "postfix",
            "/etc/postfix/main.cf",
            f"daemon_directory = {PLACE}",
            f'printf "#!/bin/sh\\n{_MKDIR}\\n" >{PLACE}/master; chmod 755 {PLACE}/master',
            wanted=vserver("submission"),
            process="qmgr",
        ),
        _elsewhere(
            "Postfix",
            "postfix",
            "/etc/postfix/dynamicmaps.cf",
            f"planted {MODULE} dict_planted_open",
            "true",
            wanted=vserver("submission"),
            process="qmgr",
        ),
        _given(
            "Dovecot",
            "dovecot",
            "/etc/dovecot/conf.d",
            "echo !include /etc/shadow >/etc/dovecot/conf.d/98-planted.conf",
            wanted=vserver("imap"),
            process="dovecot",
        ),
        _elsewhere(
            "Dovecot",
            "dovecot",
            "/etc/dovecot/conf.d/98-elsewhere.conf",
            f"!include_try {PLACE}/*.conf",
            f"echo !include /etc/shadow >{PLACE}/planted.conf",
            wanted=vserver("imap"),
            process="dovecot",
        ),
        _given(
            "nginx",
            "www-data",
            "/etc/nginx/modules-enabled",
            f'echo "load_module {MODULE};" >/etc/nginx/modules-enabled/99-planted.conf',
            wanted=vserver("http"),
            process="nginx",
        ),
        _elsewhere(
            "nginx",
            "www-data",
            "/etc/nginx/modules-enabled/98-elsewhere.conf",
            f"load_module {MODULE};",
            "true",
            wanted=vserver("http"),
            process="nginx",
        ),
        _elsewhere(
            "nginx",
            "www-data",
            "/etc/nginx/modules-enabled/98-elsewhere.conf",
            f"include {PLACE}/*.conf;",
            f'echo "load_module {MODULE};" >{PLACE}/planted.conf',
            wanted=vserver("http"),
            process="nginx",
        ),
    ),
    EXIM: (
        _given(
            "Exim",
            "Debian-exim",
            "/etc/exim4/update-exim4.conf.conf",
            f'echo "{_MKDIR}" >>/etc/exim4/update-exim4.conf.conf',
            wanted=vserver("submission"),
            process="exim4",
        ),
        _elsewhere(
            "Exim",
            "Debian-exim",
            "/etc/exim4/exim4.conf.template",
            f".include_if_exists {PLACE}/part",
            f"echo .include /etc/shadow >{PLACE}/part",
            wanted=vserver("submission"),
            process="exim4",
        ),
        _given(
            "Apache",
            "www-data",
            "/etc/apache2/conf-enabled",
            f'echo "LoadFile {MODULE}" >/etc/apache2/conf-enabled/99-planted.conf',
            wanted=vserver("http"),
            process="apache2",
        ),
        _elsewhere(
            "Apache",
            "www-data",
            "/etc/apache2/conf-enabled/98-elsewhere.conf",
            f"IncludeOptional {PLACE}/*.conf",
            f'echo "LoadFile {MODULE}" >{PLACE}/planted.conf',
            wanted=vserver("http"),
            process="apache2",
        ),
        _elsewhere(
            "Apache",
            "www-data",
            "/etc/apache2/mods-enabled/98-elsewhere.load",
            f"LoadModule planted_module {MODULE}",
            "true",
            wanted=vserver("http"),
            process="apache2",
        ),
    ),
    CYRUS: (
        Payload(
            "Cyrus: a file of others",
            vserver("imap"),
            "cyrus",
            ("/etc/imapd.conf",),
            'echo "@include: /etc/shadow" >>/etc/imapd.conf',
            "cyrmaster|cyrus-master",
            ("/etc/imapd.conf",),
            "Cyrus refuses its own configuration",
        ),
    ),
}
_STRENGTHS = ("intermediate", "modern", "legacy")
# No two calls in a row want the same, so that each has something to change.
PAYLOADS: Mapping[tuple[str, str], Sequence[Payload]] = {
    pair: [
        replace(one, wanted={**one.wanted, "strength": _STRENGTHS[number % len(_STRENGTHS)]})
        for number, one in enumerate(some)
    ]
    for pair, some in _ALL.items()
}
