# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers and transports of an administrator's beside those of Exim's that obey the table of domains.

Each case goes through check mode, a run, the same again and absent, or is refused; and so it does with the message's
remedy. Mail that reached somebody before still does, by the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.reliability import shipped
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus import ways
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import Configuration
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.pair import Pair, booted
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.stage import Stage

CASES = ways.cases("exim")
# The lab's addresses are private ones, which Debian's Exim does not send to.
REACHABLE = "ROUTER_DNSLOOKUP_IGNORE_TARGET_HOSTS = <; 0.0.0.0 ; 127.0.0.0/8\n"
MACROS = "/etc/exim4/exim4.conf.localmacros"
DEFAULTS = "/etc/default/exim4"
SHOP = {"domain": "shop.test", "tls": "encrypt"}
MODULE = "mail_domain_security"
BEFORE_OURS = """
cat >/etc/exim4/conf.d/router/040_house <<'END'
house_first:
  driver = manualroute
  domains = shop.test
  route_list = * smart.isp.test
  transport = remote_smtp
END
"""
INTERNATIONAL = r"""
printf '%s\r\n' 'EHLO house.test' 'MAIL FROM:<alice@house.test> SMTPUTF8' 'RCPT TO:<x@bücher.test>' DATA \
    'Subject: x' '' text . QUIT | exim4 -odq -oMa 127.0.0.1 -bs
id=$(exim4 -bpru | sed -n '1s/.* \([^ ]*-[^ ]*-[^ ]*\) .*/\1/p')
exim4 -M "$id" || :
grep -a "$id" /var/log/exim4/mainlog
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A host of each release."""
    with booted("exim", tmp_path_factory.mktemp("exim")) as pair:
        yield pair


@pytest.mark.parametrize("case", CASES)
def test_a_case_comes_through_or_is_refused(pair: Pair, case: str) -> None:
    about = CASES[case]
    ways.live(pair, case, {**about, "files": {MACROS: REACHABLE, **about.get("files", {})}})


def plain(stage: Stage) -> Configuration:
    """A host as Debian has it, split into many files."""
    files = {"/etc/exim4/conf.d/main/000_localmacros": REACHABLE + "MAIN_SMTPUTF8_ADVERTISE_HOSTS = *\n"}
    split = "sed -i \"s/^dc_use_split_config=.*/dc_use_split_config='true'/\" /etc/exim4/update-exim4.conf.conf"
    return Configuration("plain", stage.host, {"daemons": ["exim"], "files": files, "run": split})


def test_a_router_that_comes_later_is_found_where_nothing_else_changes(pair: Pair) -> None:
    def call_twice(stage: Stage) -> None:
        stage.put(plain(stage))
        first = shipped.run(stage.lab, stage.host, MODULE, SHOP)
        assert first.succeeded, first.complaint
        stage.lab.shell(stage.host, BEFORE_OURS + "systemctl restart exim4")
        again = shipped.run(stage.lab, stage.host, MODULE, SHOP)
        assert "/etc/exim4/conf.d/router/040_house line 1: the router house_first" in again.complaint
        # the remedy
        stage.lab.shell(stage.host, "cd /etc/exim4/conf.d/router; mv 040_house 060_house; systemctl restart exim4")
        relayed = {**SHOP, "relay_host": "smart.isp.test"}
        done = shipped.run(stage.lab, stage.host, MODULE, relayed)
        assert done.succeeded, done.complaint

    ways.on_both(pair, call_twice)


def test_a_domain_in_utf8_is_the_one_that_is_declared(pair: Pair) -> None:
    def send(stage: Stage) -> None:
        stage.put(plain(stage))
        done = shipped.run(stage.lab, stage.host, MODULE, {"domain": "bücher.test", "tls": "encrypt"})
        assert done.succeeded, done.complaint
        log = stage.lab.ask(stage.host, "sh", "-euc", INTERNATIONAL)
        assert "R=postmaster_to_exchanger T=postmaster_smtp" in log, log

    pair.lab.record("mx-host=xn--bcher-kva.test,mx.shop.test,10")
    ways.on_both(pair, send)


@pytest.mark.parametrize("line", ["COMMONOPTIONS='-C /srv/exim.conf'", "UPEX4OPTS='--output /srv/exim.conf'"])
def test_another_configuration_on_the_command_line_is_refused(pair: Pair, line: str) -> None:
    def call(stage: Stage) -> None:
        stage.put(plain(stage))
        stage.lab.shell(stage.host, f'cp -a {DEFAULTS} /var/tmp/defaults; echo "{line}" >>{DEFAULTS}')
        refused = shipped.run(stage.lab, stage.host, MODULE, SHOP)
        stage.lab.shell(stage.host, f"cp -a /var/tmp/defaults {DEFAULTS}")
        assert re.search(rf"{DEFAULTS}:\d+.*read another configuration", refused.complaint), refused.complaint
        done = shipped.run(stage.lab, stage.host, MODULE, SHOP)
        assert done.succeeded, done.complaint

    ways.on_both(pair, call)
