# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every daemon and every protocol has its place in the documentation, so that a new one is not forgotten there."""

from __future__ import annotations

import importlib
import re

import pytest
import yaml

from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.tests.support.written_examples import ROOT, RST

PROVIDERS = ROOT / "plugins" / "module_utils" / "_providers"
DAEMONS = sorted({path.parent.name for path in PROVIDERS.glob("*/provider.py")} - {"web"})  # web is two daemons' base
CALLED = {"openldap": "openldap|slapd"}
WITH_A_TABLE = ("architecture", "certificates", "files", "virtual_servers")
MODULES = ("mail_tls_info", "mail_vserver_tls")


def names(text: str, words: str) -> bool:
    """Whether a text has one of these words, separated by bars."""
    return bool(re.search(rf"(?<![\w-])({words})(?![\w-])", text, re.IGNORECASE))


def ports_in(module: str) -> set[tuple[str, int]]:
    """Each protocol with the ports that the options of a module say it has by default."""
    package = "ansible_collections.postmaster.secure_channel.plugins.modules."
    options = yaml.safe_load(importlib.import_module(package + module).DOCUMENTATION)["options"]
    said = " ".join(
        sentence
        for option in ("port", "implicit_tls_port")
        if option in options
        for sentence in options[option]["description"]
    )
    return {(name, int(port)) for port, name in re.findall(r"(\d+) for [VC]\((\w+)\)", said)}


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_daemon_has_its_page(daemon: str) -> None:
    assert (RST / f"daemon_{daemon}.rst").exists()
    assert f"daemon_{daemon}.rst" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", WITH_A_TABLE)
@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_daemon_is_on_the_pages_that_compare_them(daemon: str, page: str) -> None:
    assert names((RST / f"{page}.rst").read_text(), CALLED.get(daemon, daemon))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_is_named(protocol: str) -> None:
    assert names((RST / "virtual_servers.rst").read_text(), protocol)
    assert names((ROOT / "README.md").read_text(), protocol)


@pytest.mark.parametrize("module", MODULES)
def test_documented_ports_are_the_registered_ones(module: str) -> None:
    registered = {(one.name, port) for one in PROTOCOLS.values() for port in (one.port, one.implicit_tls_port) if port}
    if module == "mail_vserver_tls":  # the port of a site in clear text is its own; see the option
        registered -= {("http", PROTOCOLS["http"].port)}
    assert ports_in(module) == registered
