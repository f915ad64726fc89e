# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A dovecot.conf that does not read conf.d, and one line of ours in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    NamedCertificate,
    RelayAccount,
    SaslSocket,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import PasswordCheck
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    provider as dovecot_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.parser import Files
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.provider import Dovecot
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    RecordedHost,
    as_diff,
    check_golden,
)

MAIN = "/etc/dovecot/dovecot.conf"
IMAP_FILE, AUTH_FILE = "/etc/dovecot/conf.d/99-postmaster-imap.conf", "/etc/dovecot/conf.d/99-postmaster-auth.conf"
ONE_FILE = {
    "dovecot-2.3": b"protocols = imap\nssl = required\nmail_location = maildir:~/Mail\npassdb {\n  driver = pam\n}\n",
    "dovecot-2.4": b"dovecot_config_version = 2.4.1\nprotocols = imap\nssl = required\npassdb pam {\n}\n",
}
IMAP = Vserver("imap", certificate="main", require_secure_channel=True, implicit_tls_port=993)
SOCKET = SaslSocket("/var/spool/postfix/private/auth", "postfix", "postfix")


@pytest.fixture(params=ONE_FILE)
def release(request, monkeypatch):
    monkeypatch.setattr(dovecot_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))
    return request.param


@pytest.fixture
def host(release):
    host = RecordedHost(release)
    host.files[MAIN] = ONE_FILE[release]
    # Debian's files still lie there
    host.files["/etc/dovecot/conf.d/10-mail.conf"] = b"mail_location = mbox:~/mail\n"
    return host


def dovecot(host):
    return Dovecot(host, Store(host, STORE))


def whole(provider, changes):
    """All that a call changes, as the service puts it together."""
    return [*changes, *provider.complete(changes)]


def secure(host, *vservers):
    provider = dovecot(host)
    host.take(whole(provider, provider.plan(vservers or [IMAP]).changes))


def read_outside(host):
    files = Files(host, {})
    files.entries(MAIN)
    return files.outside_of_blocks


def test_our_files_alone_are_read_then(release, host):
    provider = dovecot(host)
    changes = whole(provider, provider.plan([IMAP]).changes)
    check_golden(f"{release}/one-file.diff", as_diff(host, changes))
    host.take(changes)
    assert read_outside(host) == {MAIN, IMAP_FILE}
    assert host.files[MAIN].startswith(ONE_FILE[release])
    secured = dict(host.files)
    secure(host)
    assert host.files == secured  # once


@pytest.mark.parametrize("end", [b"", b"\n", b"# the end", b"\n\n"])
def test_taken_back_byte_for_byte(host, end):
    host.files[MAIN] += end
    before = dict(host.files)
    secure(host)
    assert host.files[MAIN] != before[MAIN]
    secure(host, replace(IMAP, present=False))
    assert host.files == before


def test_what_is_added_behind_our_line_stays(host):
    secure(host)
    host.files[MAIN] += b"mail_max_userip_connections = 3\n"
    secure(host)
    secure(host, replace(IMAP, present=False))
    assert host.files[MAIN].endswith(b"}\nmail_max_userip_connections = 3\n")


@pytest.mark.parametrize("line", [b"!include conf.d/*.conf\n", b"!include_try /etc/dovecot/conf.d/99-*.conf\n"])
def test_no_line_where_another_one_reads_them(host, line):
    host.files[MAIN] += line
    before = host.files[MAIN]
    secure(host)
    assert host.files[MAIN] == before


def test_nor_any_longer_once_another_one_reads_them(host):
    secure(host)
    host.files[MAIN] += b"!include conf.d/*.conf\n"
    secure(host)
    assert b"postmaster" not in host.files[MAIN]
    assert IMAP_FILE in read_outside(host)


@pytest.mark.parametrize(
    "line",
    [
        b"!include conf.d/10-*.conf\n",
        b"!include_try /srv/dovecot/*.conf\n",
        b"!include_try local.conf\n",
        b"!include_try conf.d/*.inc\n",
        b"#!include conf.d/*.conf\n",
    ],
)
def test_includes_that_do_not_reach_our_files(host, line):
    host.files[MAIN] += line
    secure(host)
    assert IMAP_FILE in read_outside(host)


def test_a_last_line_that_goes_on(host):
    host.files[MAIN] += b"mail_plugins = quota \\\n"
    line = host.files[MAIN].count(b"\n")
    with pytest.raises(Problem, match=f"{MAIN}:{line} ends with a backslash"):
        secure(host)
    host.files[MAIN] = host.files[MAIN].replace(b" \\\n", b"\n")
    secure(host)


def test_there_need_be_no_conf_d(host):
    for path in [one for one in host.files if "/conf.d/" in one]:
        del host.files[path]
    secure(host)
    assert read_outside(host) == {MAIN, IMAP_FILE}


def test_files_that_are_read_further_down(host):
    host.files[MAIN] += b"!include_try site/main.conf\n"
    host.files["/etc/dovecot/site/main.conf"] = b"!include ../conf.d/*.conf\n"
    before = host.files[MAIN]
    secure(host)
    assert host.files[MAIN] == before


@pytest.mark.parametrize("block", [b"protocol imap {", b"local 192.0.2.1 {", b"service imap-login {"])
def test_read_within_a_block_is_refused(host, block):
    host.files[MAIN] += block + b"\n  !include conf.d/*.conf\n}\n"
    line = host.files[MAIN].count(b"\n") - 1
    with pytest.raises(Problem, match=f"{MAIN}:{line} includes {IMAP_FILE} within a block") as caught:
        secure(host)
    assert caught.value.option == f"{MAIN}:{line}"
    assert "99-postmaster-*.conf" in caught.value.remedy


NAMED = replace(IMAP, sni=(NamedCertificate("b.example.test", "b"),))


@pytest.mark.parametrize("before", [b"", b"protocol imap {\n  mail_max_userip_connections = 3\n}\n"])
def test_2_3_needs_something_that_is_begun_before_names(release, host, before):
    host.files[MAIN] += before
    as_it_was = host.files[MAIN]
    secure(host, NAMED)
    begun = [one.filters for one in Files(host, {}).entries(MAIN) if one.filters]
    assert (begun[0] == (("protocol", "!indexer-worker"),)) is (release == "dovecot-2.3")
    assert host.files[MAIN].count(as_it_was) == 1
    secure(host, IMAP)
    assert host.files[MAIN].startswith(as_it_was)
    secure(host, replace(IMAP, present=False))
    assert host.files[MAIN] == as_it_was


def test_unless_there_is_something(host):
    host.files[MAIN] += b"protocol !pop3 {\n}\n"
    secure(host, NAMED)
    assert b"indexer" not in host.files[MAIN]
    assert host.files[MAIN].count(b"BEGIN kept") == 1


def test_the_socket_for_a_submission_server(host):
    before = dict(host.files)
    provider = dovecot(host)
    host.take(whole(provider, provider.offer(SOCKET)))
    assert AUTH_FILE in read_outside(host)
    host.take(whole(provider, provider.withdraw(SOCKET)))
    assert host.files == before


def test_one_of_two_goes(host):
    provider = dovecot(host)
    host.take(whole(provider, [*provider.plan([IMAP]).changes, *provider.offer(SOCKET)]))
    host.take(whole(provider, provider.withdraw(SOCKET)))
    assert IMAP_FILE in read_outside(host)
    # one comes while the other goes, in one call
    gone = dovecot(host).plan([replace(IMAP, present=False)]).changes
    host.take(whole(provider, [*gone, *provider.offer(SOCKET)]))
    assert AUTH_FILE in read_outside(host)


def test_accounts_of_remote_hosts(host):
    before = dict(host.files)
    host.answers["doveconf auth_username_chars"] = "auth_username_chars = abc"
    host.answers["doveconf auth_cache_size"] = "auth_cache_size = 0"
    database = dovecot(host).account_database(PasswordCheck("dovecot", MAIN))
    assert database is not None
    host.take(database.changes([RelayAccount("relay", "secret")], []))
    assert "/etc/dovecot/conf.d/99-postmaster-accounts.conf" in read_outside(host)
    database = dovecot(host).account_database(PasswordCheck("dovecot", MAIN))
    assert database is not None
    host.take(database.changes([], ["relay"]))
    assert host.files == before


def test_a_unit_that_starts_it_with_another_file(host):
    unit, part = "/usr/lib/systemd/system/dovecot.service", "/etc/systemd/system/dovecot.service.d/own.conf"
    host.files[unit] = b"[Service]\nExecStart=/usr/sbin/dovecot -F\n"
    secure(host)
    host.files[part] = b"[Service]\nExecStart=\nExecStart=/usr/sbin/dovecot -F -c /srv/mail/dovecot.conf\n"
    with pytest.raises(Problem, match=rf"{part}:3 starts Dovecot with the configuration /srv/mail/dovecot\.conf"):
        secure(host)
    with pytest.raises(Problem, match=f"{part}:3"):
        whole(dovecot(host), dovecot(host).offer(SOCKET))
    host.files[part] = f"[Service]\nExecStart=\nExecStart=/usr/sbin/dovecot -F -c {MAIN}\n".encode()
    secure(host)
