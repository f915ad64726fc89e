# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.references import referring

MAIN = """smtpd_tls_cert_file = /etc/a.pem
smtp_tls_cert_file = /etc/b.pem
smtp_tls_cert_file =
    # the server's
    $smtpd_tls_cert_file
lmtp_tls_cert_file = ${smtp_tls_cert_file}
#tlsproxy_tls_cert_file = $smtpd_tls_cert_file
tlsproxy_tls_cert_file = ${smtpd_tls_key_file?{$smtpd_tls_cert_file}:{none}}
"""
MASTER = """smtp      inet  n       -       y       -       -       smtpd
out       unix  -       -       y       -       -       smtp
  -o syslog_name=out
  -o smtp_tls_cert_file=$smtpd_tls_cert_file
"""


def _said(names):
    return [(one.name, one.place) for one in referring(MAIN, MASTER, names)]


def test_every_setting_that_depends_on_a_parameter_is_found():
    assert _said({"smtpd_tls_cert_file"}) == [
        ("smtp_tls_cert_file", "/etc/postfix/main.cf line 3"),
        ("tlsproxy_tls_cert_file", "/etc/postfix/main.cf line 8"),
        ("smtp_tls_cert_file", "/etc/postfix/master.cf line 4"),
        ("lmtp_tls_cert_file", "/etc/postfix/main.cf line 6"),
    ]


def test_a_parameter_of_a_branch_counts():
    assert _said({"smtpd_tls_key_file"}) == [("tlsproxy_tls_cert_file", "/etc/postfix/main.cf line 8")]


def test_nobody_refers_to_a_parameter():
    assert _said({"smtpd_tls_CAfile"}) == []
