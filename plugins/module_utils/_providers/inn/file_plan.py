# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be in INN's own files, and in those of further virtual servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import kept
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn import (
    mechanisms as inn_mechanisms,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.auth_groups import AuthGroup
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.inn_conf import (
    KEYS,
    Effective,
    allows_only_newest,
    as_line_values,
    rendered,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.key_lines import KeyLines
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.paths import (
    CONFIG_DIRECTORY,
    INN_CONF,
    SASL_CONF,
    SASL_FILE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.readers_conf import (
    Files,
    auth_groups,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.require_encryption import (
    Notes,
    with_encryption,
    without_encryption,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import (
    OwnLists,
    strength_within,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import (
    warnings as own_warnings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import MODERN

_MECHANISMS = "mech_list"
_WIDTHS = {INN_CONF: 28, SASL_CONF: 0}  # where values begin in the file that INN brings


def home_of(vserver: str) -> str:
    """Directory with the files of a further virtual server."""
    return f"{CONFIG_DIRECTORY}/postmaster-{vserver}"


@dataclass(frozen=True)
class Unchanged:
    """INN's own files without anything of ours, from which further virtual servers start.

    Attributes:
        settings: inn.conf.
        readers: readers.conf.
        groups: its auth groups.
        files: the files that it may include.
        sasl: the settings of libsasl2.
    """

    settings: str
    readers: str
    groups: list[AuthGroup]
    files: Files
    sasl: str


class InnFiles:
    """The files of INN as they are to be.

    Args:
        host: the machine.
        originals: what was there before us; brought up to date.
        effective: INN's settings.
        library: the TLS library that INN uses.
    """

    def __init__(self, host: Host, originals: SavedSettings, effective: Effective, library: TlsLibrary) -> None:
        self._host = host
        self._originals = originals
        self._effective = effective
        self._library = library
        self.unchanged = self._unchanged()

    @property
    def _readers_note(self) -> str:
        return f"groups of {self._effective.readers}"

    def _unchanged(self) -> Unchanged:
        settings = self._lines(INN_CONF)
        for key in KEYS:
            if _note(key) in self._originals:
                settings.put(key, self._originals.text(_note(key)))
        path = self._effective.readers
        files = Files(self._host.read_text, self._effective.home)
        notes: Notes = self._originals.table(self._readers_note)
        readers = without_encryption(self._host.read_text(path), path, files, notes)
        sasl = self._sasl_lines()
        if _MECHANISMS in self._originals or self._made_sasl_conf():
            sasl.put(_MECHANISMS, self._originals.text(_MECHANISMS))
        return Unchanged(settings.text, readers, auth_groups(readers, path, files), files, sasl.text)

    def _lines(self, path: str) -> KeyLines:
        return _lines(self._host.read_text(path), path)

    @property
    def _own(self) -> OwnLists:
        """The lists of the administrator's own."""
        lines = _lines(self.unchanged.settings, INN_CONF)
        return OwnLists([lines.value("tlsciphers")], [lines.value("tlseccurve")], [lines.value("tlsciphers13")])

    def kept(self, vserver: Vserver) -> Vserver:
        """A virtual server for which options that the declaration leaves out do not weaken what stands without us."""
        required = all(group.encrypted for group in self.unchanged.groups if group.reachable)
        protocols = _lines(self.unchanged.settings, INN_CONF).raw("tlsprotocols") or ""
        modern = allows_only_newest(protocols.partition(":")[2])
        return kept(vserver, replace(vserver, require_secure_channel=required, strength=MODERN if modern else ""))

    def warnings(self, vserver: Vserver) -> list[str]:
        """Warnings of what is allowed from now on, as was asked for."""
        return own_warnings(self._host, vserver, self._own, "tlsciphers, tlsciphers13 or tlseccurve")

    def default(self, vserver: Vserver, certificate: str) -> Iterator[FileChange]:
        """INN's own files.

        Args:
            vserver: the default virtual server, present or absent.
            certificate: path of its certificate and key.
        """
        settings, readers, sasl = self.unchanged.settings, self.unchanged.readers, self.unchanged.sasl
        if vserver.present:
            self._save_what_is_there()
            settings = self._settings(self._lines(INN_CONF), vserver, certificate)
            readers, notes = self._readers(vserver)
            self._originals.forget([self._readers_note])
            self._originals.note(self._readers_note, notes)
            notice = heading() if self._is_marked() or self._host.state(SASL_CONF) is None else ""
            sasl = notice + self._sasl(self._sasl_lines(), vserver)
        sasl_is_ours = self._made_sasl_conf()
        if not vserver.present:
            self._refuse_lost(settings)
            self._originals.forget([*map(_note, KEYS), self._readers_note, _MECHANISMS, SASL_CONF])
        yield from self._rewritten(INN_CONF, settings)
        yield from self._rewritten(self._effective.readers, readers)
        if sasl_is_ours and not sasl:
            yield FileChange(SASL_CONF, None, own_directory=True)
        else:
            yield from self._rewritten(SASL_CONF, sasl)

    def _sasl_lines(self) -> KeyLines:
        return _lines(self._host.read_text(SASL_CONF).removeprefix(heading()), SASL_CONF)

    def _is_marked(self) -> bool:
        return self._host.read_text(SASL_CONF).startswith(heading())

    def _made_sasl_conf(self) -> bool:
        """Whether libsasl2 had no settings for INN before us; the file says so too, in case what was saved is lost."""
        return SASL_CONF in self._originals or self._is_marked()

    def _refuse_lost(self, settings: str) -> None:
        certificate = _lines(settings, INN_CONF).value("tlscertfile")
        how = (
            f"remove its lines that begin with 'tls', and those with 'require_encryption' in {self._effective.readers}"
        )
        self._originals.refuse_lost(certificate, INN_CONF, how)

    def further(self, vserver: Vserver, certificate: str) -> Iterator[FileChange]:
        """The files of a virtual server that INN does not have by itself."""
        home = home_of(vserver.name)
        paths = {name: f"{home}/{name}" for name in ("inn.conf", "readers.conf", SASL_FILE)}
        if not vserver.present:
            for path in paths.values():
                yield FileChange(path, None, own_directory=True)
            return
        contents = {
            "inn.conf": self._settings(_lines(self.unchanged.settings, INN_CONF), vserver, certificate),
            "readers.conf": self._readers(vserver)[0],
            SASL_FILE: self._sasl(_lines(self.unchanged.sasl, SASL_CONF), vserver),
        }
        like = {"inn.conf": INN_CONF, "readers.conf": self._effective.readers, SASL_FILE: SASL_CONF}
        for name, content in contents.items():
            state = self._host.state(like[name])
            yield FileChange(
                paths[name],
                (heading() + content).encode("utf-8", "surrogateescape"),
                state.owner if state else "root",
                state.group if state else "root",
                state.mode if state else 0o644,
                own_directory=True,
            )

    def _save_what_is_there(self) -> None:
        settings, sasl = (
            _lines(self.unchanged.settings, INN_CONF),
            _lines(self.unchanged.sasl, SASL_CONF),
        )
        for key in KEYS:
            self._originals.note(_note(key), settings.raw(key))
        if _MECHANISMS not in self._originals and self._host.state(SASL_CONF) is None:
            self._originals.note(SASL_CONF, None)
        self._originals.note(_MECHANISMS, sasl.raw(_MECHANISMS))

    def _settings(self, lines: KeyLines, vserver: Vserver, certificate: str) -> str:
        wanted = {
            "tlscertfile": certificate,
            "tlskeyfile": certificate,
            **rendered(strength_within(self._host, vserver, self._own), self._library),
        }
        lines.set(as_line_values(wanted))
        before = _lines(self.unchanged.settings, INN_CONF)
        for key in KEYS:
            if key not in wanted:
                lines.put(key, before.raw(key))
        return lines.text

    def _readers(self, vserver: Vserver) -> tuple[str, Notes]:
        if not vserver.require_secure_channel and set(vserver.auth_clear) & inn_mechanisms.PLAIN:
            return self.unchanged.readers, {}
        return with_encryption(
            self.unchanged.readers,
            self._effective.readers,
            self.unchanged.files,
            logins_only=not vserver.require_secure_channel,
        )

    def _sasl(self, lines: KeyLines, vserver: Vserver) -> str:
        there = _lines(self.unchanged.sasl, SASL_CONF).value(_MECHANISMS)
        offered = there.upper().split() if there else inn_mechanisms.installed(self._host)
        wanted = inn_mechanisms.chosen(vserver, offered)
        if set(lines.value(_MECHANISMS).upper().split()) != set(wanted):
            lines.set({_MECHANISMS: " ".join(wanted)})
        return lines.text

    def _rewritten(self, path: str, text: str) -> Iterator[FileChange]:
        if text != self._host.read_text(path):
            yield FileChange(path, text.encode("utf-8", "surrogateescape"))


def _lines(text: str, path: str) -> KeyLines:
    return KeyLines(text, path, _WIDTHS[path])


def _note(key: str) -> str:
    return f"inn.conf {key}"
