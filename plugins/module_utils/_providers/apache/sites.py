# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's sites: which virtual host answers whom, and what stands in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import (
    CLEAR_PORT,
    Statement,
    Vhost,
    everywhere,
    statements,
)


class Sites:
    """All virtual hosts of a configuration.

    Args:
        found: as Apache lists them.
        texts: texts of the files that it reads, by path.
        loaded: its modules.
    """

    def __init__(self, found: Sequence[Vhost], texts: Mapping[str, str], loaded: set[str]) -> None:
        self.vhosts = list(found)
        self.texts = dict(texts)
        self.modules = loaded

    def unnamed(self) -> Vhost | None:
        """The virtual host that answers those who name none, in clear text on port 80; None where there is none."""
        firsts = [one for one in self.vhosts if one.port in (CLEAR_PORT, 0) and one.first]
        ranked = sorted(firsts, key=lambda one: (one.port == 0, not everywhere([one.address])))
        return ranked[0] if ranked else None

    def found(self, name: str) -> Vhost | None:
        """The virtual host that a virtual server stands for now; None where there is none."""
        if name == "default":
            return self.unnamed()
        return next((one for one in self.vhosts if one.ours == name), None)

    def site(self, vserver: Vserver) -> Vhost:
        """The virtual host that a virtual server is to stand for.

        Raises:
            Problem: there is none.
        """
        if vserver.name == "default":
            site = self.unnamed()
            if site is None:
                raise Problem(
                    "Apache has no virtual host that answers on port 80",
                    "enable one first, such as 000-default (a2ensite)",
                    subject=vserver.title,
                    option="name",
                )
            return site
        clear = [one for one in self.vhosts if one.port != vserver.implicit_tls_port or one.ours == vserver.name]
        named = [one for one in clear if vserver.name in self.names(one)]
        if not named:
            raise Problem(
                f"Apache has no virtual host with 'ServerName {vserver.name}'",
                "make it first; this collection adds TLS to it and leaves its content to you",
                subject=vserver.title,
                option="name",
            )
        return sorted(named, key=lambda one: (one.ours != vserver.name, one.port != CLEAR_PORT))[0]

    def names(self, vhost: Vhost) -> set[str]:
        """The names of a virtual host; Apache does not list the other names of one that is alone on its socket."""
        told = [one for one in self.block(vhost.key) if one.name in ("servername", "serveralias")]
        words = (word.rpartition("//")[2].partition(":")[0].lower() for one in told for word in one.args)
        return {*vhost.names, *words}

    def _begun(self, key: tuple[str, int]) -> list[Statement]:
        """The lines of a file from that on which a virtual host begins."""
        path, line = key
        here = [one for one in statements(path, self.texts.get(path, "")) if one.line >= line]
        return here[1:] if here and here[0].name == "<macro" else here

    def arguments(self, key: tuple[str, int]) -> tuple[str, ...]:
        """The words of the line that begins a virtual host."""
        begun = self._begun(key)
        return begun[0].args if begun and begun[0].name == "<virtualhost" else ()

    def block(self, key: tuple[str, int]) -> list[Statement]:
        """What stands in a virtual host."""
        found = []
        for one in self._begun(key)[1:]:
            if one.name == "</virtualhost":
                break
            found.append(one)
        return found

    @staticmethod
    def asks_password(one: Statement) -> bool:
        """Whether a line makes a site ask for passwords by itself."""
        return one.name == "authtype" and one.args[:1] != () and one.args[0].lower() in ("basic", "digest")
