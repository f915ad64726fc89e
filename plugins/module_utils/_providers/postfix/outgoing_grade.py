# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cipher suites of outgoing mail: Postfix has one list of the grade high, for its server and its clients alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.demands import CIPHERS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand

_CLIENTS = ("smtp", "lmtp")
_GRADES = ("tls_ciphers", "tls_mandatory_ciphers")
_GRADE = "high"


def warnings(
    vserver: Vserver, own: Mapping[str, str], services: Sequence[Service], different: Mapping[str, str]
) -> Iterator[str]:
    """A warning where outgoing mail has the grade whose list becomes ours.

    Args:
        vserver: the virtual server whose list it is.
        own: main.cf's parameters without us.
        services: those of master.cf.
        different: the parameters of main.cf that change.
    """
    if CIPHERS not in different:
        return
    for client in _CLIENTS:
        of_it = [
            {name: one.value for name, one in each.overrides.items()} for each in services if each.command == client
        ]
        for name in (f"{client}_{grade}" for grade in _GRADES):
            seen = [{**own, **one} for one in of_it if CIPHERS not in one]
            if any(expand(one.get(name, ""), lambda word: own.get(word, "")) == _GRADE for one in seen):
                yield (
                    f"{vserver.title}: {name} is {_GRADE}, so that outgoing mail is encrypted with the cipher suites of"
                    f" strength {vserver.strength} from now on, not with {own.get(CIPHERS, '')}; to leave it as it is,"
                    f" give the service '{client}' in master.cf '-o {CIPHERS}=' with that list"
                )
