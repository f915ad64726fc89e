# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LDIF: what slapd's tools print, and the changes that they are given (RFC 2849)."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config


def entries(ldif: str, tool: str) -> list[dict[str, tuple[str, ...]]]:
    """The entries that a tool prints with lines that are not wrapped, each with its ``dn``.

    Args:
        ldif: what it prints.
        tool: its name, for messages.

    Raises:
        Problem: a value is damaged.
    """
    found: list[dict[str, list[str]]] = [{}]
    for number, line in enumerate(ldif.splitlines(), 1):
        name, colon, rest = line.partition(":")
        if not line:
            found.append({})
        elif colon and not line.startswith("#"):
            try:
                value = _decoded(rest[1:]) if rest.startswith(":") else rest.strip()
            except ValueError as exc:
                raise Problem(
                    f"{tool} prints a value that is not base64 (line {number}, {name[:40]!r}: {exc})",
                    "fix cn=config until 'slapcat -n0' prints it whole, or put it back from a backup",
                    option="cn=config",
                ) from exc
            found[-1].setdefault(name, []).append(value)
    return [{name: tuple(values) for name, values in one.items()} for one in found if "dn" in one]


def _decoded(word: str) -> str:
    return base64.b64decode(word).decode("utf-8", "replace")


def _line(name: str, value: str) -> str:
    if value.isascii() and value.isprintable() and value[:1] not in (" ", ":", "<", "") and value[-1] != " ":
        return f"{name}: {value}"
    return f"{name}:: {base64.b64encode(value.encode()).decode()}"


def _record(changes: Mapping[str, tuple[str, ...]], before: config.Settings) -> str:
    """One operation on cn=config; an attribute without values is deleted, if it is there."""
    parts = []
    for name, values in changes.items():
        if values:
            parts.append("\n".join((f"replace: {name}", *(_line(name, value) for value in values))))
        elif before.get(name):
            parts.append(f"delete: {name}")
    return "dn: cn=config\nchangetype: modify\n" + "\n-\n".join(parts) + "\n\n" if parts else ""


def for_stopped(before: config.Settings, after: config.Settings) -> str:
    """LDIF that gives a stopped slapd all its settings (slapmodify)."""
    return _record(config.changed(before, after), before)


def whole(settings: config.Settings) -> str:
    """LDIF that gives a stopped slapd these settings whatever it has now."""
    parts = [
        "\n".join((f"replace: {name}", *(_line(name, value) for value in settings.get(name, ()))))
        for name in config.MANAGED
    ]
    return "dn: cn=config\nchangetype: modify\n" + "\n-\n".join(parts) + "\n\n"


def tls_step(before: config.Settings, after: config.Settings) -> str:
    """LDIF that gives a running slapd its TLS settings in one operation, and has it read the files again.

    It does so whenever one of these attributes is replaced, also by its own value.
    """
    changes = {name: values for name, values in config.changed(before, after).items() if name in config.TLS}
    files = {name: after[name] for name in (config.CERTIFICATE, config.KEY) if after.get(name)}
    return _record({**files, **changes}, before)


def channel_step(before: config.Settings, after: config.Settings) -> str:
    """LDIF that gives a running slapd all other settings in one operation, so that root is never locked out."""
    return _record(
        {name: values for name, values in config.changed(before, after).items() if name not in config.TLS}, before
    )
