# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policies for outgoing mail, worked out and carried out on recorded hosts with Postfix."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.provider import Postfix
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import STORE

# What follows the level in a row of strength intermediate.
STRONG = (
    " protocols=>=TLSv1.2"
    " exclude=aNULL:eNULL:PSK:SRP:aDSS:MD5:RC4:DES:3DES:SEED:IDEA:CAMELLIA:ARIA:AESCCM:kRSA:kDHE:SHA1:SHA256:SHA384"
)
# What follows the grade's list of cipher suites that smtp(8) offers then.
OFFERED = ":@SECLEVEL={}:" + ":".join(f"!{one}" for one in [*STRONG.partition("exclude=")[2].split(":"), "eNULL"])


def planned(host, *policies, purge=False, ca_file="", mta_sts=None):
    """The plan for policies."""
    return Postfix(host, Store(host, STORE)).plan_domains(policies, purge=purge, ca_file=ca_file, mta_sts=mta_sts)


def apply(host, *policies, **options):
    """Carry a plan out; gives the outcome of each domain."""
    plan = planned(host, *policies, **options)
    host.take(plan.changes)
    return {one.domain: one for one in plan.outcomes}


def rows(host, path):
    """A table of ours, as Postfix reads it, but for the words of strength intermediate (see whole_rows())."""
    return {key: value.removesuffix(STRONG) for key, value in whole_rows(host, path).items()}


def whole_rows(host, path):
    """A table of ours, as Postfix reads it."""
    lines = host.read_text(path).split("\n")
    return dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
