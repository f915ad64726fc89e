# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a daemon without its provider: enough to tell whether a call needs it.

The code of a provider takes long to load; that of daemons that are not on the host is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host


class Daemon:
    """One daemon.

    Attributes:
        name: the word for the daemon, in the store's folders and in results.
        protocols: the protocols it can serve.
        processes: names of the processes that listen for it, as ss(8) shows them.
        packages: the Debian package to install for each protocol.
        programs: those by which it is known to be installed; all of one package, and needed.
        options: names of the modules' options that it supports, of those that not every daemon does; see
            _service/capability_check.py, which refuses the others.
        backends: what it can keep accounts in, as choices of the module's option, each with the package that brings it.
        sends_mail: whether it sends mail to other hosts: its provider is a DomainProvider.
        relays_for_accounts: whether remote hosts log in at its submission server: its provider is a SubmissionProvider.
        unit: its systemd unit.
    """

    name: ClassVar[str]
    protocols: ClassVar[frozenset[str]]
    processes: ClassVar[frozenset[str]]
    packages: ClassVar[Mapping[str, str]]
    programs: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[frozenset[str]] = frozenset()
    backends: ClassVar[Mapping[str, str]] = {}
    sends_mail: ClassVar[bool] = False
    relays_for_accounts: ClassVar[bool] = False
    unit: ClassVar[str]

    @classmethod
    def installed(cls, host: Host) -> bool:
        """Whether the daemon is on this host; one of which a program is missing is, so that this one is named."""
        return any(map(host.which, cls.programs))
