# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every parser of ours as a function of bytes, for tests with hostile input and for the fuzzer.

Whatever the bytes are, a parser returns, or raises a Problem (on the wire a WireError): nothing else, and soon.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import formats, kdf_cost, pem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.csr import load_request
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import load_key
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import (
    CertificateSpec,
    friendly_name_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import load_certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.ports import port_number
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache import parser as apache
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache import (
    template as apache_template,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import cyrus_conf, imapd_conf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    doveconf,
    passwd_file,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    listeners as dovecot_listeners,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.parser import (
    Files as DovecotFiles,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import (
    authenticators,
    debian_config,
    effective,
    expressions,
    listeners,
    lsearch,
    managed_sections,
    smarthost,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn import inn_conf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.key_lines import KeyLines
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.readers_conf import (
    Files as InnFiles,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.require_encryption import (
    with_encryption,
    without_encryption,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx import parser as nginx
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.sites import Sites
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import (
    cn_config,
    defaults_file,
    ldif,
    sasl_conf,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import (
    listeners as slapd_listeners,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    lookup_table,
    main_cf,
    master_cf,
    services,
    values,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import MarkedBlock
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import ber, resolver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.registry import (
    DIALOGUES,
    dialogue_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError

EXPECTED = (Problem, WireError)  # how a parser says that it does not understand
PASSPHRASE = "opensesame"

_PATH = "/etc/x"
_MARKED = MarkedBlock("# BEGIN", "# END", " (joined)", runs_on=True)


class OneFile:
    """A host on which every path is the same file, and every directory has it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, _path: str) -> bytes | None:
        return self._content

    def read_text(self, _path: str) -> str:
        return _text(self._content)

    def names_in(self, _directory: str) -> list[str]:
        return ["x", "y.conf"]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _host(data: bytes) -> Any:
    return OneFile(data)


# ---- certificates


def _opened(data: bytes) -> None:
    formats.parsed(data)


def _opened_with_passphrase(data: bytes) -> None:
    formats.parsed(data, PASSPHRASE)


def _pem(data: bytes) -> None:
    pem.blocks_in(data)
    pem.key_block(data)
    pem.is_protected(data)
    pem.leaf_of(data)


def _records(data: bytes) -> None:
    friendly_name_in(data)
    spec = CertificateSpec.from_record(data)
    if spec is not None:
        spec.for_result()
        spec.for_diff()
        spec.differences(spec)


def _saved_settings(data: bytes) -> None:
    host = _host(data)
    saved = SavedSettings(host, Store(host, "/x"), "postfix")
    saved.keys("a")
    saved.change()


def _host_name(data: bytes) -> None:
    ascii_name(_text(data), "name")
    port_number(_text(data))


# ---- daemons


def _doveconf(data: bytes) -> None:
    found = doveconf.parse(_text(data))
    doveconf.render(found)
    for value in found.values():
        if isinstance(value, dict):
            dovecot_listeners.clear_port({"inet_listener imap": value}, "imap")


def _dovecot(data: bytes) -> None:
    DovecotFiles(_host(data), {}).entries("/etc/dovecot/dovecot.conf")


def _passwd_file(data: bytes) -> None:
    passwd_file.password_hashes(_text(data))


def _nginx(data: bytes) -> None:
    whole, _mark, included = _text(data).partition("\0")
    texts = {"/etc/nginx/nginx.conf": whole, "/etc/nginx/x.conf": included}
    for site in Sites(nginx.configuration(texts, "/etc/nginx/nginx.conf")).all:
        void((site.vservers, site.certificates, site.redirects, site.password_prompt, site.own_tls(443)))


def _apache_dump(data: bytes) -> None:
    text = _text(data)
    apache.vhosts(text)
    apache.included(text)
    apache.modules(text)


def _apache(data: bytes) -> None:
    text = _text(data)
    list(apache.statements(_PATH, text))
    apache.used_sockets(_PATH, text, "tls")
    apache.original_arguments(text, "x")
    apache_template.without_macro(text, "x")
    with contextlib.suppress(ValueError):  # who wraps a virtual host turns it into a problem
        apache_template.with_macro(text, 1, "x")
    apache.ports_listened({_PATH: text}, {"ssl_module"})


def _main_cf(data: bytes) -> None:
    text = _text(data)
    saved = {name: main_cf.written(text, name) for name in ("smtpd_tls_security_level", "a")}
    changed = main_cf.assign(text, dict.fromkeys(saved, "may"))
    main_cf.restore(changed, saved)
    values.words(text)
    values.same("smtpd_tls_protocols", text, ">=TLSv1.2")


def _master_cf(data: bytes) -> None:
    text = _text(data)
    for service in master_cf.services(text)[:3]:
        saved = {"a": master_cf.written(text, service, "a")}
        master_cf.restore(text, service, saved)
        master_cf.override(text, service, {"a": "b c"})
        master_cf.set_aside(text, service, "x")
        master_cf.remove(text, service, "x")
        services.key_of(service)
    services.by_socket(text)
    list(services.found_vservers(text))
    master_cf.bring_back(text, "x")


def _lookup_table(data: bytes) -> None:
    lookup_table.render(lookup_table.parse(_text(data)))


def _ldif(data: bytes) -> None:
    for one in ldif.entries(_text(data), "slapcat"):
        cn_config.factors(one)
        cn_config.sasl_limits(one)
        cn_config.channel(one, required=False, simple_in_clear=False, sasl_in_clear=False)
        cn_config.loosens(one, {})
        cn_config.clear_text_mechanisms(("PLAIN", "GSSAPI"), one)


def _slapd_defaults(data: bytes) -> None:
    text = _text(data)
    line = defaults_file.line_of(text, "SLAPD_SERVICES")
    defaults_file.assigned(text, "SLAPD_SERVICES")
    defaults_file.with_line(defaults_file.with_line(text, "SLAPD_SERVICES", None), "SLAPD_SERVICES", line)
    sasl_conf.mechanisms(text)
    sasl_conf.with_mechanisms(text, ["PLAIN"])
    slapd_listeners.listener(text)
    slapd_listeners.running_services(text)


def _imapd_conf(data: bytes) -> None:
    text = _text(data)
    imapd_conf.options(text)
    imapd_conf.included(text)
    imapd_conf.ours(text)
    imapd_conf.with_ours(imapd_conf.with_ours(text, {"tls_server_cert": "/x"}), {})


def _cyrus_conf(data: bytes) -> None:
    text = _text(data)
    cyrus_conf.taken_out(text)
    for service in cyrus_conf.services(text):
        assert service.flags is not None
        assert service.listens is not None
        cyrus_conf.put_back(cyrus_conf.take_out(text, service, "imap/x"), service)
    cyrus_conf.remove(text, ["imap"])
    cyrus_conf.add(text, "imap", [("cmd", "imapd")], "imap/default", [])


def _exim_template(data: bytes) -> None:
    text = _text(data)
    host = _host(data)
    debian_config.without_ours(text)
    debian_config.set_aside(text, ["tls_certificate", "tls_privatekey"])
    authenticators.set_aside(text, ("plain",))
    authenticators.without_aside(text)
    host.state = lambda _path: None
    assert debian_config.Sources(host).split in (True, False)
    managed_sections.with_blocks(text, {"routers": "x", "transports": "y", "authenticators": "z"})


def _exim_lists(data: bytes) -> None:
    text = _text(data)
    listeners.ports(text)
    listeners.interfaces(text)
    authenticators.items(text)
    smarthost.Smarthost.from_route(text)
    expressions.address_and_port(text)


def _exim_shown(data: bytes) -> None:
    text = _text(data)
    effective.servers(text)
    authenticators.render(authenticators.former(text, {}))
    smarthost.default_level(text, authentic=True)
    shown = effective.Effective.shown(lambda *_words: text)
    assert shown.ports is not None
    assert shown.expected is not None


def _exim_table(data: bytes) -> None:
    lsearch.render(lsearch.parse(_text(data), _PATH, "level"))


def _readers_conf(data: bytes) -> None:
    text = _text(data)
    files = InnFiles(lambda _path: text, "/etc/news")
    changed, notes = with_encryption(text, _PATH, files, logins_only=True)
    without_encryption(changed, _PATH, files, notes)


def _key_lines(data: bytes) -> None:
    lines = KeyLines(_text(data), _PATH)
    lines.set({"tlscertfile": "/x"})
    lines.put("tlscertfile", None)
    assert lines.value("port") is not None


def _innconfval(data: bytes) -> None:
    try:
        inn_conf.parsed(_text(data))
    except ValueError as exc:  # who asks INN turns it into a problem
        raise Problem(str(exc), "x") from exc


def _marked_block(data: bytes) -> None:
    text = _text(data)
    _MARKED.within(text)
    _MARKED.note(text)
    _MARKED.removed(text)


# ---- the wire


def _ber(data: bytes) -> None:
    stream = io.BytesIO(data)

    def take(count: int) -> bytes:
        found = stream.read(count)
        if len(found) < count:
            raise ber.BerError("too early")
        return found

    try:
        waiting = [ber.read_element(take)]
        while waiting:
            one = waiting.pop()
            assert one.number is not None
            assert one.text is not None
            waiting += one.parts if one.tag & 0x20 else []
    except ber.BerError as exc:
        raise Problem(str(exc), "x") from exc


def _dns(data: bytes) -> None:
    resolver.servers_in(_text(data))
    resolver.exchangers_in(data)


def _dialogue(name: str) -> Callable[[bytes], None]:
    def talk(data: bytes) -> None:
        ours, theirs = socket.socketpair()
        with theirs, Addressed(ours) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            theirs.sendall(data[: 1 << 16])
            theirs.shutdown(socket.SHUT_WR)
            dialogue = dialogue_of(name)
            stream = Stream(client, time.monotonic() + 5)
            opening = dialogue.open(stream)
            dialogue.offers_tls(opening)
            dialogue.refuses_in_clear_text(data)
            dialogue.clear_text(stream, opening)
            dialogue.ask_tls(stream)
            dialogue.answer_to_smuggled(stream)

    return talk


class Addressed(socket.socket):
    """One end of a pair of sockets that says it was on the network."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__(end.family, end.type, end.proto, fileno=os.dup(end.fileno()))
        end.close()

    def getpeername(self) -> Any:
        return ("192.0.2.1", 1)

    def getsockname(self) -> Any:
        return ("192.0.2.2", 2)


PARSERS: Mapping[str, Callable[[bytes], None]] = {
    "certificates": _opened,
    "certificates-with-passphrase": _opened_with_passphrase,
    "certificate": lambda data: void(load_certificate(data, "it")),
    "kdf-cost": kdf_cost.refuse_costly,
    "pem": _pem,
    "key": lambda data: load_key(data, _PATH),
    "request": lambda data: void(load_request(data, _PATH)),
    "records": _records,
    "saved-settings": _saved_settings,
    "host-name": _host_name,
    "doveconf": _doveconf,
    "dovecot": _dovecot,
    "dovecot-passwd": _passwd_file,
    "nginx": _nginx,
    "apache-dump": _apache_dump,
    "apache": _apache,
    "postfix-main": _main_cf,
    "postfix-master": _master_cf,
    "postfix-table": _lookup_table,
    "slapd-ldif": _ldif,
    "slapd-defaults": _slapd_defaults,
    "cyrus-imapd": _imapd_conf,
    "cyrus-master": _cyrus_conf,
    "exim-template": _exim_template,
    "exim-lists": _exim_lists,
    "exim-shown": _exim_shown,
    "exim-table": _exim_table,
    "inn-readers": _readers_conf,
    "inn-lines": _key_lines,
    "inn-settings": _innconfval,
    "marked-block": _marked_block,
    "ber": _ber,
    "dns": _dns,
    **{f"wire-{name}": _dialogue(name) for name in DIALOGUES if name != "submission"},
}


def void(_value: object) -> None:
    """Nothing, whatever is given."""


def parse(name: str, data: bytes) -> None:
    """Give bytes to a parser; what it may say to them is no failure."""
    with contextlib.suppress(*EXPECTED):
        PARSERS[name](data)
