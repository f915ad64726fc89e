# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays that change hosts, call our modules, and take snapshots in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import PORTS
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION


class Play:
    """A play under construction. The result of a task is found by its name.

    Attributes:
        tasks: the tasks.
    """

    def __init__(self) -> None:
        self.tasks: list[dict[str, Any]] = []

    def shell(self, name: str, *scripts: str) -> None:
        """Shell scripts in which every command must succeed, such as snapshots.script().

        Not the module "shell", which is a Python program and takes half a second to start.
        """
        self.tasks.append({"name": name, "ansible.builtin.raw": "\n".join(["set -e", *scripts])})

    def call(self, name: str, module: str, options: Mapping[str, Any], **keywords: Any) -> None:
        """A call of one of our modules, which may fail."""
        call = {f"{COLLECTION}.{module}": dict(options)}
        self.tasks.append({"name": name, "ignore_errors": True, **keywords, **call})

    def look_at_peer(self, name: str, *scripts: str) -> None:
        """Shell scripts, then a verified handshake with every port of the other host; all must succeed."""
        sessions = [
            "openssl s_client -brief -verify_return_error -verify_hostname {{ peer }} -CAfile {{ root }}"
            f" -connect {{{{ peer }}}}:{port.number} {'-starttls ' + port.starttls if port.starttls else ''} </dev/null"
            for port in PORTS.values()
        ]
        self.shell(name, *scripts, *sessions)
        self.tasks[-1]["vars"] = {
            "peer": "{{ hostvars[{'mx1': 'mx2', 'mx2': 'mx1'}[inventory_hostname]].lab_fqdn }}",
            "root": "/usr/local/share/ca-certificates/mail-root-ca.crt",
        }
