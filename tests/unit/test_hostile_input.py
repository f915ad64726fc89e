# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bytes that somebody made to hurt: no parser of ours ends with a traceback, and none takes long."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.tests.support.parsers import PARSERS, parse

CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus"
SAMPLES = sorted(CORPUS.glob("*/*"))
SIZE = 25_000  # bytes; a regular expression that takes quadratic time needs several seconds for them
LONGEST = 1.0  # seconds of processor time; a linear parser needs a tenth at most

# Repeated without end, with something that comes before or behind. Each has once taken a parser of somebody's minutes.
PIECES = [
    " ",
    "\t",
    "\n",
    "\n\n",
    "\r\n",
    "a",
    "/",
    ":",
    "::",
    ",",
    "<",
    "{",
    "a{",
    "a {\n",
    "}",
    "[",
    "(",
    "#",
    "# ",
    "\\",
    "\\\n",
]
PIECES += [
    '"',
    "'",
    '\\"',
    '"" ',
    "a ",
    "a b ",
    "a=",
    "a=b ",
    "a = b\n",
    "a: b\n",
    "a: [\n",
    "x:: YQ==\n",
    "dn: x\n",
    "-o a=b ",
]
PIECES += [
    "-----BEGIN CERTIFICATE-----\n",
    "-----BEGIN A-----",
    "-----END CERTIFICATE-----\n",
    "-----",
    "friendlyName: ",
]
PIECES += [
    "smtp inet n - y - - smtpd -o a=b\n",
    "  -o a=b\n",
    "include x;\n",
    "!include x\n",
    "include x\n",
    '"\\"',
    "byname ",
    "$a ",
    "${",
]
PIECES += [
    "auth x { }\n",
    "group x {\n",
    "auth x { default: a }\n",
    "<IfModule !x.c>\n",
    "Listen 1\n",
    "begin a\n",
    "# BEGIN\n",
    "# END\n",
]
PIECES += [
    "# BEGIN postmaster.secure_channel\n",
    "<Macro postmaster:x>\n",
    "protocol imap {\n",
    "        port 80 namevhost a (/x:1)\n",
]
PIECES += [
    "                 alias a\n",
    "0\x82\x01\x00",
    "0\x80",
    "\x04\x80",
    "$\x80",
    "\x00",
    "\xc0\x0c",
    "* OK\r\n",
    "250-a\r\n",
    "9",
]
COMMON = [" ", "/", ":", '"', '\\"', "a ", "a=b ", "'"]
BEFORE = [
    "",
    "SERVICES {\n a ",
    'SLAPD_SERVICES="',
    "SLAPD_SERVICES=a",
    'a="',
    "http { server { ",
    "* OK x\r\n",
    "220 x\r\n",
]
BEFORE += [
    "nnrpdflags='",
    "NNRPDFLAGS='",
    "dn: cn=config\n",
    "{",
    "[",
    "# taken out by the Ansible collection postmaster.secure_channel for ",
]
BEFORE += [
    "*:80                   is a NameVirtualHost\n         port 80 namevhost a (/x:1)\n",
    "<VirtualHost ",
    "key_src ",
    "a: [",
]


class Slow(BaseException):
    """Not an Exception, so that no parser takes it for its own."""


@pytest.fixture
def limit():
    """Ends a parser that takes too long; Python looks for signals also within a regular expression."""

    def late(*_args):
        raise Slow

    before = signal.signal(signal.SIGVTALRM, late)

    def start():
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)

    yield start
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_the_fuzzer_found_before(path, limit):
    limit()
    parse(path.parent.name, path.read_bytes())


def test_every_parser_has_samples():
    assert {path.parent.name for path in SAMPLES} == set(PARSERS)


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_repetition_takes_no_longer_than_its_length(name, limit):
    slow = []
    for before in BEFORE:
        for piece in COMMON if before else [*PIECES, *BEFORE[1:]]:
            data = before.encode("latin-1") + piece.encode("latin-1") * (SIZE // len(piece)) + b"\x01"
            limit()
            try:
                parse(name, data)
            except Slow:
                slow.append((before, piece))
    assert slow == []


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes(name, data):
    samples = [path.read_bytes() for path in SAMPLES if path.parent.name == name]
    kept = data.draw(st.sampled_from(samples))
    start = data.draw(st.integers(0, len(kept)))
    end = data.draw(st.integers(start, len(kept)))
    parse(name, kept[:start] + data.draw(st.binary(max_size=40)) + kept[end:])
