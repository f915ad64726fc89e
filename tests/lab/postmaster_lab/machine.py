# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host's root directory: a writable layer over the base tree, and what is the host's own in it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from postmaster_lab import keeper, names
from postmaster_lab.bases import BUILD_DOMAIN, BUILD_NAME, Base
from postmaster_lab.hosts import Host

SNAKEOIL = "etc/ssl/certs/ssl-cert-snakeoil.pem"


@dataclass(frozen=True)
class Machine:
    """A host and the directory that holds its layers."""

    host: Host
    base: Base
    directory: Path

    @property
    def root(self) -> Path:
        """The host's root directory."""
        return self.directory / "root"

    def prepare(self, domain: str, authorized_key: Path, host_key: Path) -> None:
        """Mount the root directory and make it this host's: as if all packages had been installed on it."""
        self._mount()
        self._write_names(domain)
        self._write_identity(authorized_key, host_key)
        self._adapt_postfix(domain)
        self._renew_snakeoil()

    def _mount(self) -> None:
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir(parents=True)
        layers = f"lowerdir={self.base.tree},upperdir={self.directory}/upper,workdir={self.directory}/work"
        keeper.run("mount", "-t", "overlay", "overlay", "-o", layers, self.root)

    def _write_names(self, domain: str) -> None:
        etc = self.root / "etc"
        (etc / "hostname").write_text(self.host.name + "\n")
        (etc / "mailname").write_text(self.host.fqdn + "\n")
        (etc / "hosts").write_text(names.hosts_file(self.host))
        (etc / "resolv.conf").unlink(missing_ok=True)  # it may be a symbolic link
        (etc / "resolv.conf").write_text(names.resolver_file(domain))

    def _write_identity(self, authorized_key: Path, host_key: Path) -> None:
        etc = self.root / "etc"
        (etc / "machine-id").write_text(os.urandom(16).hex() + "\n")
        # Else systemd takes the first boot for one after an update and rebuilds its caches.
        (etc / ".updated").touch()
        (self.root / "var/.updated").touch()
        shutil.copy(host_key, etc / "ssh" / "ssh_host_ed25519_key")
        shutil.copy(host_key.with_suffix(".pub"), etc / "ssh" / "ssh_host_ed25519_key.pub")
        ssh = self.root / "root/.ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(authorized_key, ssh / "authorized_keys")

    def _adapt_postfix(self, domain: str) -> None:
        """Postfix has taken the building machine's name into its configuration."""
        main = self.root / "etc/postfix/main.cf"
        if main.exists():
            installed = main.stat()
            text = main.read_text().replace(BUILD_NAME, self.host.fqdn)
            main.write_text(text.replace("localhost." + BUILD_DOMAIN, "localhost." + domain))
            # Postfix waits two seconds before it reads a file that might still be written to.
            os.utime(main, ns=(installed.st_atime_ns, installed.st_mtime_ns))

    def _renew_snakeoil(self) -> None:
        """Have Debian's self-signed certificate made anew: hosts share neither its name nor its key."""
        certificate = self.root / SNAKEOIL
        if not certificate.exists():
            return
        for link in certificate.parent.iterdir():
            if link.is_symlink() and os.readlink(link) == certificate.name:
                link.unlink()  # named after the old certificate's hash
        script = 'hostname "$1" && exec chroot "$2" make-ssl-cert generate-default-snakeoil --force-overwrite'
        keeper.run("unshare", "--uts", "sh", "-c", script, "sh", self.host.name, self.root)
