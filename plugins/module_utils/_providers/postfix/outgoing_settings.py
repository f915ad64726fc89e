# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parameters of main.cf that outgoing mail needs, and their former values.

When a parameter is first changed, its former value is saved (see SavedSettings) together with the new one. The former
value is restored when nothing needs the new one any more, but only where that is still set: what somebody has set since
is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import main_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.smtp_clients import (
    CLEAR_AUTH,
    IMPLICIT_TLS,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand, words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings

LEVEL = "smtp_tls_security_level"
# what the peer's certificate must be for at these levels, by itself
_NAMES = {"verify": ("hostname",), "secure": ("nexthop", "dot-nexthop")}
_NOTE = "outgoing "
_COLUMNS = ("before", "ours")
# What the entry for all outgoing mail decides; the rest belongs to all entries.
OF_EVERYTHING = (
    LEVEL,
    "smtp_tls_verify_cert_match",
    "smtp_tls_secure_cert_match",
    "smtp_tls_fingerprint_cert_match",
    "smtp_tls_servername",
    "relayhost",
    "default_transport",
    "smtp_tls_mandatory_protocols",
    "smtp_tls_mandatory_exclude_ciphers",
)
MATCH = {
    "verify": "smtp_tls_verify_cert_match",
    "secure": "smtp_tls_secure_cert_match",
    "fingerprint": "smtp_tls_fingerprint_cert_match",
}


def transport_of(policy: DomainPolicy) -> str:
    """The service that must send a domain's mail where the usual ones cannot; empty otherwise."""
    if policy.implicit_tls:
        return IMPLICIT_TLS
    return CLEAR_AUTH if policy.account and policy.auth_cleartext and not policy.encrypted else ""


def relay_of(policy: DomainPolicy) -> str:
    """The next hop that a policy asks for; empty where it leaves the routing as it is."""
    return f"[{policy.relay_host}]:{policy.relay_port}" if policy.relay_host else ""


def for_everything(policy: DomainPolicy, transport: str) -> dict[str, str]:
    """The parameters that make a policy hold for all outgoing mail.

    Args:
        policy: the policy.
        transport: the service that must send it; empty where the usual ones can.
    """
    wanted = {LEVEL: policy.tls}
    if policy.tls in MATCH and (policy.match or policy.fingerprints):
        wanted[MATCH[policy.tls]] = ", ".join(policy.match or policy.fingerprints)
    if policy.servername:
        wanted["smtp_tls_servername"] = policy.servername
    if policy.relay_host:
        relay = (
            {"default_transport": f"{transport}:{relay_of(policy)}"} if transport else {"relayhost": relay_of(policy)}
        )
        wanted.update(relay)
    return wanted


def _value_in(lines: str | None) -> str:
    """The value in an assignment as it stands in main.cf; empty where there is none."""
    kept = [line for line in (lines or "").split("\n") if not line.lstrip().startswith("#")]
    return " ".join(" ".join(kept).partition("=")[2].split())


def level_in_effect(level: str, value: Callable[[str], str]) -> str:
    """The level of mail without an entry, as smtp(8) works it out.

    Args:
        level: what LEVEL says.
        value: answers a parameter's value.
    """
    if level:
        return level
    # older parameters, which count only where there is no level
    if value("smtp_enforce_tls") == "yes":
        return "encrypt" if value("smtp_tls_enforce_peername") == "no" else "verify"
    return "may" if value("smtp_use_tls") == "yes" else "none"


class Settings:
    """main.cf as it is to become.

    Args:
        text: content of main.cf.
        parameters: Postfix' effective parameters.
        saved: their former values.

    Attributes:
        text: content of main.cf.
        changed: what was changed, by parameter: the value before and the one after.
    """

    def __init__(self, text: str, parameters: Mapping[str, str], saved: SavedSettings) -> None:
        self.text = text
        self.changed: dict[str, tuple[str, str]] = {}
        self._parameters = dict(parameters)
        self._saved = saved

    def value(self, name: str) -> str:
        """A parameter's value as it will be."""
        return self._parameters.get(name, "")

    def expanded(self, name: str) -> str:
        """A parameter's value as it will be, with the parameters it names put in."""
        return expand(self.value(name), self.value)

    @property
    def noted(self) -> list[str]:
        """Parameters that an earlier run, or this one, has changed."""
        return [key[len(_NOTE) :] for key in self._saved.keys(_NOTE)]

    def _note(self, name: str) -> Mapping[str, str | None]:
        return self._saved.table(_NOTE + name, *_COLUMNS)

    def _take(self, name: str) -> Mapping[str, str | None]:
        return self._saved.take_table(_NOTE + name, *_COLUMNS)

    def kept(self, name: str) -> str:
        """The value that a noted parameter was given."""
        return self._note(name)["ours"] or ""

    def before(self, name: str) -> str:
        """The value of a parameter before we changed it; as it is now where we have not."""
        if _NOTE + name not in self._saved:
            return self.value(name)
        return _value_in(self._note(name)["before"])

    def written(self, name: str) -> bool:
        """Whether the administrator has set the parameter."""
        return name not in self.noted and main_cf.written(self.text, name) is not None

    def set(self, name: str, value: str, *, ours: bool = False) -> None:
        """Give a parameter a value.

        Args:
            name: the parameter.
            value: the value.
            ours: whether it is noted also where it has that value already.
        """
        same = words(self.value(name)) == words(value)
        if same and (not ours or name in self.noted):
            return
        before = main_cf.written(self.text, name)
        if _NOTE + name in self._saved:
            before = self._take(name)["before"]
        self._saved.note(_NOTE + name, {"before": before, "ours": value})
        if not same:
            self._become(name, value)
            self.text = main_cf.assign(self.text, {name: value})

    def with_names(self, policy: DomainPolicy) -> DomainPolicy:
        """A policy that names what its level stands for, where main.cf has something else for that level."""
        default = _NAMES.get(policy.tls, ())
        if policy.match or not default:
            return policy
        name = MATCH[policy.tls]
        # the entry for all mail may have set it itself
        value = self.before(name) if policy.domain == EVERYTHING else self.value(name)
        if tuple(words(expand(value, self.value))) == default:
            return policy
        return replace(policy, match=default)

    def put_back(self, name: str, default: str = "") -> None:
        """Restore a parameter's former value.

        Args:
            name: the parameter.
            default: its value where it is not set.
        """
        note = self._take(name)
        before = note["before"]
        if words(self.value(name)) != words(note["ours"] or "") or main_cf.written(self.text, name) == before:
            return
        self.text = main_cf.restore(self.text, {name: before})
        self._become(name, _value_in(before) or default)

    def list_tables(self, name: str, *, first: str = "", last: str = "", ours: Collection[str]) -> None:
        """Name tables of ours around those of others; the first one that knows a key decides.

        Args:
            name: the parameter.
            first: the table that goes before all others; empty for none.
            last: the one that comes after them; empty for none.
            ours: what tables of ours end with, also those that go now.
        """
        listed = words(self.value(name))
        others = [one for one in listed if not one.endswith(tuple(ours))]
        wanted = [one for one in (first, *others, last) if one]
        if first or last:
            self.set(name, ", ".join(wanted))
        else:
            self.leave(name, others)

    def leave(self, name: str, others: Sequence[str]) -> None:
        """Leave only what others have put into a list: the lines as they stood, where these said the same."""
        listed = words(self.value(name))
        if _NOTE + name in self._saved:
            before = self._take(name)["before"]
            if words(_value_in(before)) == list(others):
                self.text = main_cf.restore(self.text, {name: before})
                self._become(name, ", ".join(others))
                return
        if list(others) != listed:
            self.text = main_cf.assign(self.text, {name: ", ".join(others)})
            self._become(name, ", ".join(others))

    def _become(self, name: str, value: str) -> None:
        before = self.changed[name][0] if name in self.changed else self.value(name)
        self._parameters[name] = value
        self.changed[name] = (before, value)
        if words(before) == words(value):
            del self.changed[name]
