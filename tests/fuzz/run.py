# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fuzz one parser: ``run.py PARSER [OPTION OF LIBFUZZER...] [CORPUS...]``. Needs atheris; see tests/qa/fuzz."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ansible_collections.postmaster.secure_channel.plugins"]):
    from ansible_collections.postmaster.secure_channel.tests.support.parsers import parse


def main() -> None:
    """Run until libFuzzer ends."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, lambda data: parse(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
