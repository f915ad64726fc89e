# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A web server, serving http: sites that the administrator has made get a port with TLS and a redirect to it.

How a web server writes its sites down is up to its own package; everything else about it is here.
"""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening, listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import (
    bring_up,
    is_active,
    is_wanted,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers import own_ciphers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Mending,
    Plan,
    Provider,
    kept,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.lost_copies import (
    lost_copies,
    named_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import (
    NamedFile,
    concerns,
    line_with,
    place_in,
    refuse_mismatch,
    written_by,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.checks import (
    Terms,
    refuse_clear_text_beside,
    refuse_conflicts,
    refuse_unsupported,
    site_for,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.commands import refuse_outranking
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.daemon import WebDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.draft import Draft, TlsSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import (
    EVERY_IPV4,
    EVERY_IPV6,
    EVERYWHERE,
    Sites,
    SiteT,
    Socket,
    asked_names,
    everywhere,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    MODERN,
    Strength,
    first_strength,
)

_PATIENCE = 5.0  # seconds after a reload in which the daemon must have opened its sockets
_PAUSE = 0.1  # seconds between two looks
_NEWEST = {"tlsv1.3"}
_LOOPBACK = {EVERY_IPV4: "127.0.0.1", EVERY_IPV6: "::1"}

SitesT = TypeVar("SitesT", bound=Sites[Any])
DraftT = TypeVar("DraftT", bound=Draft[Any, Any])


class WebProvider(WebDaemon, Provider, Generic[SiteT, SitesT, DraftT]):
    """The adapter for a web server. ``default`` is the site that answers on port 80 to clients that name no other.

    Attributes:
        terms: its own words, for messages.
        oldest: the oldest version that is good enough.
        newest: the newest series that the collection was tried with.
        config_directory: where its configuration lies.
        log: its error log.
        test_command: how an administrator has it test its configuration.
        settling: seconds after a reload before which it may still die of it.
    """

    terms: ClassVar[Terms]
    oldest: ClassVar[tuple[int, ...]]
    newest: ClassVar[tuple[int, int]]
    config_directory: ClassVar[str]
    log: ClassVar[str]
    test_command: ClassVar[str]
    settling: ClassVar[float] = 0.0

    # ---- what each web server says or writes in its own way

    @abstractmethod
    def _printed_version(self) -> Completed:
        """What it prints when asked for its version."""

    @abstractmethod
    def _known_texts(self) -> Mapping[str, str]:
        """Texts of the files that it reads, as far as that can be told though it refuses them."""

    @abstractmethod
    def _sites(self) -> SitesT:
        """Its sites. Raises Problem where it refuses its configuration."""

    @abstractmethod
    def _draft(self) -> DraftT:
        """Its files, to plan changes on."""

    @abstractmethod
    def _strength_settings(self, strength: Strength, library: TlsLibrary) -> Mapping[str, tuple[str, ...]]:
        """A strength in its words: the words of each setting."""

    @abstractmethod
    def _test(self, mirror: str) -> Sequence[str]:
        """The command that tests the configuration in a directory."""

    @property
    @abstractmethod
    def _own_test(self) -> Sequence[str]:
        """The command that tests the configuration as it is."""

    @abstractmethod
    def _pairs(self) -> Iterable[tuple[NamedFile, NamedFile]]:
        """Certificates and their keys that the configuration names."""

    @abstractmethod
    def _expected_sockets(self) -> Collection[Socket]:
        """Sockets that must be open once it has taken over its files."""

    @abstractmethod
    def _is_open(self, socket: Socket, found: Collection[Listening]) -> bool:
        """Whether a socket is among those that ss(8) shows."""

    @abstractmethod
    def _needs_restart(self, unopened: Collection[Socket]) -> bool:
        """Whether only a restart can open these sockets."""

    @abstractmethod
    def _has_started(self) -> bool:
        """Whether it has come up after a restart."""

    def _refuse_site(self, _sites: SitesT, _site: SiteT, _vserver: Vserver) -> None:
        """Raise Problem where this web server alone cannot make the site a virtual server."""

    def _review(self, _draft: DraftT, _desired: Sequence[Vserver]) -> Sequence[str]:
        """Warnings about a plan. Raises Problem where the plan would not hold, or would change other sites."""
        return ()

    # ---- reading

    def capabilities(self) -> Capabilities:
        printed = self._printed_version()
        match = re.search(r"\w/(\d{1,9})\.(\d{1,9})\.(\d{1,9})", printed.out + printed.err)
        version = tuple(int(part) for part in match.groups()) if match else ()
        if version < self.oldest:
            shown = ".".join(map(str, version)) or "of an unknown version"
            needed = ".".join(map(str, self.oldest))
            raise Problem(
                f"{self.terms.daemon} {shown} is too old", f"upgrade to {self.terms.daemon} {needed} or newer"
            )
        return Capabilities(version, known=version[:2] <= self.newest, library=openssl_library())

    def running(self) -> bool:
        return is_active(self.host, self.unit)

    def _refused(self, complaint: str, *, own: bool) -> Problem:
        """The daemon refuses its configuration: its own, as it is, or the one planned."""
        return Problem(
            f"{self.terms.daemon} refuses {'its own' if own else 'the'} configuration ({complaint})",
            f"fix the files below {self.config_directory} until '{self.test_command}' accepts them, then run again",
            option=place_in(complaint) or self._place_of(complaint) or self.config_directory,
        )

    def _place_of(self, complaint: str) -> str:
        """The line of the configuration that names a file which the daemon complains of; empty where none does."""
        named = re.findall(r"[\"'](/[^\"']+)[\"']", complaint)
        return next((place for path in named for place in (line_with(self._known_texts(), path),) if place), "")

    def read(self) -> dict[tuple[str, str], Vserver]:
        return self._vservers(self._sites())

    def _vservers(self, sites: SitesT) -> dict[tuple[str, str], Vserver]:
        unnamed = sites.unnamed()
        # a site that has a name here is not another virtual server as well
        is_default = unnamed is not None and (not unnamed.vservers or "default" in unnamed.vservers)
        found = {("http", "default"): self._as_vserver(sites, unnamed, "default")} if unnamed and is_default else {}
        for site in sites.all:
            for name in site.vservers:
                if name != "default":
                    found["http", name] = self._as_vserver(sites, site, name)
        return found

    def _as_vserver(self, sites: SitesT, site: SiteT, name: str) -> Vserver:
        """A site as the model says it."""
        port = site.tls[0].port if site.tls else 0
        addresses = {one.address for one in (site.tls or site.clear) if one.port == (port or one.port)}
        certificates = [self.store.behind(self.name, path) for path in site.certificates] if site.tls else []
        passwords = site.password_prompt is not None and not site.redirects
        return Vserver(
            protocol="http",
            name=name,
            certificate=certificates[0] if certificates else "",
            alternative_certificate=certificates[1] if certificates[1:] else "",
            require_secure_channel=site.redirects,
            strength=self._strength(sites, site),
            addresses=() if everywhere(addresses) else tuple(sorted(one.strip("[]") for one in addresses)),
            port=next((one.port for one in site.clear if one.port), 0),
            implicit_tls_port=port,
            auth_clear=("BASIC",) if passwords else (),
        )

    def _strength(self, sites: SitesT, site: SiteT) -> str:
        """The name of the strength that is in effect; empty where none is."""
        library = self.capabilities().library
        exact = first_strength(
            lambda one: all(
                _fits(sites.tls_setting(site, name), words)
                for name, words in self._strength_settings(one, library).items()
            )
        )
        return exact if exact and site.tls else (MODERN if sites.tls_versions(site) == _NEWEST else "")

    # ---- planning

    def never_below(self, vserver: Vserver, found: Vserver | None) -> Vserver:
        sites = self._draft().sites_for(vserver)
        site = sites.unnamed() if vserver.name == "default" else sites.named(vserver)
        modern = site is not None and sites.own_versions(site) == _NEWEST
        # a site that only redirects is no site of ours: see checks
        return kept(vserver, replace(vserver, require_secure_channel=False, strength=MODERN if modern else ""))

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        draft = self._draft()
        required = {one.name for one in desired if one.present and one.require_secure_channel}
        warnings: list[str] = []
        for vserver in sorted(desired, key=lambda one: one.present):  # what goes makes room for what comes
            if not vserver.present:
                draft.remove(vserver)
                continue
            refuse_unsupported(self.terms, vserver)
            sites = draft.sites_for(vserver)
            site = site_for(self.terms, sites, vserver)
            self._refuse_site(sites, site, vserver)
            refuse_conflicts(self.terms, sites, site, vserver)
            refuse_clear_text_beside(self.terms, sites, site, vserver, required)
            refuse_outranking(self.host, sites.commands(site), vserver)
            own = sites.own_lists(site)
            draft.add(vserver, site, self._tls(vserver, own))
            warnings += own_ciphers.warnings(self.host, vserver, own, self.terms.cipher_setting)
        warnings += self._review(draft, desired)
        return Plan(changes=tuple(draft.changes()), warnings=tuple(warnings))

    def _tls(self, vserver: Vserver, own: own_ciphers.OwnLists) -> TlsSettings:
        strength = own_ciphers.strength_within(self.host, vserver, own)
        return TlsSettings(
            [self.store.deployed_path(self.name, one) for one in vserver.certificates],
            self._strength_settings(strength, self.capabilities().library),
        )

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        sites = self._sites()
        site = sites.of(vserver.name)
        if site is None:
            return []
        wants = sites.wants_certificate(site)
        asked = "" if vserver.name == "default" else vserver.name
        proxied = sites.proxied
        found = []
        for tls, sockets in ((False, site.clear), (True, site.tls)):
            for one in dict.fromkeys(sockets):
                # one way into all addresses of the host is enough
                if one.port and not (one.address == EVERY_IPV6 and Socket(EVERY_IPV4, one.port) in sockets):
                    address = _LOOPBACK.get(one.address, one.address.strip("[]"))
                    proxy = 1 if one in proxied else 0
                    place = Endpoint(address, one.port, "http", tls, asked, proxy_protocol=proxy)
                    found.append(replace(place, wants_certificate=tls and wants))
        return found

    @staticmethod
    def _site_for(sites: SitesT, vserver: Vserver) -> SiteT | None:
        """The site that a virtual server is, or would be."""
        return sites.unnamed() if vserver.name == "default" else sites.of(vserver.name) or sites.named(vserver)

    def staples(self, vserver: Vserver) -> bool:
        sites = self._sites()
        site = self._site_for(sites, vserver)
        return site is not None and sites.staples(site)

    def client_names(self, vserver: Vserver) -> Sequence[str]:
        site = self._site_for(self._sites(), vserver)
        return list(dict.fromkeys(one for name in site.own_names for one in asked_names(name))) if site else []

    def elsewhere(self, vserver: Vserver, others: Iterable[Vserver]) -> set[tuple[str, int]]:
        # at an address that other sites name, the web server chooses among these
        site = self._sites().of(vserver.name)
        own = {*site.clear, *site.tls} if site else set()
        named = {place for one in self._sites().all for place in (*one.clear, *one.tls) if place not in own}
        return {(one.address.strip("[]"), one.port) for one in named if one.address not in EVERYWHERE}

    def unopened(self) -> list[tuple[str, int]]:
        found = list(listening(self.host))
        return [(one.address, one.port) for one in sorted(self._expected_sockets()) if not self._is_open(one, found)]

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        root, mirror = self.config_directory, mirrors[self.config_directory]
        # a path that leads back into the directory has to lead into the mirror
        rule = f"s#{root}\\([/\"' ]\\|$\\)#{mirror}\\1#g"
        done = run(["find", mirror, "-type", "f", "-exec", "sed", "-i", rule, "{}", "+"])
        if done.code == 0:
            done = run(self._test(mirror))
        if done.code != 0:
            raise self._refused(done.complaint.replace(mirror, root), own=False)

    def refused(self) -> Problem | None:
        """What the server, which does not run, has against its own configuration."""
        done = self.host.query(self._own_test)
        return self._refused(done.complaint, own=True) if done.code != 0 else super().refused()

    def mending(self) -> Mending | None:
        done = self.host.query(self._own_test)
        if done.code == 0 or not is_wanted(self.host, self.unit):
            return None
        permissions, is_named = self.capabilities().key_permissions, named_in(root.path for root in self.config_roots)
        lost = lost_copies(self.host, self.store, self.name, permissions, is_named)
        if not concerns(done.complaint, [one.path for one in lost]):
            return None
        return Mending(done.complaint, lost, [one.diff(self.host) for one in lost])

    def refuse_broken(self, changes: Sequence[FileChange]) -> None:
        written = written_by(changes)
        done = self.host.query(self._own_test)
        if done.code != 0:
            problem = self._refused(done.complaint, own=True)
            if not concerns(f"{done.complaint} {problem.option}", written):
                raise problem
            return
        for certificate, key in self._pairs():
            if not {certificate.path, certificate.place.rpartition(":")[0]} & written:
                refuse_mismatch(self.host, self.terms.daemon, certificate, key)

    def activate(self, run: Callable[..., Completed]) -> None:
        if self.running():
            done = run(["systemctl", "reload", self.unit])
            unopened = self._unopened() if done.code == 0 else []
            alive = self.running()
            if done.code == 0 and alive and not unopened:
                return
            if alive and not self._needs_restart(unopened):
                missing = f"it has not opened {', '.join(map(str, unopened))}"
                raise Problem(
                    f"{self.terms.daemon} does not take over its files and goes on as before"
                    f" ({done.complaint if done.code != 0 else missing})",
                    f"look at 'journalctl -u {self.unit}' and {self.log} on the host",
                    subject=self.terms.daemon,
                )
        bring_up(run, self.unit, self.terms.daemon, self._has_started, logs=self.log)

    def _unopened(self) -> list[Socket]:
        """Sockets that are configured and do not open, now or soon; nobody waits for a daemon that has ended."""
        expected = self._expected_sockets()
        began = time.monotonic()
        while True:
            found = list(listening(self.host))
            unopened = sorted(one for one in expected if not self._is_open(one, found))
            waited = time.monotonic() - began
            if not self.running() or waited > _PATIENCE or (not unopened and waited >= self.settling):
                return unopened
            time.sleep(_PAUSE)


def _fits(found: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the words of a setting are those of a strength, or allow fewer cipher suites or groups than that."""
    return [*found[:-1]] == [*wanted[:-1]] and own_ciphers.names_no_more("".join(found[-1:]), "".join(wanted[-1:]))
