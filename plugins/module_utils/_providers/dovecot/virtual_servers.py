# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot's virtual servers as its effective settings and our own files show them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import (
    CIPHERS,
    GROUPS,
    Language,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.doveconf import (
    Doveconf,
    Settings,
    parse,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.drop_in import (
    DEFAULT,
    DropIn,
    not_plain,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.levels import is_modern
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.listeners import (
    clear_port,
    implicit_tls_port,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import DROP_IN
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import names_no_more
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    MODERN,
    Strength,
    first_strength,
)


def path_of(protocol: str, name: str) -> str:
    """Path of a virtual server's file."""
    # a later block overrules an earlier one, and an underscore comes after a full stop
    return DROP_IN.format(protocol if name == DEFAULT else f"{protocol}_{name}")


class VirtualServers:
    """What Dovecot serves at present.

    Args:
        host: the machine.
        doveconf: its effective settings.
        drop_in: reads our own files.
        strength: the settings of a strength.
    """

    def __init__(
        self, host: Host, doveconf: Doveconf, drop_in: DropIn, strength: Callable[[Strength], dict[str, str]]
    ) -> None:
        self._host = host
        self._doveconf = doveconf
        self._drop_in = drop_in
        self._strength = strength

    @property
    def _language(self) -> Language:
        return self._drop_in.language

    def read(self, protocols: Iterable[str]) -> dict[tuple[str, str], Vserver]:
        """The virtual servers of some protocols, by protocol and name."""
        found = {}
        for protocol in protocols:
            for name in (DEFAULT, *self._names_of_ours(protocol)):
                ours = self.of_ours(protocol, name)
                found[ours.key] = self._as_vserver(ours, self._settings(ours))
        return found

    def of_ours(self, protocol: str, name: str) -> Vserver:
        """What our own file says of a virtual server."""
        return self._drop_in.parse(protocol, name, self._host.read_text(path_of(protocol, name)))

    def _settings(self, ours: Vserver) -> Settings:
        """The settings in effect for a virtual server."""
        protocol, name = ours.key
        names = [*self._names_to_read(), *([f"service/{protocol}-login"] if name == DEFAULT else [])]
        address = next(iter(ours.addresses), "")
        if name == DEFAULT or self._language.effective_by_address:
            return self._doveconf.effective(*names, protocol=protocol, address=address)
        text = self._host.read_text(path_of(protocol, name))
        own = parse(text).get(f"local {address}", {}).get(f"protocol {protocol}", {})
        return {**self._doveconf.effective("auth_mechanisms", protocol=protocol), **own}

    def _names_to_read(self) -> list[str]:
        language = self._language
        return [
            "ssl",
            "ssl_min_protocol",
            CIPHERS,
            GROUPS,
            "auth_mechanisms",
            language.server_preference[0],
            language.clear_text[0],
            *dict.fromkeys((language.effective_certificate[0], language.effective_alternative[0])),
        ]

    def _names_of_ours(self, protocol: str) -> list[str]:
        """Names of the virtual servers that have a file of ours, without the default one."""
        prefix, suffix = os.path.basename(DROP_IN).format(protocol + "_").split(".", 1)
        files = (file.split(".") for file in self._host.names_in(os.path.dirname(DROP_IN)))
        return [
            ".".join(words[:-1])[len(prefix) :]
            for words in files
            if words[-1] == suffix and ".".join(words[:-1]).startswith(prefix)
        ]

    def _as_vserver(self, ours: Vserver, settings: Settings) -> Vserver:
        """Effective settings as the model says them.

        Args:
            ours: what our own file says.
            settings: what Dovecot says.
        """
        language = self._language
        mechanisms = tuple(sorted(settings.get("auth_mechanisms", "").upper().split()))
        required = settings.get("ssl") == "required"
        everything = settings.get(language.clear_text[0]) == language.clear_text[2]
        minimum = settings.get("ssl_min_protocol", "")
        found = replace(
            ours,
            certificate=self._certificate(settings, language.effective_certificate, language.certificate),
            alternative_certificate=self._certificate(
                settings, language.effective_alternative, language.alternative_certificate
            ),
            require_secure_channel=required,
            strength=first_strength(lambda one: self._has(settings, one)) or (MODERN if is_modern(minimum) else ""),
            auth_clear=() if required else mechanisms if everything else not_plain(mechanisms),
            auth_tls=mechanisms or None,
        )
        if ours.name != DEFAULT:
            return found
        login = settings.get(f"service {ours.protocol}-login", {})
        return replace(
            found,
            port=clear_port(login, ours.protocol),
            implicit_tls_port=implicit_tls_port(login, ours.protocol) if settings.get("ssl") != "no" else 0,
        )

    def _has(self, settings: Settings, strength: Strength) -> bool:
        """Whether settings are those of a strength; the administrator may allow fewer suites and groups."""
        wanted = self._strength(strength)

        def fits(name: str, value: str) -> bool:
            found = settings.get(name, "")
            return found == value or (name in (CIPHERS, GROUPS) and names_no_more(found, value))

        return all(fits(*one) for one in wanted.items())

    def _certificate(self, settings: Settings, keys: Sequence[str], setting: str) -> str:
        """Name of the certificate in effect, path of a foreign one, or empty.

        Args:
            settings: as doveconf(1) shows them, or as a file of ours has them.
            keys: where doveconf(1) shows it.
            setting: what a file calls it.
        """
        file: Any = settings
        for key in (setting,) if setting in settings else keys:
            file = file.get(key, {}) if isinstance(file, dict) else {}
        return self._drop_in.name_of(file) if isinstance(file, str) and file.lstrip("<") else ""
