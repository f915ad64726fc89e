# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our files in the languages of later releases of Dovecot, which wait beside those that it reads now.

2.4 does not start with a file that is written for 2.3, so an upgrade of the distribution would stop it. Whenever
Dovecot starts, its unit's drop-in looks at the version that is installed, and puts what waits for that one in place,
before Dovecot reads it. A release that speaks the newest language has nothing waiting, and no drop-in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.unit_drop_in import (
    before_start,
    path_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import (
    LANGUAGES,
    Language,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import DROP_IN, UNIT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading

_ALL = DROP_IN.format("*")
# Of the words of "2.4.1-4 (7d8c0e5759)" the first one is the version.
_LINE = (
    'v=$(dovecot --version | cut -d" " -f1);'
    " for l in {languages}; do"
    ' if [ "$( (echo $l; echo "$v") | sort -V | head -n1)" = $l ]; then'
    ' for f in {files}.$l; do [ ! -e "$f" ] || mv -f "$f" "${{f%.$l}}"; done;'
    " fi; done"
)


def in_all_languages(path: str, language: Language, render: Callable[[Language], str] | None) -> list[FileChange]:
    """A file of ours as Dovecot reads it now, and as later releases will.

    Args:
        path: where it is.
        language: what the installed version speaks.
        render: what the file says in a language; None to remove it in all of them.
    """
    present = render(language).encode() if render else None
    changes = [FileChange(path, present, "root", "root", 0o644)]
    for number, other in LANGUAGES.items():
        later = render(other).encode() if render and number in _later(language) else None
        changes.append(FileChange(_waiting(path, number), later, "root", "root", 0o644, loaded=False))
    return changes


def _waiting(path: str, number: tuple[int, int]) -> str:
    return f"{path}.{_word(number)}"


def _word(number: tuple[int, int]) -> str:
    return ".".join(map(str, number))


def _later(language: Language) -> list[tuple[int, int]]:
    """The languages of later releases, the next one first."""
    own = next(number for number, one in LANGUAGES.items() if one is language)
    return sorted(number for number in LANGUAGES if number > own)


def at_start(host: Host, language: Language, changes: Sequence[FileChange]) -> Iterator[FileChange]:
    """The unit's drop-in as it must be once some files wait, or wait no more; nothing where it is so already.

    Args:
        host: the machine.
        language: what the installed version speaks.
        changes: all that a call changes in Dovecot's configuration.
    """
    directory, suffixes = os.path.dirname(_ALL), tuple(f".{_word(number)}" for number in LANGUAGES)
    there = {os.path.join(directory, name) for name in host.names_in(directory)}
    there = {path for path in there if path.startswith(_ALL.partition("*")[0]) and path.endswith(suffixes)}
    for one in changes:
        if one.path.endswith(suffixes):
            (there.discard if one.content is None else there.add)(one.path)
    if there or host.state(path_of(UNIT)) is not None:
        languages = " ".join(map(_word, _later(language)))
        line = _LINE.format(languages=languages, files=_ALL) if there and languages else ""
        yield before_start(UNIT, line, heading())
