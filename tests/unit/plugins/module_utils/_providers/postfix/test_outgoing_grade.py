# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import services
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_grade import (
    warnings,
)

MX = Vserver("smtp", certificate="main", strength="intermediate")
LIST = "tls_high_cipherlist"
PLAIN = "smtp unix - - y - - smtp\n"


@pytest.mark.parametrize(
    ("own", "master", "different", "named"),
    [
        ({}, PLAIN, {LIST: "ours"}, []),
        ({"smtp_tls_ciphers": "medium"}, PLAIN, {LIST: "ours"}, []),
        ({"smtp_tls_ciphers": "high"}, PLAIN, {}, []),
        ({"lmtp_tls_ciphers": "high"}, PLAIN, {LIST: "ours"}, []),
        ({"smtp_tls_ciphers": "high"}, PLAIN, {LIST: "ours"}, ["smtp_tls_ciphers is high"]),
        (
            {"smtp_tls_mandatory_ciphers": "$grade", "grade": "high"},
            PLAIN,
            {LIST: "ours"},
            ["smtp_tls_mandatory_ciphers is high"],
        ),
        ({"smtp_tls_ciphers": "high"}, f"{PLAIN}  -o {LIST}=theirs\n", {LIST: "ours"}, []),
        (
            {},
            f"{PLAIN}partner unix - - y - - smtp -o smtp_tls_mandatory_ciphers=high\n",
            {LIST: "ours"},
            ["smtp_tls_mandatory_ciphers is high"],
        ),
    ],
)
def test_outgoing_mail_that_shares_the_list_is_warned_of(own, master, different, named):
    found = list(warnings(MX, own, services(master), different))
    assert len(found) == len(named)
    assert all(words in text for words, text in zip(named, found))
