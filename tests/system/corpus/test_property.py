# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever an administrator has set before: after a call that succeeded, what is declared holds for everybody outside.

Settings of others are drawn by chance, with a call of ours. If the call succeeds, no client at another address can do
in clear text what it was to refuse, on any address and port of the protocol, and what worked before goes on working. If
it is refused, everything goes on as before. ``--seed`` draws others, ``--trials`` more, ``--kinds`` on others.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.corpus import trials
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import RELEASES
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.pair import Pair, booted
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.stage import Stage
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.trials import Trial

TABLES = trials.tables()


@pytest.fixture(scope="module")
def seed(request: pytest.FixtureRequest) -> str:
    """What is drawn depends on it alone."""
    seed = str(request.config.getoption("--seed"))
    seed = secrets.token_hex(4) if seed == "random" else seed
    print(f"seed: {seed}", flush=True)
    return seed


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is drawn by chance is tried on hosts of the kinds that were asked for."""
    if "tried" in metafunc.fixturenames:
        kinds = metafunc.config.getoption("--kinds").split(",")
        metafunc.parametrize("pair", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Hosts of one kind."""
    with booted(request.param, tmp_path_factory.mktemp(request.param)) as pair:
        yield pair


@pytest.fixture(scope="module")
def tried(request: pytest.FixtureRequest, pair: Pair, seed: str) -> Sequence[Trial]:
    """All trials on a pair."""
    count = request.config.getoption("--trials")

    def on(release: str) -> Sequence[Trial]:
        stage, found = pair.stages[release], []
        mine = {name: table for name, table in TABLES.items() if table["host"] == stage.kind}
        for number in range(count):
            for name, table in mine.items():
                title, configuration = trials.drawn(seed, name, table, stage.host, number)
                found.append(trials.tried(pair.life(configuration), title))
                print(found[-1], flush=True)
        return found

    with ThreadPoolExecutor() as pool:
        return [one for some in pool.map(on, RELEASES) for one in some]


def test_what_is_declared_holds_after_a_call_that_succeeded(tried: Sequence[Trial], seed: str) -> None:
    wrong = [str(one) for one in tried if one.faults]
    assert not wrong, "\n".join([f"seed: {seed}", *wrong])


def test_most_combinations_are_fit_to_be_tried(tried: Sequence[Trial], seed: str) -> None:
    unfit = [str(one) for one in tried if one.unfit]
    assert len(unfit) * 4 <= len(tried), "\n".join([f"seed: {seed}", *unfit])
    assert any(one.succeeded for one in tried)


# ---- the test itself

ANOTHER_LISTENER = """
printf '%s\\n' '0.0.0.0:587 inet n - y - - smtpd' '  -o smtpd_tls_security_level=may' >>/etc/postfix/master.cf
systemctl restart postfix
"""
ANOTHER_CERTIFICATE = """
cat /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem >/etc/nginx/planted.pem
cd /etc/nginx/snippets
sed -i 's#^\\( *ssl_certificate\\(_key\\)*\\) .*#\\1 /etc/nginx/planted.pem;#' postmaster-http-*.conf
systemctl restart nginx
"""
# What somebody does after our call, and what a client outside must notice: the table, the call, the deed, the words.
PLANTED: Mapping[str, tuple[str, Mapping[str, object], str, str]] = {
    "another listener": (
        "mail",
        {"vservers": ["submission"]},
        ANOTHER_LISTENER,
        "in clear text, submission at 10.88.0",
    ),
    "another certificate": ("web-and-news", {"vservers": ["http"]}, ANOTHER_CERTIFICATE, "http at 10.88.0"),
}


@pytest.mark.parametrize("pair", ["full"], indirect=True, scope="module")
@pytest.mark.parametrize("fault", PLANTED)
def test_a_success_that_is_not_true_is_noticed(pair: Pair, fault: str) -> None:
    name, call, script, words = PLANTED[fault]

    def on(stage: Stage) -> Trial:
        title, configuration = trials.chosen(name, TABLES[name], stage.host, (), call)
        return trials.tried(pair.life(configuration), title, script)

    with ThreadPoolExecutor() as pool:
        for trial in pool.map(on, pair.stages.values()):
            assert trial.succeeded, str(trial)
            assert any(words in one for one in trial.faults), str(trial)
