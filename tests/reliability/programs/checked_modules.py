# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Call modules in check mode, one after the other. Runs on the host, under strace.

``checked_modules.py CODE MARKS`` reads JSON from standard input, [[MODULE, ARGUMENTS], ...], and prints one line of
JSON for each call: what the module answered. Everything is imported once, and each call has a process of its own, which
first writes a file named after its number below MARKS: a trace of that shows that it sees what is written.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any

COLLECTION = "ansible_collections.postmaster.secure_channel.plugins"


def call(module: Any, arguments: dict[str, Any], mark: str) -> None:
    """Run a module in this process, which ends with it."""
    with open(mark, "w", encoding="utf-8"):
        pass
    given = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": True, "_ansible_diff": True}}
    basic = importlib.import_module("ansible.module_utils.basic")
    vars(basic).update(_ANSIBLE_ARGS=json.dumps(given).encode(), _ANSIBLE_PROFILE="legacy")
    module.main()


def in_child(module: Any, arguments: dict[str, Any], mark: str) -> str:
    """The last line that a module prints in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(writing, 1)
        try:
            call(module, arguments, mark)
        except SystemExit:
            pass
        except BaseException:  # whatever it is belongs to the call
            print(json.dumps({"failed": True, "msg": traceback.format_exc()}))
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as stream:
        printed = stream.read()
    os.waitpid(child, 0)
    return (printed.strip().splitlines() or ['{"failed": true, "msg": "no answer"}'])[-1]


def main(code: str, marks: str) -> None:
    """Make all calls."""
    wanted = json.load(sys.stdin)
    sys.path[0] = code
    modules = {name: importlib.import_module(f"{COLLECTION}.modules.{name}") for name, _arguments in wanted}
    for number, (name, arguments) in enumerate(wanted):
        print(in_child(modules[name], arguments, f"{marks}/{number}"), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
