# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How this collection reports what is wrong."""

from __future__ import annotations

import socket
import typing as t


class Problem(Exception):
    """A fault that the administrator can understand and fix.

    Every problem names four things: the object it concerns (such as ``virtual server imap/default``),
    the option (or file) at fault, what was found, and what to do about it. The host's name is added here.

    Args:
        found: what was found, a clause without a final full stop.
        remedy: what to do, a clause without a final full stop.
        subject: the object concerned; empty when the whole host is.
        option: the module option, or the file and line, at fault; empty when there is none.
    """

    def __init__(self, found: str, remedy: str, *, subject: str = "", option: str = "") -> None:
        self.host = socket.gethostname()
        self.found = found
        self.remedy = remedy
        self.subject = subject
        self.option = option
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """One line: host, object, option, what was found, what to do."""
        where = ", ".join(part for part in (self.subject, self.option and f"option {self.option}") if part)
        remedy = self.remedy[:1].upper() + self.remedy[1:]
        return f"{self.host}: {where}{': ' if where else ''}{self.found}. {remedy}."

    def about(self, *, subject: str = "", option: str = "") -> Problem:
        """The same problem with its object or option named, where they were not known before."""
        return Problem(self.found, self.remedy, subject=self.subject or subject, option=self.option or option)

    def result(self) -> dict[str, t.Any]:
        """Keyword arguments for ``AnsibleModule.fail_json``."""
        return {
            "msg": self.message,
            "problem": {
                "host": self.host,
                "object": self.subject,
                "option": self.option,
                "found": self.found,
                "remedy": self.remedy,
            },
        }
