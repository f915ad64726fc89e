# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is going to be written for a web server's sites, collected while a plan is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import Sites, SiteT

SitesT = TypeVar("SitesT", bound=Sites[Any])


@dataclass(frozen=True)
class TlsSettings:
    """What a site needs for TLS.

    Attributes:
        certificates: files with a certificate, its chain and its key each.
        strength: settings of the strength by name, in the web server's words.
    """

    certificates: Sequence[str]
    strength: Mapping[str, Sequence[str]]


class Draft(ABC, Generic[SiteT, SitesT]):
    """The files of a web server while virtual servers are added and removed.

    Attributes:
        texts: the administrator's files as they are now, by path.
    """

    texts: Mapping[str, str]

    @abstractmethod
    def sites_for(self, vserver: Vserver) -> SitesT:
        """The sites among which a virtual server finds its own."""

    @abstractmethod
    def add(self, vserver: Vserver, site: SiteT, tls: TlsSettings) -> None:
        """Make a site a virtual server, or bring it up to date.

        Raises:
            Problem: the site cannot be changed.
        """

    @abstractmethod
    def remove(self, vserver: Vserver) -> None:
        """Make a virtual server a plain site again; nothing happens where it is none."""

    @abstractmethod
    def written(self) -> tuple[Mapping[str, str], Mapping[str, str | None]]:
        """The administrator's files and ours as they are to be, by path; None for one that is to go."""

    def changes(self) -> list[FileChange]:
        """The files that change, and all of ours."""
        theirs, ours = self.written()
        changes = [FileChange(path, _encoded(text)) for path, text in theirs.items() if self.texts.get(path) != text]
        for path, content in ours.items():
            changes.append(FileChange(path, None if content is None else _encoded(content), "root", "root", 0o644))
        return changes


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
