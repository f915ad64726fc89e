# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What slapd says of itself, while it runs and while it is stopped.

Root speaks to it over ldapi, where the kernel says who is asking (SASL EXTERNAL); Debian lets root manage cn=config.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import FAMILY, how_to_install
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import is_active
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.defaults_file import (
    assigned,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.ldif import entries
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.listeners import (
    Listener,
    running_services,
    services,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import (
    CLIENT_PACKAGE,
    CONFIG_DIRECTORY,
    DEFAULTS_FILE,
    SASL_FILE,
    UNIT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.sasl_conf import mechanisms
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.start_requirements import (
    ATTRIBUTES,
    StartRequirements,
)

_VERIFY_CLIENT, _ARGUMENTS = "olcTLSVerifyClient", "olcArgsFile"
_QUESTION = "(|(objectClass=olcGlobal)(objectClass=olcFrontendConfig))"
_DEMANDED = ("demand", "hard", "true")
_NO_CLIENT_CERTIFICATES = ("", "never", "0", "false", "no", "off")
_WAY_IN = (
    f"let slapd listen on ldapi:/// too (SLAPD_SERVICES in {DEFAULTS_FILE}), and let root manage cn=config from there"
    f" (olcAccess of olcDatabase={{0}}config), as {FAMILY} has it; a slapd.conf must be converted first"
    " (slaptest -f -F)"
)


@dataclass(frozen=True)
class State:
    """What slapd says of itself.

    Attributes:
        settings: those attributes of cn=config that decide on TLS and logins.
        factors: the least strengths in force for all that it serves.
        frontend_factors: those of them that are in the frontend's entry.
        requires: words of olcRequires in force for all that it serves.
        disallows: words of olcDisallows.
        client_certificates: whether it asks clients for certificates.
        wants_certificate: whether it lets nobody in without one.
        mechanisms: all SASL mechanisms that it offers, to whomever.
        mechanisms_chosen: whether the SASL library is told which mechanisms to offer.
    """

    settings: config.Settings
    factors: Mapping[str, int]
    frontend_factors: Mapping[str, int]
    requires: frozenset[str]
    disallows: frozenset[str]
    client_certificates: bool
    wants_certificate: bool
    mechanisms: frozenset[str]
    mechanisms_chosen: bool

    @property
    def certificate(self) -> str:
        """Path of the certificate that it shows; empty for none."""
        return self.settings.get(config.CERTIFICATE, ("",))[0]


class SlapdReader:
    """The slapd of one host, as it is asked.

    Args:
        host: the machine.
    """

    def __init__(self, host: Host) -> None:
        self.host = host

    # ---- files

    def _told(self, name: str) -> str:
        return assigned(self.host.read_text(DEFAULTS_FILE), name)

    @property
    def account(self) -> tuple[str, str]:
        """User and group that it runs as; empty for root."""
        return self._told("SLAPD_USER"), self._told("SLAPD_GROUP")

    @property
    def directory(self) -> str:
        """Where cn=config is kept."""
        return self._told("SLAPD_CONF") or CONFIG_DIRECTORY

    def by_hand(self) -> str:
        """The command with which root changes cn=config while slapd is stopped."""
        return f"runuser -u {self.account[0] or 'root'} -- slapmodify -n0 -F {self.directory}"

    def listeners(self) -> list[Listener]:
        """Where it is told to listen."""
        return services(self._told("SLAPD_SERVICES"))

    # ---- asking

    def running(self) -> bool:
        """Whether its unit is active."""
        return is_active(self.host, UNIT)

    def argv(self, tool: str, *arguments: str) -> list[str]:
        """A command with which root speaks to it over ldapi."""
        urls = [one.url for one in self.listeners() if one.scheme == "ldapi"]
        return [tool, "-Q", "-Y", "EXTERNAL", "-H", urls[0] if urls else "ldapi:///", *arguments]

    def _search(self, base: str, scope: str, question: str, *attributes: str) -> Completed:
        return self.host.query(
            self.argv("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", base, "-s", scope, question, *attributes)
        )

    def answers(self) -> bool:
        """Whether root can read its configuration."""
        done = self._search("cn=config", "base", "(objectClass=olcGlobal)", "cn")
        return done.code == 0 and bool(entries(done.out, "ldapsearch"))

    def state(self) -> State:
        """What it says of itself.

        Raises:
            Problem: root cannot read its configuration.
        """
        if self.host.which("ldapsearch") is None:
            raise Problem("the program ldapsearch is not installed", f"install it ({how_to_install(CLIENT_PACKAGE)})")
        attributes = (*config.MANAGED, _VERIFY_CLIENT)
        done = self._search("cn=config", "sub", _QUESTION, *attributes)
        found = {one["dn"][0]: one for one in entries(done.out, "ldapsearch")}
        if done.code != 0 or "cn=config" not in found:
            complaint = done.complaint if done.code != 0 else "it shows no cn=config"
            raise Problem(f"root cannot read slapd's configuration ({complaint})", _WAY_IN, option="cn=config")
        root = found.pop("cn=config")
        frontend = next(iter(found.values()), {})
        factors, here = config.factors(frontend), config.factors(root)
        offered = self._search("", "base", "(objectClass=*)", "supportedSASLMechanisms")
        offers = [one.get("supportedSASLMechanisms", ()) for one in entries(offered.out, "ldapsearch")]
        asks = root.get(_VERIFY_CLIENT, ("",))[0].lower()
        return State(
            settings={name: values for name, values in root.items() if name in config.MANAGED},
            factors={name: max(here.get(name, 0), factors.get(name, 0)) for name in {**here, **factors}},
            frontend_factors=factors,
            requires=frozenset(config.words(root, config.REQUIRES) | config.words(frontend, config.REQUIRES)),
            disallows=frozenset(config.words(root, config.DISALLOWS)),
            client_certificates=asks not in _NO_CLIENT_CERTIFICATES,
            wants_certificate=asks in _DEMANDED,
            mechanisms=frozenset(word.upper() for some in offers for word in some),
            mechanisms_chosen=mechanisms(self.host.read_text(SASL_FILE)) is not None,
        )

    def start_requirements(self) -> StartRequirements:
        """What its configuration names beside itself."""
        done = self._search("cn=config", "sub", "(objectClass=*)", *ATTRIBUTES)
        return StartRequirements(self.host, self.account[0], entries(done.out, "ldapsearch"))

    def settings_on_disk(self) -> config.Settings:
        """Its settings as they are on disk.

        Raises:
            Problem: they cannot be read.
        """
        done = self.host.query(
            ["slapcat", "-n0", "-F", self.directory, "-o", "ldif-wrap=no", "-a", "(objectClass=olcGlobal)"],
            user=self.account[0],
        )
        found = entries(done.out, "slapcat")
        if done.code != 0 or not found:
            raise Problem(
                f"slapd's configuration in {self.directory} cannot be read ({done.complaint})",
                "fix it until 'slapcat -n0' accepts it, or put it back from a backup",
                option=self.directory,
            )
        return {name: values for name, values in found[0].items() if name in config.MANAGED}

    def listens_as_told(self) -> bool:
        """Whether it was started with the listeners that its files name now."""
        done = self._search("cn=config", "base", "(objectClass=olcGlobal)", _ARGUMENTS)
        paths = [path for one in entries(done.out, "ldapsearch") for path in one.get(_ARGUMENTS, ())]
        running = running_services(self.host.read_text(paths[0])) if paths else None
        return running is None or set(map(unquote, running)) == {unquote(one.url) for one in self.listeners()}
