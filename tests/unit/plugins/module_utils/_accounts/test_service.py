# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._accounts.options import parse
from ansible_collections.postmaster.secure_channel.plugins.module_utils._accounts.service import Accounts
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import crypt as libcrypt
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import RelayAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import (
    AccountBackend,
    AccountDatabase,
    PasswordCheck,
    SubmissionProvider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import LANGUAGES
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.passwd_file import (
    DovecotAccounts,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import (
    ACCOUNTS,
    ACCOUNTS_DROP_IN,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    LIMITED_LOGINS,
    SENDER_OWNERS,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.sender_logins import Logins
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.sasldb import (
    SaslDatabase,
    database_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import carry_out
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site

ELEMENT = {
    "name": "PARTNER\\relay",
    "password": "pw",
    "update_password": "always",
    "realm": None,
    "allowed_senders": None,
    "state": "present",
}
CHARACTERS = "abcABC.-_@"


class Files:
    """A host that is nothing but its files."""

    def __init__(self, **files):
        self.files = files

    def just_written(self, _path):
        return False

    def read_text(self, path):
        return self.files.get(path, "")

    def read(self, path):
        return self.files[path].encode() if path in self.files else None

    def state(self, path):
        return None

    def names_in(self, _directory):
        return []


# ---- options


def test_a_name_is_kept_byte_for_byte():
    assert parse(ELEMENT).name == "PARTNER\\relay"


def test_a_blank_password_is_not_none():
    assert parse({**ELEMENT, "password": ""}).password == ""
    assert parse({**ELEMENT, "password": None}).password is None


def test_an_account_shows_no_password():
    assert "secret" not in repr(RelayAccount("one", "secret"))


def test_senders_are_told_in_one_way():
    given = ["Partner.Example", "Bücher.example", "One@Partner.example"]
    assert parse({**ELEMENT, "allowed_senders": given}).allowed_senders == (
        "one@partner.example",
        "partner.example",
        "xn--bcher-kva.example",
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("name", ""),
        ("name", "two words"),
        ("name", "one,two"),
        ("name", '"quoted"'),
        ("name", "#comment"),
        ("password", "two\nlines"),
        ("password", "nul\0"),
        ("realm", "a realm"),
        ("realm", "-u"),
        ("allowed_senders", []),
        ("allowed_senders", ["*", "partner.example"]),
        ("allowed_senders", ["@partner.example"]),
        ("allowed_senders", ["a b@partner.example"]),
        ("allowed_senders", ["not a domain"]),
    ],
)
def test_what_cannot_be_is_refused(option, value):
    with pytest.raises(Problem) as caught:
        parse({**ELEMENT, option: value})
    assert caught.value.option == option
    assert caught.value.subject.startswith("account ")


# ---- hashes


@pytest.mark.parametrize("password", ["", "pw", "Grüße", "x" * libcrypt.LONGEST])
def test_a_hash_is_known_again_and_no_other(password):
    hashed = libcrypt.hash_of(password)
    assert hashed.startswith("$6$")
    assert hashed != libcrypt.hash_of(password)
    assert libcrypt.matches(password, hashed)
    assert not libcrypt.matches(password[:-1] + "y", hashed)
    assert not libcrypt.matches(password, "*0")


# ---- Dovecot's file


def dovecot(version=(2, 4), characters=CHARACTERS, shape="%Lu", cache="0", **files):
    settings = {"auth_username_chars": characters, "auth_username_format": shape, "auth_cache_size": cache}
    host: Any = Files(**files)
    return DovecotAccounts(host, "dovecot", LANGUAGES[version], lambda *_names: settings)


def contents(changes):
    return {one.path: None if one.content is None else one.content.decode() for one in changes}


def test_the_file_is_read_as_it_was_written():
    one, two = RelayAccount("AB\\c", "pw"), RelayAccount("abc", "")
    written = contents(dovecot().changes([one, two], []))
    again = dovecot(**{ACCOUNTS: written[ACCOUNTS]})
    assert again.ours() == {"AB\\c", "abc"}
    assert again.accepts(one)
    assert again.accepts(two)
    assert not again.accepts(replace(two, password="pw"))
    assert "AB\\\\c:{SHA512-CRYPT}$6$" in written[ACCOUNTS], "Dovecot looks the name up escaped"


@pytest.mark.parametrize(("cache", "fresh", "loaded"), [("0", False, False), ("10 M", False, True), ("0", True, True)])
def test_dovecot_looks_into_the_file_at_each_login_unless_it_could_miss_the_change(cache, fresh, loaded, monkeypatch):
    monkeypatch.setattr(Files, "just_written", lambda _self, _path: fresh)
    accounts, drop_in, *_waiting = dovecot(cache=cache).changes([RelayAccount("abc", "pw")], [])
    assert (accounts.path, accounts.loaded) == (ACCOUNTS, loaded)
    assert drop_in.loaded


def test_the_file_is_closed_and_never_shown():
    accounts, drop_in, *_waiting = dovecot().changes([RelayAccount("abc", "pw")], [])
    assert (accounts.owner, accounts.group, accounts.mode, accounts.secret) == ("root", "dovecot", 0o640, True)
    assert "$6$" not in accounts.summary
    assert drop_in.mode == 0o644


@pytest.mark.parametrize("version", sorted(LANGUAGES))
def test_accounts_count_for_submission_alone(version):
    text = contents(dovecot(version).changes([RelayAccount("abc", "pw")], []))[ACCOUNTS_DROP_IN]
    assert "protocol smtp {\n  passdb" in text
    assert ACCOUNTS in text
    assert "auth_username_chars" not in text


def test_a_backslash_is_allowed_where_a_name_has_one_and_ends_no_line():
    text = contents(dovecot().changes([RelayAccount("AB\\c", "pw")], []))[ACCOUNTS_DROP_IN]
    assert "auth_username_chars = abcABC.-_\\@\n" in text
    again = dovecot(characters="abcABC.-_\\@", **{ACCOUNTS_DROP_IN: text})
    assert contents(again.changes([RelayAccount("AB\\c", "pw")], []))[ACCOUNTS_DROP_IN] == text


def test_without_accounts_all_files_go():
    files = {ACCOUNTS: "abc:{SHA512-CRYPT}$6$x::::::\n"}
    waiting = {f"{ACCOUNTS_DROP_IN}.2.3": None, f"{ACCOUNTS_DROP_IN}.2.4": None}
    assert contents(dovecot(**files).changes([], ["abc"])) == {ACCOUNTS_DROP_IN: None, ACCOUNTS: None, **waiting}


@pytest.mark.parametrize(
    ("account", "option"),
    [
        (RelayAccount("abc:c", "pw"), "name"),
        (RelayAccount("xyz", "pw"), "name"),
        (RelayAccount("abc", "pw", realm="example.test"), "realm"),
        (RelayAccount("abc", "x" * 512), "password"),
    ],
)
def test_dovecot_refuses(account, option):
    with pytest.raises(Problem) as caught:
        dovecot().check(account)
    assert caught.value.option == option


def test_a_rewritten_name_cannot_be_limited():
    with pytest.raises(Problem):
        dovecot(shape="%n").logins(RelayAccount("abc"))
    assert dovecot().logins(RelayAccount("abc")) == ("abc",)


# ---- the Cyrus SASL database


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ("", "/var/spool/postfix/etc/sasldb2"),
        ("pwcheck_method: auxprop\nauxprop_plugin: sasldb\n", "/var/spool/postfix/etc/sasldb2"),
        ("sasldb_path: /etc/other\n", "/var/spool/postfix/etc/other"),
        ("# pwcheck_method: saslauthd\n", "/var/spool/postfix/etc/sasldb2"),
    ],
)
def test_the_database_is_the_one_that_the_server_sees(options, path):
    assert database_of(options, "/var/spool/postfix") == path


@pytest.mark.parametrize("options", ["pwcheck_method: saslauthd", "auxprop_plugin: sql"])
def test_other_checks_are_refused(options):
    with pytest.raises(Problem):
        database_of(options, "/")


class Store:
    def originals_path(self, daemon):
        return f"/notes/{daemon}"


def database(**files):
    check = PasswordCheck("sasldb", "/db", "example.test", "postfix", "postfix")
    host: Any = Files(**files)
    store: Any = Store()
    return SaslDatabase(host, store, check)


def test_a_password_is_no_argument():
    change, notes = database().changes([RelayAccount("NT\\one", "pass-word")], [])
    (edit,) = change.edits
    assert edit.argv == ("saslpasswd2", "-p", "-c", "-f", "{file}", "-u", "example.test", "--", "NT\\one")
    assert edit.stdin == b"pass-word"
    assert "pass-word" not in repr(change)
    assert (change.owner, change.group, change.mode, change.secret) == ("root", "postfix", 0o640, True)
    assert database(**{"/notes/sasldb": notes.content.decode()}).ours() == {"NT\\one"}


def test_a_database_holds_no_blank_password():
    with pytest.raises(Problem):
        database().check(RelayAccount("one", ""))


def test_whoever_logs_in_is_known_with_and_without_realm():
    assert database().logins(RelayAccount("one")) == ("one", "one@example.test")
    assert database().logins(RelayAccount("one@else.test")) == ("one@else.test",)


# ---- the submission server

MASTER = """\
smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sender_restrictions=reject_non_fqdn_sender
pickup    unix  n       -       y       60      1       pickup
"""
PARAMETERS = {
    "default_database_type": "hash",
    "mail_owner": "postfix",
    "queue_directory": "/var/spool/postfix",
    "myhostname": "mx.example.test",
    "smtpd_sasl_type": "cyrus",
    "smtpd_sasl_path": "smtpd",
    "smtpd_sasl_local_domain": "",
}


class Notes(dict[str, Any]):
    def note(self, key, value):
        self.setdefault(key, value)

    def take_text(self, key):
        return self.pop(key)

    def keys(self, prefix=""):
        return [key for key in self if key.startswith(prefix)]

    def forget(self, keys):
        for key in keys:
            self.pop(key)

    def change(self):
        return FileChange("/notes", b"")


def logins(notes=None, **files):
    host: Any = Files(**{"/etc/postfix/master.cf": MASTER, **files})
    found: Any = Notes() if notes is None else notes
    return Logins(host, PARAMETERS, lambda name: PARAMETERS[name], found)


def test_the_rule_is_asked_first_and_only_where_one_can_log_in():
    written = contents(logins().changes({"one": ("a@b.test", "partner.test")}, {"one": ("one", "one@r")}))
    master = written["/etc/postfix/master.cf"]
    rule = "check_sasl_access,hash:/etc/postfix/postmaster_limited_logins"
    assert f"-o smtpd_sender_restrictions={rule},reject_non_fqdn_sender\n" in master
    assert master.count("check_sasl_access") == 1
    assert "@partner.test one, one@r\n" in written[SENDER_OWNERS]
    assert "a@b.test one, one@r\n" in written[SENDER_OWNERS]
    assert "one@r reject_authenticated_sender_login_mismatch\n" in written[LIMITED_LOGINS]
    assert logins(**{SENDER_OWNERS: written[SENDER_OWNERS]}).limits() == {"one": ("a@b.test", "partner.test")}


def test_the_rule_goes_and_what_was_there_stays():
    notes = Notes()
    limits = ({"one": ("partner.test",)}, {"one": ("one",)})
    master = contents(logins(notes).changes(*limits))["/etc/postfix/master.cf"]
    again = contents(logins(notes, **{"/etc/postfix/master.cf": master}).changes(*limits))
    assert again["/etc/postfix/master.cf"] == master
    undone = contents(logins(notes, **{"/etc/postfix/master.cf": master}).changes({}, {}))
    assert undone == {"/etc/postfix/master.cf": MASTER, SENDER_OWNERS: None, LIMITED_LOGINS: None, "/notes": ""}
    assert not notes


def test_a_chrooted_server_has_its_database_in_the_queue():
    assert logins().password_check() == PasswordCheck(
        "sasldb", "/var/spool/postfix/etc/sasldb2", "mx.example.test", "postfix", "postfix"
    )


def test_a_missing_socket_is_told_with_who_makes_it():
    other = MASTER.replace("-o smtpd_sasl_auth", "-o smtpd_sasl_type=dovecot -o smtpd_sasl_auth")
    with pytest.raises(Problem) as caught:
        logins(**{"/etc/postfix/master.cf": other}).password_check()
    assert "mail_vserver_tls with protocol=submission" in caught.value.remedy


def test_without_a_submission_server_nobody_can_log_in():
    with pytest.raises(Problem) as caught:
        logins(**{"/etc/postfix/master.cf": MASTER.replace("=yes", "=no")}).password_check()
    assert "mail_vserver_tls" in caught.value.remedy


# ---- a call


class Keeper(AccountDatabase):
    files: tuple[FileChange, ...] = ()

    def __init__(self, passwords):
        self.passwords = passwords

    def check(self, account):
        pass

    def ours(self):
        return set(self.passwords)

    def exists(self, account):
        return account.name in self.passwords

    def accepts(self, account):
        return self.passwords[account.name] == account.password

    def logins(self, account):
        return (account.name,)

    def changes(self, changed, gone):
        self.asked = ([one.name for one in changed], list(gone))
        return self.files

    def confirm(self):
        pass

    def warnings(self, account):
        return ()


class Server(SubmissionProvider, AccountBackend):
    name = "server"
    relays_for_accounts = True
    backends: ClassVar = {"dovecot": "dovecot-core"}
    processes = frozenset({"server"})
    keeper_of_accounts = None
    limits: Any = None

    def running(self):
        return True

    def password_check(self):
        return PasswordCheck("dovecot", "/socket")

    def sender_limits(self):
        return dict(self.limits)

    def limit_senders(self, limits, logins):
        self.limited = limits
        return ()

    def account_database(self, check):
        return self.keeper_of_accounts


Server.__abstractmethods__ = frozenset()


class Untouched:
    def apply(self, *_args, **_kwargs):
        raise AssertionError


def call(passwords, accounts, *, purge=False, backend="auto", limits=None):
    kind: Any = Server
    server = object.__new__(kind)  # the rest of a provider is not needed
    server.keeper_of_accounts = Keeper(passwords)
    server.limits = limits or {}
    host: Any = Files()
    store: Any = Store()
    transaction: Any = Untouched()
    site = Site(host, store, known=(Server,), find=lambda _host, _store: {"server": server})
    return server, carry_out(Accounts(site, backend, purge=purge), accounts, transaction)


def test_only_what_differs_is_written():
    accounts = [
        RelayAccount("same", "pw"),
        RelayAccount("other", "new"),
        RelayAccount("kept", "new", always=False),
        RelayAccount("silent"),
        RelayAccount("fresh", ""),
    ]
    server, report = call(dict.fromkeys(("same", "other", "kept", "silent"), "pw"), accounts)
    assert server.keeper_of_accounts.asked == (["other", "fresh"], [])
    assert [one["name"] for one in report.result["accounts"] if one["changed"]] == ["other", "fresh"]


@pytest.mark.parametrize(("loaded", "daemons"), [(True, ["keeper", "server"]), (False, [])])
def test_who_looks_into_the_accounts_each_time_is_not_reloaded(loaded, daemons):
    """A reload ends logins that have just begun."""
    kind: Any = Server
    server, keeper = object.__new__(kind), object.__new__(kind)
    keeper.name = "keeper"
    server.keeper_of_accounts, server.limits = Keeper({}), {}
    server.keeper_of_accounts.daemon = "keeper"
    server.keeper_of_accounts.files = (FileChange("/accounts", b"new", loaded=loaded),)
    host: Any = Files()
    store: Any = Store()
    site = Site(host, store, known=(Server,), find=lambda _host, _store: {"server": server, "keeper": keeper})
    plan = Accounts(site, "auto", purge=False).plan([RelayAccount("one", "pw")])
    assert [change.path for change in plan.changes] == ["/accounts"]
    assert [one.name for one in plan.participants] == daemons


def test_purge_takes_our_others_and_their_limits():
    limits = {"old": ("partner.test",), "one": ("partner.test",)}
    server, report = call({"one": "pw", "old": "pw"}, [RelayAccount("one", "pw")], purge=True, limits=limits)
    assert server.keeper_of_accounts.asked == ([], ["old"])
    assert server.limited == {"one": ("partner.test",)}
    assert report.result["accounts"][-1]["state"] == "absent"


def test_senders_stay_unless_they_are_given():
    limits = {"one": ("partner.test",)}
    assert call({"one": "pw"}, [RelayAccount("one", "pw")], limits=limits)[0].limited == limits
    lifted = [RelayAccount("one", "pw", allowed_senders=("*",))]
    assert call({"one": "pw"}, lifted, limits=limits)[0].limited == {}


@pytest.mark.parametrize("name", ["root", "Administrator", "CORP\\admin", "postmaster@example.test"])
def test_an_administrators_name_is_warned_of(name):
    assert any("administrator" in one for one in call({}, [RelayAccount(name, "pw")])[1].warnings)


def test_a_new_account_needs_a_password():
    with pytest.raises(Problem) as caught:
        call({}, [RelayAccount("one")])
    assert caught.value.option == "password"


def test_names_that_differ_in_case_only_are_one():
    with pytest.raises(Problem):
        call({}, [RelayAccount("One", "pw"), RelayAccount("one", "pw")])


def test_a_backend_that_the_server_does_not_ask_is_refused():
    with pytest.raises(Problem) as caught:
        call({}, [RelayAccount("one", "pw")], backend="sasldb")
    assert caught.value.option == "backend"
