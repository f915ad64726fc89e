# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains import preflight_client as _preflight
from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.preflight_client import Fault, look
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsRequirement
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.exclusions import exclusions
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import trust_store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.authorities import DAY, NAME, NOW
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import (
    Material,
    implicit,
    serving,
    smtp,
)

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(tmp_path_factory.mktemp("preflight"))


@pytest.fixture
def look_at(material):
    """What is wrong with a server on this machine: cause and reason, or None."""

    def run(script, **demand):
        with serving(script) as server:
            one = TlsRequirement("a.test", "[here]", HERE, server.port, exchangers=False, **demand)
            found = look([one], lambda: trust_store(str(material.ca_file)), [])
        assert found.untried == ()
        return found.faults[0][1] if found.faults else None

    return run


@pytest.mark.parametrize("level", ["encrypt", "dane-only"])
@pytest.mark.parametrize("kind", ["good", "self_signed", "expired"])
def test_any_certificate_will_do(kind, level, look_at, material):
    contexts = {
        "good": material.context,
        "self_signed": material.self_signed,
        "expired": lambda: material.context(not_before=NOW - 2 * DAY, not_after=NOW - DAY),
    }
    assert look_at(smtp(contexts[kind]()), level=level) is None


@pytest.mark.parametrize("level", ["encrypt", "verify", "secure", "fingerprint", "dane-only"])
def test_no_tls(level, look_at):
    fault = look_at(smtp(clear=("SIZE",)), level=level, names=(NAME,))
    assert fault == Fault("no_tls", fault.reason)
    assert fault.reason.endswith("the server does not offer STARTTLS")


def test_tls_is_offered_but_not_given(look_at):
    fault = look_at(smtp(answers={"STARTTLS": "454 4.7.0 TLS not available"}))
    assert (fault.cause, "TLS not available" in fault.reason) == ("no_tls", True)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize("level", ["encrypt", "secure"])
@pytest.mark.parametrize(
    ("version", "suite", "bits", "good"),
    [
        (ssl.TLSVersion.TLSv1_1, "ECDHE+AES:@SECLEVEL=0", 0, {}),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA", 0, {"legacy"}),
        (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256", 2048, {"legacy"}),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", 0, {"legacy", "intermediate"}),
        (ssl.TLSVersion.TLSv1_3, "DEFAULT", 0, {"legacy", "intermediate", "modern"}),
    ],
)
@pytest.mark.parametrize("strength", ["legacy", "intermediate", "modern"])
def test_strength(strength, version, suite, bits, good, level, look_at, material):
    context = material.context(bits=bits)
    context.minimum_version = version
    context.maximum_version = version
    context.set_ciphers(suite)
    words = ["aNULL:-aNULL:HIGH:MEDIUM", "@SECLEVEL=0", *(f"!{one}" for one in exclusions(STRENGTHS[strength]))]
    versions = {"versions": ("TLSv1.3",), "versions_set_by": "its strength"} if strength == "modern" else {}
    fault = look_at(smtp(context), level=level, names=(NAME,), ciphers=":".join(words), **versions)
    assert (fault is None) == (strength in good), fault
    if fault:
        assert fault.cause == "no_tls"
        assert f"it speaks {'' if strength == 'modern' and version == ssl.TLSVersion.TLSv1_2 else 'only '}TLSv1." in (
            fault.reason
        )


def test_no_suite_is_left(look_at, material):
    with pytest.raises(Problem, match="leave no cipher suite"):
        look_at(smtp(material.context()), ciphers="AES128-SHA:!SHA1")


@pytest.mark.parametrize("level", ["verify", "secure"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("self_signed", "is not trusted (self"),
        ("expired", "is not trusted (certificate has expired; the clock of the host that looks says 2"),
        ("other", "is for other.test, not for " + NAME),
    ],
)
def test_certificate_is_at_fault(kind, words, level, look_at, material):
    contexts = {
        "self_signed": material.self_signed,
        "expired": lambda: material.context(not_before=NOW - 2 * DAY, not_after=NOW - DAY),
        "other": lambda: material.context("other.test"),
    }
    fault = look_at(smtp(contexts[kind]()), level=level, names=(NAME,))
    assert fault.cause == "certificate"
    assert words in fault.reason


@pytest.mark.parametrize(
    ("shown", "names", "good"),
    [
        ("mail.a.test", ("mail.a.test",), True),
        ("mail.a.test", ("b.test", "mail.a.test"), True),
        ("mail.a.test", (".a.test",), True),
        ("x.mail.a.test", (".a.test",), True),
        ("a.test", (".a.test",), False),
        ("*.a.test", ("mail.a.test",), True),
        ("*.a.test", ("x.mail.a.test",), False),
        ("*.a.test", (".a.test",), True),
        ("mail.a.test", ("a.test",), False),
    ],
)
def test_names(shown, names, good, look_at, material):
    fault = look_at(smtp(material.context(shown)), level="secure", names=names)
    assert (fault is None) is good


def test_name_by_which_the_server_was_found(look_at, material, monkeypatch):
    context = smtp(material.context("mx.a.test"))
    assert look_at(context, level="verify", own_name=True).cause == "certificate"
    with serving(context) as server:
        monkeypatch.setattr(_preflight, "mail_exchangers", lambda _servers, _domain, _patience: ("mx.a.test",))
        _resolve(monkeypatch, {"mx.a.test": [HERE]})
        one = TlsRequirement("a.test", "a.test", "a.test", server.port, level="verify", own_name=True)
        assert look([one], lambda: trust_store(str(material.ca_file)), []).faults == ()


@pytest.fixture
def told_apart(material):
    """A server that shows the certificate for its name only to clients that ask for that name."""
    default, right = material.context("hoster.test"), material.context("localhost")
    default.sni_callback = lambda tls, name, _context: setattr(tls, "context", right) if name == "localhost" else None
    return default


@pytest.mark.parametrize(
    ("server_name", "words"),
    [
        ("hostname", ""),
        ("localhost", ""),
        ("", "set servername to hostname"),
        ("other.test", "for hoster.test, not for"),
    ],
)
def test_the_name_that_the_server_is_told(server_name, words, told_apart, material):
    with serving(smtp(told_apart)) as server:
        one = TlsRequirement(
            "a.test", "[localhost]", "localhost", server.port, exchangers=False, level="secure", names=("localhost",)
        )
        found = look([replace(one, server_name=server_name)], lambda: trust_store(str(material.ca_file)), [])
    assert [words in fault.reason for _one, fault in found.faults] == ([True] if words else [])


@pytest.mark.parametrize(
    ("offered", "cause"),
    [("AUTH PLAIN LOGIN", ""), ("AUTH=LOGIN", ""), ("AUTH GSSAPI XOAUTH2", "no_login"), ("SIZE", "")],
)
def test_a_mechanism_to_log_in_with(offered, cause, look_at, material):
    fault = look_at(smtp(material.context(), inside=(offered,)), level="encrypt", mechanisms=("plain", "login"))
    assert (fault.cause if fault else "") == cause


def test_fingerprints(look_at, material):
    context = material.context()
    chain = x509.load_pem_x509_certificates(
        (material.ca_file.parent / "server.pem").read_bytes().split(b"KEY-----\n")[-1]
    )
    leaf = chain[0].public_bytes(Encoding.DER)
    key = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for content in (leaf, key):
        digest = hashlib.sha256(content).hexdigest().upper()
        shown = ":".join(digest[at : at + 2] for at in range(0, 64, 2))
        assert look_at(smtp(context), level="fingerprint", fingerprints=("AB:CD", shown)) is None
    assert look_at(smtp(context), level="fingerprint", fingerprints=("AB:CD",)).cause == "certificate"


def test_tls_at_once(look_at, material):
    assert look_at(implicit(material.context(), smtp()), level="secure", names=(NAME,), implicit_tls=True) is None
    assert look_at(smtp(), implicit_tls=True).cause == "no_tls"


@pytest.mark.parametrize("words", ["554 5.7.1 go away", "hello"])
def test_server_that_does_not_speak_to_us(words, look_at):
    assert look_at(smtp(greeting=words)).cause == "no_answer"


# ---- destinations


def _resolve(monkeypatch, addresses):
    """Have names resolve to addresses."""
    genuine = socket.getaddrinfo

    def getaddrinfo(host, port, **how):
        if host.replace(".", "").isdigit():
            return genuine(host, port, **how)
        if host not in addresses:
            raise socket.gaierror(-2, "Name or service not known")
        return [one for address in addresses[host] for one in genuine(address, port, **how)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def judged(monkeypatch):
    """Faults of domains whose exchangers and addresses are these; 127.0.0.9 has no TLS, 127.0.0.1 has."""
    tried = []

    def fault(demand, host, address, _trust, _end):
        tried.append(address)
        causes = {"9": "no_tls", "8": "certificate", "7": "no_answer"}
        cause = causes.get(address[-1])
        return Fault(cause, f"{host}: {cause}") if cause else None

    monkeypatch.setattr(_preflight, "_fault", fault)

    def run(exchangers, addresses, *demands):
        def told(_servers, domain, _patience):
            if domain not in exchangers:
                raise WireError("resolve", f"there is no domain {domain}")
            return exchangers[domain]

        monkeypatch.setattr(_preflight, "mail_exchangers", told)
        _resolve(monkeypatch, addresses)
        wanted = demands or tuple(TlsRequirement(domain, domain, domain) for domain in exchangers)
        return look(wanted, ssl.create_default_context, []), tried

    return run


@pytest.mark.parametrize(
    ("addresses", "cause"),
    [
        (["127.0.0.1"], None),
        (["127.0.0.9", "127.0.0.1"], None),
        (["127.0.0.7", "127.0.0.9"], "no_tls"),
        (["127.0.0.7", "127.0.0.8"], "certificate"),
        (["127.0.0.8", "127.0.0.9"], "no_tls"),
        (["127.0.0.7"], "no_answer"),
        (["127.0.0.7", *["127.0.0.9"] * 1, "127.0.1.9", "127.0.2.9", "127.0.3.9", "127.0.0.1"], "no_tls"),  # the sixth
    ],
)
def test_one_good_address_is_enough(addresses, cause, judged):
    names = {f"mx{number}": [address] for number, address in enumerate(addresses)}
    found, _tried = judged({"a.test": tuple(names)}, names)
    assert [fault.cause for _demand, fault in found.faults] == ([cause] if cause else [])


def test_exchanger_without_an_address_is_passed_over(judged):
    found, tried = judged({"a.test": ("gone", "mx")}, {"mx": ["127.0.0.1"]})
    assert (found.faults, tried) == ((), ["127.0.0.1"])
    found, _tried = judged({"a.test": ("gone",)}, {})
    assert found.faults[0][1] == Fault("no_answer", "gone has no address (Name or service not known)")


def test_domain_that_is_not_there(judged):
    found, tried = judged({}, {}, TlsRequirement("a.test", "a.test", "a.test"))
    assert found.faults[0][1] == Fault("no_answer", "there is no domain a.test")
    assert tried == []


def test_destinations_are_tried_once_and_in_bounds(judged, monkeypatch):
    monkeypatch.setattr(_preflight, "MOST_DESTINATIONS", 3)
    shared = [TlsRequirement(f"d{one}.test", "[gw]:25", "gw", exchangers=False) for one in range(1000)]
    others = [TlsRequirement(f"e{one}.test", f"e{one}.test", "gw", exchangers=False) for one in range(5)]
    found, tried = judged({}, {"gw": ["127.0.0.9"]}, *shared, *others)
    assert len(tried) == 3
    assert len(found.faults) == 1002
    assert [one.domain for one in found.untried] == ["e2.test", "e3.test", "e4.test"]


def test_time_is_bounded(judged, monkeypatch):
    monkeypatch.setattr(_preflight, "LONGEST", -1.0)
    found, tried = judged({"a.test": ("mx",)}, {"mx": ["127.0.0.9"]})
    assert (found.faults, [one.domain for one in found.untried], tried) == ((), ["a.test"], [])
