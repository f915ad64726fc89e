# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TLS settings that slapd needs once it is linked with OpenSSL, which wait where it is linked with GnuTLS.

Debian changed the library between its releases 12 and 13, and each refuses the other's words in olcTLSCipherSuite:
slapd does not start with them. There are none that both take. So the other settings wait in a file, which the unit's
drop-in gives to a stopped slapd that is linked with OpenSSL, once, before it starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.unit_drop_in import (
    before_start,
    path_of,
    warned_unless,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.ldif import for_stopped
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import (
    DEFAULTS_FILE,
    UNIT,
    WAITING,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.slapd import Slapd
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import Strength

_LINE = (
    "if [ -e {file} ] && ldd {slapd} | grep -q libssl.so && ! ldd {slapd} | grep -q libgnutls.so; then"
    " {modify} <{file} && rm -f {file}; fi"
)
_TOLD = f'grep "^[[:blank:]]*SLAPD_SERVICES=" {DEFAULTS_FILE} | grep -qF "$u"'
_PLAIN = re.compile(r"[a-z0-9:/.\[\]-]+")  # a URL without signs that mean something to the shell


def waiting(
    host: Host,
    slapd: Slapd,
    strength: Strength | None,
    settings: config.Settings,
    other: TlsLibrary | None,
    services: Sequence[str] = (),
) -> Iterator[FileChange]:
    """The file and the drop-in as they must be.

    Args:
        host: the machine.
        slapd: how it is changed while it is stopped.
        strength: what is declared; None where nothing is.
        settings: those of cn=config as they are to be.
        other: the TLS library that a later slapd is linked with; None where this one is already.
        services: URLs of ours at which slapd is told to listen, in a file that an upgrade may replace.
    """
    ldif, lines = b"", []
    if strength and other:
        ldif = for_stopped(settings, {**settings, **config.strength_settings(strength, other)}).encode()
        modify = " ".join(slapd.command_to(settings).argv)
        lines.append(_LINE.format(file=WAITING, slapd=host.which("slapd"), modify=modify))
    told = [url for url in services if _PLAIN.fullmatch(url)]
    if told:
        warning = warned_unless(_TOLD, f"{DEFAULTS_FILE} does not tell slapd to listen at $u any more")
        lines.append(f"for u in {' '.join(told)}; do {warning}; done")
    if ldif or host.state(WAITING) is not None:
        yield FileChange(WAITING, ldif or None, "root", "root", 0o644, loaded=False)
    if lines or host.state(path_of(UNIT)) is not None:
        yield before_start(UNIT, "; ".join(lines), heading())
