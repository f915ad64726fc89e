# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What daemons need to go on: places in their words, pairs of certificate and key, programs, accounts and plugins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache import (
    start_requirements as apache,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import (
    start_requirements as cyrus,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    start_requirements as dovecot,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import (
    start_requirements as exim,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx import (
    start_requirements as nginx,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import configuration
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    start_requirements as postfix,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import (
    NamedFile,
    concerns,
    line_with,
    place_in,
    refuse_mismatch,
)

DONE = Completed(0, "", "")


class _Machine:
    """A host with some files, where each program that is asked answers in the same way."""

    def __init__(self, files=(), answers=None):
        self.files = dict(files)
        self.answers = answers or {}

    def read_text(self, path):
        return self.files.get(path, "")

    def read(self, path):
        return self.files[path].encode() if path in self.files else None

    def state(self, path):
        return SimpleNamespace(mode=0o755) if path in self.files else None

    def names_in(self, directory):
        return sorted(
            {path[len(directory) + 1 :].partition("/")[0] for path in self.files if path.startswith(directory + "/")}
        )

    def query(self, argv, **_more):
        return self.answers.get(argv[0], self.answers.get(" ".join(argv), DONE))


Machine: Any = _Machine  # it stands in for a host


@pytest.mark.parametrize(
    ("complaint", "place"),
    [
        ("postconf: fatal: file /etc/postfix/master.cf: line 138: bad field count", "/etc/postfix/master.cf:138"),
        ("postconf: fatal: /etc/postfix/main.cf, line 5: missing '='", "/etc/postfix/main.cf:5"),
        (
            "Error in configuration file /etc/dovecot/conf.d/98-x.conf line 1: No matches",
            "/etc/dovecot/conf.d/98-x.conf:1",
        ),
        (
            "Syntax error on line 4 of /etc/apache2/sites-enabled/x.conf:",
            "/etc/apache2/sites-enabled/x.conf:4",
        ),
        ("invalid option name on line 330 of configuration file /etc/imapd.conf", "/etc/imapd.conf:330"),
        ('unknown directive "x" in /etc/nginx/conf.d/x.conf:3', "/etc/nginx/conf.d/x.conf:3"),
        ("exited at once", ""),
    ],
)
def test_places_are_found_in_words_of_daemons(complaint, place):
    assert place_in(complaint) == place


def test_a_complaint_concerns_a_file_and_not_one_whose_name_goes_on():
    assert concerns("cannot load /etc/a.pem: gone", ["/etc/a.pem"])
    assert concerns("cannot load /etc/a.pem.", ["/etc/a.pem"])
    assert not concerns("cannot load /etc/a.pem.gone: gone", ["/etc/a.pem"])


def test_comments_name_nothing():
    assert line_with({"/a": "# word\nother\n word here\n"}, "word") == "/a:3"
    assert line_with({"/a": "# word\n"}, "word") == ""


def test_a_key_of_another_certificate_is_named():
    host = Machine(answers={"openssl x509 -noout -pubkey": Completed(0, "one", "")})
    with pytest.raises(Problem, match="/k is not the key of /c") as raised:
        refuse_mismatch(host, "it", NamedFile("/c", "/x:1"), NamedFile("/k", "/x:2"))
    assert raised.value.option == "/x:2"


def test_what_cannot_be_read_is_left_to_the_daemon():
    refuse_mismatch(
        Machine(answers={"openssl": Completed(1, "", "no")}), "it", NamedFile("/c", ""), NamedFile("/k", "")
    )


def test_pairs_of_nginx_leave_out_what_each_client_decides():
    text = """http { ssl_certificate a.pem; ssl_certificate_key /b.key;
server { ssl_certificate /$ssl_server_name.pem; ssl_certificate_key /x.key; } }"""
    found = list(nginx.pairs(configuration({"/etc/nginx/nginx.conf": text}, "/etc/nginx/nginx.conf")))
    assert [(one.path, two.path) for one, two in found] == [("/etc/nginx/a.pem", "/b.key")]


def test_pairs_of_apache_are_those_of_each_virtual_host():
    text = """<VirtualHost *:443>
SSLCertificateFile /a.pem
SSLCertificateKeyFile /a.key
</VirtualHost>
<VirtualHost *:444>
SSLCertificateFile both.pem
</VirtualHost>
SSLCertificateFile ${ROOT}/c.pem
"""
    found = [(one.path, two.path, two.place) for one, two in apache.pairs({"/x.conf": text})]
    assert found == [("/a.pem", "/a.key", "/x.conf:3"), ("/etc/apache2/both.pem", "/etc/apache2/both.pem", "/x.conf:6")]


@pytest.mark.parametrize("line", ['recover cmd="nosuch -r"', "recover cmd=nosuch", 'recover cmd="/gone/nosuch"'])
def test_a_program_of_cyrus_start_is_missed(line):
    with pytest.raises(Problem, match="nosuch, which is to run at the start, is not installed") as raised:
        cyrus.refuse_unmet(Machine(), f"START {{\n  {line}\n}}\nSERVICES {{\n}}\n", {})
    assert raised.value.option == "/etc/cyrus.conf:2"


def test_a_command_behind_the_start_is_no_matter():
    cyrus.refuse_unmet(Machine(), 'START {\n}\nSERVICES {\n}\nEVENTS {\n a cmd="nosuch" at=1\n}\n', {})


def test_a_directory_of_cyrus_is_missed():
    host = Machine({"/etc/imapd.conf": "# configdirectory\nconfigdirectory: /gone\n"})
    with pytest.raises(Problem, match="/gone, the configdirectory, is not there") as raised:
        cyrus.refuse_unmet(host, "SERVICES {\n}\n", {"configdirectory": "/gone"})
    assert raised.value.option == "/etc/imapd.conf:2"


MADE = "one\nnosuch = 3\n"


def test_an_error_of_exim_is_found_in_the_administrators_file():
    said = Completed(1, MADE, 'Exim configuration error in line 2 of /mnt/made:\n  option "nosuch" unknown\n')
    host = Machine({"/etc/exim4/conf.d/main/99_x": "# a\nnosuch = 3\n"}, {"unshare": said})
    with pytest.raises(Problem, match='option "nosuch" unknown') as raised:
        exim.refuse_unmet(host, ())
    assert raised.value.option == "/etc/exim4/conf.d/main/99_x:2"
    exim.refuse_unmet(host, ["/etc/exim4/conf.d/main/99_x"])


@pytest.mark.parametrize("said", [Completed(42, "", ""), Completed(1, "", "unshare: unshare failed: not permitted")])
def test_where_exim_cannot_be_tried_nothing_is_said(said):
    exim.refuse_unmet(Machine(answers={"unshare": said}), ())


def test_accounts_of_postfix_are_missed():
    host = Machine({"/etc/postfix/main.cf": "a = b\nmail_owner = gone\n"}, {"getent": Completed(2, "", "")})
    with pytest.raises(Problem, match="the user gone, which mail_owner names") as raised:
        postfix.refuse_unmet(host, {"mail_owner": "gone"}, ())
    assert raised.value.option == "/etc/postfix/main.cf:2"


def test_a_certificate_that_postfix_gets_back_is_missed():
    host = Machine({"/etc/postfix/main.cf": "smtpd_tls_chain_files = /ours\n"})
    back = FileChange(
        "/etc/postfix/main.cf", b"smtpd_tls_cert_file = /gone\nsmtpd_tls_key_file = $smtpd_tls_cert_file\n"
    )
    with pytest.raises(Problem, match="/gone, which they name, is not there any more") as raised:
        postfix.refuse_unmet(host, {}, [back])
    assert raised.value.option == "/etc/postfix/main.cf:1"


def test_a_certificate_that_is_missing_anyway_is_no_matter():
    host = Machine({"/etc/postfix/main.cf": "smtpd_tls_cert_file = /gone\n"})
    postfix.refuse_unmet(host, {}, [FileChange("/etc/postfix/main.cf", b"smtpd_tls_cert_file = /gone\na = b\n")])


class _Doveconf:
    """Settings of Dovecot."""

    def __init__(self, services=None, plugins=""):
        self.services, self.plugins = services or {}, plugins

    def of_services(self):
        return self.services

    def served(self):
        return {"imap"}

    def effective(self, name, **_filters):
        return {name: {"mail_plugins": self.plugins, "mail_plugin_dir": "/modules"}[name]}


Doveconf: Any = _Doveconf


@pytest.mark.parametrize("plugins", ['" nosuch"', "acl nosuch", {"nosuch": "yes", "other": "no"}])
def test_a_plugin_of_dovecot_is_missed(plugins):
    main = {"/etc/dovecot/dovecot.conf": "protocol imap {\n mail_plugins = acl nosuch\n}\n"}
    host = Machine({**main, "/modules/lib01_acl_plugin.so": ""})
    with pytest.raises(Problem, match="the plugin nosuch, which imap is to load, is not in /modules") as raised:
        dovecot.refuse_unmet(host, Doveconf(plugins=plugins), ())
    assert raised.value.option == "/etc/dovecot/dovecot.conf:2"


@pytest.mark.parametrize("plugins", ["", "acl quota", {"acl": "yes", "nosuch": "no"}])
def test_plugins_that_are_there_are_none_to_name(plugins):
    host = Machine({"/modules/lib01_acl_plugin.so": "", "/modules/lib10_quota_plugin.so": ""})
    dovecot.refuse_unmet(host, Doveconf(plugins=plugins), ())


def test_an_account_of_a_service_is_missed():
    text = "service auth {\n unix_listener a {\n  group = gone\n }\n}\n"
    host = Machine({"/etc/dovecot/dovecot.conf": text}, {"getent": Completed(2, "", "")})
    with pytest.raises(Problem, match="the group gone does not exist") as raised:
        dovecot.refuse_unmet(host, Doveconf({"service auth": {"unix_listener a": {"group": "gone"}}}), ())
    assert raised.value.option == "/etc/dovecot/dovecot.conf:3"


def test_what_dovecot_says_of_a_file_that_the_call_writes_does_not_count():
    host = Machine(answers={"doveconf": Completed(89, "", "/ours.conf line 2: Can't open file /copy.pem")})
    with pytest.raises(Problem, match="open file /copy") as raised:
        dovecot.refuse_unmet(host, Doveconf(), ())
    assert raised.value.option == "/ours.conf:2"
    dovecot.refuse_unmet(host, Doveconf(), ["/copy.pem"])
