# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules have in common: parameters in, one result or one clear error out."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.postmaster.secure_channel.plugins.module_utils._argspec import Spec
from ansible_collections.postmaster.secure_channel.plugins.module_utils._arguments import (
    Arguments,
    check_kinds,
    without_kinds,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import harmless, one_line

_INVOKED = "Invoked; options are not logged, since some are secret"
_PLACEHOLDER = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
_NO_THREAD = "start new thread"  # in what Python says then
_PIECE = 6  # characters; the longer, the fewer secrets are suspected in vain


# Keys of a result below which a string may have several lines.
_BLOCKS = frozenset({"csr", "diff", "exception", "invocation"})
# Keys of what is said to people, in one line of bounded length.
_LINES = ("msg", "problem")


class DiscreetModule(AnsibleModule):
    """A module that has secrets, and whose arguments and results come from anywhere.

    Arguments of the wrong shape are refused before Ansible converts them, and each string is held against the kind that
    the argument spec declares for it. In whatever leaves the module, an error or a result, secrets are masked,
    characters that a terminal would obey are escaped, and messages are one line of bounded length.

    It does not write into the system's log how it was called. Ansible writes a list there as Python prints it, and in
    that form does not find a secret in which Python escapes a character, such as a backslash or a line break: it would
    stay in the log.

    Ansible also looks for every secret in every string of the result, which takes minutes with ten thousand of each. So
    secrets that cannot be in the result are sorted out first.

    Args:
        argument_spec: as Ansible's, with a kind for each option that takes text.
        title: how messages name one of its objects, such as ``domain {domain}``.
        others: as Ansible's.
    """

    no_log_values: set[str]
    params: dict[str, Any]

    def __init__(self, *, argument_spec: Spec, title: str, **others: Any) -> None:
        self._declared = argument_spec
        self._title = title
        self._misshapen: Problem | None = None
        self._sorted = SortedSecrets(())
        super().__init__(argument_spec=without_kinds(argument_spec), **others)
        if self._misshapen:
            self.fail_json(**self._misshapen.result())
        try:
            check_kinds(self.params, argument_spec, title)
        except Problem as exc:
            self.fail_json(**exc.result())

    def _load_params(self) -> None:
        """Take the arguments in, without what has the wrong shape."""
        super()._load_params()
        arguments = Arguments(self.params, self._declared, self._title)
        self.params, self._misshapen = arguments.params, arguments.problem

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        """Log a message; of a call only that there was one."""
        super().log(msg if log_args is None else _INVOKED)

    def _log_invocation(self) -> None:
        """Log that there was a call, without preparing the options for the log as Ansible does."""
        self.log(_INVOKED)

    def warn(self, warning: str, **others: Any) -> None:
        """Give the administrator a warning."""
        super().warn(one_line(str(self._without_secrets(warning))), **others)

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        """Leave with an error. Where an argument has the wrong shape, that is the error, whatever Ansible found."""
        if self._misshapen:
            kwargs.update(self._misshapen.result())
            msg = str(kwargs.pop("msg"))
        super().fail_json(msg, **kwargs)
        raise AssertionError("the module went on after its exit")

    def _return_formatted(self, kwargs: dict[str, Any]) -> None:
        """Let a result or an error out."""
        secrets: set[str] = set(self.no_log_values)
        # Ansible would add the options as they are, and so need all secrets again
        kwargs.setdefault("invocation", {"module_args": _masked(self.params, secrets)})
        shown = harmless(self._without_secrets(kwargs), _BLOCKS)
        for key in _LINES:
            if key in shown:
                shown[key] = _bounded(shown[key])
        self.no_log_values = set()  # they are masked, and a message that was cut cannot be searched any more
        super()._return_formatted(shown)

    def _without_secrets(self, value: Any) -> Any:
        if self._sorted.count != len(self.no_log_values):
            self._sorted = SortedSecrets(self.no_log_values)
        return remove_values(value, self._sorted.seen_in(value))


def _bounded(value: Any) -> Any:
    """What is said to people, each part in one line of bounded length."""
    if isinstance(value, Mapping):
        return {key: _bounded(one) for key, one in value.items()}
    return one_line(value) if isinstance(value, str) else value


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


class SortedSecrets:
    """Secrets by their beginnings, so that those in a text are found in one pass over it, however many there are.

    Args:
        secrets: the secrets.

    Attributes:
        count: how many there are.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        self.count = len(secrets)
        self._short = {secret for secret in secrets if len(secret) < _PIECE}
        self._by_beginning: dict[str, set[str]] = {}
        for secret in secrets:
            if len(secret) >= _PIECE:
                self._by_beginning.setdefault(secret[:_PIECE], set()).add(secret)

    def seen_in(self, result: Any) -> set[str]:
        """The secrets that may occur in a result; all that do occur are among them."""
        if not self._by_beginning:
            return self._short
        pieces: set[str] = set()
        for text in set(_strings(result)):
            pieces.update(text[start : start + _PIECE] for start in range(len(text) - _PIECE + 1))
        return self._short.union(*(self._by_beginning[piece] for piece in pieces.intersection(self._by_beginning)))


def refuse_relative_paths(spec: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    """Refuse every path that would depend on the directory in which Ansible happens to run a module.

    Args:
        spec: the module's argument spec, or that of an option's own options.
        params: what was given. An empty path stands for none, except where there must be one.

    Raises:
        Problem: there is such a path.
    """
    for option, one in spec.items():
        given = params.get(option)
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, Mapping) and one.get("options"):
                refuse_relative_paths(one["options"], value)
            elif "path" in (one.get("type"), one.get("elements")) and value is not None:
                needed = bool(one.get("required") or one.get("default"))
                if not os.path.isabs(value) and (value or needed):
                    raise Problem(f"{value!r} is no absolute path", "give a path that begins with /", option=option)


def run(module: AnsibleModule, work: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """Do the work and leave the module with its result, or with one clear error.

    Args:
        module: the module.
        work: returns the keys of the result.
    """
    try:
        refuse_relative_paths(module.argument_spec, module.params)
        result = work(module)
    except Problem as exc:
        module.fail_json(**exc.result())
    except OSError as exc:
        module.fail_json(**causes.problem(exc, "cannot be used").result())
    except MemoryError:
        module.fail_json(**Problem(*causes.no_memory()).result())
    except RuntimeError as exc:
        if _NO_THREAD not in str(exc):
            raise
        module.fail_json(**Problem(*causes.too_many_processes()).result())
    else:
        module.exit_json(**result)
