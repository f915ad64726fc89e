# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps mail back where Debian's template has been replaced, and our routers with it.

Our routers and transports can stand only in ``exim4.conf.template`` unless the split form is in force, and an upgrade
of Debian may put the package's own template in its place. Mail of domains with an entry would then be sent as that
template says: in clear text, too. ``exim4.conf.localmacros`` belongs to no package and stays, so that two settings
there hold such mail until our routers are back:

* ``hold_domains``, as long as the configuration that is in force has no router of ours. Exim looks at it for each
  address, before it is routed; ``-M`` and ``-qf`` skip it.
* the name with which Debian's transports greet: where they see such a domain, it cannot be worked out, and the delivery
  is deferred. Mail that our own routers have taken has the entry in ``$address_data``. Of recipients in several domains
  at one host they see no domain; while our routers are gone, such mail waits too.

What is left is a forced run of the queue that has other mail for the same host: over the connection that Exim has made
for that one it sends what waits for the host, without another greeting. No other setting of Debian's transports that a
macro can reach is looked at then and knows the domain, but the return path, and ``dc_hide_mailname`` needs that one.

Facts: Exim specification, ``hold_domains``, ``helo_data``; tried with 4.96 and 4.98.
"""

from __future__ import annotations

import re

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    DOMAINS,
    LOCALMACROS,
    TEMPLATE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.routers import ROUTER
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import (
    MarkedBlock,
    heading,
)

_BLOCK = MarkedBlock(
    "# BEGIN outgoing mail of postmaster.secure_channel",
    "# END outgoing mail of postmaster.secure_channel",
    " (after a last line without end)",
)
_OPTION, _GREETING = "hold_domains", "REMOTE_SMTP_HELO_DATA"
_ROUTERS = f"match{{${{readfile{{$config_file}}}}}}{{\\N(?m)^{ROUTER}\\N}}"  # whether ours are there
_ENTRY = f"${{lookup{{$domain}}partial0-lsearch{{{DOMAINS}}}}}"
_SEVERAL = f"{{and{{{{eq{{$domain}}{{}}}}{{!{_ROUTERS}}}}}}}"
# What stands in the log: the name of a file that is not there.
_WHY = "/our routers are gone from exim4.conf.template/run the playbook that sets this host up"
_NEVER = f"${{readfile{{{_WHY}}}}}"
_LINES = {
    _OPTION: f"${{if {_ROUTERS}{{}}{{partial0-lsearch;{DOMAINS}}}}}",
    _GREETING: f"${{if and{{{{eq{{$address_data}}{{}}}}{{or{{{{!eq{{{_ENTRY}}}{{}}}}{_SEVERAL}}}}}}}"
    f"{{{_NEVER}}}{{$primary_hostname}}}}",
}
# Debian's own template defines the greeting where it is to come from DNS.
_DEBIANS = re.compile(r"^[ \t]*REMOTE_SMTP_HELO_DATA==?\$\{lookup dnsdb .*", re.MULTILINE)
_SETS = {
    _OPTION: re.compile(rf"^[ \t]*{_OPTION}[ \t]*=", re.MULTILINE),
    _GREETING: re.compile(rf"^[ \t]*(?:{_GREETING}|REMOTE_SMTP_HELO_FROM_DNS)[ \t]*==?", re.MULTILINE),
}


def changes(host: Host, *, needed: bool) -> list[FileChange]:
    """The file with our settings in it.

    Args:
        host: the machine.
        needed: whether a part of ours stands in the template, and domains have entries.
    """
    text = host.read_text(LOCALMACROS) if host.state(LOCALMACROS) is not None else None
    after = text
    if text is not None and _BLOCK.note(text) is not None:
        after = _BLOCK.removed(text) or None
    lines = "".join(f"{name} = {value}\n" for name, value in _LINES.items() if not _place(host, name))
    if needed and lines:
        before = after or ""
        # at the beginning: the block of the virtual servers is put at the end each time
        after = _BLOCK.inserted(before, 0, heading() + lines)
    if after == text:
        return []
    content = None if after is None else after.encode("utf-8", "surrogateescape")
    # update-exim4.conf looks for this one below /etc, whatever directory it is told to read
    return [FileChange(LOCALMACROS, content, prerequisite=True)]


def is_all(text: str) -> bool:
    """Whether a file has our settings and nothing else."""
    return bool(text) and not _BLOCK.removed(text)


def warnings(host: Host, *, needed: bool) -> list[str]:
    """A warning where a setting of the administrator's leaves no room for ours, which would hold the mail."""
    place = _place(host, _OPTION) if needed else ""
    if not place:
        return []
    warning = (
        f"{place} sets {_OPTION}, so that mail of domains with an entry is not held should {TEMPLATE} be replaced by"
        " the package's own: keep the changed file in every upgrade"
    )
    return [warning]


def _place(host: Host, name: str) -> str:
    """File and line where the administrator has a setting already, with which ours cannot stand; else empty."""
    for path in (LOCALMACROS, TEMPLATE):
        text = _DEBIANS.sub("", _BLOCK.removed(host.read_text(path)))
        found = _SETS[name].search(text)
        if found:
            return f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
    return ""
