# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What exim4(8) shows of routers is written here as 4.96 and 4.98 do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import domains_plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    DEFAULTS,
    ROUTER_DIRECTORY,
    SETTINGS,
    TEMPLATE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.provider import Exim
from ansible_collections.postmaster.secure_channel.tests.support.recorded_exim import EximHost
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import STORE

PARTNER = DomainPolicy("partner.example", tls="secure")
RELAYED = replace(PARTNER, relay_host="mail.partner.example", relay_port=587)
EVERYTHING = DomainPolicy("*", tls="encrypt")
OURS = "postmaster_to_hub router:\ndriver = manualroute\ntransport = x\nroute_data = ${lookup}\n"


@pytest.fixture
def host():
    one = EximHost("exim-4.98")
    one.files[TEMPLATE] += b"\nmine:\n  driver = manualroute\n"
    one.local_domains.append("lists.example")
    return one


def router(name, driver, *lines, transport="remote_smtp"):
    return "\n".join([f"{name} router:", f"driver = {driver}", "more", f"transport = {transport}", *lines, ""])


def put(host, shown):
    """A router before the one that takes all mail for others."""
    host.routers = host.routers.replace("dnslookup router:", f"{shown}\ndnslookup router:")


def transport(host, name, *lines, driver="smtp"):
    host.transports += "\n".join(["", f"{name} transport:", f"driver = {driver}", *lines, ""])


def warnings(host, *policies):
    provider = Exim(host, Store(host, STORE))
    return " ".join(provider.plan_domains(policies, purge=False, ca_file="", mta_sts=None).warnings)


def test_stock_routers_are_nothing_to_speak_of(host):
    assert not warnings(host, PARTNER, EVERYTHING)


# ---- routers that send all mail elsewhere


@pytest.mark.parametrize(
    "lines",
    [
        ("domains = ! +local_domains", "route_list = * smart.example::587 byname"),
        ("route_list = partner.example smart.example; other.example x.example",),
        ("domains = partner.example : other.example", "route_data = smart.example"),
        ("route_data = ${lookup{$domain}lsearch{/etc/routes}}",),
        ('route_list = * "smart.example : spare.example" byname',),
    ],
)
def test_a_router_that_would_lose_all_mail_of_an_entry(host, lines):
    put(host, router("mine", "manualroute", *lines))
    with pytest.raises(Problem, match=r"template line \d+: the router mine sends mail for partner\.example to"):
        warnings(host, PARTNER)
    assert not warnings(host, RELAYED)  # the remedy


def test_all_other_mail_has_its_way_too(host):
    put(host, router("mine", "manualroute", "domains = ! +local_domains", "route_list = * smart.example byname"))
    with pytest.raises(Problem, match=r"for all other domains to smart\.example"):
        warnings(host, EVERYTHING)
    assert not warnings(host, replace(EVERYTHING, relay_host="smart.example"))


def test_single_domains_beside_an_entry_for_all_mail(host):
    put(host, router("mine", "manualroute", "domains = shop.example", "route_list = * smart.example"))
    with pytest.raises(Problem, match=r"sends mail for shop\.example to smart\.example"):
        warnings(host, EVERYTHING)
    shop = DomainPolicy("shop.example", tls="encrypt", relay_host="smart.example")
    assert not warnings(host, EVERYTHING, shop)
    assert not warnings(host, PARTNER)


@pytest.mark.parametrize(
    ("driver", "lines"),
    [
        ("manualroute", ("senders = *@client.example", "route_list = * smart.example")),
        ("manualroute", ("local_parts = list-*", "route_list = * smart.example")),
        ("manualroute", ("condition = ${if eq{a}{b}}", "route_list = * smart.example")),
        ("manualroute", ("domains = ${lookup{x}lsearch{/etc/x}}", "route_list = * smart.example")),
        ("manualroute", ("unseen", "route_list = * archive.example")),
        ("queryprogram", ("command = /usr/local/bin/route",)),
        ("dnslookup", ("domains = partner.example", "same_domain_copy_routing")),
    ],
)
def test_a_router_for_some_mail_is_told(host, driver, lines):
    put(host, router("mine", driver, *lines))
    assert "bypasses Exim's routers mine (" in warnings(host, PARTNER)
    assert not warnings(host, RELAYED)


def test_a_router_behind_the_one_for_all_others_sees_nothing_of_it(host):
    host.routers += "\n" + router("mine", "manualroute", "route_list = * smart.example")
    assert not warnings(host, PARTNER, EVERYTHING)


def test_a_router_that_comes_to_an_entry_that_is_in_force(host):
    provider = Exim(host, Store(host, STORE))
    host.take(provider.plan_domains([PARTNER], purge=False, ca_file="", mta_sts=None).changes)
    put(host, router("mine", "manualroute", "domains = ! +local_domains", "route_list = * smart.example"))
    assert "bypasses Exim's routers mine (" in warnings(host, PARTNER)
    with pytest.raises(Problem, match=r"the router mine sends mail for shop\.example"):
        warnings(host, PARTNER, DomainPolicy("shop.example", tls="encrypt"))


def test_debians_router_that_was_changed_is_not_debians(host):
    host.routers = host.routers.replace("dnslookup\nno_more", "manualroute\nroute_list = * smart.example\nno_more")
    with pytest.raises(Problem, match=r"the router dnslookup sends mail for partner\.example to smart\.example"):
        warnings(host, PARTNER)


def test_a_transport_with_hosts_of_its_own(host):
    host.transports = host.transports.replace("hosts =\nno_hosts_override", "hosts = smart.example\nhosts_override")
    with pytest.raises(Problem, match=r"the transport remote_smtp sends all of its mail to smart\.example"):
        warnings(host, PARTNER)
    assert not warnings(host, RELAYED)


@pytest.mark.parametrize("place", ["transports", "routers"])
def test_hosts_to_fall_back_on_are_told(host, place):
    shown = getattr(host, place)
    setattr(host, place, shown.replace("no_more", "fallback_hosts = spare.example\nno_more"))
    host.transports = host.transports.replace("hosts =", "fallback_hosts = spare.example\nhosts =")
    assert "is not handed to the fallback_hosts of" in warnings(host, RELAYED)


def test_an_address_in_place_of_a_domain(host):
    put(host, router("mine", "ipliteral", "domains = ! +local_domains"))
    assert not warnings(host, PARTNER)
    assert "bypasses" in warnings(host, EVERYTHING)


# ---- mail that stays here


@pytest.mark.parametrize(("driver", "kind"), [("accept", "lmtp"), ("accept", "appendfile"), ("redirect", "")])
def test_domains_that_are_this_hosts_although_no_list_says_so(host, driver, kind):
    transport(host, "boxes", driver=kind)
    put(host, router("mine", driver, "domains = dsearch;/etc/virtual", transport="boxes" if kind else ""))
    with pytest.raises(Problem, match=r"the router mine handles mail for dsearch;/etc/virtual on this host"):
        warnings(host, EVERYTHING)
    assert not warnings(host, PARTNER)


def test_a_domain_that_is_delivered_to_boxes_over_the_network(host):
    transport(host, "boxes", "protocol = lmtp", "hosts = 127.0.0.1")
    put(host, router("mine", "accept", "domains = partner.example", transport="boxes"))
    with pytest.raises(Problem, match=r"the router mine handles mail for partner\.example on this host"):
        warnings(host, PARTNER)


def test_domains_that_the_list_of_local_ones_has(host):
    put(host, router("mine", "accept", "domains = lists.example", transport="mail_spool"))
    assert not warnings(host, EVERYTHING)
    put(host, router("other", "accept", "condition = yes", transport="mail_spool"))
    assert "bypasses Exim's routers other" in warnings(host, PARTNER)


def test_a_filter_of_this_host(host):
    put(host, router("mine", "manualroute", "condition = yes", "route_list = * 127.0.0.1::10024 byname"))
    assert "is not handed to programs of this host by mine (" in warnings(host, PARTNER)


@pytest.mark.parametrize(("name", "told"), [("040_mine", False), ("120_mine", True)])
def test_a_filter_of_this_host_may_go_first(host, name, told):
    host.files[SETTINGS] = host.files[SETTINGS].replace(b"config='false'", b"config='true'")
    host.files[f"{ROUTER_DIRECTORY}/{name}"] = b"mine:\n  driver = manualroute\n"
    put(host, router("mine", "manualroute", "route_list = * 127.0.0.1::10024 byname"))
    assert bool(warnings(host, PARTNER)) is told


# ---- what comes before ours


def of(host, shown):
    host.routers = shown
    return domains_plan.foreign_routers(host, Exim(host, Store(host, STORE))._asked, {}, split=False)


@pytest.mark.parametrize(
    ("shown", "refused"),
    [
        (router("mine", "manualroute", "route_list = * smart.example"), True),
        (router("mine", "manualroute", "route_list = * 127.0.0.1::10024"), False),
        (router("mine", "manualroute", "route_list = * 127.0.0.1", "fallback_hosts = smart.example"), True),
        (router("mine", "accept", transport="mail_spool"), False),
        (router("mine", "accept", transport="unknown"), True),
        (router("mine", "accept", transport="${if eq{a}{b}{c}{d}}"), True),
        (router("mine", "redirect", "data = ${lookup}", transport=""), False),
        (router("mine", "redirect", "pipe_transport = address_pipe", transport=""), True),
        (router("mine", "redirect", "pipe_transport = x", "domains = +local_domains", transport=""), False),
        (router("mine", "accept", "verify_only", transport=""), False),
        (router("mine", "queryprogram", transport=""), True),
    ],
)
def test_a_router_before_ours(host, shown, refused):
    routers = of(host, f"{shown}\n{OURS}")
    if refused:
        with pytest.raises(Problem, match=r"template line \d+: the router mine comes before"):
            domains_plan.refuse_without_effect(routers, declared=True)
    else:
        domains_plan.refuse_without_effect(routers, declared=True)


def test_a_router_that_came_later_is_found_where_nothing_else_changes(host):
    host.routers = router("mine", "manualroute", "route_list = * smart.example") + "\n" + OURS + host.routers
    with pytest.raises(Problem, match="the router mine comes before"):
        warnings(host, PARTNER)


@pytest.mark.parametrize(("begins", "refused"), [("hubbed_hosts", True), ("dnslookup", True), ("local_user", False)])
def test_addresses_that_begin_behind_ours(host, begins, refused):
    host.routers += "\n" + router("mine", "redirect", f"redirect_router = {begins}", transport="")
    if refused:
        with pytest.raises(Problem, match=rf"addresses that it makes begin at {begins} \(redirect_router\)"):
            warnings(host, RELAYED)
    else:
        assert not warnings(host, RELAYED)


def test_a_configuration_without_our_routers(host):
    with pytest.raises(Problem, match="does not have this collection's routers"):
        domains_plan.refuse_without_effect(of(host, host.routers), declared=True)
    domains_plan.refuse_without_effect(of(host, host.routers), declared=False)


def test_a_template_that_does_not_say_how_mail_is_sent(host, monkeypatch):
    without = host.understood()
    without[0].pop("DCconfig_internet")
    monkeypatch.setattr(host, "understood", lambda: without)
    with pytest.raises(Problem, match="by routers of your own alone"):
        warnings(host, PARTNER)
    assert not warnings(host, RELAYED)


@pytest.mark.parametrize(
    "line",
    ["COMMONOPTIONS='-C /etc/exim4/own.conf'", "EXIMSERVICE='-bdf -q30m -C/srv/x'", "UPEX4OPTS='-o /srv/x'"],
)
def test_another_configuration_on_the_command_line(host, line):
    host.files[DEFAULTS] = f"# -C /x\nQUEUEINTERVAL='30m'\n{line}\n".encode()
    with pytest.raises(Problem, match="read another configuration") as refused:
        warnings(host, PARTNER)
    assert refused.value.option == f"{DEFAULTS}:3"
