# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix' queue as postqueue(1) lists it: one JSON object in a line for each message."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import QueuedMail

# what smtp(8) says where mail waits because of its TLS policy
_WANTS_TLS = re.compile(
    r"TLS is required|Server certificate not (verified|trusted)|Cannot start TLS|non DNSSEC destination|TLSA "
)


def queued(host: Host) -> list[QueuedMail]:
    """The messages that wait, one entry for each recipient.

    Raises:
        Problem: postqueue(1) does not tell.
    """
    done = host.query(["postqueue", "-j"])
    if done.code != 0:
        raise Problem(
            f"the queue cannot be listed ({done.complaint})",
            "run 'postqueue -j' on the host and fix what it complains about, or set preflight to off",
            option="preflight",
        )
    return [one for line in done.out.split("\n") if line for one in _in_line(line)]


def _in_line(line: str) -> Iterator[QueuedMail]:
    with contextlib.suppress(ValueError, KeyError, TypeError):  # a message that vanishes meanwhile
        message = json.loads(line)
        for recipient in message["recipients"]:
            domain = recipient["address"].rpartition("@")[2].encode("idna").decode("ascii").lower()
            if "@" in recipient["address"] and domain:
                reason = str(recipient.get("delay_reason", ""))
                yield QueuedMail(str(message["queue_id"]), domain, reason, bool(_WANTS_TLS.search(reason)))
