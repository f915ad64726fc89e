# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the administrator demands of Cyrus stays, unless the declaration says otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import FileState
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import provider as cyrus_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import sasl
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.provider import Cyrus
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    IMAPD_CONF,
    STORE,
    RecordedHost,
    imapd_conf_options,
)

BOTH = frozenset({"require_secure_channel", "strength"})
IMAP = Vserver("imap", certificate="main", implicit_tls_port=993, left_out=BOTH)
OWN = "ECDHE-RSA-AES256-GCM-SHA384:AES256-SHA"


@pytest.fixture(params=["cyrus-3.6", "cyrus-3.10"])
def host(request, monkeypatch):
    monkeypatch.setattr(cyrus_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))
    monkeypatch.setattr(sasl, "installed", lambda: frozenset({"PLAIN"}))
    host = RecordedHost(request.param)
    host.files["/usr/lib/cyrus/bin/imapd"] = b""
    host.states["/usr/lib/cyrus/bin/imapd"] = FileState("root", "root", 0o755)
    host.answers[f"openssl ciphers -s -tls1_2 {OWN}"] = f"{OWN}\n"
    return host


def provider(host):
    return Cyrus(host, Store(host, STORE))


def demand(host, *lines):
    """Lines of the administrator's, in place of what Debian says of the same."""
    names = {line.partition(":")[0] for line in lines}
    kept = [line for line in host.read_text(IMAPD_CONF).splitlines() if line.partition(":")[0] not in names]
    host.files[IMAPD_CONF] = "\n".join([*kept, *lines, ""]).encode()


def secure(host, vserver):
    """The options then, and the warnings."""
    plan = provider(host).plan([provider(host).never_below(vserver, None)])
    host.take(plan.changes)
    return imapd_conf_options(host.read_text(IMAPD_CONF)), list(plan.warnings)


def explicit(**options):
    return replace(IMAP, left_out=BOTH - set(options), **options)


@pytest.mark.parametrize("line", ["tls_versions: tls1_3", "imap_tls_versions: tls1_3"])
def test_tls_1_3_alone_stays_alone(host, line):
    demand(host, line)
    options, _warnings = secure(host, IMAP)
    assert (options["imap_tls_versions"], options["imaps_tls_versions"]) == ("tls1_3", "tls1_3")
    assert provider(host).read()["imap", "default"].strength == "modern"
    assert secure(host, IMAP)[0] == options
    assert secure(host, explicit(strength="intermediate"))[0]["imap_tls_versions"] == "tls1_2 tls1_3"


def test_of_another_service_it_does_not_count(host):
    demand(host, "pop3_tls_versions: tls1_3")
    assert secure(host, IMAP)[0]["imap_tls_versions"] == "tls1_2 tls1_3"


@pytest.mark.parametrize("prefix", ["", "imap_"])
def test_what_refuses_clear_text_goes_on_refusing_it(host, prefix):
    demand(host, f"{prefix}tls_required: yes", f"{prefix}allowplaintext: no")
    options, _warnings = secure(host, IMAP)
    assert (options["imap_allowplaintext"], options["imaps_allowplaintext"]) == ("no", "no")
    assert secure(host, IMAP)[0] == options  # with a service of ours beside
    assert secure(host, explicit(require_secure_channel=False))[0]["imap_allowplaintext"] == "yes"


def test_fewer_cipher_suites_stay_fewer(host):
    demand(host, f"tls_ciphers: {OWN}")
    options, warnings = secure(host, IMAP)
    assert options["imap_tls_ciphers"] == "ECDHE-RSA-AES256-GCM-SHA384"
    assert not warnings
    assert provider(host).read()["imap", "default"].strength == "intermediate"
    options, (warning,) = secure(host, explicit(strength="intermediate"))
    assert options["imap_tls_ciphers"] == ":".join(STRENGTHS["intermediate"].ciphers)
    assert "imap/default becomes weaker than before" in warning


def test_the_other_group_stays(host):
    demand(host, "tls_eccurve: secp384r1")
    options, warnings = secure(host, IMAP)
    assert options["imap_tls_eccurve"] == "secp384r1"
    assert not warnings
    assert provider(host).read()["imap", "default"].strength == "intermediate"
    options, (warning,) = secure(host, explicit(strength="intermediate"))
    assert options["imap_tls_eccurve"] == "prime256v1"
    assert "strength intermediate allows prime256v1, which your own tls_ciphers or tls_eccurve does not" in warning


def test_a_group_that_no_strength_has_gives_way_and_that_is_said(host):
    demand(host, "tls_eccurve: secp521r1")
    options, (warning,) = secure(host, IMAP)
    assert options["imap_tls_eccurve"] == "prime256v1"
    assert "others than your own tls_ciphers or tls_eccurve (secp521r1)" in warning


def test_a_service_that_is_added_demands_what_its_model_demands(host):
    demand(host, "imap_tls_client_certs: optional", "imap_tls_client_ca_file: /srv/ca.pem")
    before = host.files[IMAPD_CONF]
    options, _warnings = secure(host, IMAP)
    assert options["imaps_tls_client_certs"] == "optional"
    assert options["imaps_tls_client_ca_file"] == "/srv/ca.pem"
    secure(host, replace(IMAP, present=False))
    assert host.files[IMAPD_CONF] == before


def test_the_proof_knows_which_services_demand_a_certificate(host):
    demand(host, "imap_tls_client_certs: require")
    secure(host, IMAP)
    assert [one.wants_certificate for one in provider(host).endpoints(IMAP)] == [True, True]
    secure(host, replace(IMAP, present=False))
    demand(host, "imap_tls_client_certs: optional")
    secure(host, IMAP)
    assert not any(one.wants_certificate for one in provider(host).endpoints(IMAP))


def test_an_option_that_is_taken_out_gives_back_what_stood(host):
    secure(host, explicit(require_secure_channel=True, strength="modern"))
    options, _warnings = secure(host, IMAP)
    assert options["imap_tls_versions"] == "tls1_2 tls1_3"
    assert options["imap_allowplaintext"] == "yes"


def test_and_so_do_mechanisms(host):
    demand(host, "imap_sasl_mech_list: SCRAM-SHA-256 PLAIN")
    fewer = replace(IMAP, auth_tls=("PLAIN",))
    assert secure(host, fewer)[0]["imap_sasl_mech_list"] == "PLAIN"
    options, _warnings = secure(host, IMAP)
    assert options["imap_sasl_mech_list"] == "SCRAM-SHA-256 PLAIN"
    assert options["imaps_sasl_mech_list"] == "SCRAM-SHA-256 PLAIN"
    assert "# taken out" not in host.read_text(IMAPD_CONF)
