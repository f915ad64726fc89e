# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a daemon's configuration refers to, wherever that lies, is found before a program reads it."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache import further_files as apache
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    further_files as dovecot,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import further_files as exim
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx import further_files as nginx
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    foreign_tables,
    routing,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    further_files as postfix,
)


def found(module, **texts):
    """Path, place and whether to follow it, of each reference; texts are named as in /etc/x."""
    named = {f"/etc/x/{name.replace('_', '.')}": text for name, text in texts.items()}
    return [(one.path, one.place.removeprefix("/etc/x/"), one.follow) for one in module.further_files(named)]


@pytest.mark.parametrize(
    ("line", "path", "follow"),
    [
        ("Include /srv/a.conf", "/srv/a.conf", True),
        ('  includeOptional "/srv/a b/*.conf"', "/srv/a b/*.conf", True),
        ("Include conf.d", "/etc/apache2/conf.d", True),
        ("LoadModule x_module /srv/x.so", "/srv/x.so", False),
        ("LoadFile /srv/x.so", "/srv/x.so", False),
        ("PerlRequire /srv/x.pl", "/srv/x.pl", False),
        ("Include ${PLACE}/a.conf", "/srv/www/a.conf", True),
        ("Include ${FROM_SHELL}/a.conf", "/srv/shell/a.conf", True),
        ("Include /srv/$site/%1.conf", "/srv/*/*.conf", True),
        ("Include \\\n /srv/a.conf", "/srv/a.conf", True),
    ],
)
def test_apache(line, path, follow):
    texts = {"a_conf": f"# Include /no\n\n{line}\n", "b_conf": "Define PLACE /srv/www\n"}
    texts["envvars"] = "export FROM_SHELL=/srv/shell$SUFFIX\n"
    assert found(apache, **texts) == [(path, "a.conf:3", follow)]


def test_apache_somewhere_else():
    text = "ServerRoot /opt/apache\nInclude conf.d\nPerlRequire Apache2::Status\nInclude\n"
    assert found(apache, a=text) == [("/opt/apache/conf.d", "a:2", True)]


@pytest.mark.parametrize(
    ("line", "path", "follow"),
    [
        ("include /srv/a.conf;", "/srv/a.conf", True),
        ("http { server { include '/srv/a b/*'; } }", "/srv/a b/*", True),
        ("include\n  snippets/a.conf;", "/etc/nginx/snippets/a.conf", True),
        ("load_module modules/x.so;", "/usr/share/nginx/modules/x.so", False),
        ("perl_require /srv/x.pm;", "/srv/x.pm", False),
        ("js_import main from /srv/x.js;", "/srv/x.js", False),
        ("include /srv/a.conf; } what is this", "/srv/a.conf", True),
        ("http { include '/srv/a.conf';", "/srv/a.conf", True),
    ],
)
def test_nginx(line, path, follow):
    assert found(nginx, a=f"# include /no;\nuser www-data;\n{line}\n") == [(path, "a:3", follow)]


@pytest.mark.parametrize(
    ("line", "path", "follow"),
    [
        ("!include /srv/a.conf", "/srv/a.conf", True),
        ("  !include_try conf.d/*.conf", "/etc/x/conf.d/*.conf", True),
        ('protocol imap {\n !include "../a.conf"\n}', "/etc/x/../a.conf", True),
        ("libexec_dir = /srv/libexec", "/srv/libexec", False),
        (" mail_plugin_dir=/srv/modules", "/srv/modules", False),
    ],
)
def test_dovecot(line, path, follow):
    number = 4 if line.startswith("protocol") else 3
    assert found(dovecot, a=f"# !include /no\n\n{line}\n") == [(path, f"a:{number}", follow)]


@pytest.mark.parametrize(
    ("line", "path", "follow"),
    [
        (".include /srv/a", "/srv/a", True),
        (".include_if_exists /srv/a", "/srv/a", True),
        (".include BELOW/a", "/srv/exim/below/a", True),
        (" perl_startup = do '/srv/x.pl'", "/srv/x.pl", False),
    ],
)
def test_exim(line, path, follow):
    texts = {"a": f"# .include /no\n{line}\n", "b": "PLACE = /srv/exim\nBELOW == PLACE/below\n"}
    assert found(exim, **texts) == [(path, "a:2", follow)]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("daemon_directory = /srv/sbin", "/srv/sbin"),
        ("shlib_directory=\n  # a comment\n  /srv/lib", "/srv/lib"),
        ("meta_directory = ${config_directory}/meta", "/etc/postfix/meta"),
        ("command_directory = $place/sbin\nplace = /srv", "/srv/sbin"),
    ],
)
def test_postfix(line, path):
    text = f"# daemon_directory = /no\nmyhostname = host\n{line}\nlast = here\n"
    found_here = list(postfix.further_files({"/etc/postfix/main.cf": text}))
    assert [(one.path, one.place, one.follow) for one in found_here] == [(path, "/etc/postfix/main.cf:3", False)]


def test_libraries_of_tables():
    text = "#type library\nldap postfix-ldap.so dict_ldap_open\nmine /srv/mine.so open\n"
    assert found(postfix, dynamicmaps_cf=text) == [("/srv/mine.so", "dynamicmaps.cf:3", False)]


@pytest.mark.parametrize(
    ("table", "reader"),
    [
        ("texthash:{their}", Identity.of("daemon")),
        ("pipemap:{{texthash:/etc/passwd,texthash:{their}}}", Identity.of("daemon")),
        ("unionmap:{{pcre:{their}, static:x}}", Identity.of("daemon")),
        ("proxy:texthash:{their}", ""),
        ("texthash:/etc/passwd", ""),
        ("static:x", ""),
        ("hash:{their}", ""),  # what is read is another file
    ],
)
def test_tables_are_read_as_who_can_write_them(tmp_path, monkeypatch, table, reader):
    their = tmp_path / "their"
    their.write_text("")
    monkeypatch.setattr(foreign_tables, "reader_of", lambda path: Identity.of("daemon") if path == str(their) else "")
    asked = []

    class Machine(Host):
        def query(self, argv, **options):
            asked.append(options["user"])
            return Completed(0, "", "")

    routing.answers(Machine(), table.format(their=their), ["key"])
    assert asked == [reader]
