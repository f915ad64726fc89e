# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates of a store cover the same DNS names, without comparing each with each other."""

from __future__ import annotations

from collections import Counter

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import kind_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import accepted_for, presented_as

_Holders = dict[str, set[str]]  # the certificates that have a name, by it


class NameIndex:
    """The DNS names of certificates: those that each has, and those that each covers."""

    def __init__(self) -> None:
        self._leaves: dict[str, Certificate] = {}
        self._wanted: _Holders = {}
        self._presented: _Holders = {}
        self._below: dict[str, set[str]] = {}  # names by the domain right above them, which a wildcard may cover

    def put(self, name: str, leaf: Certificate) -> None:
        """Enter a certificate, in place of one that was entered under this name before."""
        before = self._leaves.get(name)
        for dns_name in before.names if before else ():
            self._wanted[dns_name.lower()].discard(name)
            self._presented[presented_as(dns_name)].discard(name)
        self._leaves[name] = leaf
        for dns_name in leaf.names:
            wanted = dns_name.lower()
            self._wanted.setdefault(wanted, set()).add(name)
            self._presented.setdefault(presented_as(dns_name), set()).add(name)
            self._below.setdefault(wanted.partition(".")[2], set()).add(wanted)

    def overlaps(self, name: str) -> dict[str, set[str]]:
        """The others with the same kind of key that cover names of this certificate, or have names that it covers."""
        leaf = self._leaves[name]
        found: dict[str, set[str]] = {}
        for wanted in {one.lower() for one in leaf.names}:
            for other in self._covering(wanted):
                found.setdefault(other, set()).add(wanted)
        for presented in {presented_as(one) for one in leaf.names}:
            left, _dot, parent = presented.partition(".")
            for wanted in {presented, *(self._below.get(parent, ()) if left == "*" else ())}:
                if presented in accepted_for(wanted):
                    for other in self._wanted.get(wanted, ()):
                        found.setdefault(other, set()).add(wanted)
        kind = kind_of(leaf.key_type)
        return {
            other: same
            for other, same in found.items()
            if other != name and kind_of(self._leaves[other].key_type) == kind
        }

    def shared(self, *, same_kind: bool) -> dict[str, set[str]]:
        """The certificates by each DNS name that two of them cover.

        Args:
            same_kind: True for those with keys of the same kind, False for those with keys of different kinds.
        """
        found = {}
        for wanted, having in self._wanted.items():
            covering = self._covering(wanted)
            if having and len(having | covering) > 1:
                certificates = self._partnered(having, covering, same_kind=same_kind)
                if certificates:
                    found[wanted] = certificates
        return found

    def _covering(self, wanted: str) -> set[str]:
        """The certificates that cover a name."""
        return {name for accepted in accepted_for(wanted) for name in self._presented.get(accepted, ())}

    def _partnered(self, having: set[str], covering: set[str], *, same_kind: bool) -> set[str]:
        """Those that have a partner: one that has a name and another one that covers it, of the same kind or not."""
        kinds = {name: kind_of(self._leaves[name].key_type) for name in having | covering}
        found = set()
        for some, others in ((having, covering), (covering, having)):
            of_kind = Counter(kinds[name] for name in others)
            for name in some:
                alike = of_kind[kinds[name]]
                partners = alike - (name in others) if same_kind else len(others) - alike
                if partners:
                    found.add(name)
        return found
