# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SASL mechanisms that INN offers: mech_list in the INN.conf of libsasl2 chooses them.

One list serves clear text and TLS. INN offers PLAIN and LOGIN in clear text only where readers.conf allows logins
without encryption; it offers all others in both.
"""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.paths import LIBRARIES

# mechanisms that send the password itself
PLAIN = frozenset({"PLAIN", "LOGIN"})
_PLUGINS = {
    "libcrammd5.so": ("CRAM-MD5",),
    "libdigestmd5.so": ("DIGEST-MD5",),
    "libgssapiv2.so": ("GSS-SPNEGO", "GSSAPI"),
    "liblogin.so": ("LOGIN",),
    "libntlm.so": ("NTLM",),
    "libotp.so": ("OTP",),
    "libplain.so": ("PLAIN",),
    "libscram.so": ("SCRAM-SHA-1", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-384", "SCRAM-SHA-512"),
    "libsrp.so": ("SRP",),
}


def installed(host: Host) -> frozenset[str]:
    """The mechanisms of libsasl2's plug-ins on this host, which INN offers unless a list chooses among them."""
    directories = [f"{LIBRARIES}/{name}/sasl2" for name in host.names_in(LIBRARIES) if name.endswith("-linux-gnu")]
    files = {file for directory in (*directories, f"{LIBRARIES}/sasl2") for file in host.names_in(directory)}
    return frozenset(one for file, mechanisms in _PLUGINS.items() if file in files for one in mechanisms)


def in_clear(offered: Collection[str], *, logins_in_clear: bool) -> tuple[str, ...]:
    """The mechanisms offered before TLS, as the model says them.

    Args:
        offered: all mechanisms.
        logins_in_clear: whether a password is accepted in clear text, which AUTHINFO USER does without any mechanism.
    """
    found = set(offered) - PLAIN
    if logins_in_clear:
        found |= (set(offered) & PLAIN) or {"PLAIN"}
    return tuple(sorted(found))


def chosen(vserver: Vserver, offered: Collection[str]) -> tuple[str, ...]:
    """The list for what is desired.

    Args:
        vserver: the virtual server.
        offered: the mechanisms that INN would offer without us.

    Raises:
        Problem: INN cannot offer these mechanisms in clear text and those in TLS.
    """
    clear = set(vserver.auth_clear)
    # without auth_tls: mechanisms not wanted before TLS are given up inside it as well
    left_to_inn = clear | ((clear or set(offered)) & PLAIN or PLAIN)
    wanted = left_to_inn if vserver.auth_tls is None else set(vserver.auth_tls)
    if wanted - PLAIN != clear - PLAIN:
        raise Problem(
            f"INN offers {_words((wanted ^ clear) - PLAIN)} either both before TLS and inside it, or not at all",
            "give only PLAIN and LOGIN, or give the others in both auth_clear and auth_tls",
            subject=vserver.title,
            option="auth_tls" if wanted - PLAIN - clear else "auth_clear",
        )
    if clear & PLAIN and clear & PLAIN != wanted & PLAIN:
        raise Problem(
            f"INN cannot offer {_words(wanted & PLAIN - clear)} inside TLS alone if it accepts passwords in clear text",
            "list the same of PLAIN and LOGIN in auth_clear and in auth_tls",
            subject=vserver.title,
            option="auth_clear",
        )
    return tuple(sorted(wanted))


def _words(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
