# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where certificates lie on a host: what is pending, what is live, and the copies that daemons read.

::

    ROOT/pending/NAME/key.pem        the key that waits for the CA's answer (0600, directory 0700)
    ROOT/pending/NAME/request.csr    the request for the CA, PEM (0600; nothing in it is secret)
    ROOT/pending/NAME/request.json   what was asked for, to be compared by meaning
    ROOT/live/NAME.pem               key, leaf, intermediates in this order: one file, replaced by one rename (0600)
    ROOT/live/NAME.json              what was asked for when it was requested; nothing depends on it
    ROOT/previous/NAME.pem, .json    what was live before that, in the same form, to be put back (0600, directory 0700)
    ROOT/deployed/DAEMON/NAME.pem    the copy that one daemon reads, with the owner and mode that it needs
    ROOT/originals/DAEMON.json       what stood in a daemon's shared configuration before we changed it (0600)

This file knows paths and bytes only, so that a provider can use it without loading ``cryptography``.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_SUFFIX = ".pem"


def title(name: str) -> str:
    """How messages name a certificate."""
    return f"certificate {name}"


def checked_name(name: str) -> str:
    """The name itself, when it is safe as the name of a file.

    Raises:
        Problem: it is not.
    """
    if not _NAME.fullmatch(name):
        raise Problem(
            f"{name!r} cannot name a certificate",
            "use the host name that it is for: at most 200 letters, digits, full stops, hyphens and underscores,"
            " the first of them a letter or digit",
            option="name",
        )
    return name


def check_distinct(names: Sequence[str]) -> None:
    """Refuse a list in which one certificate stands twice.

    Raises:
        Problem: it does.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Problem("it stands in the list more than once", "name it once", subject=title(twice[0]), option="name")


def certificate_blocks(bundle: bytes) -> list[bytes]:
    """The PEM blocks of the certificates in a file, in their order."""
    return _CERTIFICATE.findall(bundle)


def leaf_of(bundle: bytes) -> bytes:
    """DER of the first certificate in PEM text.

    Raises:
        Problem: there is none.
    """
    blocks = certificate_blocks(bundle)
    try:
        return ssl.PEM_cert_to_DER_cert(blocks[0].decode("ascii"))
    except (IndexError, ValueError) as exc:
        raise Problem("there is no certificate in this file", "install the certificate again") from exc


@dataclass(frozen=True)
class Pending:
    """A pending request as it lies on the disk; a part that is missing is None.

    Attributes:
        key: the private key, PEM.
        request: the request for the CA, PEM.
        record: what was asked for, JSON.
    """

    key: bytes | None
    request: bytes | None
    record: bytes | None

    def __repr__(self) -> str:
        return f"Pending(key={'…' if self.key else None}, request={self.request!r})"


class Store:
    """The certificate store below one directory. Reads only; nothing here writes."""

    def __init__(self, host: Host, root: str) -> None:
        self._host = host
        self.root = root

    # ---- paths

    def pending_directory(self, name: str) -> str:
        """Directory of a pending request."""
        return os.path.join(self.root, "pending", checked_name(name))

    def pending_key_path(self, name: str) -> str:
        """Path of the key that waits for the CA's answer."""
        return os.path.join(self.pending_directory(name), "key.pem")

    def pending_request_path(self, name: str) -> str:
        """Path of the request that the CA gets."""
        return os.path.join(self.pending_directory(name), "request.csr")

    def pending_record_path(self, name: str) -> str:
        """Path of the note of what was asked for."""
        return os.path.join(self.pending_directory(name), "request.json")

    def live_path(self, name: str) -> str:
        """Path of a live certificate with its key and chain."""
        return os.path.join(self.root, "live", checked_name(name) + _SUFFIX)

    def live_record_path(self, name: str) -> str:
        """Path of the note of what was asked for when the live certificate was requested."""
        return os.path.join(self.root, "live", checked_name(name) + ".json")

    def previous_path(self, name: str) -> str:
        """Path of the certificate that was live before the live one, with its key and chain."""
        return os.path.join(self.root, "previous", checked_name(name) + _SUFFIX)

    def previous_record_path(self, name: str) -> str:
        """Path of the note of what was asked for when that one was requested."""
        return os.path.join(self.root, "previous", checked_name(name) + ".json")

    def deployed_path(self, daemon: str, name: str) -> str:
        """Path of the copy that a daemon reads."""
        return os.path.join(self.root, "deployed", daemon, checked_name(name) + _SUFFIX)

    def originals_path(self, daemon: str) -> str:
        """Path of the notes of what stood in a daemon's configuration before it was first changed."""
        return os.path.join(self.root, "originals", daemon + ".json")

    # ---- what is there

    def pending(self, name: str) -> Pending | None:
        """The pending request, or None where nothing is pending."""
        found = Pending(
            self._host.read(self.pending_key_path(name)),
            self._host.read(self.pending_request_path(name)),
            self._host.read(self.pending_record_path(name)),
        )
        return found if any(part is not None for part in (found.key, found.request, found.record)) else None

    def live(self, name: str) -> bytes | None:
        """Key, leaf and chain of the live certificate, or None where there is none."""
        return self._host.read(self.live_path(name))

    def leaf(self, certificate: str) -> bytes:
        """DER of a live certificate, or of the first one in a foreign file of which the path is given.

        Raises:
            Problem: there is none.
        """
        path = certificate if os.path.isabs(certificate) else self.live_path(certificate)
        return leaf_of(self._host.read(path) or b"")

    def live_record(self, name: str) -> bytes | None:
        """What was asked for when the live certificate was requested, JSON, or None where that is not known."""
        return self._host.read(self.live_record_path(name))

    def previous(self, name: str) -> bytes | None:
        """Key, leaf and chain of the certificate that was live before, or None where there is none."""
        return self._host.read(self.previous_path(name))

    def previous_record(self, name: str) -> bytes | None:
        """What was asked for when that one was requested, JSON, or None where that is not known."""
        return self._host.read(self.previous_record_path(name))

    def deployed(self, daemon: str, name: str) -> bytes | None:
        """The copy that a daemon reads, or None where it has none."""
        return self._host.read(self.deployed_path(daemon, name))

    def names(self) -> list[str]:
        """Names of the live certificates."""
        return self._names_in(os.path.join(self.root, "live"))

    def pending_names(self) -> list[str]:
        """Names of the pending requests."""
        found = self._host.names_in(os.path.join(self.root, "pending"))
        return [name for name in found if _NAME.fullmatch(name) and self.pending(name)]

    def holds(self, path: str) -> bool:
        """Whether a path lies within this store."""
        return os.path.realpath(path).startswith(os.path.realpath(self.root) + os.sep)

    def deployed_daemons(self, name: str) -> list[str]:
        """The daemons that have a copy of this certificate."""
        daemons = self._host.names_in(os.path.join(self.root, "deployed"))
        return [daemon for daemon in daemons if self._host.state(self.deployed_path(daemon, name))]

    def deployed_names(self, daemon: str) -> list[str]:
        """The certificates of which a daemon has a copy."""
        return self._names_in(os.path.join(self.root, "deployed", daemon))

    def name_of_deployed(self, daemon: str, path: str) -> str | None:
        """Name of the certificate of which a path is a daemon's copy, or None for a foreign file."""
        directory, base = os.path.split(os.path.normpath(path))
        name = base[: -len(_SUFFIX)]
        if not base.endswith(_SUFFIX) or not _NAME.fullmatch(name):
            return None
        return name if directory == os.path.dirname(self.deployed_path(daemon, name)) else None

    def behind(self, daemon: str, path: str) -> str:
        """What a daemon's file is: the name of the certificate of which it is a copy, or the path of a foreign file."""
        return self.name_of_deployed(daemon, path) or path

    def _names_in(self, directory: str) -> list[str]:
        files = (name for name in self._host.names_in(directory) if name.endswith(_SUFFIX))
        return [name[: -len(_SUFFIX)] for name in files if _NAME.fullmatch(name[: -len(_SUFFIX)])]
