# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A virtual server in the words of smtpd(8), and back. Facts: TLS_README, SASL_README, postconf(5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    NamedCertificate,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import lines_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import (
    OwnLists,
    strength_within,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import submission
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.demands import (
    CIPHERS,
    DEFAULT_CIPHERS,
    FINITE_FIELDS,
    GROUPS,
    PROTOCOLS,
    encrypts,
    expanded,
    groups,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import SNI_TABLE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    allows_no_more,
    same,
    words,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    STRENGTHS,
    Strength,
    first_strength,
)

# Superseded by smtpd_tls_chain_files; Postfix warns at each connection while both are set.
_SUPERSEDED = (
    "smtpd_tls_cert_file",
    "smtpd_tls_key_file",
    "smtpd_tls_eccert_file",
    "smtpd_tls_eckey_file",
    "smtpd_tls_dcert_file",
    "smtpd_tls_dkey_file",
)
CHAIN = "smtpd_tls_chain_files"
SUPERSEDED = frozenset(_SUPERSEDED)
_OWN = (
    CHAIN,
    "smtpd_tls_security_level",
    "smtpd_tls_auth_only",
    "tls_server_sni_maps",
    "smtpd_sasl_mechanism_filter",
    "smtpd_sasl_security_options",
    FINITE_FIELDS,
)
_PASSWORD_IN_CLEAR = frozenset({"PLAIN", "LOGIN"})  # mechanisms that Postfix counts as plaintext
_ANY = ("ANY",)  # stands for whatever the administrator's own settings offer
# No table but a texthash carries no copy of the keys; smtpd(8) reads it before it gives up its privileges.
_SNI_TYPE = "texthash:"
_SNI_MAPS = "tls_server_sni_maps"


def sni_table(vserver: Vserver) -> str:
    """Path of the table of a virtual server's certificates by name."""
    return SNI_TABLE.format(vserver.protocol, vserver.name)


def _is_of_ours(table: str) -> bool:
    return table.startswith(_SNI_TYPE + SNI_TABLE.partition("{")[0])


def _fits(name: str, found: str, wanted: str) -> bool:
    """Whether a parameter is as a strength has it, or allows fewer versions, suites or groups than that."""
    if name == CIPHERS and found:
        return set(found.split(":")) <= set(wanted.split(":"))
    if name == GROUPS and found:
        return set(words(found)) <= set(words(wanted))
    return allows_no_more(found, wanted) if name in PROTOCOLS else same(name, found, wanted)


class Smtpd:
    """The translation, for one host.

    Args:
        host: the machine.
        store: its certificate store.
        daemon: the provider's name.
        library: the TLS library that Postfix uses.
    """

    def __init__(self, host: Host, store: Store, daemon: str, library: TlsLibrary) -> None:
        self._host = host
        self._store = store
        self._daemon = daemon
        self._library = library

    # ---- to Postfix

    def settings(self, vserver: Vserver, own: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
        """The parameters of a virtual server.

        Args:
            vserver: as it is desired.
            own: the parameters as the service would see them without us.
            now: main.cf's parameters as they are to be.

        Raises:
            Problem: smtpd(8) cannot be told to offer just these mechanisms.
        """
        chains = [name for name in (vserver.certificate, vserver.alternative_certificate) if name]
        found = {
            CHAIN: ", ".join(self._store.deployed_path(self._daemon, name) for name in chains),
            "smtpd_tls_security_level": "encrypt" if vserver.require_secure_channel else "may",
            "smtpd_tls_auth_only": "no" if vserver.auth_clear else "yes",
            **self._strength_above(vserver, own),
            # no strength has groups over finite fields; versions that do not offer them know no such list
            **({FINITE_FIELDS: ""} if FINITE_FIELDS in own else {}),
            **dict.fromkeys([*self._superseded(own), *self._superseded(now)], ""),
        }
        theirs = [one for one in words(own.get(_SNI_MAPS, "")) if not _is_of_ours(one)]
        if vserver.sni:
            # ours is asked first: it names hosts, while others may go by domains
            found[_SNI_MAPS] = ", ".join([_SNI_TYPE + sni_table(vserver), *theirs])
        elif any(map(_is_of_ours, words(now.get(_SNI_MAPS, "")))):
            found[_SNI_MAPS] = ", ".join(theirs)
        if vserver.auth_tls is not None:
            found["smtpd_sasl_mechanism_filter"] = ", ".join(one.lower() for one in vserver.auth_tls)
        if vserver.auth_clear:
            found["smtpd_sasl_security_options"] = self._clear_text_options(vserver)
        return found

    def of_service(
        self,
        vserver: Vserver,
        own: Mapping[str, str],
        overrides: Mapping[str, str] | None,
        now: Mapping[str, str],
        *,
        implicit: bool,
    ) -> dict[str, str]:
        """The settings of a virtual server's own service.

        Args:
            vserver: as it is desired.
            own: main.cf's parameters without us.
            overrides: what the service sets for itself without us; None for one that we have made.
            now: main.cf's parameters as they are to be.
            implicit: whether it starts TLS at once.

        Raises:
            Problem: smtpd(8) cannot be told to offer just these mechanisms.
        """
        before = {**own, **(overrides or {})}
        wanted = self.settings(vserver, before, now)
        if vserver.protocol == "submission":
            offered = wanted.get("smtpd_sasl_security_options")
            wanted.update(submission.settings(vserver.auth_tls, offered, before, made=overrides is None))
            if overrides is None:
                wanted.update(submission.OWN_RESTRICTIONS)
                wanted.update(submission.surroundings(now))
        wanted["smtpd_tls_wrappermode"] = "yes" if implicit else "no"
        return wanted

    def names(self) -> list[str]:
        """The names of all parameters that a virtual server may set."""
        strengths = [name for one in STRENGTHS.values() for name in self.strength(one)]
        return list(dict.fromkeys([*_OWN, *_SUPERSEDED, *strengths]))

    def strength(self, strength: Strength) -> dict[str, str]:
        """A strength in Postfix' words. Grade high is used so that outgoing mail, at grade medium, stays as it is."""
        settings = {
            "smtpd_tls_protocols": f">=TLSv{strength.minimum}",
            "smtpd_tls_mandatory_protocols": f">=TLSv{strength.minimum}",
            GROUPS: ",".join(strength.groups(self._library)),
            "tls_preempt_cipherlist": "no",
        }
        if strength.ciphers:
            settings["smtpd_tls_ciphers"] = "high"
            settings["smtpd_tls_mandatory_ciphers"] = "high"
            settings[CIPHERS] = ":".join(strength.ciphers)
        return settings

    def _strength_above(self, vserver: Vserver, own: Mapping[str, str]) -> dict[str, str]:
        """The strength; where it is left open, what the administrator has switched off stays off."""
        lists = OwnLists(self._cipher_lists(own), [groups(expanded(own))])
        found = self.strength(strength_within(self._host, vserver, lists))
        if "strength" in vserver.left_out:
            for name in PROTOCOLS:
                if allows_no_more(own.get(name, ""), found[name]):
                    found[name] = own[name]
        return found

    @staticmethod
    def _cipher_lists(own: Mapping[str, str]) -> list[str]:
        """The list of cipher suites of the administrator's own that counts for TLS 1.2; none for Postfix' default."""
        grade = own.get("smtpd_tls_mandatory_ciphers" if encrypts(own) else "smtpd_tls_ciphers", "")
        value = own.get(f"tls_{grade}_cipherlist", "")
        return [] if value.startswith(DEFAULT_CIPHERS) else [value]

    @staticmethod
    def _superseded(parameters: Mapping[str, str]) -> list[str]:
        """The old certificate parameters that are set and must be emptied; a default names another parameter."""
        return [name for name in _SUPERSEDED if parameters.get(name) and not parameters[name].startswith("$smtpd_tls_")]

    @staticmethod
    def _clear_text_options(vserver: Vserver) -> str:
        """What keeps all other mechanisms from being offered before TLS."""
        inside, before = set(vserver.auth_tls or ()), set(vserver.auth_clear)
        if before == inside:
            return "noanonymous"
        if before == inside - _PASSWORD_IN_CLEAR:
            return "noanonymous, noplaintext"
        raise Problem(
            "Postfix offers before TLS either all mechanisms that it offers inside TLS, or all of them but PLAIN and"
            " LOGIN",
            "give exactly these in auth_clear, and all mechanisms in auth_tls",
            subject=vserver.title,
            option="auth_clear",
        )

    def sni_changes(self, vserver: Vserver) -> list[FileChange]:
        """The table of certificates by name; gone where it is not wanted."""
        path = sni_table(vserver)
        if not (vserver.present and vserver.sni):
            return [FileChange(path, None)] if self._host.state(path) else []
        lines = ["# kept by the Ansible collection postmaster.secure_channel; changes made here are lost"]
        for one in vserver.sni:
            # .example.test stands for all names below it
            name = one.name[1:] if one.name.startswith("*.") else one.name
            files = (self._store.deployed_path(self._daemon, certificate) for certificate in one.certificates)
            lines.append(f"{name} {' '.join(files)}")
        return [FileChange(path, lines_of(lines, path).encode(), "root", "root", 0o644)]

    # ---- from Postfix

    def read(self, vserver: Vserver, effective: Callable[[str], str]) -> Vserver:
        """A service as the model says it.

        Args:
            vserver: its protocol, name, addresses and ports.
            effective: the value of a parameter as the service sees it.
        """
        chain = words(effective(CHAIN)) or [effective("smtpd_tls_cert_file")]
        level = effective("smtpd_tls_security_level")
        old_style = effective("smtpd_enforce_tls") == "yes" and not level
        mechanisms = self._mechanisms(effective("smtpd_sasl_mechanism_filter"))
        return Vserver(
            protocol=vserver.protocol,
            name=vserver.name,
            certificate=self._name_of(chain[0]),
            alternative_certificate=self._name_of(chain[1]) if len(chain) > 1 else "",
            sni=self._named(vserver, effective(_SNI_MAPS)),
            require_secure_channel=level == "encrypt" or old_style,
            strength=first_strength(
                lambda one: all(_fits(name, effective(name), value) for name, value in self.strength(one).items())
            ),
            addresses=vserver.addresses,
            port=vserver.port,
            implicit_tls_port=vserver.implicit_tls_port,
            auth_clear=self._before_tls(mechanisms, effective),
            auth_tls=mechanisms,
        )

    def _name_of(self, path: str) -> str:
        return self._store.behind(self._daemon, path)

    def _named(self, vserver: Vserver, maps: str) -> tuple[NamedCertificate, ...]:
        """Our table of certificates by name; another one is the administrator's own affair."""
        if _SNI_TYPE + sni_table(vserver) not in words(maps):
            return ()
        found = []
        for line in self._host.read_text(sni_table(vserver)).splitlines():
            name, *paths = line.split()
            if name != "#":
                title = f"*{name}" if name.startswith(".") else name
                found.append(NamedCertificate(title, *map(self._name_of, paths)))
        return tuple(sorted(found, key=lambda one: one.name))

    @staticmethod
    def _mechanisms(filtered: str) -> tuple[str, ...] | None:
        listed = words(filtered)
        plain = listed and not any(set("!:") & set(one) for one in listed)
        return tuple(sorted(one.upper() for one in listed)) if plain else None

    @staticmethod
    def _before_tls(mechanisms: tuple[str, ...] | None, effective: Callable[[str], str]) -> tuple[str, ...]:
        refused = effective("smtpd_tls_auth_only") == "yes" or effective("smtpd_tls_security_level") == "encrypt"
        if refused or effective("smtpd_sasl_auth_enable") != "yes":
            return ()
        options = words(effective("smtpd_sasl_security_options"))
        if mechanisms is None:
            return _ANY
        return tuple(one for one in mechanisms if "noplaintext" not in options or one not in _PASSWORD_IN_CLEAR)
