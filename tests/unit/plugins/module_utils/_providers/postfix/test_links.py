# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    NamedCertificate,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    provider as postfix_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import services
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.provider import Postfix
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    STORE,
    RecordedHost,
)

SNAKEOIL = "/etc/ssl/certs/ssl-cert-snakeoil.pem"
KEY = "/etc/ssl/private/ssl-cert-snakeoil.key"
SMTP = Vserver("smtp", certificate="mx", port=25)
SUBMISSION = Vserver("submission", certificate="mx", require_secure_channel=True, port=587, implicit_tls_port=465)
ABSENT = [Vserver("smtp", present=False), Vserver("submission", present=False)]


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request, monkeypatch):
    monkeypatch.setattr(postfix_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))
    return RecordedHost(request.param)


def plan(host, *vservers):
    return Postfix(host, Store(host, STORE)).plan(vservers)


def apply(host, *vservers):
    """Carry a plan out, which a second run finds in place, and give its warnings."""
    done = plan(host, *vservers)
    host.take(done.changes)
    again = plan(host, *vservers)
    assert needed(again.changes, host) == []
    assert not again.warnings
    return list(done.warnings)


def override(host, service, name):
    (found,) = [one for one in services(host.read_text(MASTER_CF)) if f"{one.name}/{one.type}" == service]
    return found.overrides[name].value if name in found.overrides else None


# ---- main.cf


@pytest.mark.parametrize(
    ("name", "value", "meaning"),
    [
        ("smtp_tls_cert_file", "$smtpd_tls_cert_file", SNAKEOIL),
        ("smtp_tls_key_file", "${smtpd_tls_key_file}", KEY),
        ("lmtp_tls_cert_file", "$(smtpd_tls_cert_file)", SNAKEOIL),
        ("tlsproxy_client_cert_file", "${smtpd_tls_cert_file?{$smtpd_tls_cert_file}:{/none.pem}}", SNAKEOIL),
        ("tlsproxy_tls_cert_file", "${smtpd_tls_cert_file:/none.pem}", ""),
        (
            "smtp_tls_chain_files",
            "${smtpd_tls_cert_file?$smtpd_tls_key_file, $smtpd_tls_cert_file}",
            f"{KEY}, {SNAKEOIL}",
        ),
        ("smtp_tls_security_level", "${{$smtpd_tls_auth_only} == {no} ? {encrypt} : {none}}", "encrypt"),
        ("smtp_tls_mandatory_protocols", "$smtpd_tls_mandatory_protocols", ">=TLSv1"),
    ],
)
def test_what_refers_to_our_parameters_keeps_its_meaning(name, value, meaning, host):
    host.set(MAIN_CF, **{name: value})
    before = dict(host.files)
    (warning,) = apply(host, SMTP)
    assert host.parameters[name] == meaning
    assert warning.startswith(f"{MAIN_CF} line ")
    assert warning.endswith(f"keeps its meaning: {name} = {meaning}")
    apply(host, replace(SMTP, strength="modern"))
    assert host.parameters[name] == meaning
    apply(host, *ABSENT)
    assert host.files == before


def test_what_refers_to_it_by_way_of_a_parameter_of_the_administrators(host):
    host.set(MAIN_CF, house_cert="$smtpd_tls_cert_file", smtp_tls_cert_file="$house_cert")
    apply(host, SMTP)
    assert (host.parameters["house_cert"], host.parameters["smtp_tls_cert_file"]) == (SNAKEOIL, "$house_cert")


@pytest.mark.parametrize("value", ["$smtpd_tls_cert_file", "$smtpd_tls_chain_files"])
def test_what_is_meant_to_follow_the_server_follows_it(value, host):
    # these are Postfix' own defaults: the certificate that postscreen(8) shows
    name = value.replace("$smtpd", "tlsproxy")
    host.set(MAIN_CF, **{name: value})
    assert apply(host, SMTP) == []
    assert host.parameters[name] == value


def test_what_has_been_changed_since_is_not_put_back(host):
    host.set(MAIN_CF, smtp_tls_cert_file="$smtpd_tls_cert_file")
    apply(host, SMTP)
    host.set(MAIN_CF, smtp_tls_cert_file="/new.pem")
    apply(host, SMTP)
    apply(host, *ABSENT)
    assert host.parameters["smtp_tls_cert_file"] == "/new.pem"


def test_references_that_are_not_touched_stay(host):
    host.set(MAIN_CF, smtp_tls_CAfile="$smtpd_tls_CAfile", smtpd_tls_CAfile="/roots.pem")
    assert apply(host, SMTP, SUBMISSION) == []
    assert host.parameters["smtp_tls_CAfile"] == "$smtpd_tls_CAfile"


# ---- master.cf


def test_settings_of_services_keep_their_meaning(host):
    host.files[MASTER_CF] += (
        b"out unix - - y - - smtp -o smtp_tls_cert_file=$smtpd_tls_cert_file\n"
        b"  -o { smtp_tls_key_file = ${smtpd_tls_key_file} }\n"
    )
    before = dict(host.files)
    assert len(apply(host, SMTP)) == 2
    assert override(host, "out/unix", "smtp_tls_cert_file") == SNAKEOIL
    assert override(host, "out/unix", "smtp_tls_key_file") == KEY
    apply(host, *ABSENT)
    assert host.files == before


def test_servers_on_other_ports_do_not_refuse_clear_text_of_a_sudden(host):
    # what a content filter gives back, and what an old printer hands in
    host.files[MASTER_CF] += (
        b"127.0.0.1:10025 inet n - n - - smtpd\n  -o content_filter=\n"
        b"2525 inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes\n"
    )
    before = dict(host.files)
    assert len(apply(host, replace(SMTP, require_secure_channel=True))) == 3
    assert override(host, "127.0.0.1:10025/inet", "smtpd_tls_security_level") == "may"
    assert override(host, "127.0.0.1:10025/inet", "smtpd_tls_auth_only") is None
    assert override(host, "2525/inet", "smtpd_tls_auth_only") == "no"
    apply(host, SMTP)
    assert override(host, "127.0.0.1:10025/inet", "smtpd_tls_security_level") is None
    apply(host, *ABSENT)
    assert host.files == before


# ---- options that go


def test_table_of_certificates_of_the_administrators_is_asked_too_and_comes_back(host):
    theirs = "hash:/etc/postfix/sni_map"
    host.set(MAIN_CF, tls_server_sni_maps=theirs)
    before = host.files[MAIN_CF]
    named = replace(SMTP, sni=(NamedCertificate("imap.example.test", "imap"),))
    apply(host, named)
    ours = "texthash:/etc/postfix/postmaster-sni-smtp-default"
    assert host.parameters["tls_server_sni_maps"] == f"{ours}, {theirs}"
    postfix = Postfix(host, Store(host, STORE))
    assert postfix.read()[SMTP.key].sni == named.sni
    apply(host, named, SUBMISSION)  # which shows its own, and those of the administrator
    assert override(host, "submission/inet", "tls_server_sni_maps") == theirs
    apply(host, named, replace(SUBMISSION, sni=named.sni))
    assert override(host, "submission/inet", "tls_server_sni_maps").endswith(f"submission-default, {theirs}")
    apply(host, SMTP, SUBMISSION)
    assert host.parameters["tls_server_sni_maps"] == theirs
    assert override(host, "submission/inet", "tls_server_sni_maps") is None
    apply(host, *ABSENT)
    assert host.files[MAIN_CF] == before


@pytest.mark.parametrize(
    ("name", "value", "option"),
    [
        ("smtpd_sasl_mechanism_filter", "!login, static:rest", {"auth_tls": ("PLAIN",)}),
        ("smtpd_sasl_security_options", "noplaintext, noanonymous", {"auth_tls": ("PLAIN",), "auth_clear": ("PLAIN",)}),
        ("tls_server_sni_maps", "cdb:/etc/postfix/names", {"sni": (NamedCertificate("a.example.test", "a"),)}),
        ("tls_high_cipherlist", "aNULL:HIGH", {"strength": "intermediate"}),
    ],
)
@pytest.mark.parametrize("vserver", [SMTP, replace(SUBMISSION, require_secure_channel=False)])
def test_what_an_option_changed_is_as_before_when_the_option_goes(vserver, name, value, option, host):
    host.set(MAIN_CF, **{name: value})
    host.files[MASTER_CF] += f"submission inet n - y - - smtpd\n  -o {{ {name} = {value} }}\n".encode()
    without = replace(vserver, strength="modern")
    apply(host, without)
    before = host.files[MAIN_CF], host.files[MASTER_CF]
    apply(host, replace(without, **option))
    assert (host.files[MAIN_CF], host.files[MASTER_CF]) != before
    apply(host, without)
    assert (host.files[MAIN_CF], host.files[MASTER_CF]) == before
