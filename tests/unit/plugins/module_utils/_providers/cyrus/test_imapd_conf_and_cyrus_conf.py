# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The line editors for imapd.conf and cyrus.conf: nothing of the administrator's is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import cyrus_conf as services
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import imapd_conf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.listeners import Listeners

NAMES = ("imap_tls_versions", "imap_allowplaintext", "umask", "sasl_mech_list")
LINES = st.one_of(
    st.sampled_from(NAMES).map(lambda name: f"{name}: 1"),
    st.sampled_from(NAMES).map(lambda name: f"  {name.upper()}:\ta \\"),
    st.sampled_from(["", "# a: b", "#\\", "\\", "@include: /etc/x", "\x0c", "nonsense", "\udcff: \udcfe", "a:\r"]),
)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, st.lists(LINES), st.sampled_from(["", "\n"]))
SETTINGS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["yes", "no", "a b"]))


@given(text=TEXTS, first=SETTINGS, second=SETTINGS)
def test_options_go_without_a_trace(text, first, second):
    once = imapd_conf.with_ours(text, first)
    assert imapd_conf.with_ours(once, first) == once
    assert imapd_conf.with_ours(once, second) == imapd_conf.with_ours(text, second)
    assert imapd_conf.with_ours(once, {}) == text


@given(text=TEXTS, settings=SETTINGS)
def test_an_option_of_ours_is_there_once(text, settings):
    found = [one.name for one in imapd_conf.options(imapd_conf.with_ours(text + "\n", settings))]
    assert {name: found.count(name) for name in settings} == dict.fromkeys(settings, 1)


ENTRIES = (
    '\timap\tcmd="imapd -U 30" listen="imap" prefork=0\n',
    "\t# a comment\n",
    "\n",
    "  sieve cmd=timsieved listen=4190\n",
)


@given(st.lists(st.sampled_from(ENTRIES), unique=True), st.sampled_from(["}\n", "}", "  } # end\n"]))
def test_services_go_without_a_trace(entries, end):
    text = 'START {\n\tx cmd="y"\n}\nSERVICES {\n' + "".join(entries) + end
    more = services.add(text, "imaps", [("cmd", "imapd -s"), ("listen", "993")], "imap/default", ["imap"])
    assert [one.name for one in services.services(more) if one.owner == "imap/default"] == ["imaps"]
    assert services.remove(more, ["imaps", "imap"]) == text
    for one in services.services(text):
        out = services.take_out(text, one, "imap/default")
        assert one.name not in [each.name for each in services.services(out)]
        ((owner, hidden),) = services.taken_out(out)
        assert (owner, hidden.name) == ("imap/default", one.name)
        assert services.put_back(out, hidden) == text


@pytest.mark.parametrize(
    ("command", "implicit"),
    [
        ("imapd", False),
        ("imapd -s", True),
        ("imapd -U 30 -s", True),
        ("imapd -Ns -U 30", True),
        ("imapd -U s", False),
        ("imapd -C /etc/s", False),
        ("imapd -ps", False),
        ("imapd -p 2 -sU30", True),
    ],
)
def test_where_tls_starts_at_once(command, implicit):
    (service,) = services.services(f'SERVICES {{\n imap cmd="{command}" listen=imap\n}}\n')
    assert service.implicit_tls is implicit


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("imap", "", 143),
        ("1143", "", 1143),
        ("*:imaps", "", 993),
        ("10.0.0.1:993", "10.0.0.1", 993),
        ("[2001:db8::1]:pop3s", "2001:db8::1", 995),
        ("localhost:nosuchservice", "localhost", 0),
    ],
)
def test_where_a_service_listens(listen, host, port):
    (found,) = Listeners(f'SERVICES {{\n a cmd=imapd listen="{listen}"\n}}\n').of("imap", "default")
    assert (found.host, found.port) == (host, port)


def test_only_the_services_count():
    text = 'EVENTS {\n a cmd="imapd" at=1\n}\nservices{ # here\n b cmd="imapd" listen=1\n}\n c cmd="imapd" listen=2\n'
    assert [one.name for one in services.services(text)] == ["b"]


def test_no_section():
    with pytest.raises(Problem, match="no SERVICES section"):
        services.add("START {\n}\n", "imaps", [("cmd", "imapd"), ("listen", "1")], "imap/default", [])
