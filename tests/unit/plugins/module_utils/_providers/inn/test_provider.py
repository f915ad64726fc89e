# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, FileState
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn import provider as inn_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.provider import Inn
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    RecordedHost,
    as_diff,
    check_golden,
    recording,
)

RELEASES = {"inn-2.7.1": (3, 0), "inn-2.7.3": (3, 5)}  # with the OpenSSL that Debian has beside it
SETTINGS, READERS, SASL = "/etc/news/inn.conf", "/etc/news/readers.conf", "/etc/sasl2/INN.conf"
SOCKET = "/etc/systemd/system/postmaster-nntp-default-tls.socket"
NNTP = Vserver("nntp", certificate="mx.example.test", require_secure_channel=True, implicit_tls_port=563)
SECOND = replace(NNTP, name="second", certificate="news.example.test", addresses=("10.88.0.11",), port=1119)
PLAIN_SETTING = re.compile(r'^([a-z0-9]+):[ \t]+("?)(.*?)\2[ \t]*$', re.MULTILINE)
STAFF = b'auth "staff" {\n    hosts: "*"\n    auth: "ckpasswd"\n    default: "<guest>"\n}\n'

CASES = {
    "default": [NNTP],
    "modern": [replace(NNTP, strength="modern")],
    "legacy": [replace(NNTP, strength="legacy")],
    "optional": [replace(NNTP, require_secure_channel=False)],
    "starttls-only": [replace(NNTP, implicit_tls_port=0)],
    "both": [NNTP, SECOND],
}


class InnHost(RecordedHost):
    """A host on which innconfval answers by the files as they are now."""

    def query(self, argv: Sequence[str], *, environment: dict[str, str] | None = None, **_options: object) -> Completed:
        command = " ".join(argv)
        if argv[0].endswith("innconfval") and argv[1] == "-s":
            return Completed(0, self._innconfval(argv[2:], (environment or {})["INNCONF"]), "")
        if command in self.answers:
            return Completed(0, self.answers[command], "")
        return Completed(2, "", "")

    def _innconfval(self, keys: Sequence[str], path: str) -> str:
        stock = recording(self.names[0])["stock"]["answers"]
        defaults = next("\n".join(lines) for command, lines in stock.items() if "innconfval -s" in command)
        found = dict(re.findall(r"^([A-Z0-9]+)=(.*); export", defaults, re.MULTILINE))
        for key, _quote, value in PLAIN_SETTING.findall(self.read_text(path)):
            words = [f'"{word}"' for word in value.strip("[]").split()]
            shown = " ".join(words) if value.startswith("[") else value
            found[key.upper()] = value if value in ("true", "false") or value.isdecimal() else f"'{shown}'"
        rows = (f"{key.upper()}={found[key.upper()]}; export {key.upper()};" for key in keys if key.upper() in found)
        return "".join(f"{row}\n" for row in rows)

    names: tuple[str, ...] = ()


def a_host(release: str, state: str = "stock") -> InnHost:
    host = InnHost(release, state=state)
    host.names = (release,)
    host.files["/usr/lib/news/bin/nnrpd"] = b""
    return host


@pytest.fixture(params=RELEASES)
def release(request, monkeypatch):
    library = TlsLibrary("OpenSSL", RELEASES[request.param])
    monkeypatch.setattr(inn_module, "openssl_library", lambda: library)
    return request.param


@pytest.fixture
def host(release):
    return a_host(release)


def provider(host):
    return Inn(host, Store(host, STORE))


def take(host, vservers):
    """Become what is desired, certificates included."""
    plan = provider(host).plan(vservers)
    host.take(plan.changes)
    for name in ("mx.example.test", "news.example.test"):
        host.files[f"{STORE}/deployed/inn/{name}.pem"] = b"certificate"
    return plan


def news_files(host):
    return {path: content for path, content in host.files.items() if not path.startswith(STORE)}


# ---- planning


@pytest.mark.parametrize("case", CASES)
def test_plan_for_a_stock_host(case, host, release):
    changes = [change for change in provider(host).plan(CASES[case]).changes if change.content is not None]
    check_golden(f"{release}/{case}.diff", as_diff(host, changes))


@pytest.mark.parametrize("case", CASES)
def test_what_was_planned_is_read_back_and_planned_no_more(case, host):
    take(host, CASES[case])
    found = provider(host).read()
    for vserver in CASES[case]:
        there = found[vserver.key]
        port = there.port if vserver.port is None else vserver.port
        assert there == replace(vserver, port=port, auth_tls=("LOGIN", "PLAIN"))
    assert needed(provider(host).plan(CASES[case]).changes, host) == []


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("readers", [None, STAFF, b"# none but these\n" + STAFF.rstrip(b"\n")])
def test_absent_gives_everything_back(case, readers, host):
    if readers:
        host.files[READERS] = readers
    before = news_files(host)
    take(host, CASES[case])
    assert news_files(host) != before
    for vserver in CASES[case]:
        take(host, [replace(vserver, present=False)])
    assert news_files(host) == before
    assert not [path for path in host.files if path.startswith(f"{STORE}/originals")]


def test_one_call_does_not_disturb_what_another_one_made(host):
    take(host, [NNTP])
    take(host, [SECOND])
    there = {path: content for path, content in news_files(host).items() if "second" in path}
    take(host, [replace(NNTP, require_secure_channel=False, strength="modern")])
    assert there == {path: content for path, content in news_files(host).items() if "second" in path}
    assert provider(host).read()["nntp", "second"].require_secure_channel
    take(host, [replace(SECOND, present=False)])
    assert list(provider(host).read()) == [("nntp", "default")]
    assert provider(host).read()["nntp", "default"].certificate == "mx.example.test"


def test_settings_of_the_administrators_come_back(host):
    host.files[SETTINGS] += b"tlscertfile: /x.pem\ntlskeyfile: /x.key\ntlsciphers: ALL\n"
    host.files[SASL] = b"pwcheck_method: saslauthd\nmech_list: GSSAPI"
    before = news_files(host)
    take(host, [NNTP])
    assert host.files[SASL] == b"pwcheck_method: saslauthd\nmech_list: LOGIN PLAIN"
    take(host, [replace(NNTP, strength="modern")])
    assert b"tlsciphers: ALL\n" in host.files[SETTINGS]
    take(host, [replace(NNTP, present=False)])
    assert news_files(host) == before


def test_absent_when_what_was_saved_is_lost(host):
    take(host, [NNTP])
    del host.files[f"{STORE}/originals/inn.json"]
    with pytest.raises(Problem, match="nobody knows what was there before") as caught:
        take(host, [replace(NNTP, present=False)])
    assert caught.value.option == SETTINGS
    assert (
        f"remove its lines that begin with 'tls', and those with 'require_encryption' in {READERS}"
        in caught.value.remedy
    )
    for path, word in ((SETTINGS, rb"tls.*"), (READERS, rb"\s*require_encryption.*")):
        host.files[path] = re.sub(rb"(?m)^" + word + rb"\n", b"", host.files[path])
    take(host, [replace(NNTP, present=False)])
    assert f"{STORE}/deployed".encode() not in host.files[SETTINGS]
    assert SASL not in host.files


def test_what_others_added_to_a_file_of_ours_stays(host):
    take(host, [NNTP])
    host.files[SASL] += b"log_level: 7\n"
    take(host, [NNTP, replace(NNTP, name="two", port=1119)])
    assert host.files["/etc/news/postmaster-two/INN.conf"].count(b"# Kept by") == 1
    take(host, [replace(NNTP, present=False)])
    assert host.files[SASL] == b"log_level: 7\n"


def test_absent_where_nothing_is_ours(host):
    assert needed(provider(host).plan([replace(NNTP, present=False)]).changes, host) == []


def test_people_who_do_not_log_in_may_go_without_encryption(host):
    host.files[READERS] = STAFF
    take(host, [replace(NNTP, require_secure_channel=False)])
    assert b"staff-postmaster-without-tls" in host.files[READERS]
    found = provider(host).read()["nntp", "default"]
    assert (found.require_secure_channel, found.auth_clear) == (False, ())
    take(host, [replace(NNTP, require_secure_channel=False, auth_clear=("PLAIN",))])
    assert host.files[READERS] == STAFF
    assert provider(host).read()["nntp", "default"].auth_clear == ("PLAIN",)


def test_programs_on_the_host_are_warned_of_once(host):
    assert "inews" in take(host, [NNTP]).warnings[0]
    assert provider(host).plan([NNTP]).warnings == ()


@pytest.mark.parametrize(
    ("vserver", "option"),
    [
        (replace(NNTP, port=0), "port"),
        (replace(SECOND, port=119), "port"),
        (replace(NNTP, auth_tls=("CRAM-MD5",)), "auth_tls"),
    ],
)
def test_what_inn_cannot_do(vserver, option, host):
    with pytest.raises(Problem) as caught:
        provider(host).plan([vserver])
    assert caught.value.subject == vserver.title
    assert caught.value.option == option


def test_a_further_one_beside_an_innd_with_an_address_of_its_own(host):
    host.files[SETTINGS] += b"bindaddress: 10.88.0.1\n"
    host.files[READERS] = STAFF
    take(host, [replace(SECOND, port=119)])
    assert provider(host).read()["nntp", "second"].port == 119


# ---- reading


def test_stock_host(host):
    found = provider(host).read()["nntp", "default"]
    assert (found.certificate, found.strength, found.port, found.implicit_tls_port) == ("", "", 119, 0)
    assert not found.require_secure_channel
    assert "SCRAM-SHA-256" in found.auth_clear


def test_secured_host_as_it_was_recorded(release):
    secured = recording(release)["secured"]["answers"]
    host = a_host(release, "secured")
    for command, lines in secured.items():
        if "innconfval -s" in command:
            variable, *argv = command.split()
            assert host._innconfval(argv[2:], variable.partition("=")[2]) == "\n".join(lines)
    found = provider(host).read()
    for one in recording(release)["vservers"]:
        desired = Vserver(
            **{**one, "addresses": tuple(one["addresses"]), "auth_clear": (), "sni": (), "server_names": ()}
        )
        there = found[desired.key]
        port = desired.port or there.port
        assert there == replace(desired, port=port, auth_tls=("LOGIN", "PLAIN"))


@pytest.mark.parametrize(
    ("printed", "version", "known"), [("INN 2.7.1\n", (2, 7, 1), True), ("INN 2.8.0\n", (2, 8, 0), False)]
)
def test_versions(printed, version, known, host):
    host.answers["/usr/lib/news/bin/innconfval -v"] = printed
    able = provider(host).capabilities()
    assert (able.version, able.known) == (version, known)


def test_too_old_a_version(host):
    host.answers["/usr/lib/news/bin/innconfval -v"] = "INN 2.6.4\n"
    with pytest.raises(Problem, match=r"INN 2.6.4 is too old"):
        provider(host).capabilities()


def test_settings_that_inn_refuses(host, monkeypatch):
    complaint = Completed(0, "", "innconfval: /etc/news/inn.conf:9: duplicate parameter port\n")
    monkeypatch.setattr(host, "query", lambda _argv, **_options: complaint)
    with pytest.raises(Problem, match=r"INN refuses its own configuration .*inn.conf:9: duplicate"):
        provider(host).read()


@pytest.mark.parametrize(("versions", "strength"), [("TLSv1.3", "modern"), ("TLSv1.2 TLSv1.3", "intermediate")])
def test_tls_1_3_alone_is_the_strength_modern(versions, strength, host):
    host.files[SETTINGS] += f"tlsprotocols: [ {versions} ]\n".encode()
    found = provider(host).read()["nntp", "default"]
    assert provider(host).never_below(replace(NNTP, left_out=frozenset({"strength"})), found).strength == strength


@pytest.mark.parametrize("place", ["", "/postmaster-second"])
def test_keys_that_inn_runs_with_all_the_same(place, host, monkeypatch):
    # INN 2.7 does not know keys of INN 2.6, says so, and serves
    said = {"/etc/news": ["inn.conf:215: unknown parameter verifycancels"], "/mirror": []}

    def query(argv, *, environment):
        directory = environment["INNCONF"].rpartition("/")[0]
        if not argv[0].endswith("innconfval"):
            return Completed(0, "", "")
        lines = (
            said["/etc/news" if directory == "/etc/news" else "/mirror"] if directory != "/mirror" or not place else []
        )
        return Completed(1 if lines else 0, "", "".join(f"innconfval: {directory}/{line}\n" for line in lines))

    monkeypatch.setattr(InnHost, "names_in", lambda _host, _path: ["postmaster-second"] if place else [])
    host.files["/mirror/postmaster-second/inn.conf"] = b""
    inn = provider(host)
    said["/mirror"] = ["inn.conf:219: unknown parameter verifycancels"]
    inn.check(query, {"/etc/news": "/mirror"})
    said["/mirror"].append("inn.conf:220: unknown parameter tlsnews")
    with pytest.raises(Problem) as caught:
        inn.check(query, {"/etc/news": "/mirror"})
    assert "verifycancels" not in caught.value.found
    assert f"/etc/news{place}/inn.conf:220: unknown parameter tlsnews" in caught.value.found
    assert caught.value.option == f"/etc/news{place}"


def test_readers_conf_of_another_name(host):
    host.files["/etc/news/others.conf"] = STAFF
    host.files[SETTINGS] = host.files[SETTINGS].replace(
        b'nnrpdflags:                  ""', b'nnrpdflags: "-s x -c others.conf"'
    )
    take(host, [NNTP])
    assert b"require_encryption: true" in host.files["/etc/news/others.conf"]
    assert b"require_encryption" not in host.files[READERS]
    service = host.files[SOCKET.replace(".socket", "@.service")]
    assert b"nnrpd -S -s x -c /etc/news/others.conf\n" in service


# ---- proving

ADDRESSES = '[{"addr_info": [{"local": "fd88::11", "scope": "global"}, {"local": "10.88.0.11", "scope": "global"}]}]'


@pytest.mark.parametrize(
    ("hosts", "way"),
    [
        ("*", ("127.0.0.1", "127.0.0.2")),
        ("10.88.0.0/16", ("10.88.0.11", "10.88.0.11")),
        ("*.example.test", ("10.88.0.11", "10.88.0.11")),
        ("fd88::/64", ("fd88::11", "fd88::11")),
        ("localhost, stdin", ("127.0.0.1", "127.0.0.1")),
    ],
)
def test_a_way_in(hosts, way, host):
    host.files[READERS] = f'auth x {{ hosts: "{hosts}" default: "<x>" }}\n'.encode()
    host.answers["ip -j address"] = ADDRESSES
    host.answers["getent hosts 10.88.0.11"] = "10.88.0.11 news.example.test\n"
    host.answers["getent hosts 127.0.0.1"] = "127.0.0.1 localhost\n"
    assert provider(host).endpoints(NNTP) == [
        Endpoint(way[0], 119, "nntp", implicit_tls=False, source=way[1]),
        Endpoint(way[0], 563, "nntp", implicit_tls=True, source=way[1]),
    ]


@pytest.mark.parametrize("printed", ["no JSON", "[{}]", '[{"addr_info": [{"scope": "global"}]}]', ""])
def test_addresses_that_are_not_told(printed, host):
    host.files[READERS] = b'auth x { hosts: "192.0.2.0/24" default: "<x>" }\n'
    host.answers["ip -j address"] = printed
    with pytest.raises(Problem, match=r"lets in none of this host's own addresses"):
        provider(host).plan([NNTP])


def test_no_way_in(host):
    host.files[READERS] = b'auth x { hosts: "192.0.2.0/24" default: "<x>" }\n'
    host.answers["ip -j address"] = ADDRESSES
    with pytest.raises(Problem, match=r"lets in none of this host's own addresses") as caught:
        provider(host).plan([NNTP])
    assert caught.value.option == READERS


def test_a_further_one_is_proven_at_its_own_address(host):
    host.files[READERS] = STAFF
    take(host, [SECOND])
    assert provider(host).endpoints(SECOND) == [
        Endpoint("10.88.0.11", 1119, "nntp", implicit_tls=False, source="127.0.0.2"),
        Endpoint("10.88.0.11", 563, "nntp", implicit_tls=True, source="127.0.0.2"),
    ]


# ---- acting


class Machine(InnHost):
    """A host whose sockets systemd opens and closes."""

    active: dict[str, str]
    run_lines: list[str]
    stubborn = False

    def run(self, argv: Sequence[str], **_options: object) -> Completed:
        command = shlex.join(argv)
        self.run_lines.append(command)
        if argv[:2] == ["systemctl", "restart"]:
            if self.stubborn:
                return Completed(1, "", "Job failed.\n")
            text = self.read_text(f"/etc/systemd/system/{argv[2]}")
            self.active[argv[2]] = text
        if argv[:2] == ["systemctl", "stop"]:
            for unit in argv[2:]:
                self.active.pop(unit, None)
        return Completed(0, "", "")

    def query(self, argv: Sequence[str], *, environment: dict[str, str] | None = None, **_options: object) -> Completed:
        if argv[:2] == ["systemctl", "list-units"]:
            return Completed(0, "".join(f"{unit} loaded active listening x\n" for unit in self.active), "")
        if argv[0] == "ss":
            places = [place for text in self.active.values() for place in re.findall(r"ListenStream=(.*)", text)]
            rows = (f"LISTEN 0 4096 {one if ':' in one else '*:' + one} *:* " for one in places)
            return Completed(0, "".join(f'{row}users:(("systemd",pid=1,fd=9))\n' for row in rows), "")
        if argv[:2] == ["systemctl", "is-active"]:
            return Completed(0, "", "")
        return super().query(argv, environment=environment)


@pytest.fixture
def machine(release):
    host = Machine(release)
    host.names = (release,)
    host.active, host.run_lines = {}, []
    return host


def activated(machine: Machine) -> list[str]:
    machine.run_lines.clear()
    provider(machine).activate(machine.run)
    return [line for line in machine.run_lines if "daemon-reload" not in line and "reset-failed" not in line]


def test_sockets_are_opened_moved_and_closed_only_where_needed(machine):
    take(machine, [NNTP, SECOND])
    default, second, clear = (f"postmaster-nntp-{one}.socket" for one in ("default-tls", "second-tls", "second-clear"))
    restart: Callable[[str], str] = lambda unit: f"systemctl restart {unit}"  # noqa: E731
    assert sorted(activated(machine)) == sorted(map(restart, (default, second, clear)))
    assert activated(machine) == []
    take(machine, [replace(SECOND, port=1120)])
    assert activated(machine) == [restart(clear)]
    take(machine, [replace(SECOND, present=False)])
    assert activated(machine) == [f"systemctl stop {clear} {second}"]
    assert list(machine.active) == [default]
    take(machine, [replace(NNTP, present=False)])
    assert activated(machine) == [f"systemctl stop {default}"]


def test_a_socket_that_cannot_be_opened(machine):
    take(machine, [NNTP])
    machine.stubborn = True
    with pytest.raises(Problem, match=r"systemd cannot listen .* port 563 \(Job failed.\)") as caught:
        activated(machine)
    assert caught.value.subject == "virtual server nntp/default"


@pytest.mark.parametrize("running", [False, True])
def test_innd_is_started_where_it_has_ended(running, machine, monkeypatch):
    monkeypatch.setattr(Inn, "running", lambda _self: running)
    if running:
        assert activated(machine) == []
        return
    with pytest.raises(Problem, match="INN does not start"):
        activated(machine)
    assert "systemctl restart inn2.service" in machine.run_lines


def test_inns_own_tests(host):
    take(host, [NNTP, SECOND])
    for path in list(host.files):
        if path.startswith("/etc/news/"):
            host.files["/mirror" + path[len("/etc/news") :]] = host.files[path]
    asked: list[str] = []

    def run(argv: Sequence[str], *, environment: dict[str, str]) -> Completed:
        asked.append(f"{argv[-1]} {environment['INNCONF']}")
        return Completed(0, "", "/mirror/postmaster-second/readers.conf:3: no" if "second" in asked[-1] else "")

    with pytest.raises(Problem, match=r"/etc/news/postmaster-second/readers.conf:3: no"):
        provider(host).check(run, {"/etc/news": "/mirror"})
    assert asked[2:4] == ["-C /mirror/inn.conf", "readers.conf=/mirror/readers.conf /mirror/inn.conf"]


def test_who_reads_the_key(host):
    host.states[READERS] = FileState("root", "news", 0o640)
    take(host, [SECOND])
    assert host.states["/etc/news/postmaster-second/readers.conf"] == FileState("root", "news", 0o640)
    assert provider(host).capabilities().key_permissions == ("root", "news", 0o640)
