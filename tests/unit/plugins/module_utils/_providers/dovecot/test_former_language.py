# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of ours that an upgrade has left in the former language, and with which Dovecot does not start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    NamedCertificate,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    provider as dovecot_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import LANGUAGES
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.doveconf import (
    Doveconf,
    render,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.former_language import (
    translated,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.provider import Dovecot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.virtual_servers import (
    path_of,
)
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import STORE, RecordedHost

OLD, NEW = LANGUAGES[2, 3], LANGUAGES[2, 4]
IMAP = Vserver("imap", certificate="main", require_secure_channel=True, implicit_tls_port=993)
POP3 = replace(IMAP, protocol="pop3", implicit_tls_port=995)
SECOND = replace(IMAP, name="second", addresses=("192.0.2.1", "192.0.2.2"), port=1143, implicit_tls_port=1993)
NAMES = tuple(NamedCertificate(name, "wild") for name in ("*.example.test", "a.example.test", "b.example.test"))
FILE = "/etc/dovecot/conf.d/99-postmaster-{}.conf"


@pytest.fixture(autouse=True)
def library(monkeypatch):
    monkeypatch.setattr(dovecot_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))


def secured(release, *vservers):
    """A host of a release, secured."""
    host = RecordedHost(release)
    provider = Dovecot(host, Store(host, STORE))
    plan = provider.plan(vservers)
    host.take(needed((*plan.changes, *provider.complete(plan.changes)), host))
    return host


@pytest.mark.parametrize(
    "vserver",
    [
        IMAP,
        replace(IMAP, require_secure_channel=False, auth_clear=("PLAIN",), auth_tls=("PLAIN",)),
        replace(IMAP, strength="modern", alternative_certificate="rsa", auth_tls=("PLAIN", "SCRAM-SHA-256")),
        replace(IMAP, sni=NAMES),
        SECOND,
    ],
    ids=["plain", "clear", "modern", "names", "second"],
)
def test_a_translation_is_what_would_be_written_now(vserver):
    path = path_of(*vserver.key)
    before, wanted = (secured(release, vserver).files[path].decode() for release in ("dovecot-2.3", "dovecot-2.4"))
    assert translated(before, NEW) == wanted != before


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_what_is_in_the_right_language_stays_byte_for_byte(language):
    release = "dovecot-" + ".".join(map(str, next(key for key, one in LANGUAGES.items() if one is language)))
    host = secured(release, IMAP, SECOND)
    for path in (FILE.format("imap"), FILE.format("imap_second")):
        text = host.files[path].decode() + "\n# an administrator's\n"
        assert translated(text, language) == text


def test_accounts():
    before, wanted = ("# ours\n" + render({"protocol smtp": one.accounts("/x/accounts")}) for one in (OLD, NEW))
    assert translated(before, NEW) == wanted


class Upgraded(RecordedHost):
    """A host with Dovecot 2.4 and files of ours for 2.3, which does not run."""

    def __init__(self, complaint="Error in configuration file {} line 5: ssl_cert: Unknown setting", *, wanted=True):
        super().__init__("dovecot-2.4")
        former = secured("dovecot-2.3", IMAP, POP3)
        self.files.update({path: former.files[path] for path in (FILE.format("imap"), FILE.format("pop3"))})
        self.complaint, self.wanted = complaint.format(FILE.format("imap")), wanted

    def query(self, argv, **options):
        if argv[:2] == ["systemctl", "is-failed"]:
            return Completed(1, "", "")
        if argv[:2] == ["systemctl", "is-enabled"]:
            return Completed(0 if self.wanted else 1, "", "")
        if argv[:2] == ["doveconf", "-x"]:
            return Completed(89 if self.complaint else 0, "", self.complaint)
        return super().query(argv, **options)


def mending(host):
    return Dovecot(host, Store(host, STORE)).mending()


def test_all_files_of_ours_are_put_right_also_those_that_are_not_declared():
    host = Upgraded()
    found = mending(host)
    assert found is not None
    assert found.why == host.complaint
    newer = secured("dovecot-2.4", IMAP, POP3)
    done = {one.path: one.content for one in found.changes}
    for protocol in ("imap", "pop3"):
        assert done[FILE.format(protocol)] == newer.files[FILE.format(protocol)]


@pytest.mark.parametrize(
    "host",
    [
        lambda: Upgraded("Error in configuration file /etc/dovecot/conf.d/99-own.conf line 1: x: Unknown setting"),
        lambda: Upgraded(""),
        lambda: Upgraded(wanted=False),
    ],
    ids=["another file", "would start", "disabled"],
)
def test_what_is_not_of_our_making_is_left_alone(host):
    assert mending(host()) is None


@pytest.mark.parametrize(
    ("file", "writer"),
    [
        ("99-postmaster-imap.conf", "mail_vserver_tls with imap/default"),
        ("99-postmaster-pop3_a_b.conf", "mail_vserver_tls with pop3/a_b"),
        ("99-postmaster-auth.conf", "mail_vserver_tls with submission"),
        ("99-postmaster-accounts.conf", "mail_relay_account with the accounts"),
        ("99-own.conf", ""),
    ],
)
def test_a_file_of_ours_that_somebody_has_damaged_is_named_with_the_call_that_writes_it(file, writer, monkeypatch):
    path = f"/etc/dovecot/conf.d/{file}"
    host = RecordedHost("dovecot-2.4")
    refused = Completed(89, "", f"Error in configuration file {path} line 3: x: Unknown setting")
    monkeypatch.setattr(host, "query", lambda _argv, **_options: refused)
    with pytest.raises(Problem, match="Dovecot refuses its own configuration") as caught:
        Doveconf(host).effective("ssl")
    assert caught.value.option == f"{path}:3"
    assert (f"'rm {path}'; {writer} writes it anew" in caught.value.remedy) is bool(writer)
