# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings for the other TLS library: they wait, and are given to the first slapd that is linked with it."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import FileState
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import Command
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.next_library import waiting
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import WAITING
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS

OPENSSL = TlsLibrary("OpenSSL", (3, 0))
DROP_IN = "/etc/systemd/system/slapd.service.d/postmaster-secure-channel.conf"


class Host:
    """A host with slapd, and some files."""

    def __init__(self, *there):
        self.there = there

    def which(self, name):
        return f"/usr/sbin/{name}"

    def state(self, path):
        return FileState("root", "root", 0o644) if path in self.there else None


class Slapd:
    """Says how it is changed while it is stopped."""

    def command_to(self, settings):
        return Command(("slapmodify", "-n0"))


def planned(host: Any, strength: Any, other: TlsLibrary | None, *services: str) -> Any:
    slapd: Any = Slapd()
    settings = {"olcTLSCipherSuite": ("NONE",)}
    return {one.path: one.content for one in waiting(host, slapd, strength, settings, other, services)}


@pytest.mark.parametrize("strength", STRENGTHS)
def test_no_word_for_gnutls_is_left(strength):
    text = planned(Host(), STRENGTHS[strength], OPENSSL)[WAITING].decode()
    assert "NONE" not in text
    change = "delete" if strength == "modern" else "replace"
    assert f"{change}: olcTLSCipherSuite\n" in text


def test_nothing_waits_where_nothing_is_secured_or_slapd_has_the_other_library():
    assert planned(Host(), None, OPENSSL) == {}
    assert planned(Host(), STRENGTHS["modern"], None) == {}


def test_what_waited_goes():
    assert planned(Host(WAITING, DROP_IN), STRENGTHS["modern"], None) == {WAITING: None, DROP_IN: None}


@pytest.mark.parametrize(
    ("linked", "modified", "given", "left"),
    [
        ("libssl.so.3", 0, True, False),
        ("libssl.so.3", 1, True, True),
        ("libgnutls.so.30", 0, False, True),
        ("libgnutls.so.30 libssl.so.3", 0, False, True),
        ("", 0, False, True),
    ],
)
def test_the_line_gives_it_to_a_slapd_that_is_linked_so(tmp_path, linked, modified, given, left):
    found = planned(Host(), STRENGTHS["modern"], OPENSSL)
    file = tmp_path / "waiting"
    file.write_bytes(found[WAITING])
    (line,) = (one for one in found[DROP_IN].decode().splitlines() if one.startswith("ExecStartPre=-+/bin/sh -c "))
    for name, script in (("ldd", f"echo {linked}"), ("slapmodify", f"cat >{tmp_path}/given; exit {modified}")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    script = line.split("'")[1].replace(WAITING, str(file))
    subprocess.run(["/bin/sh", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert (tmp_path / "given").exists() is given
    assert file.exists() is left


@pytest.mark.parametrize(
    ("file", "missing"),
    [
        ('SLAPD_SERVICES="ldap:/// ldapi:/// ldaps:///"\n', []),
        ('#SLAPD_SERVICES="ldaps:///"\nSLAPD_SERVICES="ldap:/// ldapi:///"\n', ["ldaps:///"]),
        ("", ["ldap:///", "ldaps:///"]),
        (None, ["ldap:///", "ldaps:///"]),
    ],
)
def test_listeners_that_an_upgrade_has_taken_are_named(tmp_path, file, missing):
    found = planned(Host(), None, None, "ldap:///", "ldaps:///", 'ldapi://"$(reboot)"')
    path = tmp_path / "slapd"
    if file is not None:
        path.write_text(file)
    (line,) = (one for one in found[DROP_IN].decode().splitlines() if one.startswith("ExecStartPre=-+/bin/sh -c "))
    assert "reboot" not in line
    script = line.split("'")[1].replace("$$", "$").replace("/etc/default/slapd", str(path))
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False)
    assert [one.split(" listen at ")[1].split()[0] for one in done.stdout.splitlines()] == missing
