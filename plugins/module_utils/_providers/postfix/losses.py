# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the administrator's own settings allow to clients and demand of them, and those of a virtual server do not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import demands, submission
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand

_ByVserver = dict[tuple[str, str], Sequence[str]]


class Losses:
    """What is lost, of all virtual servers.

    Attributes:
        lost: whom the administrator's own settings let in, and these do not, by virtual server.
        given_up: what they demand, and these do not.
        warnings: the same, of what is changed now.
    """

    def __init__(self) -> None:
        self.lost: _ByVserver = {}
        self.given_up: _ByVserver = {}
        self.warnings: list[str] = []

    def note(
        self, vserver: Vserver, own: Mapping[str, str], wanted: Mapping[str, str], different: Collection[str]
    ) -> None:
        """Note what a virtual server costs.

        Args:
            vserver: the virtual server.
            own: the parameters as its service sees them without us.
            wanted: what is to be set.
            different: the parameters of which the service has something else now.
        """
        before = {
            name: expand(own.get(name, ""), lambda one: own.get(one, ""))
            for name in (*demands.PARAMETERS, *submission.PARAMETERS)
        }
        given_up = list(demands.given_up(before, wanted))
        shut_out = submission.let_in(before) if vserver.protocol == "submission" else []
        _extend(self.given_up, vserver, given_up)
        if vserver.protocol == "smtp" and demands.logins_in_clear_end(before, wanted):
            _extend(self.lost, vserver, ["logins of clients without TLS"])
        _extend(self.lost, vserver, [f"{one}, without a login" for one in shut_out])
        if different:
            self.warnings += [f"{vserver.title}: {one}" for one in given_up]
        if submission.RELAY in different and shut_out:
            self.warnings.append(
                f"{vserver.title} takes mail only from those who log in; shut out are {', '.join(shut_out)}"
            )


def _extend(kept: _ByVserver, vserver: Vserver, more: Sequence[str]) -> None:
    kept[vserver.key] = list(dict.fromkeys([*kept.get(vserver.key, ()), *more]))
