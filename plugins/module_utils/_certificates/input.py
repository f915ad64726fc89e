# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be installed: the CA's answer, a backup, or the files of another tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.formats import Content
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.openings import Openings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host


@dataclass(frozen=True)
class Input:
    """What the options of one element give.

    Attributes:
        option: the option it came with.
        data: the bytes; None where it is not known yet, which only check mode allows.
        chain: further certificates.
        passphrase: opens the key that comes with the certificate; None where none was given.
        key_passphrase: opens the key on the host, or is to protect it there; None where none was given.
        key: content of the file with the key, where that is another one; None where no such file was named.
        source: where it comes from; empty where that is not said.
        replaces: whether it takes the place of a live certificate and of a pending request with other keys.
    """

    option: str
    data: bytes | None
    chain: bytes
    passphrase: str | None = field(default=None, repr=False)
    key_passphrase: str | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    source: str = ""
    replaces: bool = False

    @classmethod
    def from_params(cls, host: Host, params: Mapping[str, Any], pending_request: str, *, check_mode: bool) -> Input:
        """What the options say, with the files that they name.

        Args:
            host: the machine whose files are read.
            params: one element of the module's options.
            pending_request: path of the request, for a message.
            check_mode: nothing may be given, and files may be missing.

        Raises:
            Problem: nothing is given, or more than one thing.
        """
        content, src, key_src = params["content"], params["src"], params["key_src"]
        if content and src:
            raise Problem("content and src are both given", "give one of them", option="src")
        if key_src and not src:
            raise Problem("there is a key, but no certificate", "give its certificate as src", option="key_src")
        chain = _bytes(params["chain"])
        if src:
            remedy = "copy the CA's answer to the host, or give it as content"
            data = _file(host, "src", src, remedy, check_mode=check_mode)
            key = None
            if key_src:
                remedy = "name the file on this host in which the other tool keeps the key"
                key = _file(host, "key_src", key_src, remedy, check_mode=check_mode)
                data = None if key is None else data
            return cls("src", data, chain, params["passphrase"], params["key_passphrase"], key, *_purpose(params))
        if not content and not check_mode:
            raise Problem(
                "there is no answer from the CA to install",
                f"send {pending_request} to the CA, and give its answer as content or src",
                option="content",
            )
        given = _bytes(content) or None
        return cls("content", given, chain, params["passphrase"], params["key_passphrase"], None, *_purpose(params))

    def opened(self, openings: Openings) -> Content:
        """What is in it.

        Args:
            openings: has what was opened before.

        Raises:
            Problem: it cannot be used.
        """
        with_key = self.key is None
        try:
            content = openings.opened(self.data or b"", self.passphrase if with_key else None)
        except Problem as exc:
            raise exc.about(option=self.option) from exc
        if with_key:
            return content
        if content.key is not None:
            raise Problem(
                "it has a private key already",
                "omit key_src, or give a file of certificates",
                option="src",
            )
        try:
            return replace(content, key=openings.opened_key(self.key or b"", self.passphrase))
        except Problem as exc:
            raise exc.about(option="key_src") from exc

    def others(self, content: Content, openings: Openings) -> Sequence[Certificate]:
        """The certificates of the option ``chain`` that the answer itself does not have.

        Args:
            content: what the answer has.
            openings: has what was opened before.

        Raises:
            Problem: the option has something else in it.
        """
        try:
            others = openings.certificates(self.chain) if self.chain.strip() else []
        except Problem as exc:
            raise exc.about(option="chain") from exc
        return [one for one in others if one not in content.certificates]


def _purpose(params: Mapping[str, Any]) -> tuple[str, bool]:
    """Where it comes from, and whether it takes the place of what is there."""
    return params.get("source") or "", bool(params.get("replace"))


def _bytes(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "surrogateescape")


def _file(host: Host, option: str, path: str, remedy: str, *, check_mode: bool) -> bytes | None:
    """Content of a file of the host; a symbolic link is followed. It may be missing in check mode only."""
    try:
        data = host.read(path)
    except Problem as exc:
        raise exc.about(option=option) from exc
    if data is None and not check_mode:
        raise Problem(f"{path} is not there", remedy, option=option)
    return data
