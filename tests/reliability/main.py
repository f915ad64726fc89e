# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure how reliable the collection is: one table of figures, repeated by one command (see --help)."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.reliability import figures, grounds
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure
from ansible_collections.postmaster.secure_channel.tests.reliability.parts import PARTS, Measuring

# What is measured, for hours and in three minutes.
LONG = {"deaths": 20, "pauses": 20, "messages": 20000, "sessions": 200, "target": ""}
SHORT = {"deaths": 3, "pauses": 2, "messages": 200, "sessions": 20, "target": "dovecot,apache"}
HOSTS_OF_SHORT, PARTS_OF_SHORT = ("full2", "ex1"), ("load", "pauses", "crash")


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make reliability ARGS=", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all unless given")
    parser.add_argument("--short", action="store_true", help="a sample of everything that has no test elsewhere")
    parser.add_argument("--seed", default="1", help="chooses what is tried where not everything is")
    parser.add_argument("--hosts", help=f"hosts to measure, of {','.join(grounds.KINDS)}")
    parser.add_argument("--deaths", type=int, help="deaths of each target on each host")
    parser.add_argument("--target", help="only targets with one of these words in their name, with commas between")
    parser.add_argument("--pauses", type=int, help="pairs of runs at once on each host")
    parser.add_argument("--messages", type=int, help="messages to send to the hosts of each release during changes")
    parser.add_argument(
        "--sessions", type=int, help="IMAP sessions to hold with the hosts of each release during changes"
    )
    options = parser.parse_args(arguments)
    for name, value in (SHORT if options.short else LONG).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    hosts = HOSTS_OF_SHORT if options.short else tuple(grounds.KINDS)
    options.hosts = options.hosts.split(",") if options.hosts else hosts
    options.parts = options.parts or (PARTS_OF_SHORT if options.short else tuple(PARTS))
    for name, known in ((one, PARTS) for one in options.parts):
        if name not in known:
            parser.error(f"there is no part '{name}': choose {', '.join(known)}")
    return options


def main(arguments: Sequence[str]) -> int:
    """Measure, and print what was found."""
    options = parsed(arguments)
    about = f'make reliability ARGS="{" ".join(arguments)}"'
    kept = Path(os.environ["POSTMASTER_WORK"], "reliability")
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="reliability-") as workshop:
        measuring = Measuring(options, Path(workshop))
        with measuring.hosts() as (lab, hosts):
            for name in options.parts:
                found += PARTS[name](measuring, lab, hosts)
                figures.save(found, kept, about)
    print(f"{figures.table(found)}\n{figures.details(found)}\nkept in {kept}")
    return 0 if all(one.right for one in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
