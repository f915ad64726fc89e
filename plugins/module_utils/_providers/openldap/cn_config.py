# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entry cn=config: what its attributes mean, and how a running slapd gets from one state to another.

Facts: slapd-config(5), and what slapd 2.5 with GnuTLS and 2.6 with OpenSSL were seen to do:

- Factors of olcSecurity and olcSaslSecProps stay in force when their attribute is deleted. Each database takes over
  olcSecurity and olcRequires when slapd starts, and keeps them. So what is to be loosened needs a restart.
- ldapi counts as much as olcLocalSSF, 71 by default; a greater factor locks root out.
- olcSecurity does not concern the SASL bind itself; only olcSaslSecProps keeps it out of clear text.
- A TLS attribute that is replaced by its own value makes slapd read the files again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

Settings = Mapping[str, tuple[str, ...]]

CERTIFICATE, KEY = "olcTLSCertificateFile", "olcTLSCertificateKeyFile"
CIPHERS, MINIMUM, GROUPS = "olcTLSCipherSuite", "olcTLSProtocolMin", "olcTLSECName"
LOCAL, SECURITY, SASL = "olcLocalSSF", "olcSecurity", "olcSaslSecProps"
REQUIRES, DISALLOWS = "olcRequires", "olcDisallows"
TLS = (CERTIFICATE, KEY, CIPHERS, MINIMUM, GROUPS)
MANAGED = (*TLS, LOCAL, SECURITY, SASL, REQUIRES, DISALLOWS)

STRONG = 128  # bits
_LOCAL_DEFAULT = 71
_SASL_DEFAULT = ("noplain", "noanonymous")
_NEUTRAL = {"minssf": "0", "maxssf": "2147483647"}
# Mechanisms that encrypt by themselves; the least strength that olcSaslSecProps can ask for leaves these.
_ENCRYPTING = {"DIGEST-MD5", "GSSAPI", "GSS-SPNEGO"}
_PLAIN = {"PLAIN", "LOGIN"}


def entries(ldif: str) -> list[dict[str, tuple[str, ...]]]:
    """The entries that ldapsearch or slapcat print with lines that are not wrapped, each with its ``dn``."""
    found: list[dict[str, tuple[str, ...]]] = [{}]
    for line in ldif.splitlines():
        name, colon, rest = line.partition(":")
        if not line:
            found.append({})
        elif colon and not line.startswith("#"):
            coded = rest.startswith(":")
            value = base64.b64decode(rest[1:]).decode("utf-8", "replace") if coded else rest.strip()
            found[-1][name] = (*found[-1].get(name, ()), value)
    return [one for one in found if "dn" in one]


# ---- what the values mean


def factors(settings: Settings) -> dict[str, int]:
    """The least strengths that olcSecurity asks for, by their names."""
    pairs = (word.partition("=") for value in settings.get(SECURITY, ()) for word in value.split())
    return {name: int(number) for name, _equals, number in pairs if number.isdecimal()}


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


def clear_text_mechanisms(offered: Iterable[str], settings: Settings) -> set[str]:
    """Those SASL mechanisms, of all that slapd offers, that it takes before TLS."""
    limits = sasl_limits(settings)
    least = int(limits.get("minssf") or 0)
    if least > int(limits.get("maxssf") or _NEUTRAL["maxssf"]):
        return set()
    found = set(offered) - {"EXTERNAL"}
    if "noplain" in limits:
        found -= _PLAIN
    return found & _ENCRYPTING if least else found


# ---- as they shall be


def channel(settings: Settings, *, required: bool, simple_in_clear: bool, sasl_in_clear: bool) -> Settings:
    """What keeps clear text out, in the place of what did so before; everything else stays.

    Args:
        settings: as they were before we first changed them.
        required: whether nothing at all is taken in clear text.
        simple_in_clear: whether a name and a password are.
        sasl_in_clear: whether logins by SASL are.
    """
    kept = {name: number for name, number in factors(settings).items() if name not in ("ssf", "simple_bind")}
    if required:
        kept["ssf"] = STRONG
    elif not simple_in_clear:
        kept["simple_bind"] = STRONG
    limits = {name: number for name, number in sasl_limits(settings).items() if name not in _NEUTRAL}
    if not sasl_in_clear:
        limits.update(minssf=str(STRONG), maxssf="0")
    stock = not settings.get(SASL) and sasl_in_clear
    demanded = max([*kept.values(), 0 if sasl_in_clear else STRONG])
    local = settings.get(LOCAL, ())
    if demanded > int(local[0] if local else _LOCAL_DEFAULT):
        local = (str(demanded),)
    return {SECURITY: _with_factors(kept), SASL: () if stock else _with_limits(limits), LOCAL: local}


def logins(settings: Settings, *, simple: bool, anonymous: bool) -> Settings:
    """Which logins are taken at all; words of olcRequires and olcDisallows that are not about that stay."""
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


# ---- how to get there


def _line(name: str, value: str) -> str:
    if value.isascii() and value.isprintable() and value[:1] not in (" ", ":", "<", ""):
        return f"{name}: {value}"
    return f"{name}:: {base64.b64encode(value.encode()).decode()}"


def _record(changes: Mapping[str, tuple[str, ...]], before: Settings) -> str:
    """One operation on cn=config; an attribute without values is deleted, if it is there."""
    parts = []
    for name, values in changes.items():
        if values:
            parts.append("\n".join((f"replace: {name}", *(_line(name, value) for value in values))))
        elif before.get(name):
            parts.append(f"delete: {name}")
    return "dn: cn=config\nchangetype: modify\n" + "\n-\n".join(parts) + "\n\n" if parts else ""


def at_rest(before: Settings, after: Settings) -> str:
    """LDIF for a slapd that does not run."""
    return _record(changed(before, after), before)


def tls_step(before: Settings, after: Settings) -> str:
    """LDIF that gives a running slapd its TLS settings, all in one operation, and makes it read the files anew."""
    changes = {name: values for name, values in changed(before, after).items() if name in TLS}
    files = {name: after[name] for name in (CERTIFICATE, KEY) if after.get(name)}
    return _record({**files, **changes}, before)


def channel_step(before: Settings, after: Settings) -> str:
    """LDIF that gives a running slapd all other settings, in one operation, so that root is never locked out."""
    return _record({name: values for name, values in changed(before, after).items() if name not in TLS}, before)


def loosens(before: Settings, after: Settings) -> bool:
    """Whether something is taken back that slapd goes on demanding until it is restarted."""
    had, has = factors(before), factors(after)
    weaker = any(number > has.get(name, 0) for name, number in had.items())
    limits = [int(sasl_limits(one).get("minssf") or 0) for one in (before, after)]
    return weaker or limits[0] > limits[1] or bool(words(before, REQUIRES) - words(after, REQUIRES))
