# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, FileState
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import ldif
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import (
    provider as openldap_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import slapd as daemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import (
    DEFAULTS_FILE,
    SASL_FILE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.provider import OpenLdap
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.sasl_conf import mechanisms
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    RecordedHost,
    as_diff,
    check_golden,
    recording,
)

RELEASES = {"openldap-2.5": (3, 0), "openldap-2.6": (3, 5)}  # with the OpenSSL that Debian has beside it


LDAP = Vserver("ldap", certificate="mx.example.test", require_secure_channel=True, implicit_tls_port=636)


ABSENT = replace(LDAP, present=False)


SCRAM = tuple(f"SCRAM-SHA-{number}" for number in (1, 224, 256, 384, 512))


NOT_PLAIN = ("CRAM-MD5", "DIGEST-MD5", "NTLM", *SCRAM)


ALL = (*NOT_PLAIN, "LOGIN", "PLAIN")


DEFAULTS, SASL = DEFAULTS_FILE, SASL_FILE


CASES = {
    "required": LDAP,
    "optional": replace(LDAP, require_secure_channel=False),
    "modern": replace(LDAP, strength="modern"),
    "legacy": replace(LDAP, strength="legacy"),
    "starttls-only": replace(LDAP, implicit_tls_port=0),
    "ldaps-only": replace(LDAP, port=0),
    "simple-in-clear": replace(LDAP, require_secure_channel=False, auth_clear=("SIMPLE",)),
    "simple-only": replace(LDAP, auth_tls=("SIMPLE",)),
}


CA, CA_DIRECTORY, DATABASE = "/etc/ldap/ca.pem", "/etc/ldap/cas", "/srv/ldap"
OLD = "/etc/ldap/old.pem"


class Slapd(RecordedHost):
    """A host whose slapd takes its settings as the real ones were seen to do.

    Attributes:
        root: attributes of cn=config.
        done: the programs with an effect that were run, by their first words.
        broken: answers to programs that fail, by name; each fails once.
        gone: files that are not there.
        closed: files that slapd's user cannot read.
        named: what its configuration names beside its settings.
        public_keys: what OpenSSL finds in files, where they are not ours.
    """

    def __init__(self, release: str) -> None:
        super().__init__(release)
        self.root: dict[str, tuple[str, ...]] = {}
        self.frontend: dict[str, tuple[str, ...]] = {}
        self.mechanisms = {"EXTERNAL", *ALL}
        self.up = True
        self.done: list[str] = []
        self.broken: dict[str, int] = {}
        self.gone: set[str] = set()
        self.closed: set[str] = set()
        self.named: dict[str, tuple[str, ...]] = {}
        self.public_keys: dict[str, str] = {}

    def state(self, path: str) -> FileState | None:
        if path in self.gone:
            return None
        named = path in (CA_DIRECTORY, DATABASE) or path.endswith((".pem", ".key", ".la", ".so"))
        return FileState("root", "openldap", 0o640) if named else super().state(path)

    def query(self, argv: Sequence[str], *, stdin: bytes = b"", user: object = "", **_options: Any) -> Completed:
        tool = argv[0]
        if tool == "slapcat":
            assert user == "openldap"
        if tool in self.broken and tool != "ldapsearch":
            return Completed(self.broken.pop(tool), "", f"{tool} fails")
        if tool == "systemctl":
            return self._unit(argv[1])
        if tool in ("ldapmodify", "slapmodify"):
            self.done.append(f"{tool} as {user}" if user else tool)
            return self._modify(stdin.decode(), running=tool == "ldapmodify")
        if tool == "test":
            assert user == "openldap"
            return Completed(1 if argv[2] in self.closed else 0, "", "")
        if tool == "openssl":
            assert user == "openldap"
            return Completed(0, self.public_keys.get(argv[-1], "a key"), "")
        if tool == "slaptest":
            return Completed(0, "", "")
        if tool == "slapcat":
            return Completed(0, self._shown("cn=config", self.root), "")
        if tool == "ldapsearch":
            if not self.up:
                return Completed(255, "", "ldap_sasl_interactive_bind: Can't contact LDAP server (-1)")
            if "supportedSASLMechanisms" in argv:
                return Completed(0, self._shown("", {"supportedSASLMechanisms": tuple(self.mechanisms)}), "")
            shown = {**self.root, **self.named, "olcArgsFile": ("/var/run/slapd/slapd.args",)}
            frontend = self._shown("olcDatabase={-1}frontend,cn=config", self.frontend)
            return Completed(0, self._shown("cn=config", shown) + frontend, "")
        return super().query(argv)

    @staticmethod
    def _shown(name: str, attributes: dict[str, tuple[str, ...]]) -> str:
        return f"dn: {name}\n" + "".join(f"{key}: {one}\n" for key, some in attributes.items() for one in some) + "\n"

    def _unit(self, verb: str) -> Completed:
        if verb in ("restart", "stop"):
            self.done.append(verb)
            self.up = verb == "restart"
            urls = " ".join(one.url for one in daemon.Slapd(self).listeners())
            self.files["/var/run/slapd/slapd.args"] = f"/usr/sbin/slapd -h {urls} -u openldap".encode()
            listed = mechanisms(self.read_text(SASL))
            self.mechanisms = {"EXTERNAL", *ALL} & (listed or {"EXTERNAL", *ALL})
        return Completed(0 if verb != "is-active" or self.up else 3, "", "")

    def _modify(self, ldif: str, *, running: bool) -> Completed:
        after = dict(self.root)
        head, *parts = re.split(r"\n-\n|changetype: modify\n", ldif.strip())
        assert head == "dn: cn=config\n"
        for part in parts:
            verb, *lines = part.split("\n")
            name = verb.partition(": ")[2]
            if verb.startswith("delete"):
                assert name in after
                if running and name in (config.CERTIFICATE, config.KEY):
                    return Completed(53, "", "ldap_modify: Server is unwilling to perform (53)")
                del after[name]
            else:
                after[name] = tuple(line.partition(": ")[2] for line in lines)
        limits = {**config.factors(after), "minssf": int(config.sasl_limits(after).get("minssf") or 0)}
        local = int(after.get(config.LOCAL, ("71",))[0])
        assert max(limits.values()) <= local, "root is locked out"
        self.root = after
        return Completed(0, "", "")


@pytest.fixture(params=RELEASES)
def release(request, monkeypatch):
    library = TlsLibrary("OpenSSL", RELEASES[request.param])
    monkeypatch.setattr(openldap_module, "openssl_library", lambda: library)
    monkeypatch.setattr(daemon, "PATIENCE", 0.0)
    return request.param


@pytest.fixture
def host(release):
    return Slapd(release)


def provider(host) -> OpenLdap:
    return OpenLdap(host, Store(host, STORE))


def apply(host, *vservers: Vserver) -> OpenLdap:
    openldap = provider(host)
    host.take(openldap.plan(vservers).changes)
    openldap.activate(host.query)
    return openldap


def found(host) -> Vserver:
    return provider(host).read()["ldap", "default"]


def test_stock_host_as_it_was_recorded(release):
    openldap = provider(RecordedHost(release))
    assert openldap.read() == {
        ("ldap", "default"): Vserver(
            "ldap",
            strength="",
            port=389,
            auth_clear=(*NOT_PLAIN, "SIMPLE"),
            auth_tls=tuple(sorted((*ALL, "ANONYMOUS", "SIMPLE"))),
        )
    }
    assert openldap.running()
    assert openldap.snapshot()["settings"] == {}
    assert openldap._slapd.listens_as_told()


def test_secured_host_as_it_was_recorded(release):
    # slapd itself, asked after it had been secured, says what was desired
    (desired,) = (Vserver("ldap", **one) for one in recording(release)["vservers"])
    openldap = provider(RecordedHost(release, state="secured"))
    assert openldap.read()["ldap", "default"] == replace(
        desired, port=389, auth_clear=(), auth_tls=tuple(sorted((*ALL, "ANONYMOUS", "SIMPLE")))
    )
    assert openldap._slapd.settings_on_disk() == openldap._slapd.state().settings
    assert openldap._slapd.listens_as_told()


def test_capabilities(release):
    found = provider(RecordedHost(release)).capabilities()
    assert found.version[:2] == tuple(int(part) for part in release.rpartition("-")[2].split("."))
    assert found.known
    assert found.library.name == {"openldap-2.5": "GnuTLS", "openldap-2.6": "OpenSSL"}[release]
    assert found.key_permissions == ("root", "openldap", 0o640)
    assert provider(RecordedHost(release)).supported_options() == {"auth_tls", "auth_clear"}


@pytest.mark.parametrize("case", CASES)
def test_plan_for_a_stock_host(case, release, host):
    plan = provider(host).plan([CASES[case]])
    text = as_diff(host, plan.changes)
    for settings in plan.settings:
        before, after = (one.splitlines(keepends=True) for one in (settings.before, settings.after))
        text += "".join(difflib.unified_diff(before, after, settings.target, settings.target, n=0))
    check_golden(f"{release}/{case}.diff", text)


@pytest.mark.parametrize("case", CASES)
def test_secured_and_taken_back(case, host):
    before, stock = dict(host.files), found(host)
    apply(host, CASES[case])
    desired = CASES[case]
    there = found(host)
    assert there == replace(
        desired, port=389 if desired.port is None else 0, auth_tls=desired.auth_tls or stock.auth_tls
    )
    again = provider(host).plan([desired])
    assert (needed(again.changes, host), list(again.settings)) == ([], [])
    apply(host, ABSENT)
    assert host.root == {}
    host.files["/var/run/slapd/slapd.args"] = before["/var/run/slapd/slapd.args"]
    assert host.files == before
    assert found(host) == stock
    again = provider(host).plan([ABSENT])
    assert (needed(again.changes, host), list(again.settings)) == ([], [])


def test_settings_of_the_administrator_stay(host):
    own = {
        config.CERTIFICATE: ("/etc/ssl/own.pem",),
        config.KEY: ("/etc/ssl/own.key",),
        config.SECURITY: ("update_ssf=56 simple_bind=56",),
        config.SASL: ("noplain,noactive,maxbufsize=1024",),
        config.DISALLOWS: ("bind_anon tls_2_anon",),
        config.REQUIRES: ("LDAPv3",),
    }
    host.root = dict(own)
    apply(host, replace(LDAP, auth_tls=(*ALL, "ANONYMOUS")))
    assert host.root[config.SECURITY] == ("update_ssf=56 ssf=128",)
    assert host.root[config.SASL] == ("noplain,noactive,maxbufsize=1024,minssf=128,maxssf=0",)
    assert host.root[config.DISALLOWS] == ("bind_simple tls_2_anon",)
    assert host.root[config.REQUIRES] == ("LDAPv3",)
    apply(host, ABSENT)
    assert host.root == own


def test_what_is_not_ours_is_not_taken_back(host):
    host.root = {config.CERTIFICATE: ("/etc/ssl/own.pem",), config.KEY: ("/etc/ssl/own.key",)}
    assert not provider(host).plan([ABSENT]).settings


def test_a_copy_without_notes_is_let_go(host):
    path = Store(host, STORE).deployed_path("openldap", "mx.example.test")
    host.root = {config.CERTIFICATE: (path,), config.KEY: (path,)}
    apply(host, ABSENT)
    assert host.root == {}


def test_what_keeps_clients_out_is_not_left_where_the_notes_are_lost(host):
    apply(host, LDAP)
    del host.files[Store(host, STORE).originals_path("openldap")]
    with pytest.raises(Problem, match="nobody knows what was there before") as caught:
        provider(host).plan([ABSENT])
    assert f"delete: {config.SECURITY}" in caught.value.remedy
    assert "take ldaps:/// out" in caught.value.remedy
    assert "runuser -u openldap -- slapmodify" in caught.value.remedy


def test_a_restart_only_where_it_is_needed(host):
    apply(host, replace(LDAP, implicit_tls_port=0))
    assert "restart" not in host.done
    apply(host, LDAP)  # another listener
    assert host.done.count("restart") == 1
    apply(host, replace(LDAP, strength="modern"))
    provider(host).activate(host.query)  # a renewed certificate
    assert host.done.count("restart") == 1
    apply(host, replace(LDAP, require_secure_channel=False))  # databases keep what they demanded when slapd started
    assert host.done.count("restart") == 2
    apply(host, ABSENT)
    assert host.done[-3:] == ["stop", "slapmodify as openldap", "restart"]


def test_a_renewed_certificate_is_read(host):
    apply(host, LDAP)
    host.done.clear()
    provider(host).activate(host.query)
    assert host.done == ["ldapmodify"]
    settings = provider(host)._slapd.state().settings
    path = settings[config.CERTIFICATE][0]
    assert ldif.tls_step(settings, settings) == (
        "dn: cn=config\nchangetype: modify\n"
        f"replace: olcTLSCertificateFile\nolcTLSCertificateFile: {path}\n-\n"
        f"replace: olcTLSCertificateKeyFile\nolcTLSCertificateKeyFile: {path}\n\n"
    )


@pytest.mark.parametrize("tool", ["ldapmodify", "slapmodify"])
def test_a_refusal_is_undone(tool, host):
    apply(host, LDAP)
    openldap, before, old = provider(host), dict(host.files), dict(host.root)
    snapshot = openldap.snapshot()
    desired = ABSENT if tool == "slapmodify" else replace(LDAP, strength="legacy", implicit_tls_port=0)
    host.take(openldap.plan([desired]).changes)
    host.broken[tool] = 80
    with pytest.raises(Problem, match=f"{tool} fails"):
        openldap.activate(host.query)
    host.files = before
    provider(host).restore(host.query, snapshot)
    assert host.root == old
    assert host.up
    assert found(host).implicit_tls_port == 636


def test_a_refused_change_of_tls_is_followed_by_the_old_one(host):
    apply(host, LDAP)
    openldap = provider(host)
    host.take(openldap.plan([replace(LDAP, strength="legacy")]).changes)
    host.done.clear()
    host.broken["ldapmodify"] = 80
    with pytest.raises(Problem, match="slapd refuses the settings"):
        openldap.activate(host.query)
    assert host.done == ["ldapmodify"]  # the second one, which puts the old pair back in force


def test_a_daemon_that_is_down_is_put_back_at_rest(host):
    openldap = provider(host)
    snapshot = openldap.snapshot()
    apply(host, LDAP)
    host.up = False
    provider(host).restore(host.query, snapshot)
    assert host.root == {}
    assert host.up


UNFIT = {
    "no CA": ({"olcTLSCACertificateFile": (CA,)}, {}, lambda host: host.gone.add(CA), f"{CA} is not there"),
    "closed": ({"olcTLSCRLFile": (CA,)}, {}, lambda host: host.closed.add(CA), f"openldap may not read {CA}"),
    "no directory": (
        {"olcTLSCACertificatePath": (CA_DIRECTORY,)},
        {},
        lambda host: host.gone.add(CA_DIRECTORY),
        f"{CA_DIRECTORY} is not there",
    ),
    "no module": (
        {"olcModulePath": ("/opt",), "olcModuleLoad": ("{0}pw-sha2.la",)},
        {},
        lambda host: host.gone.update(f"/opt/pw-sha2{ending}" for ending in ("", ".la", ".so")),
        "the module pw-sha2.la is not in /opt",
    ),
    "no database": (
        {"olcDbDirectory": (DATABASE,)},
        {},
        lambda host: host.gone.add(DATABASE),
        f"{DATABASE} is not there",
    ),
    "no certificate": (
        {},
        {config.CERTIFICATE: (OLD,), config.KEY: (OLD,)},
        lambda host: host.gone.add(OLD),
        f"{OLD} is not there",
    ),
    "other key": (
        {},
        {config.CERTIFICATE: (OLD,), config.KEY: ("/etc/ldap/key.pem",)},
        lambda host: host.public_keys.update({OLD: "another key"}),
        f"/etc/ldap/key.pem is not the key of {OLD}",
    ),
}


@pytest.mark.parametrize("unfit", UNFIT)
def test_what_slapd_could_not_start_with_is_named_before_anything(host, unfit):
    named, settings, happens, found_there = UNFIT[unfit]
    host.named, host.root = named, dict(settings)
    if settings:  # it would get these back
        apply(host, LDAP)
    happens(host)
    with pytest.raises(Problem) as caught:
        provider(host).plan([ABSENT if settings else LDAP])
    assert caught.value.found == f"slapd could not be started again: {found_there}"
    assert caught.value.option.endswith("cn=config")


def test_a_certificate_that_is_gone_is_replaced(host):
    host.root = {config.CERTIFICATE: (OLD,), config.KEY: (OLD,)}
    host.gone.add(OLD)
    apply(host, LDAP)
    assert found(host).certificate == LDAP.certificate


def test_slapd_that_would_not_start_again_is_not_stopped(host):
    host.root = {config.CERTIFICATE: (OLD,), config.KEY: (OLD,)}
    openldap = provider(host)
    snapshot = openldap.snapshot()
    assert ("runuser", "-u", "openldap", "--", "test", "-r", OLD) in [
        one.argv for one in openldap.way_back(snapshot).conditions
    ]
    apply(host, LDAP)
    host.gone.add(OLD)
    del host.done[:]
    with pytest.raises(Problem, match="could not be started again"):
        provider(host).restore(host.query, snapshot)
    assert host.done == []
    assert host.up


# ---- never below what stands, and back to it


@pytest.mark.parametrize("own", ["ssf=256", "tls=256 ssf=1", "simple_bind=256 update_ssf=256"])
def test_greater_strengths_of_the_administrators_stay(own, host):
    host.root = {config.SECURITY: (own,), config.LOCAL: ("256",)}
    apply(host, LDAP)
    before, after = (config.factors({config.SECURITY: values}) for values in ((own,), host.root[config.SECURITY]))
    assert after["ssf"] >= 128
    assert all(after.get(name, after["ssf"]) >= number for name, number in before.items())
    apply(host, replace(LDAP, require_secure_channel=False))  # as is asked for by name
    assert not found(host).require_secure_channel
    apply(host, ABSENT)
    assert config.factors(host.root) == before


@pytest.mark.parametrize(
    ("release", "own"),
    [
        ("openldap-2.5", {config.CIPHERS: ("SECURE256:-VERS-ALL:+VERS-TLS1.3",)}),
        ("openldap-2.6", {config.MINIMUM: ("3.4",)}),
    ],
    indirect=["release"],
)
def test_tls_1_3_alone_is_the_strength_modern(own, host):
    host.root = dict(own)
    assert found(host).strength == "modern"
    desired = replace(LDAP, strength="intermediate", left_out=frozenset({"strength"}))
    assert provider(host).never_below(desired, found(host)).strength == "modern"
    assert provider(host).never_below(replace(desired, left_out=frozenset()), found(host)).strength == "intermediate"


def test_what_an_option_changed_comes_back_with_the_option_alone(host):
    host.root = {config.REQUIRES: ("LDAPv3",), config.DISALLOWS: ("tls_2_anon",)}
    apply(host, LDAP)
    files, root = dict(host.files), dict(host.root)
    apply(host, replace(LDAP, auth_tls=("SIMPLE",), port=0, implicit_tls_port=1636))
    assert (host.root[config.REQUIRES], host.files != files) == (("LDAPv3 authc",), True)
    apply(host, LDAP)
    assert host.root == root
    assert {path: host.files[path] for path in files if path in (DEFAULTS, SASL)} == {
        path: content for path, content in files.items() if path in (DEFAULTS, SASL)
    }
    assert SASL not in host.files
    apply(host, ABSENT)
    assert host.root == {config.REQUIRES: ("LDAPv3",), config.DISALLOWS: ("tls_2_anon",)}


def test_a_restore_that_slapd_refuses_while_it_runs(host):
    apply(host, LDAP)
    snapshot = provider(host).snapshot()
    apply(host, replace(LDAP, strength="modern"))
    host.broken["ldapmodify"] = 80
    provider(host).restore(host.query, snapshot)
    assert found(host).strength == "intermediate"


def test_a_daemon_that_does_not_come_up(host):
    openldap = provider(host)
    host.up = False
    host.broken["systemctl"] = 3
    with pytest.raises(Problem, match="does not start"):
        openldap._slapd.restart(lambda argv: Completed(1, "", "") if argv[1] == "restart" else Completed(0, "", ""))


def test_an_old_snapshot(host):
    apply(host, LDAP)
    provider(host).restore(host.query, {})
    assert found(host).certificate == "mx.example.test"


def test_check_on_a_mirror(host):
    openldap = provider(host)
    openldap.plan([LDAP])
    assert openldap.config_roots == (ConfigRoot("/etc/ldap/slapd.d", "openldap"),)
    openldap.check(host.query, {"/etc/ldap/slapd.d": "/mirror"})
    assert host.done == ["slapmodify"]
    host.broken["slaptest"] = 1
    with pytest.raises(Problem, match=r"slapd refuses the configuration \(slaptest fails\)"):
        openldap.check(host.query, {"/etc/ldap/slapd.d": "/mirror"})
    provider(host).check(host.query, {})  # nothing was planned


def problem(host, vserver: Vserver) -> Problem:
    with pytest.raises(Problem) as caught:
        provider(host).plan([vserver])
    return caught.value


@pytest.mark.parametrize(
    ("asked", "option", "words"),
    [
        ({"name": "other"}, "name", "one virtual server"),
        ({"auth_clear": ("ANONYMOUS",)}, "auth_clear", "ANONYMOUS is not a login"),
        ({"auth_clear": ("CRAM-MD5", "SIMPLE")}, "auth_clear", "cannot choose among"),
        ({"auth_tls": ("GSSAPI",)}, "auth_tls", "does not have the SASL mechanisms GSSAPI"),
        ({"auth_tls": ("EXTERNAL", "SIMPLE")}, "auth_tls", "slapd does not ask for them"),
    ],
)
def test_what_slapd_cannot_do(asked, option, words, host):
    refusal = problem(host, replace(LDAP, require_secure_channel=False, **asked))
    assert refusal.option == option
    assert words in refusal.found
    assert refusal.subject == f"virtual server ldap/{asked.get('name', 'default')}"


def test_all_mechanisms_before_tls(host):
    desired = replace(LDAP, require_secure_channel=False, auth_clear=(*NOT_PLAIN, "SIMPLE"))
    apply(host, desired)
    assert found(host).auth_clear == desired.auth_clear
    assert config.SECURITY not in host.root
    assert config.LOCAL not in host.root


def test_client_certificates_count_as_a_mechanism(host):
    host.root["olcTLSVerifyClient"] = ("try",)
    assert "EXTERNAL" in (found(host).auth_tls or ())
    assert "slapd asks for them" in problem(host, replace(LDAP, auth_tls=("SIMPLE",))).found
    apply(host, replace(LDAP, auth_tls=("EXTERNAL", "SIMPLE")))
    assert found(host).auth_tls == ("EXTERNAL", "SIMPLE")


def test_a_frontend_that_refuses_clear_text(host):
    host.frontend = {config.SECURITY: ("ssf=64",)}
    assert found(host).require_secure_channel
    refusal = problem(host, replace(LDAP, require_secure_channel=False))
    assert "ssf=64" in refusal.found
    assert "frontend" in refusal.option


@pytest.mark.parametrize("answer", [Completed(255, "", "Can't contact LDAP server (-1)"), Completed(0, "", "")])
def test_no_way_in(answer, host, monkeypatch):
    monkeypatch.setattr(host, "query", lambda _argv: answer)
    with pytest.raises(Problem, match=r"root cannot read slapd's configuration .*ldapi:///"):
        provider(host).read()


def test_the_programs_to_ask_with(host, monkeypatch):
    monkeypatch.setattr(host, "which", lambda _tool: None)
    with pytest.raises(Problem, match="apt install ldap-utils"):
        provider(host).read()


@pytest.mark.parametrize("printed", ["@(#) $OpenLDAP: slapd 2.4.57+dfsg-3", ""])
def test_too_old_a_version(printed, host):
    host.answers["slapd -VV"] = printed
    with pytest.raises(Problem, match="is too old"):
        provider(host).capabilities()


def test_a_slapd_without_tls(host):
    host.answers["ldd /usr/sbin/slapd"] = "libc.so.6 => /lib/libc.so.6"
    with pytest.raises(Problem, match="neither GnuTLS nor OpenSSL"):
        provider(host).capabilities()


def test_endpoints(host):
    text = host.read_text(DEFAULTS).replace("ldap:///", "ldap://10.0.0.1/ ldaps://[fd00::1]:1636/")
    host.files[DEFAULTS] = text.encode()
    assert provider(host).endpoints(LDAP) == [
        Endpoint("10.0.0.1", 389, "ldap", implicit_tls=False),
        Endpoint("fd00::1", 1636, "ldap", implicit_tls=True),
    ]
    assert found(host).implicit_tls_port == 1636


# ---- down because of what we left there before an upgrade


GNUTLS = "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+ECDHE-RSA:+AES-128-GCM:+AEAD:+SIGN-ALL:+GROUP-X25519:-SIGN-RSA-SHA1"


@pytest.fixture
def upgraded(monkeypatch):
    """A host whose slapd is linked with OpenSSL by now, and does not start with our words for GnuTLS."""
    library = TlsLibrary("OpenSSL", (3, 5))
    monkeypatch.setattr(openldap_module, "openssl_library", lambda: library)
    monkeypatch.setattr(daemon, "PATIENCE", 0.0)
    host = Slapd("openldap-2.6")
    apply(host, LDAP)
    ours = host.root[config.CIPHERS]

    def query(argv: Sequence[str], **options: Any) -> Completed:
        if argv[:2] == ["openssl", "ciphers"]:
            return Completed(1 if argv[2].startswith("NONE") else 0, "", "no cipher match")
        if argv[:2] == ["systemctl", "restart"] and host.root.get(config.CIPHERS, ("",))[0].startswith("NONE"):
            host.done.append("restart")
            return Completed(1, "", "Job for slapd.service failed")
        if argv[:2] == ["systemctl", "is-failed"]:
            return Completed(1 if host.up else 0, "", "")
        return Slapd.query(host, argv, **options)

    del host.root[config.MINIMUM], host.root[config.GROUPS]
    host.root[config.CIPHERS] = (GNUTLS,)
    saved = host.files[f"{STORE}/originals/openldap.json"].decode()
    host.files[f"{STORE}/originals/openldap.json"] = re.sub(
        r',?\s*"cn=config olcTLS(?:ECName|ProtocolMin)": \[\]', "", saved
    ).encode()
    host.up = False
    monkeypatch.setattr(host, "query", query)
    return host, ours


def test_words_of_the_former_library_are_put_right_and_slapd_is_started(upgraded):
    host, ours = upgraded
    openldap = provider(host)
    mending = openldap.mending()
    assert mending is not None
    assert config.CIPHERS in mending.why
    assert host.root[config.CIPHERS] == (GNUTLS,)  # nothing has been done yet
    host.take(mending.changes)
    openldap.activate(host.query)
    assert host.up
    assert host.root[config.CIPHERS] == ours
    assert host.root[config.MINIMUM] == ("3.3",)
    plan = provider(host).plan([LDAP])
    assert (plan.settings, needed(plan.changes, host)) == ((), [])
    apply(host, ABSENT)
    assert not {config.CIPHERS, config.MINIMUM, config.GROUPS} & set(host.root)


def test_slapd_that_does_not_start_all_the_same_is_laid_down_as_it_was(upgraded):
    host, _ours = upgraded
    before = dict(host.root)
    openldap = provider(host)
    assert openldap.mending()
    snapshot = openldap.snapshot()
    assert openldap.way_back(snapshot).down
    openldap.activate(host.query)
    openldap.lay_down(host.query, snapshot)
    assert (host.up, host.root) == (False, before)


@pytest.mark.parametrize("root", [{}, {config.CIPHERS: ("NONE:",), config.CERTIFICATE: ("/etc/own.pem",)}])
def test_settings_that_are_not_ours_are_not_touched(upgraded, root):
    host, _ours = upgraded
    host.root = root
    assert provider(host).mending() is None
    refused = provider(host).refused()
    assert bool(refused) is bool(root)
    assert not root or (refused is not None and "NONE:" in refused.found)


def test_slapd_that_misses_its_copy_of_a_certificate_gets_it_again(upgraded):
    host, ours = upgraded
    host.root[config.CIPHERS] = ours
    assert provider(host).mending() is None
    (path,) = host.root[config.CERTIFICATE]
    host.gone.add(path)
    bundle = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    host.files[f"{STORE}/live/{LDAP.certificate}.pem"] = bundle
    before = dict(host.root)
    mending = provider(host).mending()
    assert mending is not None
    (change,) = (one for one in mending.changes if one.path == path)
    assert (change.content, change.secret) == (bundle, True)
    assert mending.why == f"{path} is not there"
    assert "AAAA" not in str(mending.diff)
    assert host.root == before
