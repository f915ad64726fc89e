# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What slapd needs to start: files that cn=config names, whose loss a running slapd does not notice.

Facts: slapd-config(5). With one of these files gone slapd refuses every change of its TLS settings with error 80, which
does not name the file, and does not start any more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import paths

CA_FILE, CA_DIRECTORY = "olcTLSCACertificateFile", "olcTLSCACertificatePath"
CRL_FILE, DH_FILE = "olcTLSCRLFile", "olcTLSDHParamFile"
MODULE_PATH, MODULES, DATABASE = "olcModulePath", "olcModuleLoad", "olcDbDirectory"
NAMING_FILES = (config.CERTIFICATE, config.KEY, CA_FILE, CA_DIRECTORY, CRL_FILE, DH_FILE)
ATTRIBUTES = (CA_FILE, CA_DIRECTORY, CRL_FILE, DH_FILE, MODULE_PATH, MODULES, DATABASE)

Entry = Mapping[str, tuple[str, ...]]

_INDEX = re.compile(r"^\{-?\d+\}")
# How OpenSSL is asked whether a file holds what it must; it prints nothing that is secret.
_QUESTIONS = {
    config.CERTIFICATE: ("a certificate", ("x509", "-noout", "-pubkey", "-in")),
    config.KEY: ("a key without a passphrase", ("pkey", "-pubout", "-passin", "pass:", "-in")),
    CA_FILE: ("a certificate", ("x509", "-noout", "-in")),
    CRL_FILE: ("a revocation list", ("crl", "-noout", "-in")),
}
_OTHERS_WILL_DO = "put the file back; another certificate and key that belong together will do as well"
_PUT_BACK_OR_TAKE_OUT = (
    "put it back as it was, or take {0} out of cn=config if it is not needed any more ('ldapmodify -Y EXTERNAL -H"
    " ldapi:///' with 'delete: {0}')"
)
_REMEDIES = {
    config.CERTIFICATE: _OTHERS_WILL_DO,
    config.KEY: _OTHERS_WILL_DO,
    MODULES: "install the package that contains it again",
    DATABASE: "put the directory back, from a backup if need be, where slapd can write it",
}


@dataclass(frozen=True)
class StartRequirements:
    """What slapd's configuration names beside itself.

    Attributes:
        host: the machine.
        user: as whom slapd runs; empty for root.
        entries: all entries of cn=config with the attributes of ATTRIBUTES, each with its ``dn``.
    """

    host: Host
    user: str
    entries: Collection[Entry]

    def refuse_unmet(self, settings: config.Settings, ours: Collection[str]) -> None:
        """Raise Problem where slapd could not start with these settings.

        Args:
            settings: certificate and key as they are to be.
            ours: files that this call writes, or that it has looked at already.
        """
        for attribute, path in self._named(settings):
            if path not in ours:
                self._refuse_file(attribute, path, "cn=config")
        self._refuse_mismatch(settings, ours)
        for one in self.entries:
            for path in one.get(DATABASE, ()):
                self._refuse_file(DATABASE, path, one["dn"][0])
            self._refuse_modules(one)

    def files(self, settings: config.Settings) -> list[str]:
        """The files and directories for TLS that are needed with these settings."""
        return list(dict.fromkeys(path for _attribute, path in self._named(settings)))

    def _named(self, settings: config.Settings) -> Iterator[tuple[str, str]]:
        root: Entry = next((one for one in self.entries if one["dn"] == ("cn=config",)), {})
        for attribute in NAMING_FILES:
            for path in (settings if attribute in config.MANAGED else root).get(attribute, ()):
                yield attribute, path

    def _ask(self, *argv: str) -> tuple[bool, str]:
        done = self.host.query(argv, user=self.user)
        return done.code == 0, done.out

    def _refuse_file(self, attribute: str, path: str, entry: str) -> None:
        is_directory = attribute in (CA_DIRECTORY, DATABASE)
        if self.host.state(path) is None:
            raise _cannot_start(f"{path} is not there", attribute, entry)
        allowed, _out = self._ask("test", "-x" if is_directory else "-r", path)
        if not allowed:
            raise _cannot_start(f"{self.user or 'root'} may not read {path}", attribute, entry)
        what, question = _QUESTIONS.get(attribute, ("", ()))
        if question and not self._ask("openssl", *question, path)[0]:
            raise _cannot_start(f"{path} does not begin with {what}", attribute, entry)

    def _refuse_mismatch(self, settings: config.Settings, ours: Collection[str]) -> None:
        found = [(name, path) for name in (config.CERTIFICATE, config.KEY) for path in settings.get(name, ())]
        if len(found) != 2 or any(path in ours for _name, path in found):
            return
        (_name, certificate), (_other, key) = found
        if len({self._ask("openssl", *_QUESTIONS[name][1], path)[1] for name, path in found}) != 1:
            raise _cannot_start(f"{key} is not the key of {certificate}", config.KEY, "cn=config")

    def _refuse_modules(self, entry: Entry) -> None:
        directories = ":".join(entry.get(MODULE_PATH, ())) or paths.MODULES
        for value in entry.get(MODULES, ()):
            name = _INDEX.sub("", value).split()[0] if value.strip() else ""
            if not any(self.host.state(path) for path in _module_files(name, directories)):
                raise _cannot_start(f"the module {name} is not in {directories}", MODULES, entry["dn"][0])


def _module_files(name: str, directories: str) -> Iterator[str]:
    stem = re.sub(r"\.(?:la|so)$", "", name)
    for directory in [""] if name.startswith("/") else [f"{one}/" for one in directories.split(":")]:
        for ending in ("", ".la", ".so"):
            yield f"{directory}{stem}{ending}"


def _cannot_start(found: str, attribute: str, entry: str) -> Problem:
    return Problem(
        f"slapd could not be started again: {found}",
        f"{_REMEDIES.get(attribute, _PUT_BACK_OR_TAKE_OUT.format(attribute))}, then run again",
        subject="OpenLDAP",
        option=f"{attribute} of {entry}",
    )
