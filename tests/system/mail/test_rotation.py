# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each place is compared with its own certificate, and DANE's records name just the keys that clients may be shown."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.rotation import (
    RECORDS,
    Keys,
    Rotation,
)


def expected(host: Host, *keys: Keys) -> dict[str, tuple[str, ...]]:
    """The records of some sets of keys."""
    return {
        name.format(fqdn=host.fqdn): tuple(dict.fromkeys(some[one] for some in keys for one in certificates))
        for name, certificates in RECORDS.items()
    }


def test_a_rotation_succeeds_where_places_have_their_own_certificates(rotation: Rotation, rotated_host: Host) -> None:
    run, keys, _records = rotation.rotated
    run.assert_success()
    _run, before = rotation.secured
    changed = {name for name, key in keys[rotated_host.name].items() if key != before[rotated_host.name][name]}
    assert changed == {"main", "other", "inside", "www"}


def test_records_have_both_keys_before_and_all_that_are_shown_after(rotation: Rotation, rotated_host: Host) -> None:
    _run, old = rotation.secured
    _rotated, new, records = rotation.rotated
    first, second = records[rotated_host.name]
    name = rotated_host.name
    assert first == expected(rotated_host, old[name], new[name])
    # the certificate that was not renewed is shown still, and has its record still
    assert second == expected(rotated_host, new[name])


def test_the_next_rotation_takes_records_back_that_a_killed_one_left(rotation: Rotation, rotated_host: Host) -> None:
    name = rotated_host.name
    keys, records = rotation.killed
    _run, before, _records = rotation.rotated
    assert keys[name]["main"] != before[name]["main"]
    assert records[name][-1] == expected(rotated_host, before[name], keys[name])
    run, published = rotation.completed
    run.assert_success()
    assert published[name][-1] == expected(rotated_host, keys[name])


def test_another_certificate_than_its_own_is_found(rotation: Rotation, rotated_host: Host) -> None:
    assert rotation.swapped.code
    said = rotation.swapped.failures()
    assert f"{rotated_host.fqdn} smtp port 25: it shows another certificate" in said
    assert "imap" not in said


def test_the_way_back_succeeds_too(rotation: Rotation, rotated_host: Host) -> None:
    run, keys, records = rotation.returned
    run.assert_success()
    _rotated, rotated, _records = rotation.rotated
    _secured, secured = rotation.secured
    name = rotated_host.name
    assert keys[name]["www"] == secured[name]["www"] != rotated[name]["www"]
    assert records[name][-1] == expected(rotated_host, keys[name])
