# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments of a wrong shape, or with characters that mean something to a daemon or a terminal, in every module."""

from __future__ import annotations

import contextlib
import importlib
import json
from unittest import mock

import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args

from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import COMMAND

PACKAGE = "ansible_collections.postmaster.secure_channel.plugins.modules"
CANARY = "hunter2-canary"
# For each secret: module, list of objects (empty for a module with one), an object without the secret, and its option.
SECRETS = [
    ("mail_domain_security", "domains", {"domain": "a.test", "relay_host": "mx.a.test", "username": "u"}, "password"),
    ("mail_relay_account", "accounts", {"name": "relay"}, "password"),
    ("mail_cert_request", "requests", {"name": "mx.test"}, "key_passphrase"),
    ("mail_cert_install", "certificates", {"name": "mx.test", "content": "x"}, "passphrase"),
    ("mail_cert_install", "certificates", {"name": "mx.test", "content": "x"}, "key_passphrase"),
    ("mail_cert_install", "certificates", {"name": "mx.test"}, "content"),
    ("mail_vserver_tls", "vservers", {"protocol": "imap", "certificate": "mx.test"}, "key_passphrase"),
    ("mail_cert_export", "", {"name": "mx.test", "path": "/nowhere/x.p12", "passphrase": "pw"}, "key_passphrase"),
    ("mail_cert_export", "", {"name": "mx.test", "path": "/nowhere/x.p12"}, "passphrase"),
]
# what is given, and what of it must not be seen
WRONG = [
    ({"value": CANARY}, CANARY),
    ({CANARY: None}, CANARY),
    ({"a": {"b": [CANARY]}}, CANARY),
    ([CANARY], CANARY),
    ([[{"x": CANARY + "\\"}]], CANARY),
    (7355608733, "7355608733"),
    (73556.08733, "73556.08733"),
    (True, '"passphrase": true'),
]


def outcome(name, params, capsys):
    """What a module prints, and its result."""
    capsys.readouterr()
    warnings._global_warnings.clear()
    arguments = {**params, "_ansible_diff": True, "_ansible_check_mode": True, "_ansible_remote_tmp": "/tmp"}
    # tests of filters beside these have loaded code of the control node
    on_the_host = mock.patch("ansible.module_utils._internal.is_controller", False)
    with on_the_host, patch_module_args(arguments), contextlib.suppress(SystemExit):
        importlib.import_module(f"{PACKAGE}.{name}").main()
    captured = capsys.readouterr()
    return captured.out + captured.err, json.loads(captured.out)


def forms(many, element):
    """The two ways to give an object."""
    return [element, {many: [element]}] if many else [element]


@pytest.mark.parametrize(("given", "needle"), WRONG, ids=[type(given).__name__ for given, _needle in WRONG])
@pytest.mark.parametrize(("module", "many", "rest", "option"), SECRETS, ids=lambda one: str(one)[:30])
def test_secret_of_a_wrong_shape_is_refused_and_not_shown(module, many, rest, option, given, needle, capsys):
    for params in forms(many, {**rest, option: given}):
        printed, result = outcome(module, params, capsys)
        assert result["failed"]
        assert needle not in printed
        assert result["problem"]["option"] == option
        assert "its value is not shown" in result["msg"]
        assert "quotes" in result["problem"]["remedy"]


@pytest.mark.parametrize("wrong", [[[CANARY]], [CANARY], {"domain": "a.test", "password": CANARY}, f"x={CANARY}"])
def test_list_of_objects_that_is_none_is_not_shown(wrong, capsys):
    printed, result = outcome("mail_domain_security", {"domains": wrong}, capsys)
    assert result["failed"]
    assert CANARY not in printed
    assert "dictionar" in result["problem"]["remedy"]


@pytest.mark.parametrize(
    "params", [{"domain": "a.test", "pasword": CANARY}, {"domains": [{"domain": "a.test", "pasword": CANARY}]}]
)
def test_misspelt_option_is_named_without_its_value(params, capsys):
    printed, result = outcome("mail_domain_security", params, capsys)
    assert "pasword" in result["msg"]
    assert CANARY not in printed


@pytest.mark.parametrize("option", ["username", "relay_host", "domain", "relay_port"])
def test_secret_that_slipped_into_another_option_is_not_shown(option, capsys):
    element = {"domain": "a.test", option: {"password": CANARY}}
    for params in forms("domains", element):
        printed, result = outcome("mail_domain_security", params, capsys)
        assert result["problem"]["option"] == option
        assert CANARY not in printed


def test_true_and_false_are_no_text(capsys):
    """YAML reads the country NO as false."""
    _printed, result = outcome("mail_cert_request", {"name": "mx.test", "country": False}, capsys)
    assert result["problem"]["option"] == "country"
    assert "quotes" in result["problem"]["remedy"]


# ---- strings

# Halves of surrogate pairs are not among them: the code of the control node, once loaded, lets none through.
BREAKS = ["\n", "\r", "\0", "\x0b", "\x1b[2J", "\x7f", "\x85", "\x9b", "\u2028", "\u2029"]
STRINGS = [
    ("mail_domain_security", {"domain": "a{}.test"}, "domain"),
    ("mail_domain_security", {"domain": "a.test", "match": ["a{}.test"]}, "match"),
    ("mail_domain_security", {"domain": "a.test", "fingerprints": ["{}00"]}, "fingerprints"),
    ("mail_domain_security", {"domain": "a.test", "relay_host": "a{}b"}, "relay_host"),
    ("mail_domain_security", {"domain": "a.test", "username": "a{}b", "password": "x"}, "username"),
    ("mail_domain_security", {"domain": "a.test", "username": "x", "password": "a{}b"}, "password"),
    ("mail_domain_security", {"domain": "a.test", "inbound": {"addresses": ["a{}b"]}}, "inbound.addresses"),
    ("mail_domain_security", {"domain": "a.test", "ca_file": "/etc/ssl/a{}b"}, "ca_file"),
    ("mail_relay_account", {"name": "a{}b", "password": "x"}, "name"),
    ("mail_relay_account", {"name": "x", "password": "a{}b"}, "password"),
    ("mail_relay_account", {"name": "x", "realm": "a{}b"}, "realm"),
    ("mail_relay_account", {"name": "x", "allowed_senders": ["a{}b@a.test"]}, "allowed_senders"),
    ("mail_vserver_tls", {"protocol": "imap", "certificate": "a{}b"}, "certificate"),
    ("mail_vserver_tls", {"protocol": "imap", "certificate": "x", "name": "a{}b"}, "name"),
    ("mail_vserver_tls", {"protocol": "imap", "certificate": "x", "store": "/etc/a{}b"}, "store"),
    ("mail_vserver_tls", {"protocol": "imap", "certificate": "x", "auth_tls": ["A{}"]}, "auth_tls"),
    ("mail_vserver_tls", {"protocol": "imap", "certificate": "x", "server_names": ["a{}b"]}, "server_names"),
    ("mail_vserver_tls", {"protocol": "imap", "certificate": "x", "addresses": ["fe80::1{}"]}, "addresses"),
    (
        "mail_vserver_tls",
        {"protocol": "imap", "certificate": "x", "sni": [{"name": "a{}b", "certificate": "x"}]},
        "sni[0].name",
    ),
    ("mail_cert_request", {"name": "a.test", "organization": "a{}b"}, "organization"),
    ("mail_cert_request", {"name": "a.test", "csr_path": "/tmp/a{}b"}, "csr_path"),
    ("mail_cert_install", {"name": "a.test", "src": "/tmp/a{}b"}, "src"),
    ("mail_cert_export", {"name": "a.test", "passphrase": "a{}b", "path": "/nowhere/x"}, "passphrase"),
    ("mail_cert_info", {"name": "a{}b"}, "name"),
    ("mail_tls_info", {"protocol": "imap", "host": "a{}b"}, "host"),
    ("mail_tls_info", {"protocol": "imap", "host": "a.test", "ca_file": "/etc/a{}b"}, "ca_file"),
]


def filled(value, text):
    """A value with a text in its place."""
    if isinstance(value, dict):
        return {key: filled(one, text) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, text) for one in value]
    return value.replace("{}", text) if isinstance(value, str) else value


@pytest.mark.parametrize("text", BREAKS, ids=ascii)
@pytest.mark.parametrize(("module", "params", "option"), STRINGS, ids=lambda one: str(one)[:60])
def test_control_character_is_refused_by_name_and_shown_escaped(module, params, option, text, capsys):
    printed, result = outcome(module, filled(params, f"{text}X"), capsys)
    assert result["failed"]
    assert result["problem"]["option"] == option
    assert not COMMAND.search(result["msg"])
    assert not COMMAND.search(printed.replace("\n", ""))


@pytest.mark.parametrize("path", ["/x/${queue_directory}", "/x/$y", "/x/a b", "/x/a#b", "/x/a;b", '/x/a"b', "/x/%{u}"])
@pytest.mark.parametrize(
    ("module", "params", "option"),
    [
        ("mail_domain_security", {"domain": "a.test"}, "ca_file"),
        ("mail_vserver_tls", {"protocol": "imap", "certificate": "x"}, "store"),
        ("mail_cert_install", {"name": "a.test", "content": "x"}, "store"),
    ],
)
def test_path_for_a_daemons_file_has_no_character_that_means_something_there(module, params, option, path, capsys):
    _printed, result = outcome(module, {**params, option: path}, capsys)
    assert result["problem"]["option"] == option
    assert "letters" in result["problem"]["remedy"]


@pytest.mark.parametrize("address", ["fe80::1%eth0\nx=y", "fe80::1%a b", "fe80::1%${x}", "fe80::1%lo"])
def test_zone_of_an_address_is_no_way_in(address, capsys):
    """Python takes anything behind the percent sign."""
    for module, params in (
        ("mail_domain_security", {"domain": "a.test", "relay_host": address}),
        ("mail_vserver_tls", {"protocol": "imap", "certificate": "x", "name": "y", "addresses": [address]}),
    ):
        _printed, result = outcome(module, params, capsys)
        assert result["problem"]["option"] in ("relay_host", "addresses")


@pytest.mark.parametrize(
    ("module", "params", "option"),
    [
        ("mail_domain_security", {"domain": "a" * 255}, "domain"),
        ("mail_domain_security", {"domain": "a.test", "ca_file": "/" + "a" * 5000}, "ca_file"),
        ("mail_domain_security", {"domain": "a.test", "username": "ä" * 161, "password": "x"}, "username"),
        ("mail_relay_account", {"name": "x", "password": "ä" * 501}, "password"),
        ("mail_cert_install", {"name": "a.test", "content": "x" * (1 << 20) + "x"}, "content"),
    ],
)
def test_length_is_bounded(module, params, option, capsys):
    _printed, result = outcome(module, params, capsys)
    assert result["problem"]["option"] == option
    assert "give at most" in result["problem"]["remedy"]
    assert len(result["msg"]) <= 1000


def test_message_of_ansible_itself_is_escaped_and_bounded(capsys):
    _printed, result = outcome("mail_vserver_tls", {"protocol": "\x1b[31m" + "x" * 5000}, capsys)
    assert "value of protocol must be one of" in result["msg"]
    assert not COMMAND.search(result["msg"])
    assert len(result["msg"]) <= 1000
