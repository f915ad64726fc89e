# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A call loads what it needs. On a host each file of ours is compiled anew for each call, which is most of its time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "tests" / "support" / "loaded_code.py"
LIGHT = ("daemon", "paths")  # what is known of a daemon without its provider

# The most files of ours that each module loads before it does anything.
IMPORTED = {
    "mail_vserver_tls": 96,
    "mail_cert_install": 90,
    "mail_cert_request": 84,
    "mail_cert_export": 81,
    "mail_domain_security": 84,
    "mail_relay_account": 67,
    "mail_cert_info": 37,
    "mail_tls_info": 44,
}
MAIL_SERVERS = ("postfix-3.7", "dovecot-2.3")
VSERVERS = [{"protocol": one, "certificate": "mx", "strength": "intermediate"} for one in ("smtp", "imap")]


def run(module: str, *hosts: str, **arguments: Any) -> tuple[dict[str, Any], set[str]]:
    """The result of a module on a recorded host, and the files of ours that are loaded then."""
    done = subprocess.run(
        [sys.executable, PROGRAM, module, json.dumps(arguments), *hosts],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found["result"], set(found["loaded"])


def daemons(loaded: set[str]) -> set[str]:
    """The daemons of which more is loaded than what tells whether they are there."""
    parts = [one.split(".") for one in loaded if one.startswith("_providers.") and one.count(".") > 1]
    return {package for _top, package, name in parts if name not in LIGHT}


@pytest.mark.parametrize("module", IMPORTED)
def test_a_module_loads_no_provider_before_it_knows_the_host(module: str) -> None:
    _result, loaded = run(module)
    assert daemons(loaded) == set()
    assert len(loaded) <= IMPORTED[module]


def test_virtual_servers_load_the_daemons_that_are_there() -> None:
    result, loaded = run("mail_vserver_tls", *MAIL_SERVERS, vservers=VSERVERS)
    assert result["changed"]
    assert daemons(loaded) == {"postfix", "dovecot"}
    assert not {one for one in loaded if "domains" in one or "login" in one or "passwd" in one}
    assert {one for one in loaded if one.startswith("_wire.dialogues.")} == {
        f"_wire.dialogues.{one}" for one in ("base", "http", "imap", "registry", "smtp")
    }


def test_virtual_servers_load_only_the_daemons_that_can_serve_them() -> None:
    result, loaded = run("mail_vserver_tls", *MAIL_SERVERS, "openldap-2.5", "nginx-1.22", vservers=VSERVERS[1:])
    assert result["changed"]
    assert daemons(loaded) == {"dovecot"}


def test_domains_load_the_daemon_that_sends() -> None:
    result, loaded = run("mail_domain_security", *MAIL_SERVERS, domain="a.test", tls="may")
    assert result["changed"]
    assert daemons(loaded) == {"postfix"}


def test_accounts_load_the_daemon_where_they_log_in() -> None:
    result, loaded = run("mail_relay_account", *MAIL_SERVERS, name="one")
    assert result["problem"]["found"] == "no submission server on this host accepts logins"
    assert daemons(loaded) == {"postfix", "sasl"}
