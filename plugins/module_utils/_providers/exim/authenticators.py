# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Exim logs in elsewhere: our accounts for the domains that have one, and for all else what was there before.

Exim refuses two authenticators with which it logs in by the same mechanism. So ours take the place of Debian's (or of
the administrator's) and do what those did wherever no account of ours is asked for. The lines that made those ones
clients are turned into comments, from which they come back.

Facts: Exim specification, chapters 33 and 34.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    ACCOUNTS,
    CONFIG_DIRECTORY,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.routers import TRANSPORT, said

OPTIONS = ("client_condition", "client_send", "client_name", "client_secret")
_ASIDE = "# set aside for outgoing mail by postmaster.secure_channel: "
_OURS = "postmaster_out_"
_FORMER = "POSTMASTER_OUT_FORMER_"  # then the mechanism, and the option
# with what other drivers log in
_CREDENTIALS = frozenset(
    ("client_send", "client_name", "client_secret", "client_username", "client_password", "client_authz")
)
_LIMITS = ("$transport_name", "$host", "$domain")  # what a condition is about that keeps it to some servers
_DRIVERS = {"PLAIN": "plaintext", "LOGIN": "plaintext", "CRAM-MD5": "cram_md5"}


@dataclass(frozen=True)
class Former:
    """What logged in elsewhere before our authenticators did.

    Attributes:
        names: names of the authenticators whose options are to be set aside.
        options: their options by mechanism, as far as they are set.
    """

    names: tuple[str, ...]
    options: Mapping[str, Mapping[str, str]]


def former(shown: str, macros: Mapping[str, str]) -> Former:
    """What ``exim4 -bP authenticators`` shows of others, and what our macros keep of those that are set aside."""
    options: dict[str, dict[str, str]] = {mechanism: {} for mechanism in _DRIVERS}
    for mechanism in _DRIVERS:
        for option in OPTIONS:
            value = macros.get(_macro(mechanism, option), "")
            if value:
                options[mechanism][option] = value
    names = []
    for name, found in _authenticators(shown).items():
        mechanism = found.get("public_name", "").upper()
        set_ones = {option: found[option] for option in OPTIONS if found.get(option)}
        is_client = bool(set(set_ones) - {"client_condition"})
        if not name.startswith(_OURS) and found.get("driver") == _DRIVERS.get(mechanism) and is_client:
            names.append(name)
            options[mechanism] = set_ones
    return Former(tuple(names), options)


def refuse_other_mechanisms(shown: str, known: Former, place_of: Callable[[str], str]) -> None:
    """Raise Problem where Exim would log in with another account wherever a server offers it a certain mechanism.

    Exim tries its authenticators in their order, and ours come last.

    Args:
        shown: what ``exim4 -bP authenticators`` shows.
        known: those that ours replace.
        place_of: answers file and line of an authenticator.
    """
    for name, found in _authenticators(shown).items():
        secrets = [option for option in found if option in _CREDENTIALS and found[option]]
        kept_away = any(one in found.get("client_condition", "") for one in _LIMITS)
        if secrets and not kept_away and name not in known.names and not name.startswith(_OURS):
            raise Problem(
                f"{place_of(name)}: the authenticator {name} logs in wherever a server offers"
                f" {found.get('public_name', 'its mechanism')}, also where an entry's account belongs",
                "keep it from such mail with 'client_condition ="
                f" ${{if match{{$transport_name}}{{^{TRANSPORT}}}{{no}}{{yes}}}}', and run again",
                option=CONFIG_DIRECTORY,
            )


def _authenticators(shown: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    options: dict[str, str] = {}
    for line in shown.splitlines():
        heading = re.fullmatch(r"(\S+) authenticator:", line)
        if heading:
            options = found.setdefault(heading[1], {})
        else:
            name, _equals, value = line.partition("=")
            options[name.strip()] = value.strip()
    return found


def _macro(mechanism: str, option: str) -> str:
    return f"{_FORMER}{mechanism.replace('-', '_')}_{option.upper()}"


def without_aside(text: str) -> str:
    """A file whose lines that were set aside are back."""
    return re.sub(f"^{re.escape(_ASIDE)}", "", text, flags=re.MULTILINE)


def set_aside(text: str, names: tuple[str, ...]) -> str:
    """A file in which these authenticators are no clients any more.

    Args:
        text: a file of authenticators, or the whole template.
        names: their names.
    """
    lines, within, aside = [], False, False
    continued = False
    for line in text.splitlines(keepends=True):
        comment = line.lstrip().startswith("#")
        if not continued and not comment:
            heading = re.match(r"(\w+)[ \t]*:(?!:)", line)
            if heading or line.startswith("begin"):
                within = bool(heading) and heading[1] in names  # type: ignore[index]
            aside = within and re.match(rf"\s*(?:{'|'.join(OPTIONS)})\s*=", line) is not None
        lines.append(_ASIDE + line if aside and not comment else line)
        if not comment:
            continued = line.rstrip().endswith("\\")
    return "".join(lines)


def items(value: str) -> list[str]:
    """The items of one of Exim's lists."""
    separator = ":"
    if re.match(r"<[^\w\s]", value):
        separator, value = value[1], value[2:]
    doubled = value.replace(separator * 2, "\0")
    return [one.strip().replace("\0", separator) for one in doubled.split(separator)] if value.strip() else []


def render(before: Former) -> str:
    """The lines for the section of authenticators.

    The accounts' parts are kept in base64, so that no sign in them means anything to a lookup. A circumflex stands for
    a zero byte in what a plaintext authenticator sends, and two of them for one; so none can follow a zero byte, and
    what begins with one is not sent by PLAIN.
    """
    login = f"${{lookup{{{said('account')}}}lsearch{{{ACCOUNTS}}}{{$value}}fail}}"
    user, password = (f"${{base64d:${{extract{{{key}}}{{{login}}}}}}}" for key in ("user", "password"))
    ours = rf"and{{{{match{{$transport_name}}{{\N^{TRANSPORT}s?$\N}}}}{{!eq{{{said('account')}}}{{}}}}}}"
    may_be_sent = f"{{or{{{{def:tls_out_cipher}}{{eq{{{said('clear')}}}{{yes}}}}}}}}"
    fits_plain = rf"{{!match{{{user}}}{{\N^\^\N}}}}{{!match{{{password}}}{{\N^\^\N}}}}"

    def doubled(value: str) -> str:
        return rf"${{sg{{{value}}}{{\N\^\N}}{{^^}}}}"

    sent = {
        "PLAIN": {"client_send": [f"^{doubled(user)}^{doubled(password)}"]},
        "LOGIN": {"client_send": ["", doubled(user), doubled(password)]},
        "CRAM-MD5": {"client_name": [user], "client_secret": [password]},
    }
    lines = []
    for mechanism, theirs in before.options.items():
        lines += [f"{_macro(mechanism, option)} = {value}" for option, value in theirs.items()]
    for mechanism, options in sent.items():
        theirs = before.options[mechanism]
        condition = f"${{if and{{{may_be_sent}{fits_plain if mechanism == 'PLAIN' else ''}}}{{yes}}{{no}}}}"
        otherwise = (theirs.get("client_condition") or "yes") if set(theirs) - {"client_condition"} else "no"
        lines += [
            "",
            f"{_OURS}{mechanism.lower().replace('-', '_')}:",
            f"  driver = {_DRIVERS[mechanism]}",
            f"  public_name = {mechanism}",
            f"  client_condition = ${{if {ours}{{{condition}}}{{{otherwise}}}}}",
        ]
        for option, mine in options.items():
            listed = option == "client_send"
            others = items(theirs.get(option, "")) if listed else [theirs.get(option, "")]
            both = [
                f"${{if {ours}{{{one}}}" + (f"{{{other}}}}}" if option in theirs else "fail}")
                for one, other in zip_longest(mine, others, fillvalue="")
            ]
            value = "<; " + " ; ".join(one.replace(";", ";;") for one in both) if listed else both[0]
            lines.append(f"  {option} = {value}")
    return "\n".join(lines) + "\n"
