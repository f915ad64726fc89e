# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of Postfix' by which mail takes another way than its domain's: through a filter, as a copy, elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.reliability import shipped
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus import ways
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import Configuration
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.pair import Pair, booted
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.stage import Stage

CASES = ways.cases("postfix")
# Mail to each address, and what the log then says of it.
SEND = r"""
for to in x@bücher.test x@xn--bcher-kva.test x@a.bücher.test; do
    printf 'Subject: x\n\ntext\n' | sendmail -f root "$to"
done
for time in $(seq 50); do
    log=$(journalctl --unit 'postfix*' --output cat --no-pager | grep -a 'to=<x@.*status=' || :)
    [ "$(printf '%s\n' "$log" | grep -c .)" -lt 3 ] || break
    sleep 0.2
done
printf '%s\n' "$log"
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A host of each release."""
    with booted("full", tmp_path_factory.mktemp("full")) as pair:
        yield pair


@pytest.mark.parametrize("case", CASES)
def test_a_case_comes_through_or_is_refused(pair: Pair, case: str) -> None:
    ways.live(pair, case, CASES[case])


def test_a_domain_in_utf8_is_the_one_that_is_declared(pair: Pair) -> None:
    def send(stage: Stage) -> None:
        stage.put(Configuration("plain", stage.host, {"daemons": ["postfix"], "run": "systemctl restart postfix"}))
        # nothing listens there: whatever waits for that port goes by the entry
        entry = {"domain": "bücher.test", "tls": "secure", "relay_host": stage.host.fqdn, "relay_port": 2599}
        done = shipped.run(stage.lab, stage.host, "mail_domain_security", {**entry, "subdomains": True})
        assert done.succeeded, done.complaint
        log = stage.lab.ask(stage.host, "sh", "-euc", SEND).splitlines()
        assert len(log) == 3, log
        for line in log:
            assert "status=deferred" in line, line
            assert ":2599: Connection refused" in line, line
        again = shipped.run(stage.lab, stage.host, "mail_domain_security", {**entry, "subdomains": True})
        assert again.result.get("changed") is False, again.result

    ways.on_both(pair, send)
