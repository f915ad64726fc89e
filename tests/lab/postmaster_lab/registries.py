# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How this machine's apt and pip reach their registries, carried over to a fresh machine without naming any."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from postmaster_lab import bases, keeper

VARIABLES = re.compile(
    r"PIP_.+|.+_CA_BUNDLE|SSL_CERT_(FILE|DIR)|LAB_MIRROR|CI|NO_COLOR|(https?|ftp|all|no)_proxy"
    r"|(HTTPS?|FTP|ALL|NO)_PROXY"
)
PIP_FILES = ("/etc/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf")
LOCAL_PATH = re.compile(r"(?:file://|(?<![\w/:.]))(/[^\s,;'\"]+)")
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def environment(source: Mapping[str, str]) -> dict[str, str]:
    """The variables that tell pip and others where and how to fetch."""
    return {name: value for name, value in source.items() if VARIABLES.fullmatch(name)}


def configure(root: Path) -> None:
    """Give a machine's root directory this machine's settings of apt, pip, names and trusted certificates."""
    lines = [line + ";\n" for line in bases.apt_reaching_options()]
    (root / "etc/apt/apt.conf.d/90reach").write_text("".join(lines))
    for source in _pip_files():
        target = root / str(_in_home_of_root(source)).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for name in ("hosts", "resolv.conf"):
        source = Path("/etc", name)
        target = root / "etc" / name
        target.unlink(missing_ok=True)  # it may be a symbolic link
        target.write_text(source.read_text() if source.exists() else "")
    _trust_same_certificates(root)


def local_places(variables: Mapping[str, str], root: Path) -> list[Path]:
    """Files and directories that the settings name and the machine has not: its owner has to lend them."""
    texts = [*variables.values(), *(path.read_text() for path in _pip_files()), *bases.apt_reaching_options()]
    places: dict[Path, None] = {}
    for text in texts:
        for match in LOCAL_PATH.finditer(text):
            path = Path(match.group(1))
            # The pages of an index at ".../simple" link to files beside it.
            path = path.parent if path.name == "simple" else path
            if path.exists() and not (root / str(path).lstrip("/")).exists():
                places[path] = None
    return list(places)


def _pip_files() -> Iterator[Path]:
    for name in PIP_FILES:
        path = Path(name).expanduser()
        if path.is_file():
            yield path


def _in_home_of_root(path: Path) -> Path:
    home = Path.home()
    return Path("/root") / path.relative_to(home) if path.is_relative_to(home) else path


def _trust_same_certificates(root: Path) -> None:
    """Add what this machine trusts beyond Debian's own list, such as the certificate of a company's proxy.

    They are installed the way an administrator does it, because every installation of the package ca-certificates
    writes the bundle anew from what is installed.
    """
    ours = Path("/", BUNDLE)
    if not ours.exists():
        return
    known = set(CERTIFICATE.findall((root / BUNDLE).read_text()))
    extra = [text for text in dict.fromkeys(CERTIFICATE.findall(ours.read_text())) if text not in known]
    directory = root / "usr/local/share/ca-certificates"
    directory.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(extra):
        (directory / f"control-{number}.crt").write_text(text + "\n")
    if extra:
        keeper.run("chroot", root, "update-ca-certificates", env={**os.environ, "LC_ALL": "C"})
