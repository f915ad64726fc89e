# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a provider is: the adapter for one daemon, which serves virtual servers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, SettingsChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.processes import halt, process
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import WayBack
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import is_active
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    Endpoint,
    SaslSocket,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import strictest


def kept(vserver: Vserver, standing: Vserver | None) -> Vserver:
    """A virtual server that has the stricter of its defaults and what stands, for each option that is left out."""
    if standing is None:
        return vserver
    demanded = "require_secure_channel" in vserver.left_out and not vserver.auth_clear
    strengths = (vserver.strength, standing.strength) if "strength" in vserver.left_out else (vserver.strength,)
    return replace(
        vserver,
        require_secure_channel=vserver.require_secure_channel or (demanded and standing.require_secure_channel),
        strength=strictest(strengths),
    )


@dataclass(frozen=True)
class Capabilities:
    """What the installed daemon is and can do.

    Attributes:
        version: the daemon's version, such as (3, 7, 11).
        known: whether the collection was tested with this version.
        library: the TLS library it uses.
        key_permissions: owner, group and mode of the key file that it needs.
    """

    version: tuple[int, ...]
    known: bool
    library: TlsLibrary
    key_permissions: tuple[str, str, int] = ("root", "root", 0o600)


@dataclass(frozen=True)
class Plan:
    """What one provider would do.

    Attributes:
        changes: files as they must be; those that already are so are dropped when the plan is applied.
        settings: settings kept elsewhere than in files, where they differ from what they must be.
        needs: sockets that another daemon on this host must offer for this plan to work, also for virtual servers that
            the plan is not about.
        unneeded: sockets that are no longer needed.
        warnings: what the administrator should know, though nothing is wrong.
        lost: whom the administrator's own settings let in, and these do not, by virtual server.
        given_up: what the administrator's own settings demand of clients, and these do not, by virtual server.
    """

    changes: Sequence[FileChange] = ()
    settings: Sequence[SettingsChange] = ()
    needs: Sequence[SaslSocket] = ()
    unneeded: Sequence[SaslSocket] = ()
    warnings: Sequence[str] = field(default_factory=tuple)
    lost: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    given_up: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Mending:
    """What brings back a daemon that files of ours keep from starting.

    Attributes:
        why: what is wrong with them, in the daemon's own words.
        changes: the files as the installed version reads them.
        diff: both, as entries for a module's diff.
    """

    why: str
    changes: Sequence[FileChange] = ()
    diff: Sequence[dict[str, Any]] = ()


class Down(Problem):
    """A daemon that is needed does not run.

    Args:
        provider: the daemon.
        subject: the object that it is needed for.
        option: the option that has asked for it.
    """

    def __init__(self, provider: Provider, *, subject: str = "", option: str = "") -> None:
        self.provider = provider
        found, place = f"{provider.name} is installed but does not run", option
        refused = provider.refused()
        if refused:
            found, place = f"{found}: {refused.found}", refused.option or option
        remedy = refused.remedy.removesuffix(", then run again") + "; then " if refused else ""
        super().__init__(found, remedy + provider.remedy_where_down(), subject=subject, option=place)


class Provider(Daemon, ABC):
    """One daemon. Reading and planning change nothing; the transaction calls check and activate.

    Attributes:
        reads_files_by_itself: whether its processes read new files without being told.
        trusts_its_own_address: whether it takes a connection from its own address for secure, without TLS.
    """

    reads_files_by_itself: bool = False
    trusts_its_own_address: ClassVar[bool] = False

    @property
    @abstractmethod
    def config_roots(self) -> tuple[ConfigRoot, ...]:
        """Directories, or single files, of its configuration, and who is trusted with each; mostly an attribute."""

    def __init__(self, host: Host, store: Store) -> None:
        self.host = host
        self.store = store

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What the installed daemon is. Raises Problem where its version is too old."""

    def supported_options(self) -> frozenset[str]:
        """Those of ``options`` that the installed version supports."""
        return self.options

    @abstractmethod
    def read(self) -> dict[tuple[str, str], Vserver]:
        """The virtual servers as the daemon sees its own settings, by protocol and name.

        The one that the daemon has by itself is called ``default``; the others are those that plan() has made.

        Raises:
            Problem: the daemon refuses its present configuration.
        """

    def never_below(self, vserver: Vserver, found: Vserver | None) -> Vserver:
        """The virtual server, for which options that the declaration leaves out do not weaken what stands.

        Args:
            vserver: what is desired.
            found: what read() says of it; None where it is not there.
        """
        return kept(vserver, found)

    @abstractmethod
    def plan(self, desired: Sequence[Vserver]) -> Plan:
        """Files and settings as they must be for the desired virtual servers; every other line stays as it is.

        A virtual server with ``present`` False is removed: the daemon's own one gets back the settings that it had
        before this collection first changed them (see SavedSettings).

        Raises:
            Problem: the daemon cannot do what is asked.
        """

    def complete(self, changes: Sequence[FileChange]) -> Sequence[FileChange]:
        """Files that must change as well, because of all that one call changes in this daemon's files."""
        return ()

    def offer(self, socket: SaslSocket) -> Sequence[FileChange] | None:
        """Files that have this daemon check passwords for another one at that socket; None where it cannot."""
        return None

    def withdraw(self, socket: SaslSocket) -> Sequence[FileChange]:
        """Files that withdraw what offer() set up for that socket."""
        return ()

    @abstractmethod
    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        """Sockets at which a present virtual server can be tested, the clear-text one first.

        Addresses are the virtual server's own, or a local one where it listens on every address. Names that
        clients ask for (SNI) are added by the caller.
        """

    def client_names(self, vserver: Vserver) -> Sequence[str]:
        """The names by which clients ask for a virtual server, in ASCII, where the daemon's configuration says them."""
        return ()

    def staples(self, vserver: Vserver) -> bool:
        """Whether clients of a virtual server get an OCSP response with the certificate: the administrator's doing."""
        return False

    def elsewhere(self, vserver: Vserver, others: Iterable[Vserver]) -> set[tuple[str, int]]:
        """Addresses and ports at which other servers of this daemon are, also where a virtual server has that port.

        Args:
            vserver: one that listens on every address.
            others: all that the daemon serves.
        """
        return {
            (address, port)
            for one in others
            if one.key != vserver.key
            for address in one.addresses
            for port in (PROTOCOLS[one.protocol].port if one.port is None else one.port, one.implicit_tls_port)
        }

    def unopened(self) -> list[tuple[str, int]]:
        """Addresses and ports on which its files tell it to listen, and on which it does not.

        Empty where that is found out in another way.
        """
        return []

    def holds(self, socket: Listening) -> bool:
        """Whether a listening socket is this daemon's, and not that of another program or of a second instance."""
        ours, services = set(self.units), set[str]()
        for pid in socket.pids:
            found = process(pid)
            groups = found.control_groups() if found else frozenset()
            if groups & ours:
                return True
            services |= {group for group in groups if group.endswith(".service")}
        # somebody may have started it by hand; then nothing of it is in its unit
        return bool(socket.processes & self.processes) and not (services and is_active(self.host, self.unit))

    @abstractmethod
    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        """The daemon's own test of mirrored configuration, run by ``run`` as whoever config_roots names.

        Raises Problem with its complaint.
        """

    def refuse_broken(self, changes: Sequence[FileChange]) -> None:
        """Raise Problem where a daemon that serves could not go on with its own files, whatever is planned.

        It is asked before anything is changed, in check mode as well, when the daemon is to be activated.

        Args:
            changes: what the call writes and removes. What is in these files now does not count.
        """
        return  # where its own plan has looked already, or nothing of it is reloaded

    @abstractmethod
    def activate(self, run: Callable[..., Completed]) -> None:
        """Have the running daemon use its files as they are now. Raises Problem where it does not start."""

    def snapshot(self) -> dict[str, Any]:
        """Settings kept elsewhere than in files, before they are changed; goes into the journal, so no secrets."""
        return {}

    def restore(self, run: Callable[..., Completed], snapshot: Mapping[str, Any]) -> None:
        """Have the running daemon use its files, which have been put back, and the settings of a snapshot.

        The snapshot may have been made by another run, one that was killed. Raises Problem where that fails.
        """
        self.activate(run)

    @property
    def units(self) -> tuple[str, ...]:
        """All units that it may run in."""
        return (self.unit,)

    def way_back(self, snapshot: Mapping[str, Any]) -> WayBack:
        """How restore() is done without a provider: by restarting what was active. For the journal, so no secrets."""
        units = self.units
        active = tuple(one for one in units if is_active(self.host, one))
        return WayBack(self.name, units, active, down=not active and not self.running())

    def lay_down(self, run: Callable[..., Completed], snapshot: Mapping[str, Any]) -> None:
        """Leave a daemon as it was that did not run before: with its files, which have been put back, and stopped."""
        run(["systemctl", "stop", *self.units])

    @abstractmethod
    def running(self) -> bool:
        """Whether the daemon serves."""

    def refused(self) -> Problem | None:
        """What the daemon, which does not run, has against its own configuration; None where that is no reason."""
        try:
            self.read()
        except Problem as exc:
            return exc
        return None

    def mending(self) -> Mending | None:
        """How the daemon, which does not run, is brought back; None unless files of ours keep it from starting.

        One that the administrator has stopped, and that would start, is none of these.
        """
        return None

    def refuse_halted(self) -> None:
        """Raise Problem where the daemon runs, but stands still: it would never hear that there are new files."""
        found = halt(self.processes)
        if found:
            raise Problem(
                f"it stands still: its process {found.process.pid} ({found.process.name}) {found.how}",
                f"have it go on ('{found.remedy}'), or restart it ('systemctl restart {self.unit}'), then run again",
                subject=self.name,
            )

    def remedy_for_no_password_check(self) -> str:
        """What to do where plan() needs a socket that no daemon on this host offers, as the remedy of a Problem."""
        return "install a daemon that can check passwords for this one"

    def remedy_where_down(self) -> str:
        """What to do where the daemon does not run, as the remedy of a Problem."""
        # to systemd a unit may be active whose processes have ended, as with Exim and Postfix of Debian 12
        return f"start it ('systemctl restart {self.unit.removesuffix('.service')}') and run again"
