# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds mail where the package's template has taken the place of ours."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import FileState
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import lost_sections
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    LOCALMACROS,
    TEMPLATE,
)


class _Files:
    """A host that has files."""

    def __init__(self, **texts):
        paths = {"macros": LOCALMACROS, "template": TEMPLATE}
        self.texts = {paths[name]: text for name, text in texts.items()}

    def read_text(self, path):
        return self.texts.get(path, "")

    def read(self, path):
        return self.texts[path].encode() if path in self.texts else None

    def state(self, path):
        return FileState("root", "root", 0o644) if path in self.texts else None

    def take(self, changes):
        host: Any = self
        for one in needed(changes, host):
            self.texts.pop(one.path, None)
            if one.content is not None:
                self.texts[one.path] = one.content.decode()


def a_host(**texts: str) -> Any:
    """A host that has these files."""
    return _Files(**texts)


@pytest.mark.parametrize("before", [None, "A = b\n", "A = b"])
def test_comes_once_and_goes_byte_for_byte(before):
    host = a_host() if before is None else a_host(macros=before)
    host.take(lost_sections.changes(host, needed=True))
    assert "hold_domains = " in host.texts[LOCALMACROS]
    assert "REMOTE_SMTP_HELO_DATA = " in host.texts[LOCALMACROS]
    assert lost_sections.changes(host, needed=True) == []
    host.take(lost_sections.changes(host, needed=False))
    assert host.texts.get(LOCALMACROS) == before


def test_is_not_needed_where_nothing_stands_in_the_template():
    assert lost_sections.changes(a_host(macros="A = b\n"), needed=False) == []


@pytest.mark.parametrize("file", ["macros", "template"])
def test_a_setting_of_the_administrators_stays_and_is_told(file):
    host = a_host(**{file: "# one\nhold_domains = a.example\n"})
    (warning,) = lost_sections.warnings(host, needed=True)
    assert warning.startswith(f"{LOCALMACROS if file == 'macros' else TEMPLATE}:2 sets hold_domains")
    host.take(lost_sections.changes(host, needed=True))
    assert host.texts[LOCALMACROS].count("hold_domains =") == (file == "macros")
    assert "REMOTE_SMTP_HELO_DATA = " in host.texts[LOCALMACROS]
    assert lost_sections.warnings(host, needed=False) == []


def test_a_greeting_of_the_administrators_stays():
    host = a_host(macros="REMOTE_SMTP_HELO_DATA = mx.example\n")
    host.take(lost_sections.changes(host, needed=True))
    assert host.texts[LOCALMACROS].count("REMOTE_SMTP_HELO_DATA") == 1


def test_what_debians_template_says_of_the_greeting_is_no_setting():
    line = "REMOTE_SMTP_HELO_DATA=${lookup dnsdb {ptr=$sending_ip_address}{$value}{$primary_hostname}}\n"
    host = a_host(template=line)
    host.take(lost_sections.changes(host, needed=True))
    assert "REMOTE_SMTP_HELO_DATA = " in host.texts[LOCALMACROS]


def test_mail_for_several_domains_waits_as_long_as_our_routers_are_gone():
    # Debian's transports see no domain then: "$domain" is empty, and so is what is looked up for it
    host = a_host()
    host.take(lost_sections.changes(host, needed=True))
    (greeting,) = (one for one in host.texts[LOCALMACROS].splitlines() if one.startswith("REMOTE_SMTP_HELO_DATA"))
    several = r"{and{{eq{$domain}{}}{!match{${readfile{$config_file}}}{\N(?m)^postmaster_to_\N}}}}"
    assert f"partial0-lsearch{{/etc/exim4/postmaster_domains}}}}}}{{}}}}{several}" in greeting
    assert greeting.count("{") == greeting.count("}")
