# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import cn_config as config

HUGE = "9" * 5000


def test_numbers_that_are_none():
    settings = {
        config.SECURITY: (f"ssf={HUGE} tls=x update_ssf=56 simple_bind",),
        config.SASL: (f"minssf=x,maxssf={HUGE}",),
        config.LOCAL: ("x",),
    }
    assert config.factors(settings) == {"update_ssf": 56}
    assert config.clear_text_mechanisms({"PLAIN", "CRAM-MD5"}, settings) == {"PLAIN", "CRAM-MD5"}
    found = config.channel(settings, required=True, simple_in_clear=False, sasl_in_clear=False)
    assert found[config.LOCAL] == ("128",)
    assert not config.loosens(settings, found)


@given(st.lists(st.text("minsfaxno=,0129 "), max_size=2), st.booleans(), st.booleans(), st.booleans())
def test_any_settings_are_understood(values, required, simple, sasl):
    settings = {name: tuple(values[:1]) for name in (config.SECURITY, config.SASL) if values}
    found = config.channel(settings, required=required, simple_in_clear=simple, sasl_in_clear=sasl)
    assert not required or config.factors(found)["ssf"] == config.STRONG
    assert sasl or config.clear_text_mechanisms({"PLAIN", "DIGEST-MD5"}, found) == set()
