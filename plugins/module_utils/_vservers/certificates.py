# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates of virtual servers: whether they are suitable, and the daemon's own copies of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.keys import daemon_copy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.must_staple import (
    MUST_STAPLE,
    REMEDY_FOR_MUST_STAPLE,
    is_must_staple,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import is_protected
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store, StoreEntry
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.mentions import mention
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import refuse_unusable
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import covers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Plan, Provider

# Least length of a key with 128 bits of security (NIST SP 800-57 part 1, table 2), by OpenSSL's name of its kind.
_LEAST_BITS = {"rsaEncryption": 3072, "id-ecPublicKey": 256}


@dataclass(frozen=True)
class Leaf:
    """What has to be known of a certificate here.

    Attributes:
        kind: OpenSSL's name of the kind of its key, such as ``rsaEncryption``.
        bits: length of the key; 0 where the kind has one length only.
        names: its DNS names.
    """

    kind: str
    bits: int
    names: tuple[str, ...]


class Certificates:
    """The live certificates of a host, for virtual servers.

    Args:
        host: the machine.
        store: its certificate store.
        passphrases: open the keys of certificates, by the certificate's name.
        check_mode: a certificate that is not there yet is taken to be installed by an earlier task.
    """

    def __init__(self, host: Host, store: Store, passphrases: Mapping[str, str], *, check_mode: bool) -> None:
        self._host = host
        self._store = store
        self._passphrases = passphrases
        self._check_mode = check_mode
        self._entries: dict[str, StoreEntry] = {}
        self._leaves: dict[str, Leaf] = {}

    def copies(self, provider: Provider, vserver: Vserver) -> list[FileChange]:
        """The daemon's own copies of a virtual server's certificates.

        Raises:
            Problem: one is not there, or not suitable.
        """
        bundles = {name: self._live(vserver, name) for name in vserver.certificates}
        for name, bundle in bundles.items():
            if bundle:
                self._refuse_must_staple(provider, vserver, name)
        if all(bundles.values()):
            self._refuse_unfit(vserver)
        try:
            return [self._copy(provider, vserver, name, bundle) for name, bundle in bundles.items()]
        except Problem as exc:
            raise exc.about(subject=vserver.title) from exc

    def uncovered(self, provider: Provider, vserver: Vserver) -> list[str]:
        """Warnings about names by which clients ask for a virtual server, and which its certificates do not cover.

        Names that the declaration gives are looked at by copies().
        """
        if not all(self._live(vserver, name) for name in vserver.certificates):
            return []
        names = [one for one in provider.client_names(vserver) if one not in vserver.server_names]
        found = []
        for certificate in (vserver.certificate, vserver.alternative_certificate):
            missing = [one for one in names if certificate and not covers(self._leaf(certificate).names, one)]
            if missing:
                found.append(
                    f"{vserver.title}: the certificate {certificate} does not cover {', '.join(missing)}"
                    f" (it covers: {', '.join(self._leaf(certificate).names) or 'no name'}), so clients will refuse"
                    " it there"
                )
        return found

    def _copy(self, provider: Provider, vserver: Vserver, name: str, bundle: bytes) -> FileChange:
        live_path, copy_path = self._entry(name).live.path, self._store.deployed_path(provider.name, name)
        passphrase = self._passphrases.get(name)
        if name != vserver.certificate and not is_protected(bundle):
            passphrase = None  # it was given for another one of the same virtual server
        content = daemon_copy(self._host, bundle, live_path, copy_path, passphrase) if bundle else b""
        owner, group, mode = provider.capabilities().key_permissions
        change = FileChange(
            copy_path,
            content,
            owner,
            group,
            mode,
            secret=True,
            prerequisite=True,
            summary=f"certificate {name} with its key",
        )
        if bundle and change.needed(self._host):
            refuse_unusable(self._host, live_path, passphrase)
        return change

    def unused_copies(
        self, provider: Provider, plan: Plan, before: Iterable[Vserver], after: Iterable[Vserver], *, leaving: bool
    ) -> tuple[list[FileChange], list[str]]:
        """The removal of copies that a daemon has no use for any more, and warnings of those that have to stay.

        Args:
            provider: the daemon.
            plan: what changes in its configuration.
            before: its virtual servers as they were found.
            after: those that it will have.
            leaving: whether a virtual server is given up. Then copies go too that no virtual server had, as where the
                administrator has taken the settings out.
        """
        used = {name for one in after for name in one.certificates}
        idle = set(self._store.deployed_names(provider.name)) - used
        had = {name for one in before for name in one.certificates}
        lost = set(self._store.names()) - had if leaving else set()
        changed = {change.path: change.content for change in plan.changes}
        roots = [root.path for root in provider.config_roots]
        changes: list[FileChange] = []
        warnings: list[str] = []
        for name in sorted(idle & (had | lost)):
            path = self._store.deployed_path(provider.name, name)
            # what is kept elsewhere than in files is not in these yet
            place = "" if plan.settings and name in had else mention(path, roots, changed)
            if place:
                warnings.append(f"{path} stays, since {place} names it")
                continue
            changes.append(
                FileChange(
                    path,
                    None,
                    secret=True,
                    summary=f"certificate {name}",
                    loaded=False,  # once its configuration, which is loaded, does not name it any more
                )
            )
        return changes, warnings

    def _entry(self, name: str) -> StoreEntry:
        if name not in self._entries:
            self._entries[name] = self._store.entry(name)
        return self._entries[name]

    def _live(self, vserver: Vserver, name: str) -> bytes:
        bundle = self._entry(name).live.bundle
        if bundle is None and not self._check_mode:
            known = ", ".join(self._store.names()) or "none"
            raise Problem(
                f"there is no live certificate {name!r} on this host (there are: {known})",
                "install it with mail_cert_install first",
                subject=vserver.title,
                option=_option_of(vserver, name),
            )
        return bundle or b""

    def _leaf(self, name: str) -> Leaf:
        if name not in self._leaves:
            bundle = self._entry(name).live.bundle or b""
            printed = self._host.query(["openssl", "x509", "-noout", "-text"], stdin=bundle).out
            kind = re.search(r"Public Key Algorithm: (\S+)", printed)
            bits = re.search(r"Public-Key: \((\d+) bit", printed)
            self._leaves[name] = Leaf(
                kind.group(1) if kind else "",
                int(bits.group(1)) if bits else 0,
                tuple(re.findall(r"DNS:([^\s,]+)", printed)),
            )
        return self._leaves[name]

    def _refuse_must_staple(self, provider: Provider, vserver: Vserver, name: str) -> None:
        """Raise Problem where clients must refuse a certificate as the daemon shows it."""
        if is_must_staple(self._store.leaf(name)) and not provider.staples(vserver):
            raise Problem(
                f"the certificate {name} {MUST_STAPLE}, and {provider.name} sends none",
                REMEDY_FOR_MUST_STAPLE,
                subject=vserver.title,
                option=_option_of(vserver, name),
            )

    def _refuse_unfit(self, vserver: Vserver) -> None:
        """Raise Problem where certificates do not do what this virtual server asks of them."""
        main, alternative = vserver.certificate, vserver.alternative_certificate
        self._refuse_same_type(vserver, main, alternative, "alternative_certificate")
        for named in vserver.sni:
            self._refuse_same_type(vserver, named.certificate, named.alternative_certificate, "sni")
        if vserver.require_128_bit:
            for name in vserver.certificates:
                self._refuse_weak(vserver, name)
        wanted = [(name, one, "server_names") for name in (main, alternative) if name for one in vserver.server_names]
        wanted += [(certificate, one.name, "sni") for one in vserver.sni for certificate in one.certificates]
        for name, host_name, option in wanted:
            if not covers(self._leaf(name).names, host_name):
                raise Problem(
                    f"the certificate {name} does not cover {host_name}"
                    f" (it covers: {', '.join(self._leaf(name).names) or 'no name'})",
                    "request one with that name in subject_alt_names of mail_cert_request",
                    subject=vserver.title,
                    option=option,
                )

    def _refuse_same_type(self, vserver: Vserver, one: str, other: str, option: str) -> None:
        if other and self._leaf(one).kind == self._leaf(other).kind:
            raise Problem(
                f"{one} and {other} have keys of the same type ({self._leaf(one).kind})",
                "name two with keys of different types, such as RSA and ECDSA",
                subject=vserver.title,
                option=option,
            )

    def _refuse_weak(self, vserver: Vserver, name: str) -> None:
        leaf = self._leaf(name)
        if leaf.bits < _LEAST_BITS.get(leaf.kind, 0):
            raise Problem(
                f"the key of {name} has {leaf.bits} bits, which is less than 128 bits of security",
                f"request one with at least {_LEAST_BITS[leaf.kind]} bits, or another key type",
                subject=vserver.title,
                option="require_128_bit",
            )


def _option_of(vserver: Vserver, name: str) -> str:
    """The option in which a virtual server names a certificate."""
    if name == vserver.certificate:
        return "certificate"
    return "alternative_certificate" if name == vserver.alternative_certificate else "sni"
