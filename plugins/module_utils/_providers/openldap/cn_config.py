# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entry cn=config: what those of its attributes mean that decide on TLS and logins.

Facts: slapd-config(5), and what slapd 2.5 with GnuTLS and 2.6 with OpenSSL were seen to do:

- Factors of olcSecurity and olcSaslSecProps stay in force when their attribute is deleted. Each database takes over
  olcSecurity and olcRequires when slapd starts, and keeps them. So loosening them needs a restart.
- ldapi counts as much as olcLocalSSF, 71 by default; a greater factor locks root out.
- olcSecurity does not concern the SASL bind itself; only olcSaslSecProps keeps it out of clear text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import (
    OwnLists,
    names_no_more,
    strength_within,
    warnings,
    weaker_than,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.gnutls import (
    allows_only_tls13,
    barred,
    holds_to,
    priorities,
    within,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    STRENGTHS,
    TLS13,
    Strength,
)

Settings = Mapping[str, tuple[str, ...]]

CERTIFICATE, KEY = "olcTLSCertificateFile", "olcTLSCertificateKeyFile"
CIPHERS, MINIMUM, GROUPS = "olcTLSCipherSuite", "olcTLSProtocolMin", "olcTLSECName"
LOCAL, SECURITY, SASL = "olcLocalSSF", "olcSecurity", "olcSaslSecProps"
REQUIRES, DISALLOWS = "olcRequires", "olcDisallows"
TLS = (CERTIFICATE, KEY, CIPHERS, MINIMUM, GROUPS)
MANAGED = (*TLS, LOCAL, SECURITY, SASL, REQUIRES, DISALLOWS)

# What slapd calls a login by a name and a password, and use without a login; all others are SASL mechanisms.
SIMPLE, ANONYMOUS, EXTERNAL = "SIMPLE", "ANONYMOUS", "EXTERNAL"

STRONG = 128  # bits
_LOCAL_DEFAULT = 71
_SASL_DEFAULT = ("noplain", "noanonymous")
_NEUTRAL = {"minssf": "0", "maxssf": "2147483647"}
# slapd counts TLS versions as they are on the wire
_VERSIONS = {"1.2": "3.3", "1.3": "3.4"}
# Mechanisms that encrypt by themselves; the least strength that olcSaslSecProps can ask for leaves these.
_ENCRYPTING = {"DIGEST-MD5", "GSSAPI", "GSS-SPNEGO"}
_PLAIN = {"PLAIN", "LOGIN"}


# ---- what the values mean


def _number(word: str) -> int | None:
    return int(word) if re.fullmatch(r"[0-9]{1,10}", word) else None


def factors(settings: Settings) -> dict[str, int]:
    """The least strengths that olcSecurity asks for, by their names."""
    pairs = (word.partition("=") for value in settings.get(SECURITY, ()) for word in value.split())
    numbers = ((name, _number(word)) for name, _equals, word in pairs)
    return {name: number for name, number in numbers if number is not None}


def _with_factors(found: Mapping[str, int]) -> tuple[str, ...]:
    return (" ".join(f"{name}={number}" for name, number in found.items()),) if found else ()


def sasl_limits(settings: Settings) -> dict[str, str]:
    """The words of olcSaslSecProps; one without a number has an empty value."""
    words = settings[SASL][0].split(",") if settings.get(SASL) else _SASL_DEFAULT
    pairs = (word.strip().partition("=") for word in words)
    return {name: number for name, _equals, number in pairs if name}


def _with_limits(found: Mapping[str, str]) -> tuple[str, ...]:
    return (",".join(f"{name}={number}" if number else name for name, number in found.items()),)


def words(settings: Settings, attribute: str) -> set[str]:
    """The words of olcRequires or olcDisallows."""
    return {word for value in settings.get(attribute, ()) for word in value.split()}


def _least(limits: Mapping[str, str]) -> int:
    return _number(limits.get("minssf", "")) or 0


def clear_text_mechanisms(offered: Iterable[str], settings: Settings) -> set[str]:
    """Those of the SASL mechanisms offered that slapd accepts before TLS."""
    limits = sasl_limits(settings)
    least = _least(limits)
    greatest = _number(limits.get("maxssf", ""))
    if greatest is not None and least > greatest:
        return set()
    found = set(offered) - {EXTERNAL}
    if "noplain" in limits:
        found -= _PLAIN
    return found & _ENCRYPTING if least else found


# ---- what they are to be


def strength_settings(strength: Strength, library: TlsLibrary) -> Settings:
    """A strength in slapd's words; with GnuTLS slapd accepts olcTLSProtocolMin but ignores it."""
    if library.name == "GnuTLS":
        return {CIPHERS: (priorities(strength),)}
    # one list has the cipher suites of all versions; where it names none of TLS 1.3, all of these are accepted
    ciphers = (*strength.ciphers, *strength.newest)
    return {
        CIPHERS: (":".join(ciphers),) if ciphers else (),
        MINIMUM: (_VERSIONS[strength.minimum],),
        GROUPS: (":".join(strength.groups(library)),),
    }


def own_lists(settings: Settings) -> OwnLists:
    """The lists in settings of the administrator's, for OpenSSL."""
    return OwnLists(settings.get(CIPHERS, ()), settings.get(GROUPS, ()))


def settings_within(host: Host, vserver: Vserver, library: TlsLibrary, own: Settings) -> Settings:
    """The strength of a virtual server, without what the administrator bars and nobody has asked for.

    Args:
        host: the machine.
        vserver: the virtual server.
        library: the TLS library that slapd uses.
        own: the administrator's settings.
    """
    if library.name == "GnuTLS":
        theirs = "".join(own.get(CIPHERS, ())) if "strength" in vserver.left_out else ""
        return {CIPHERS: (within(STRENGTHS[vserver.strength], theirs),)}
    return strength_settings(strength_within(host, vserver, own_lists(own)), library)


def fits(strength: Strength, library: TlsLibrary, settings: Settings) -> bool:
    """Whether settings are those of a strength, or allow fewer cipher suites or groups than that."""
    if library.name == "GnuTLS":
        return holds_to(strength, "".join(settings.get(CIPHERS, ())))
    full = strength_settings(replace(strength, newest=TLS13), library)
    for name, values in strength_settings(strength, library).items():
        found = settings.get(name, ())
        fewer = name != MINIMUM and names_no_more("".join(found), "".join(full[name]))
        if found != values and not fewer:
            return False
    return True


def weaker_than_own(host: Host, vserver: Vserver, library: TlsLibrary, own: Settings) -> list[str]:
    """Warnings of what is allowed from now on, as was asked for; the arguments are those of settings_within()."""
    if library.name != "GnuTLS":
        return warnings(host, vserver, own_lists(own), f"{CIPHERS} or {GROUPS}")
    theirs = "".join(own.get(CIPHERS, ()))
    if not theirs or not vserver.present or "strength" in vserver.left_out:
        return []
    return weaker_than(vserver, barred(STRENGTHS[vserver.strength], theirs), f"{CIPHERS} ({theirs})")


def only_newest(settings: Settings, library: TlsLibrary) -> bool:
    """Whether settings, which may be the administrator's, allow TLS 1.3 alone."""
    if library.name == "GnuTLS":
        return any(allows_only_tls13(words) for words in settings.get(CIPHERS, ()))
    return any((_version(word) or (0, 0)) >= (3, 4) for word in settings.get(MINIMUM, ()))


def _version(word: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d)\.(\d)", word)
    return (int(match[1]), int(match[2])) if match else None


def channel(settings: Settings, *, required: bool, simple_in_clear: bool, sasl_in_clear: bool) -> Settings:
    """What keeps clear text out, in place of what did so before; everything else stays.

    Args:
        settings: as they were before we first changed them.
        required: whether nothing at all is accepted in clear text.
        simple_in_clear: whether a name and a password are.
        sasl_in_clear: whether SASL logins are.
    """
    found = factors(settings)
    kept = {name: number for name, number in found.items() if name not in ("ssf", "tls", "simple_bind")}
    if required:
        kept["ssf"] = max(found.get("ssf", 0), STRONG)
        kept.update({name: found[name] for name in ("tls", "simple_bind") if found.get(name, 0) > kept["ssf"]})
    elif not simple_in_clear:
        kept["simple_bind"] = max(found.get("simple_bind", 0), STRONG)
    limits = {name: number for name, number in sasl_limits(settings).items() if name not in _NEUTRAL}
    if not sasl_in_clear:
        limits.update(minssf=str(STRONG), maxssf="0")
    stock = not settings.get(SASL) and sasl_in_clear
    demanded = max([*kept.values(), 0 if sasl_in_clear else STRONG])
    local = settings.get(LOCAL, ())
    if demanded > (_LOCAL_DEFAULT if not local else _number(local[0]) or 0):
        local = (str(demanded),)
    return {SECURITY: _with_factors(kept), SASL: () if stock else _with_limits(limits), LOCAL: local}


def logins(settings: Settings, *, simple: bool, anonymous: bool) -> Settings:
    """Which logins are accepted at all; words of olcRequires and olcDisallows that are not about that stay."""
    requires = words(settings, REQUIRES) - {"authc"} | (set() if anonymous else {"authc"})
    disallows = words(settings, DISALLOWS) - {"bind_anon", "bind_simple"}
    disallows |= (set() if anonymous else {"bind_anon"}) | (set() if simple else {"bind_simple"})
    return {
        name: (" ".join(sorted(some)),) if some else () for name, some in ((REQUIRES, requires), (DISALLOWS, disallows))
    }


def same(attribute: str, one: Settings, other: Settings) -> bool:
    """Whether two states agree in what an attribute means."""
    if attribute == SECURITY:
        return _positive(one) == _positive(other)
    if attribute == SASL:
        return {**_NEUTRAL, **sasl_limits(one)} == {**_NEUTRAL, **sasl_limits(other)}
    if attribute in (REQUIRES, DISALLOWS):
        return words(one, attribute) == words(other, attribute)
    return one.get(attribute, ()) == other.get(attribute, ())


def _positive(settings: Settings) -> dict[str, int]:
    return {name: number for name, number in factors(settings).items() if number}


def changed(before: Settings, after: Settings) -> dict[str, tuple[str, ...]]:
    """The attributes that must change, with their new values."""
    return {name: after.get(name, ()) for name in MANAGED if not same(name, before, after)}


def shown(settings: Settings) -> str:
    """The attributes as text, for a diff."""
    return "".join(f"{name}: {value}\n" for name in MANAGED for value in settings.get(name, ()))


def loosens(before: Settings, after: Settings) -> bool:
    """Whether slapd would go on demanding something, until it is restarted, that is not demanded any more."""
    had, has = factors(before), factors(after)
    weaker = any(number > has.get(name, 0) for name, number in had.items())
    limits = [_least(sasl_limits(one)) for one in (before, after)]
    return weaker or limits[0] > limits[1] or bool(words(before, REQUIRES) - words(after, REQUIRES))
