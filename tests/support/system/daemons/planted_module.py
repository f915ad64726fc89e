# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A shared library that makes directories as soon as a program loads it, made without a compiler (elf(5), x86-64)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_HEADER, _PROGRAM_HEADER = 64, 56
_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474E551  # kinds of segments
_HASH, _STRTAB, _SYMTAB, _STRSZ, _SYMENT, _INIT = 4, 5, 6, 10, 11, 12  # kinds of entries of the dynamic section
_MKDIR = b"\xb8\x53\x00\x00\x00"  # mov eax, 83
_SYSTEM_CALL = b"\xbe\xff\x01\x00\x00" + _MKDIR + b"\x0f\x05"  # mov esi, 0777; mov eax, 83; syscall
_NO_SYMBOLS = struct.pack("<4I", 1, 1, 0, 0) + bytes(24)  # a hash table with one empty bucket, and the empty symbol


def module_that_makes(directories: Sequence[str]) -> bytes:
    """The library's bytes; each directory that the loading process may not make is left alone."""
    start = _HEADER + 3 * _PROGRAM_HEADER
    symbols = start + 7 * 16
    names = symbols + len(_NO_SYMBOLS)
    code = names + 1
    length = len(directories) * (7 + len(_SYSTEM_CALL)) + 1
    text, strings = b"", b""
    for one in directories:
        distance = length - len(text) - 7 + len(strings)
        text += b"\x48\x8d\x3d" + struct.pack("<i", distance) + _SYSTEM_CALL  # lea rdi, [rip + distance]
        strings += one.encode() + b"\0"
    text += b"\xc3"  # ret
    entries = ((_HASH, symbols), (_STRTAB, names), (_SYMTAB, symbols + 16), (_STRSZ, 1), (_SYMENT, 24), (_INIT, code))
    dynamic = b"".join(struct.pack("<qQ", *one) for one in (*entries, (0, 0)))
    size = code + len(text) + len(strings)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, _HEADER, 0, 0, _HEADER, _PROGRAM_HEADER, 3, 64, 0, 0)
    segments = struct.pack("<IIQQQQQQ", _LOAD, 7, 0, 0, 0, size, size, 4096)
    segments += struct.pack("<IIQQQQQQ", _DYNAMIC, 6, start, start, start, len(dynamic), len(dynamic), 8)
    segments += struct.pack("<IIQQQQQQ", _STACK, 6, 0, 0, 0, 0, 0, 16)  # one that need not be executable
    return header + segments + dynamic + _NO_SYMBOLS + b"\0" + text + strings
