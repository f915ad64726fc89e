# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the administrator demands stays, unless the declaration says otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    provider as dovecot_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.doveconf import parse
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.provider import Dovecot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import STORE, RecordedHost

MAIN, OWN_FILE = "/etc/dovecot/dovecot.conf", "/etc/dovecot/conf.d/50-own.conf"
IMAP_FILE = "/etc/dovecot/conf.d/99-postmaster-imap.conf"
BOTH = frozenset({"require_secure_channel", "strength"})
IMAP = Vserver("imap", certificate="main", implicit_tls_port=993, left_out=BOTH)
OWN = "ECDHE-RSA-AES256-GCM-SHA384:AES256-SHA"


@pytest.fixture(params=["dovecot-2.3", "dovecot-2.4"])
def host(request, monkeypatch):
    monkeypatch.setattr(dovecot_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))
    host = RecordedHost(request.param)
    host.files[MAIN] = b"!include conf.d/*.conf\n!include_try local.conf\n"
    host.files["/etc/dovecot/conf.d/10-ssl.conf"] = b"ssl = yes\n"
    host.answers[f"openssl ciphers -s -tls1_2 {OWN}"] = f"{OWN}\n"
    return host


def planned(host, vserver, *lines):
    """What our file says in its block, and the warnings, where the administrator's files have some lines."""
    host.files[OWN_FILE] = "\n".join((*lines, "")).encode()
    provider = Dovecot(host, Store(host, STORE))
    plan = provider.plan([provider.never_below(vserver, None)])
    (text,) = (one.content for one in plan.changes if one.path == IMAP_FILE)
    return parse((text or b"").decode())["protocol imap"], list(plan.warnings)


def explicit(**options):
    return replace(IMAP, left_out=BOTH - set(options), **options)


def test_nothing_of_their_own_means_the_defaults(host):
    found, warnings = planned(host, IMAP)
    assert (found["ssl"], found["ssl_min_protocol"]) == ("yes", "TLSv1.2")
    assert not warnings


@pytest.mark.parametrize(
    "lines", [("ssl = required",), ("ssl = yes", "protocol imap {", "ssl = required", "}"), ("ssl=required  # all",)]
)
def test_required_stays_required(host, lines):
    assert planned(host, IMAP, *lines)[0]["ssl"] == "required"
    assert planned(host, explicit(require_secure_channel=False), *lines)[0]["ssl"] == "yes"
    assert planned(host, replace(IMAP, auth_clear=("PLAIN",), auth_tls=("PLAIN",)))[0]["ssl"] == "yes"


@pytest.mark.parametrize("value", ["TLSv1.3", "LATEST"])
def test_tls_1_3_alone_stays_alone(host, value):
    line = f"ssl_min_protocol = {value}"
    assert planned(host, IMAP, line)[0]["ssl_min_protocol"] == "TLSv1.3"
    assert planned(host, IMAP, "protocol pop3 {", line, "}")[0]["ssl_min_protocol"] == "TLSv1.2"
    assert planned(host, explicit(strength="intermediate"), line)[0]["ssl_min_protocol"] == "TLSv1.2"


@pytest.mark.parametrize("value", ["ANY", "TLSv1", "TLSv1.2"])
def test_what_is_weaker_does_not_stay(host, value):
    found, _warnings = planned(host, IMAP, f"ssl_min_protocol = {value}", "ssl = no", "ssl = yes")
    assert found["ssl_min_protocol"] == "TLSv1.2"


def test_fewer_cipher_suites_stay_fewer(host):
    line = f"ssl_cipher_list = {OWN}"
    found, warnings = planned(host, IMAP, line)
    assert found["ssl_cipher_list"] == "ECDHE-RSA-AES256-GCM-SHA384"
    assert not warnings
    found, warnings = planned(host, explicit(strength="intermediate"), line)
    assert found["ssl_cipher_list"] == ":".join(STRENGTHS["intermediate"].ciphers)
    (warning,) = warnings
    assert "imap/default becomes weaker than before" in warning
    assert "ECDHE-ECDSA-AES128-GCM-SHA256" in warning


def test_fewer_groups_stay_fewer(host):
    found, warnings = planned(host, IMAP, "ssl_curve_list = P-384:X448")
    assert found["ssl_curve_list"] == "secp384r1"
    assert not warnings
    found, (warning,) = planned(host, explicit(strength="intermediate"), "ssl_curve_list = P-384:X448")
    assert found["ssl_curve_list"] == "X25519:prime256v1:secp384r1"
    assert "allows X25519, prime256v1, which your own ssl_cipher_list or ssl_curve_list does not" in warning
    found, (warning,) = planned(host, IMAP, "ssl_curve_list = X448")
    assert "accepts others than your own ssl_cipher_list or ssl_curve_list (X448)" in warning
    assert planned(host, IMAP, "ssl_curve_list = auto")[1] == []


def test_a_list_that_shares_nothing_with_ours_gives_way(host):
    host.answers["openssl ciphers -s -tls1_2 AES256-SHA"] = "AES256-SHA\n"
    found, _warnings = planned(host, IMAP, "ssl_cipher_list = AES256-SHA")
    assert found["ssl_cipher_list"] == ":".join(STRENGTHS["intermediate"].ciphers)


def test_an_option_that_is_taken_out_gives_back_what_stood(host):
    """Ours is not what stands, so it does not stay for its own sake."""
    host.take(
        Dovecot(host, Store(host, STORE)).plan([explicit(require_secure_channel=True, strength="modern")]).changes
    )
    found, _warnings = planned(host, IMAP)
    assert (found["ssl"], found["ssl_min_protocol"]) == ("yes", "TLSv1.2")


@pytest.mark.parametrize("line", ["ssl = required", "ssl_min_protocol = TLSv1.3"])
def test_a_block_that_demands_more_is_not_overruled_in_silence(host, line):
    # 2.4 lets the later one count, and 2.3 cannot decide
    host.files["/etc/dovecot/conf.d/05-own.conf"] = f"local 192.0.2.7 {{\n{line}\n}}\n".encode()
    with pytest.raises(Problem, match=r"05-own\.conf:2 demands more than") as caught:
        planned(host, IMAP)
    assert caught.value.option == "/etc/dovecot/conf.d/05-own.conf:2"
    # what it says helps
    assert "or declare a virtual server with that address" in caught.value.remedy
    asked = explicit(strength="modern") if "strength the value modern" in caught.value.remedy else None
    planned(host, asked or explicit(require_secure_channel=True))
    provider = Dovecot(host, Store(host, STORE))
    second = replace(IMAP, name="second", addresses=("192.0.2.7",), port=143)
    provider.plan([provider.never_below(one, None) for one in (IMAP, second)])


def test_each_address_has_what_stands_for_it(host):
    host.files["/etc/dovecot/conf.d/05-own.conf"] = b"local 192.0.2.1 {\nssl_min_protocol = TLSv1.3\n}\n"
    second = replace(IMAP, name="second", addresses=("192.0.2.1",), port=143)
    assert Dovecot(host, Store(host, STORE)).never_below(second, None).strength == "modern"
    assert Dovecot(host, Store(host, STORE)).never_below(IMAP, None).strength == "intermediate"
