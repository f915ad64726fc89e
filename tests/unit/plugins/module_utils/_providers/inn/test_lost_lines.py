# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What INN's unit says where an upgrade has replaced inn.conf."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.lost_lines import watch
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import RecordedHost

CERTIFICATE = "/etc/postmaster/deployed/inn/main.pem"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"tlscertfile:    {CERTIFICATE}\n", False),
        (f'  tlscertfile: "{CERTIFICATE}"\n', False),
        (f"#tlscertfile: {CERTIFICATE}\ntlscertfile:\n", True),
        ("pathhost: news.example.test\n", True),
    ],
)
def test_lines_that_are_gone_are_named_in_the_journal(tmp_path, text, said):
    path = tmp_path / "inn.conf"
    path.write_text(text)
    (change,) = watch(RecordedHost(), CERTIFICATE)
    script = (change.content or b"").decode().split("'")[1].replace("/etc/news/inn.conf", str(path))
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert (f"does not name {CERTIFICATE} any more" in done.stdout) is said


def test_it_goes_with_our_settings():
    host = RecordedHost()
    assert list(watch(host, "")) == []
    (change,) = watch(host, CERTIFICATE)
    host.files[change.path] = change.content or b""
    (gone,) = watch(host, "")
    assert (gone.path, gone.content, gone.own_directory) == (change.path, None, True)
