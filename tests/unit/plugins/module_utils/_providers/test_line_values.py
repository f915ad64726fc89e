# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written into a daemon's file is read back from it as the same, or refused."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import SaslAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import imapd_conf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import doveconf, passwd_file
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import lsearch, routers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.key_lines import KeyLines
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import (
    lines_of,
    within_a_line,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import ldif
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    lookup_table,
    main_cf,
    master_cf,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import Row
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import LOGIN, PASSWORD, WRITTEN_PATH

PROVIDERS = Path(__file__).resolve().parents[5] / "plugins" / "module_utils" / "_providers"
BREAKS = ("\n", "\r", "\0", "a\nmynetworks = 0.0.0.0/0", "a\r\nb")
# Text of which the signs that mean something to some daemon come more often than others.
TEXTS = st.text(st.one_of(st.sampled_from("\"'$%{}#\\:; ,=^<>|&`~\n\r\0"), st.characters()), max_size=40)
PATHS = st.from_regex(r"/[A-Za-z0-9/._+-]{0,60}", fullmatch=True)


def fits(kind, text):
    try:
        kind.check(text)
    except Problem:
        return False
    return True


logins = TEXTS.filter(lambda text: fits(LOGIN, text) and text and ":" not in text and text == text.strip())
passwords = TEXTS.filter(lambda text: fits(PASSWORD, text) and text == text.strip())


@pytest.mark.parametrize("value", BREAKS, ids=ascii)
@pytest.mark.parametrize(
    "render",
    [
        lambda value: main_cf.assign("", {"smtp_tls_CAfile": value}),
        lambda value: master_cf.add("", "smtp", "x", {"smtpd_tls_chain_files": value}),
        lambda value: lookup_table.render({"a.test": (Row("a.test", value),)}),
        lambda value: lookup_table.render({"a.test": (Row(value, "x"),)}),
        lambda value: doveconf.render({"ssl_cert": value}),
        lambda value: doveconf.render({f"local_name {value}": {"a": "b"}}),
        lambda value: lsearch.render({"a.test": {"host": value}}),
        lambda value: lsearch.render({value: {"host": "x"}}),
        routers.routers,
        lambda value: imapd_conf.with_ours("", {"tls_server_cert": value}),
        lambda value: KeyLines("", "inn.conf").set({"tlscertfile": value}),
        lambda value: within_a_line(value, "x"),
        lambda value: lines_of(["a", value], "x"),
    ],
)
def test_nothing_gets_out_of_its_line(render, value):
    with pytest.raises(Problem) as caught:
        render(value)
    assert "\n" not in caught.value.message.replace(value, "")


def test_master_cf_may_go_on_between_braces():
    """Such a value is the administrator's own."""
    assert "{a=b\n c}" in master_cf.add("", "smtp", "x", {"a": "b\n c"})


@given(PATHS)
def test_paths_are_read_back_as_they_are(path):
    assume(fits(WRITTEN_PATH, path))
    assert (
        main_cf.written(main_cf.assign("", {"smtp_tls_CAfile": path}), "smtp_tls_CAfile")
        == f"smtp_tls_CAfile = {path}\n"
    )
    assert doveconf.parse(doveconf.render({"ssl_cert": f"<{path}"})) == {"ssl_cert": f"<{path}"}
    assert imapd_conf.ours(imapd_conf.with_ours("", {"tls_server_cert": path})) == {"tls_server_cert": path}
    lines = KeyLines("", "inn.conf")
    lines.set({"tlscertfile": path})
    assert KeyLines(lines.text, "inn.conf").value("tlscertfile") == path


@given(logins, passwords)
def test_an_account_is_read_back_from_the_table_as_it_is(login, password):
    rows = {"a.test": (Row("[mx.a.test]:587", f"{login}:{password}"),)}
    text = lookup_table.render(rows)
    assert lookup_table.parse(text) == rows
    assert lookup_table.parse(text.encode().decode()) == rows


@given(logins, passwords)
def test_an_account_is_read_back_from_exims_table_as_it_is(login, password):
    table = {"a.test": lsearch.account_fields(SaslAccount(login, password))}
    assert lsearch.parse(lsearch.render(table), "table", "user") == table


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda name: ":" not in name))
def test_names_in_a_passwd_file_are_read_back(name):
    assert passwd_file._plain(passwd_file._escaped(name)) == name


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_values_in_ldif_are_read_back(value):
    printed = f"dn: cn=config\n{ldif._line('olcTLSCertificateFile', value)}\n"
    (entry,) = ldif.entries(printed, "slapcat")
    assert entry["olcTLSCertificateFile"] == (value,)


# ---- nobody writes past that

GUARDS = {"within_a_line", "lines_of", "_written"}
# What makes lines without them, and why nothing can get out of these.
OTHERS = {
    ("apache/parser.py", "macro_head"): "the checked name of a virtual server",
    ("apache/template.py", "_start"): "the checked name of a virtual server",
    ("apache/template.py", "_end"): "the checked name of a virtual server",
    ("apache/template.py", "common"): "sockets that Apache prints, and names of modules that stand here",
    ("exim/domains_plan.py", "_expanded"): "questions to Exim, no file",
    ("exim/expressions.py", "_assign"): "an expression made here, of macros",
    ("exim/lost_sections.py", "changes"): "settings that stand here",
    ("exim/routers.py", "_transport"): "expressions made here",
    ("inn/require_encryption.py", "_insertion"): "a setting that stands here, with the file's own indent",
    ("inn/socket_units.py", "at_boot"): "names of units, of the checked name of a virtual server",
    ("nginx/template.py", "with_include"): "the path of a file of ours, of the checked name of a virtual server",
    ("openldap/cn_config.py", "shown"): "for a diff, no file",
    ("openldap/defaults_file.py", "with_line"): "URLs of sockets, which are addresses and ports, or the line as it was",
    ("openldap/sasl_conf.py", "with_mechanisms"): "names of mechanisms, each of which is checked",
    ("postfix/routing.py", "answers"): "questions to postmap, no file",
    ("text_blocks.py", "heading"): "words that stand in the code",
    ("text_blocks.py", "inserted"): "lines that the caller has made",
}


def unguarded(path):
    """Functions of a file that put values into lines of text, and do not see to it that they stay there."""
    for function in (one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.FunctionDef)):
        names = {one.id for one in ast.walk(function) if isinstance(one, ast.Name)}
        if any(makes_a_line(one) for one in ast.walk(function)) and not names & GUARDS:
            yield function.name


def makes_a_line(node):
    if not isinstance(node, ast.JoinedStr):
        return False
    text = "".join(str(one.value) for one in node.values if isinstance(one, ast.Constant))
    return "\n" in text and any(isinstance(one, ast.FormattedValue) for one in node.values)


def test_all_lines_are_made_through_the_guard():
    found = {
        (path.relative_to(PROVIDERS).as_posix(), name)
        for path in PROVIDERS.rglob("*.py")
        if path.name != "line_values.py"
        for name in unguarded(path)
    }
    assert found == set(OTHERS)


def test_a_planted_one_is_found(tmp_path):
    file = tmp_path / "x.py"
    file.write_text('def render(name, value):\n    return f"{name} = {value}\\n"\n')
    assert list(unguarded(file)) == ["render"]
