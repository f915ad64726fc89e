# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The line of ours in dovecot.conf, where nothing else there has Dovecot read our files.

Debian's dovecot.conf reads all of conf.d. One that an administrator keeps in a single file does not, and must not begin
to: Debian's own files lie there, and would hide the administrator's settings. So the line names our files alone. It
stands at the end, where it is outside of all blocks, comes after what it has to outrank, and leaves to 2.4 the first
line, which must say the version.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.command_line import (
    refuse_other_main,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import Language
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.parser import (
    Entry,
    Files,
    Overlay,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import (
    CONFIG_DIRECTORY,
    DROP_IN,
    MAIN,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import MarkedBlock

_BLOCK = MarkedBlock(
    "# BEGIN kept by the Ansible collection postmaster.secure_channel; changes made here are lost",
    "# END kept by the Ansible collection postmaster.secure_channel",
    " (the line above had no end)",
)
# Of 'protocol imap' and of a block within which it stands as well, such as 'local_name NAME', 2.3 takes the latter only
# where something else that fits was begun before both, as it is in Debian's own 10-mail.conf; else it does not start.
_FIRST_BLOCK = "protocol !indexer-worker {\n}\n"
# relative, so that Dovecot's test of a copy of the directory reads the copies
_LINE = f"!include_try {os.path.relpath(DROP_IN.format('*'), CONFIG_DIRECTORY)}\n"


def is_ours(path: str) -> bool:
    """Whether a file is one of ours that Dovecot reads."""
    begin, _brace, end = DROP_IN.partition("{}")
    return path.startswith(begin) and path.endswith(end)


def overlay_of(changes: Sequence[FileChange]) -> dict[str, str | None]:
    """Files as they are planned."""
    return {
        one.path: None if one.content is None else one.content.decode("utf-8", "surrogateescape") for one in changes
    }


def inclusion(host: Host, language: Language, changes: Sequence[FileChange]) -> Sequence[FileChange]:
    """dovecot.conf as it must be once some files of ours have come or gone; nothing where it is so already.

    Args:
        host: the machine.
        language: what the installed version speaks.
        changes: all that a call changes in Dovecot's configuration.

    Raises:
        Problem: Dovecot reads another dovecot.conf, or a line of it has our files read within a block.
    """
    refuse_other_main(host)
    text = host.read_text(MAIN)
    bare = _BLOCK.removed(text)
    planned = {**overlay_of(changes), MAIN: bare}
    there = {path for path in paths_of_ours(host) if planned.get(path, "") is not None}
    there.update(path for path, content in planned.items() if is_ours(path) and content is not None)
    wanted = bare
    if there and bare:
        if not there <= _read_outside_of_blocks(host, planned):
            _refuse_unended(bare)
            wanted = _BLOCK.inserted(bare, len(bare), _LINE)
        if not language.later_counts and _needs_first_block(Files(host, {**planned, MAIN: wanted}).entries(MAIN)):
            wanted = _BLOCK.inserted(wanted, 0, _FIRST_BLOCK)
    return (FileChange(MAIN, wanted.encode("utf-8", "surrogateescape")),) if wanted != text else ()


def paths_of_ours(host: Host) -> list[str]:
    """The files of ours that are there."""
    directory = os.path.dirname(DROP_IN)
    paths = (os.path.join(directory, name) for name in host.names_in(directory))
    return [path for path in paths if is_ours(path)]


def _refuse_unended(text: str) -> None:
    """Raise Problem where the last line goes on, so that whatever is added would become a part of it."""
    if text.rstrip("\r\n").endswith("\\") and not text.endswith("\n\n"):
        line = text.rstrip("\n").count("\n") + 1
        raise Problem(
            f"{MAIN}:{line} ends with a backslash, so that it goes on in what comes next, and nothing does",
            "take the backslash out, then run again",
            option=f"{MAIN}:{line}",
        )


def _needs_first_block(entries: Sequence[Entry]) -> bool:
    """Whether a file of ours has blocks around one for a protocol, and nothing else for that one has been begun yet."""
    inner = {
        one.filters[-1]
        for one in entries
        if is_ours(one.path) and len(one.filters) > 1 and one.filters[-1][0] == "protocol"
    }
    for _kind, protocol in inner:
        begun = (one.filters[0][1] for one in entries if len(one.filters) == 1 and one.filters[0][0] == "protocol")
        fitting = [one for one in begun if one == protocol or (one.startswith("!") and one != f"!{protocol}")]
        if protocol in fitting[:1]:
            return True
    return False


def _read_outside_of_blocks(host: Host, planned: Overlay) -> set[str]:
    files = Files(host, planned)
    files.entries(MAIN)
    for path, place in files.within_blocks.items():
        if is_ours(path):
            raise Problem(
                f"{place} includes {path} within a block, and Dovecot does not take blocks such as ours there",
                f"have that line include files by other names than {os.path.basename(DROP_IN.format('*'))}; ours are"
                f" read from the end of {MAIN}",
                option=place,
            )
    return files.outside_of_blocks
