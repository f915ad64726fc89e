# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Dovecot needs to go on: what its settings name, and what a running one does not notice the loss of.

Facts: doveconf(1), and Dovecot's sources (master/service.c, lib/module-dir.c). With an account missing a reload is
ignored and a start fails; with a plugin missing every session ends after its login. Its own test finds neither.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.doveconf import Doveconf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.overrides import conflict
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.parser import Files
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import (
    CONFIG_DIRECTORY,
    MAIN,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import (
    cannot_go_on,
    concerns,
    place_in,
)

_DAEMON = "Dovecot"
_DATABASES = {"user": "passwd", "group": "group"}  # of getent(1), by setting
_WITH_PLUGINS = ("imap", "lmtp", "pop3", "submission")
_PLUGIN_FILE = re.compile(r"lib(?:[0-9]+_)?(.+?)(?:_plugin)?\.so")
_PLUGINS, _DIRECTORY = "mail_plugins", "mail_plugin_dir"


def refuse_unmet(host: Host, doveconf: Doveconf, written: Collection[str]) -> None:
    """Raise Problem where Dovecot could not go on.

    Args:
        host: the machine.
        doveconf: its settings.
        written: files that the call writes or removes, whose present content does not count.
    """
    done = host.query(["doveconf", "-x", "-n"])
    if done.code != 0 and not concerns(done.complaint, written):
        raise cannot_go_on(
            _DAEMON,
            done.complaint,
            "put that right until 'doveconf -x -n' reports no error",
            conflict(done.complaint, option=place_in(done.complaint) or CONFIG_DIRECTORY),
        )
    if done.code != 0:
        return  # it cannot be asked for more
    _refuse_accounts(host, doveconf)
    _refuse_plugins(host, doveconf)


def _refuse_accounts(host: Host, doveconf: Doveconf) -> None:
    named = sorted(set(_accounts(doveconf.of_services())))
    for kind, name in named:
        if name.isdecimal() or host.query(["getent", _DATABASES[kind], name]).code == 0:
            continue
        raise cannot_go_on(
            _DAEMON,
            f"the {kind} {name} does not exist, and a service of Dovecot's is to run or listen as such",
            f"create it, or name another {kind} there",
            _place(host, kind, name),
        )


def _accounts(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What services and their listeners name: kind, and name."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _accounts(value)
        elif name in _DATABASES and value and "$" not in value:
            yield name, value


def _refuse_plugins(host: Host, doveconf: Doveconf) -> None:
    served = doveconf.served()
    directory = str(doveconf.effective(_DIRECTORY)[_DIRECTORY])
    there = {match[1] for name in host.names_in(directory) for match in (_PLUGIN_FILE.fullmatch(name),) if match}
    for protocol in (one for one in _WITH_PLUGINS if one in served):
        for plugin in _plugins(doveconf.effective(_PLUGINS, protocol=protocol)[_PLUGINS]):
            if there and plugin not in there:
                raise cannot_go_on(
                    _DAEMON,
                    f"the plugin {plugin}, which {protocol} is to load, is not in {directory}, so that every session"
                    " would end after its login",
                    f"install the package that contains it, or take it out of {_PLUGINS}",
                    _place(host, _PLUGINS, plugin),
                )


def _plugins(value: Any) -> list[str]:
    """The plugins in a list, or those that are switched on in a block (2.4)."""
    if isinstance(value, Mapping):
        return [name for name, on in value.items() if on == "yes"]
    return str(value).strip('" ').split()


def _place(host: Host, setting: str, word: str) -> str:
    """File and line of the last setting that names a word."""
    found = [
        entry.place
        for entry in Files(host, {}).entries(MAIN)
        if entry.name.rpartition("/")[2] in (setting, word)
        and (word in entry.value.split() or entry.name.endswith(f"{setting}/{word}"))
    ]
    return found[-1] if found else CONFIG_DIRECTORY
