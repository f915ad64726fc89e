# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import (
    sasl_conf,
)


def test_mechanisms_of_the_sasl_library():
    assert sasl_conf.mechanisms("pwcheck_method: saslauthd\n") is None
    text = sasl_conf.with_mechanisms("pwcheck_method: saslauthd", ["EXTERNAL", "PLAIN"])
    assert text == "pwcheck_method: saslauthd\nmech_list: EXTERNAL PLAIN\n"
    assert sasl_conf.mechanisms(sasl_conf.with_mechanisms(text, ["EXTERNAL"])) == {"EXTERNAL"}
