# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who else listens on a port, and at which addresses the proof looks, on two hosts of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
    installing,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons import host_setup
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import MAIN, vserver
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK, lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run

NAMES = ("li1", "li2")
SMTP = {"protocol": "smtp", "certificate": MAIN}
LISTEN = """import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
kept = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
time.sleep(1000)
"""
# What an administrator or another program has on a host: how it comes there, the call, what it must say.
OTHERS: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "IPv6 only": (
        """echo 'listen = *' >/etc/dovecot/conf.d/98-test.conf; systemctl restart dovecot
        systemd-run --unit=other-1 --collect python3 /root/other.py :: 143""",
        vserver("imap"),
        "[::]:143 is in use by python3 (process",
    ),
    "one address": (
        "systemd-run --unit=other-2 --collect python3 /root/other.py ADDRESS 636",
        vserver("ldap"),
        "ADDRESS:636 is in use by python3 (process",
    ),
    "loopback": (
        "systemd-run --unit=other-3 --collect python3 /root/other.py 127.0.0.1 587",
        vserver("submission"),
        "127.0.0.1:587 is in use by python3 (process",
    ),
    "systemd": (
        "systemd-run --unit=other-4 --socket-property=ListenStream=563 cat; systemctl start other-4.socket",
        vserver("nntp"),
        "563 is in use by systemd (other-4.socket)",
    ),
    "a second instance": (
        """printf 'pid /run/other.pid; events {} http { server { listen 443; } }' >/root/other.conf
        systemd-run --unit=other-5 --collect nginx -c /root/other.conf -g 'daemon off;'""",
        vserver("http"),
        "0.0.0.0:443 is in use by nginx (process",
    ),
}
THERE = """
look() { ss -Hltn 'sport = :443 or sport = :636 or sport = :563 or sport = :587'; ss -Hltn6 'sport = :143'; }
until [ $(look | wc -l) -ge 5 ]; do sleep 0.1; done
"""
ALONE = "systemctl stop 'other-*'; rm -f /etc/dovecot/conf.d/98-test.conf; systemctl restart dovecot"
# Load balancers before Dovecot and nginx; Postfix lets in ADDRESS and the control side alone, and has another port.
ODD = r"""
cat >/etc/dovecot/conf.d/98-test.conf <<'END'
haproxy_trusted_networks = 127.0.0.0/8
service imap-login {
  inet_listener imap {
    haproxy = yes
  }
}
END
sed -i 's/^\(\s*listen.* default_server\);/\1 proxy_protocol;/' /etc/nginx/sites-available/default
postconf smtpd_delay_reject=no 'mynetworks=ADDRESS 10.88.0.1' 'smtpd_client_restrictions=permit_mynetworks, reject'
postconf -M '2525/inet=2525 inet n - y - - smtpd'
postconf -P 2525/inet/smtpd_sasl_auth_enable=yes 2525/inet/smtpd_tls_auth_only=no
postconf -P 2525/inet/smtpd_sasl_type=dovecot 2525/inet/smtpd_sasl_path=private/auth
systemctl restart dovecot nginx postfix
until ss -Hltn | grep -q :2525; do sleep 0.1; done
"""
PROXIED = "sed -i '1i hosts_proxy = *' /etc/exim4/exim4.conf.template; systemctl restart exim4"
FEWER = """
echo 'listen = 127.0.0.1' >/etc/dovecot/conf.d/98-test.conf; systemctl restart dovecot
rm /etc/dovecot/conf.d/98-test.conf
"""
EVERYTHING = (SMTP, *(vserver(name) for name in ("submission", "imap", "pop3", "nntp", "ldap", "http")))


@dataclass(frozen=True)
class Hosts:
    """Two hosts of one kind, one of each release, with certificates in their stores."""

    lab: Lab
    ansible: Ansible

    def shell(self, script: str) -> None:
        """Run a script on each."""
        for host in self.lab.hosts.values():
            self.lab.shell(host, script.replace("ADDRESS", host.address))

    def call(self, *calls: Mapping[str, Any], check: bool = False) -> Run:
        """Some calls of mail_vserver_tls on each, by the names "0", "1" ..."""
        tasks = [
            {
                "name": str(number),
                f"{COLLECTION}.mail_vserver_tls": one if "vservers" in one else {"vservers": [one]},
                "ignore_errors": True,
                "check_mode": check,
            }
            for number, one in enumerate(calls)
        ]
        return self.ansible.play(",".join(NAMES), tasks, strategy="free")


def _up(lab: Lab, directory: Path, *names: str, setup: str) -> Hosts:
    """Boot hosts, and put certificates into their stores."""
    lab.up(*names)
    certificates = Certificates(directory)
    for host in lab.hosts.values():
        lab.run_in(host, "sh", "-c", f"mkdir -p {WORK}; systemctl is-system-running --wait")
        lab.write(host, "/root/readers.conf", host_setup.READERS)
        lab.write(host, "/root/other.py", LISTEN)
        lab.shell(host, setup)
        certificates.put(lab, host)
    ansible = Ansible(lab.inventory, directory)
    wanted = {host.name: installing(host) for host in lab.hosts.values()}
    install = {f"{COLLECTION}.mail_cert_install": {"certificates": "{{ wanted[inventory_hostname] }}"}}
    ansible.play("all", [install], wanted=wanted).assert_success()
    return Hosts(lab, ansible)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    lab = Lab(lab_state("listeners"))
    try:
        setup = f"cp /root/readers.conf /etc/news/readers.conf\n{host_setup.NEWS}"
        yield _up(lab, tmp_path_factory.mktemp("full"), "li1:bookworm:full", "li2:trixie:full", setup=setup)
    finally:
        lab.down()


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Exim behind load balancers and Cyrus, with somebody else on a port of each, and without."""
    lab = Lab(lab_state("others"))
    try:
        setup = f"if [ -e /etc/cyrus.conf ]; then\n{host_setup.MAILBOXES}\nelse\n{PROXIED}\nfi"
        made = _up(lab, tmp_path_factory.mktemp("others"), "ex1:bookworm:exim", "cy2:trixie:cyrus", setup=setup)
        made.shell("systemd-run --unit=other --collect python3 /root/other.py ADDRESS 2525")
        made.shell("until ss -Hltn | grep -q :2525; do sleep 0.1; done")
        smtp, imap = {**vserver("submission"), "name": "second", "port": 2525}, {**vserver("imap"), "name": "second"}
        calls = {
            "ex1": [[{**smtp, "implicit_tls_port": 0}], [SMTP, vserver("submission")]],
            "cy2": [[{**imap, "port": 2525, "implicit_tls_port": 0}], [vserver("imap"), vserver("pop3")]],
        }
        tasks = [
            {
                "name": str(number),
                f"{COLLECTION}.mail_vserver_tls": {"vservers": f"{{{{ calls[inventory_hostname][{number}] }}}}"},
                "ignore_errors": True,
            }
            for number in (0, 1, 1)
        ]
        yield made.ansible.play("all", tasks, calls=calls, strategy="free")
    finally:
        lab.down()


@pytest.fixture(scope="module")
def refused(hosts: Hosts) -> Mapping[bool, Run]:
    """Calls where somebody else listens, in check mode and in earnest."""
    for script, _call, _found in OTHERS.values():
        hosts.shell(script)
    hosts.shell(THERE)
    calls = [call for _script, call, _found in OTHERS.values()]
    found = {check: hosts.call(*calls, check=check) for check in (True, False)}
    hosts.shell(ALONE)
    return found


@pytest.fixture(scope="module")
def secured(hosts: Hosts, reopened: Run) -> tuple[Run, Run]:
    """Everything declared, twice."""
    assert reopened
    call = {"vservers": EVERYTHING}
    return hosts.call(call), hosts.call(call)


@pytest.fixture(scope="module")
def reopened(hosts: Hosts, refused: Mapping[bool, Run]) -> Run:
    """The same call before and after Dovecot was started with files that name fewer addresses than those of now."""
    assert refused
    imap = vserver("imap")
    first = hosts.call(imap)
    first.assert_success()
    hosts.shell(FEWER)
    return hosts.call(imap, imap)


@pytest.fixture(scope="module")
def odd(hosts: Hosts, secured: tuple[Run, Run]) -> Run:
    """The same where the host cannot look everywhere as anybody would, with a stronger site."""
    assert secured
    hosts.shell(ODD)
    modern = vserver("http", strength="modern")
    return hosts.call({"vservers": [SMTP, vserver("submission"), vserver("imap"), modern]})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("kind", OTHERS)
def test_somebody_else_on_a_port_is_named(kind, check, name, refused, hosts):
    number = str(list(OTHERS).index(kind))
    done = refused[check].one(name, number)
    assert done.status == "failed", done.result
    expected = OTHERS[kind][2].replace("ADDRESS", hosts.lab.hosts[name].address)
    assert expected in done.result["problem"]["found"]


@pytest.mark.parametrize("name", NAMES)
def test_every_address_is_looked_at(name, secured, hosts):
    own = hosts.lab.hosts[name].address
    for run in secured:
        assert run.one(name, "0").status == "ok", run.failures()
        result = run.one(name, "0").result
        found = {
            one["protocol"]: {(place["address"], place["port"]) for place in one["seen"]} for one in result["proofs"]
        }
        ipv6 = "fd88::" + own.rpartition(".")[2]
        ports = {"smtp": [25], "submission": [587, 465], "imap": [143, 993], "pop3": [110, 995], "nntp": [119, 563]}
        ports.update(ldap=[389, 636], http=[80, 443])
        for protocol, numbers in ports.items():
            assert found[protocol] == {(address, port) for address in (own, ipv6) for port in numbers}, protocol
        assert [one for one in result["proofs"] if one["unseen"]] == []
    assert not secured[1].one(name, "0").changed


@pytest.mark.parametrize("name", NAMES)
def test_sockets_of_the_files_that_are_not_open_are_opened(name, reopened, hosts):
    mended, again = reopened.one(name, "0"), reopened.one(name, "1")
    assert mended.status == "ok", reopened.failures()
    for words in ("it does not listen on ", "0.0.0.0 port 143", ":: port 993"):
        assert words in mended.result["reason"]
    assert (mended.result["activated"], again.changed) == (["dovecot"], False)
    assert hosts.lab.hosts[name].address in {address for address, _port in _places(again.result, "imap", "seen")}


def _places(result: Mapping[str, Any], protocol: str, key: str) -> set[tuple[str, int]]:
    (found,) = [one for one in result["proofs"] if one["protocol"] == protocol]
    return {(one["address"], one["port"]) for one in found[key]}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_behind_a_load_balancer_is_proven_as_one(name, odd, hosts):
    assert odd.one(name, "0").status == "ok", odd.failures()
    result, host = odd.one(name, "0").result, hosts.lab.hosts[name]
    ipv6 = "fd88::" + host.address.rpartition(".")[2]
    assert _places(result, "imap", "seen") == {(host.address, 143), (host.address, 993), (ipv6, 993)}
    assert _places(result, "imap", "unseen") == {(ipv6, 143)}
    assert _places(result, "http", "seen") == {
        (address, port) for address in (host.address, ipv6) for port in (80, 443)
    }
    shown = hosts.lab.run_beside("curl", "-sSi", "--haproxy-protocol", f"http://{host.address}/")
    assert "location: https://" in shown.out.lower(), shown


@pytest.fixture(scope="module")
def asked(odd, hosts):
    """What mail_tls_info sees of a port that only load balancers may use: as one of them, and as a client."""
    at = {"host": "127.0.0.1", "protocol": "imap", "source": "127.0.0.2", "timeout": 5}
    calls = [{**at, "proxy_protocol": 1}, {**at, "proxy_protocol": 2}, at]
    tasks = [{"name": str(number), f"{COLLECTION}.mail_tls_info": one} for number, one in enumerate(calls)]
    assert odd.results
    return hosts.ansible.play(",".join(NAMES), tasks)


@pytest.mark.parametrize("name", NAMES)
def test_a_load_balancer_can_look_at_what_is_behind_it(name, asked):
    (line, binary, plain) = (asked.one(name, str(number)).result["endpoints"][0] for number in range(3))
    assert line["tls"]["version"] == binary["tls"]["version"] == "TLSv1.3"
    assert plain["tls"] is None


@pytest.mark.parametrize("name", NAMES)
def test_a_host_that_keeps_itself_out_says_so(name, odd, hosts):
    result, host = odd.one(name, "0").result, hosts.lab.hosts[name]
    ipv6 = "fd88::" + host.address.rpartition(".")[2]
    assert _places(result, "smtp", "seen") == {(host.address, 25)}
    assert _places(result, "smtp", "unseen") == {(ipv6, 25)}
    assert any(f"cannot see itself at {ipv6} port 25 (the server greets with '554" in one for one in result["warnings"])


@pytest.mark.parametrize("name", NAMES)
def test_another_port_with_logins_in_clear_text_is_named(name, odd, hosts):
    host = hosts.lab.hosts[name]
    talk = hosts.lab.run_beside("curl", "-sv", "-X", "NOOP", f"smtp://{host.address}:2525")
    assert "250-AUTH PLAIN" in talk.err
    warned = [one for one in odd.one(name, "0").result["warnings"] if ":2525" in one]
    assert warned
    assert all("offers a login in clear text" in one for one in warned)


@pytest.mark.parametrize("name", ["ex1", "cy2"])
def test_other_daemons_with_somebody_else_on_a_port(name, others):
    done = others.one(name, "0")
    assert done.status == "failed"
    assert ":2525 is in use by python3 (process" in done.result["problem"]["found"]


@pytest.mark.parametrize(
    ("name", "ports"),
    [("ex1", {"smtp": [25], "submission": [587, 465]}), ("cy2", {"imap": [143, 993], "pop3": [110, 995]})],
)
def test_other_daemons_at_every_address(name, ports, others):
    first, again = [one for one in others.of(name) if one.task == "1"]
    assert (first.status, again.status) == ("ok", "ok"), others.failures()
    assert (first.changed, again.changed) == (True, False)
    for protocol, numbers in ports.items():
        seen = _places(again.result, protocol, "seen")
        assert {port for _address, port in seen} == set(numbers)
        assert len({address for address, _port in seen}) == 2
