# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with Exim without a machine: what was recorded, and an Exim that reads changed files by the specification."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import RecordedHost

ROOT = "/etc/exim4"
SETTINGS = f"{ROOT}/update-exim4.conf.conf"
_DEFAULTS = {
    "auth_advertise_hosts": "*",
    "daemon_smtp_ports": "smtp",
    "local_interfaces": "<; ::0 ; 0.0.0.0",
    "tls_advertise_hosts": "*",
}


class ConfigurationError(Exception):
    """Exim refuses it."""


_ROUTERS = """
hubbed_hosts router:
domains = ${if exists{/etc/exim4/hubbed_hosts}{partial-lsearch;/etc/exim4/hubbed_hosts}fail}
driver = manualroute
more
transport = remote_smtp
no_verify_only
route_data = ${lookup{$domain}partial-lsearch{/etc/exim4/hubbed_hosts}}

dnslookup router:
domains = ! +local_domains
driver = dnslookup
no_more
transport = remote_smtp

local_user router:
check_local_user
domains = +local_domains
driver = accept
more
transport = mail_spool
"""
_TRANSPORTS = """
remote_smtp transport:
driver = smtp
hosts =
no_hosts_override

mail_spool transport:
driver = appendfile
"""


class EximHost(RecordedHost):
    """A recorded host whose Exim reads the files as they are now, written anew so that it can judge the editor.

    Attributes:
        listening: what ss(8) prints.
        golden: how the names of its golden files begin.
        local_domains: those whose mail stays here.
        routers: what ``exim4 -bP routers`` prints.
        transports: what ``exim4 -bP transports`` prints.
        transport: what ``exim4 -bP transport NAME`` prints, whatever the name.
    """

    def __init__(self, name: str, state: str = "stock") -> None:
        super().__init__(name, state=state)
        self.golden = f"{name}/"
        self.listening = 'LISTEN 0 20 0.0.0.0:25 0.0.0.0:* users:(("exim4",pid=1,fd=5))\n'
        self.local_domains = ["localhost"]
        self.routers = _ROUTERS
        self.transports = _TRANSPORTS
        self.transport = "hosts_avoid_tls = \nhosts_require_tls = \nhosts_try_dane = *\n"

    def query(self, argv: Sequence[str], **options: object) -> Completed:
        if argv[0] == "ss":
            return Completed(0, self.listening, "")
        if list(argv) == ["exim4", "-be"]:
            expressions = bytes(options["stdin"]).decode().splitlines()  # type: ignore[call-overload]
            return Completed(0, "".join(f"> {self._expanded_one(one)}\n" for one in expressions) + "> \n", "")
        if list(argv[:2]) != ["exim4", "-bP"]:
            return super().query(argv)
        if argv[2] == "routers":
            return Completed(0, self.routers, "")
        if argv[2] == "transports":
            return Completed(0, self.transports, "")
        if argv[2] == "transport":
            return Completed(0, self.transport, "")
        try:
            macros, settings, authenticators = self.understood()
        except ConfigurationError as exc:
            return Completed(1, "", f"Exim configuration error: {exc}\n")
        if argv[2] == "macros":
            return Completed(0, "".join(f"{name}={value}\n" for name, value in macros.items()), "")
        if argv[2] == "authenticators":
            return Completed(0, authenticators, "")
        shown = {**_DEFAULTS, **settings}
        lines = [
            "no_disable_ipv6" if name == "disable_ipv6" else f"{name} = {shown.get(name, '')}" for name in argv[2:]
        ]
        return Completed(0, "".join(line + "\n" for line in lines), "")

    def _expanded_one(self, expression: str) -> str:
        """What Exim makes of the expressions that are asked for."""
        domain = re.fullmatch(r"\$\{if match_domain\{(.*)\}\{\+local_domains\}\{here\}\{away\}\}", expression)
        if domain:
            return "here" if domain[1] in self.local_domains else "away"
        taken = re.findall(r"\{match_domain\{([^{}]*)\}\{([^{}]*)\}\}", expression)
        if taken:
            return "taken" if all(self._lists(*one) for one in taken) else "left"
        hub = re.fullmatch(r"\$\{lookup\{(.*)\}partial-lsearch\{(.*)\}\}", expression)
        assert hub, expression
        rows = dict(line.split(":", 1) for line in self.read_text(hub[2]).splitlines())
        return rows.get(hub[1], "").strip()

    def _lists(self, domain: str, listed: str) -> bool:
        """Whether a list of domains has one; where it ends with what it leaves out, it has all others."""
        word = ""
        for word in (one.strip() for one in listed.split(":")):
            bare = word.lstrip("! ")
            if bare in (domain, "*") or (bare == "+local_domains" and domain in self.local_domains):
                return not word.startswith("!")
        return word.startswith("!")

    @property
    def split(self) -> bool:
        """Whether the split form is in force."""
        return "dc_use_split_config='true'" in self.read_text(SETTINGS)

    def _assembled(self) -> str:
        """What update-exim4.conf(8) makes of the files."""
        if not self.split:
            text = self.read_text(f"{ROOT}/exim4.conf.localmacros") + self.read_text(f"{ROOT}/exim4.conf.template")
        else:
            text = ""
            for section in ("main", "router", "transport", "auth"):
                text += f"begin {section}s\n" if section in ("router", "transport") else ""
                directory = f"{ROOT}/conf.d/{section}"
                names = [one for one in self.names_in(directory) if re.fullmatch(r"[A-Za-z0-9_-]+", one)]
                text += "".join(self.read_text(f"{directory}/{one}") + "\n" for one in names)
        interfaces = re.findall(r"^dc_local_interfaces='(.+)'", self.read_text(SETTINGS), re.MULTILINE)
        added = "".join(
            f".ifndef {n}\n{n}={v}\n.endif\n" for n, v in [("MAIN_LOCAL_INTERFACES", v) for v in interfaces]
        )
        return re.sub(r"^(UPEX4CmacrosUPEX4C.*\n)", lambda match: match[1] + added, text, count=1, flags=re.MULTILINE)

    def understood(self) -> tuple[dict[str, str], dict[str, str], str]:
        """Macros, main options, and the authenticators as ``exim4 -bP`` shows them."""
        macros: dict[str, str] = {"CONFDIR": ROOT, "DCconfig_internet": "1"}
        options: dict[str, str] = {}
        shown, section = "", "main"
        for written in _in_force(_logical(self._assembled()), macros):
            definition = re.fullmatch(r"([A-Z]\w*)\s*(==?)\s*(.*)", written)
            if definition:
                name, sign, value = definition.groups()
                if (sign == "==") != (name in macros):
                    raise ConfigurationError(f"macro {name!r} and {sign}")
                macros[name] = _replaced(value, macros)
                continue
            line = _replaced(written, macros)
            if re.match(r"begin\s", line):
                section = line.split()[1]
            elif section == "main":
                setting = re.fullmatch(r"(?:hide\s+)?(\w+)\s*=\s*(.*)", line)
                if setting and setting[1] in options:
                    raise ConfigurationError(f"{setting[1]!r} option set for the second time")
                if setting:
                    options[setting[1]] = setting[2]
            elif section == "authenticators":
                heading = re.fullmatch(r"(\w+):", line)
                setting = re.fullmatch(r'(\w+\s*=\s*)"(.*)"', line)
                if setting:  # in quotes a backslash says what the next sign is
                    line = setting[1] + re.sub(r"\\(.)", r"\1", setting[2])
                shown += f"\n{heading[1]} authenticator:\n" if heading else f"{line}\n"
        if any(f"DCconfig_{kind}" in macros for kind in ("local", "satellite", "smarthost")):
            del macros["DCconfig_internet"]
        return macros, options, shown


def _logical(text: str) -> Iterable[str]:
    line = ""
    for physical in text.splitlines():
        if physical.lstrip().startswith("#"):
            continue
        line += physical.lstrip() if line else physical
        if line.rstrip().endswith("\\"):
            line = line.rstrip()[:-1]
            continue
        if line.strip():
            yield line.strip()
        line = ""


def _in_force(lines: Iterable[str], macros: dict[str, str]) -> Iterable[str]:
    """Lines outside of conditions that do not hold. A condition holds by the macros that are there at that moment."""
    holds: list[bool] = []
    for line in lines:
        word, _space, name = line.partition(" ")
        if word in (".ifdef", ".ifndef"):
            holds.append(any(macro in name for macro in macros) is (word == ".ifdef"))
        elif word == ".else":
            holds[-1] = not holds[-1]
        elif word == ".endif":
            holds.pop()
        elif all(holds):
            yield line


def _replaced(text: str, macros: dict[str, str]) -> str:
    """Macros are replaced in the order in which they were defined."""
    for name, value in macros.items():
        text = text.replace(name, value)
    return text
