# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules have in common: parameters in, one result or one clear error out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

_INVOKED = "Invoked; options are not logged, since some are secret"
_PLACEHOLDER = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
_PIECE = 6  # characters; the longer, the fewer secrets are suspected in vain


class DiscreetModule(AnsibleModule):
    """A module that has secrets in a list, and so does not write into the system's log how it was called.

    Ansible writes a list there as Python prints it, and in that form does not find a secret in which Python escapes a
    character, such as a backslash or a line break: it would stay in the log.

    Ansible also looks for every secret in every string of the result, which takes minutes with ten thousand of each. So
    secrets that cannot be in the result are sorted out first.
    """

    no_log_values: set[str]

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        """Log a message; of a call only that there was one."""
        super().log(msg if log_args is None else _INVOKED)

    def _log_invocation(self) -> None:
        """Log that there was a call, without preparing the options for the log as Ansible does."""
        self.log(_INVOKED)

    def exit_json(self, **kwargs: Any) -> NoReturn:
        """Leave with a result, from which Ansible removes all secrets."""
        secrets: set[str] = set(self.no_log_values)
        # Ansible would add the options as they are, and so need all secrets again
        kwargs.setdefault("invocation", {"module_args": _masked(self.params, secrets)})
        self.no_log_values = seen_in(kwargs, secrets)
        super().exit_json(**kwargs)
        raise AssertionError("the module went on after its exit")


def _masked(value: Any, secrets: Set[str]) -> Any:
    """Options with Ansible's own placeholder in place of each secret."""
    if isinstance(value, Mapping):
        return {key: _masked(one, secrets) for key, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_masked(one, secrets) for one in value]
    return _PLACEHOLDER if isinstance(value, str) and value in secrets else value


def _strings(value: Any) -> Iterator[str]:
    """All strings in plain data, also what Ansible would make of numbers."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield str(key)
            yield from _strings(one)
    elif isinstance(value, (list, tuple, set)):
        for one in value:
            yield from _strings(one)
    else:
        yield str(value)


def seen_in(result: Any, secrets: Iterable[str]) -> set[str]:
    """The secrets that may occur in a result; all that do occur are among them.

    One pass over the result, however many secrets there are: pieces of one length are looked up in a set.
    """
    short = {secret for secret in secrets if len(secret) < _PIECE}
    by_beginning: dict[str, set[str]] = {}
    for secret in secrets:
        if len(secret) >= _PIECE:
            by_beginning.setdefault(secret[:_PIECE], set()).add(secret)
    if not by_beginning:
        return short
    pieces: set[str] = set()
    for text in set(_strings(result)):
        pieces.update(text[start : start + _PIECE] for start in range(len(text) - _PIECE + 1))
    return short.union(*(by_beginning[piece] for piece in pieces.intersection(by_beginning)))


def run(module: AnsibleModule, work: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """Do the work and leave the module with its result, or with one clear error.

    Args:
        module: the module.
        work: returns the keys of the result.
    """
    try:
        result = work(module)
    except Problem as exc:
        module.fail_json(**exc.result())
    else:
        module.exit_json(**result)
