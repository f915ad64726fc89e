# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the Cyrus SASL library, as a server does, whether a password is the one in a database.

No program does that without a password among its arguments or a daemon; so the library is called here itself
(sasl/sasl.h, saslplug.h). It opens the database for reading only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity, asked_as
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import how_to_install
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.paths import (
    DATABASE_PACKAGE,
    LIBRARY,
    LIBRARY_PACKAGE,
)

_PATIENCE = 10.0  # seconds
_OK = 0
_END, _GETOPT, _LOG = 0, 1, 2  # kinds of callbacks
_UNKNOWN = -13  # SASL_BADAUTH, here: this option is not set

_Getopt = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.POINTER(ctypes.c_uint),
)
_Log = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)


class _Callback(ctypes.Structure):
    _fields_ = (("id", ctypes.c_ulong), ("procedure", ctypes.c_void_p), ("context", ctypes.c_void_p))


def _load() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError as exc:
        raise Problem(
            "the Cyrus SASL library is not installed", f"install it ({how_to_install(LIBRARY_PACKAGE)})"
        ) from exc


class SaslLibrary:
    """The library, looking into one database.

    Args:
        database: path of the sasldb.
        user: as whom it looks; empty for root.
    """

    def __init__(self, database: str, user: str = "") -> None:
        self._user = user
        self._database = database
        self._options = {
            b"pwcheck_method": b"auxprop",
            b"auxprop_plugin": b"sasldb",
            b"sasldb_path": database.encode(),
        }
        # whatever the library keeps pointers to must live as long as it does
        self._getopt = _Getopt(self._option)
        self._log = _Log(lambda _context, _level, _message: _OK)
        self._callbacks = (_Callback * 3)(
            _Callback(_GETOPT, ctypes.cast(self._getopt, ctypes.c_void_p), None),
            _Callback(_LOG, ctypes.cast(self._log, ctypes.c_void_p), None),
            _Callback(_END, None, None),
        )

    def _option(self, _context: Any, _plugin: Any, name: bytes, result: Any, length: Any) -> int:
        value = self._options.get(name)
        if value is None:
            return _UNKNOWN
        result[0] = value
        if length:
            length[0] = len(value)
        return _OK

    @contextmanager
    def _connection(self, realm: str) -> Iterator[tuple[Any, ctypes.c_void_p]]:
        library = _load()
        if library.sasl_server_init(self._callbacks, b"postmaster") != _OK:
            raise Problem("the Cyrus SASL library cannot be initialised", f"install {DATABASE_PACKAGE}")
        connection = ctypes.c_void_p()
        try:
            arguments = (b"smtp", realm.encode(), realm.encode(), None, None, None, 0, ctypes.byref(connection))
            if library.sasl_server_new(*arguments) != _OK:
                raise Problem("the Cyrus SASL library cannot be initialised", f"install {DATABASE_PACKAGE}")
            yield library, connection
        finally:
            if connection:
                library.sasl_dispose(ctypes.byref(connection))
            library.sasl_done()

    def accepts(self, name: str, realm: str, password: str) -> bool:
        """Whether a server would accept this password.

        Raises:
            Problem: the library is missing, or does not answer.
        """
        if not self._user:
            return self._accepts(name, realm, password)
        _load()  # says what is missing
        found = asked_as(Identity.of(self._user), lambda: self._accepts(name, realm, password), _PATIENCE)
        if found is None:
            raise Problem(
                f"the Cyrus SASL library does not answer what is in {self._database}",
                "restore the database from a backup, or remove it and run again with all accounts",
                option=self._database,
            )
        return found

    def _accepts(self, name: str, realm: str, password: str) -> bool:
        user, secret = name.encode("utf-8", "surrogateescape"), password.encode("utf-8", "surrogateescape")
        with self._connection(realm) as (library, connection):
            code: int = library.sasl_checkpass(connection, user, len(user), secret, len(secret))
            return code == _OK
