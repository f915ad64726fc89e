# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server or a certificate says is shown, and obeyed by no terminal."""

from __future__ import annotations

import json
import socketserver
import threading

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import harmless
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_cert_install, mail_tls_info
from ansible_collections.postmaster.secure_channel.tests.support.authorities import Authority, call, pem

EVIL = "\x1b]0;owned\x07\x1b[2J\u202eevil\u2028\x9b31m"


class Evil(socketserver.StreamRequestHandler):
    """A server that says nothing good."""

    def handle(self):
        said = EVIL.encode()
        self.wfile.write(b"220 " + said + b"\r\n")
        while self.rfile.readline():
            self.wfile.write(b"250-" + said + b"\r\n250-STARTTLS\r\n250 AUTH PLAIN" + b" x" * 4000 + b"\r\n")
            self.rfile.readline()
            self.wfile.write(b"454 " + said * 500 + b"\r\n")


@pytest.fixture
def evil():
    """Its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Evil) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_server(evil, capsys):
    result = call(mail_tls_info.main, capsys, {"host": "127.0.0.1", "protocol": "smtp", "port": evil, "timeout": 5})
    assert result["endpoints"][0]["error"]
    assert "evil" in json.dumps(result)
    assert harmless(result) == result


def test_certificate(tmp_path, capsys):
    stranger = Authority("Evil " + EVIL[:20])
    (tmp_path / "x.pem").write_bytes(pem(stranger.certificate))
    params = {"name": "mx.test", "src": tmp_path / "x.pem", "store": tmp_path / "store"}
    result = call(mail_cert_install.main, capsys, params)
    assert result["failed"]
    assert harmless(result, {"diff"}) == result
    assert len(result["msg"]) <= 1000
