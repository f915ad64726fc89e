# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Web servers without a machine: recorded ones, whose own lists follow when their files change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.provider import Apache
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.provider import Nginx
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import STORE, RecordedHost

DEFAULT = Vserver("http", certificate="mx.example.test", implicit_tls_port=443)
REQUIRED = replace(DEFAULT, require_secure_channel=True)
SHOP = replace(REQUIRED, name="shop.example.test", certificate="shop.example.test")
MAIN = "/etc/nginx/nginx.conf"


class NginxHost(RecordedHost):
    """A recorded host; ``nginx -T`` names the files that are there."""

    def query(self, argv: Sequence[str], **options: Any) -> Completed:
        if list(argv) != ["nginx", "-T"]:
            return super().query(argv, **options)
        paths = [MAIN, *sorted(path for path in self.files if path.startswith("/etc/nginx/") and path != MAIN)]
        listed = "".join(f"# configuration file {path}:\n{self.read_text(path)}\n" for path in paths)
        return Completed(0, listed, "nginx: configuration file /etc/nginx/nginx.conf test is successful\n")


class ApacheHost(RecordedHost):
    """A recorded host; the lists of ``apache2ctl`` name the virtual hosts that are in its files."""

    def query(self, argv: Sequence[str], **options: Any) -> Completed:
        if argv[:2] != ["apache2ctl", "-t"]:
            return super().query(argv, **options)
        (recorded,) = (text for command, text in self.answers.items() if command.startswith("apache2ctl -t"))
        sites = sorted(path for path in self.files if path.startswith("/etc/apache2/sites-enabled/"))
        own = sorted(path for path in self.files if Path(path).name.startswith("postmaster-http"))
        skeleton = re.sub(r"^ +\(\d+\) /etc/apache2/(sites-enabled|conf-\w+/postmaster).*\n", "", recorded, flags=re.M)
        skeleton = re.sub(r"^VirtualHost configuration:\n(?:[ *\[\d].*\n)*", "", skeleton, flags=re.M)
        heading = "Included configuration files:\n"
        files = "".join(f"    (1) {path}\n" for path in (*sites, *own))
        return Completed(0, self._listed(sites) + skeleton.replace(heading, heading + files, 1), "")

    def _listed(self, sites: Sequence[str]) -> str:
        """Virtual hosts as Apache 2.4 lists them."""
        sockets: dict[str, list[tuple[str, str, list[str]]]] = {}
        for path in sites:
            text = self.read_text(path)
            for match in re.finditer(r"^[ \t]*<VirtualHost ([^>\n]*)>(.*?)^[ \t]*</VirtualHost>", text, re.M | re.S):
                line = text.count("\n", 0, match.start()) + 1
                name = re.search(r"^\s*ServerName (\S+)", match[2], re.M)
                aliases = " ".join(re.findall(r"^\s*ServerAlias (.*)", match[2], re.M)).split()
                place, words = f"{path}:{line}", match[1].split()
                above = text[: match.start()].split("\n")
                macro = re.match(r"<Macro (\S+)", above[-3]) if len(above) > 2 else None
                if macro:
                    use = self.read_text(f"/etc/apache2/conf-available/{macro[1]}.use.conf")
                    defined = f'(defined on line {line - 2} of "{path}")'
                    place = f"macro '{macro[1]}' {defined} used on line 2 of \"x\":1"
                    words = [word for quoted in re.findall(r'"([^"]*)"', use) for word in quoted.split()]
                for word in words:
                    sockets.setdefault(word, []).append((name[1] if name else "web.example.test", place, aliases))
        printed = "VirtualHost configuration:\n"
        for socket, some in sockets.items():
            port = socket.rpartition(":")[2]
            if len(some) == 1 and not some[0][2]:
                printed += f"{socket:22} {some[0][0]} ({some[0][1]})\n"
                continue
            printed += f"{socket:22} is a NameVirtualHost\n         default server {some[0][0]} ({some[0][1]})\n"
            for host, place, aliases in some:
                printed += f"         port {port} namevhost {host} ({place})\n"
                printed += "".join(f"{'':16} alias {alias}\n" for alias in aliases)
        return printed


def put(host: RecordedHost, path: str, text: str) -> None:
    """Give a host a file."""
    host.files[path] = text.encode()


@dataclass(frozen=True)
class WebServer:
    """One web server, for tests that hold for each.

    Attributes:
        provider: its adapter.
        host: its recorded host.
        releases: the recordings.
        stock_site: the site that it has by itself.
        shop_file: where tests put another site.
        opening: how such a site begins; takes the sockets.
        named: the line with its names.
        closing: how it ends.
        binary: the program that tests its configuration.
    """

    provider: type[Nginx] | type[Apache]
    host: type[NginxHost] | type[ApacheHost]
    releases: tuple[str, ...]
    stock_site: str
    shop_file: str
    opening: str
    named: str
    closing: str
    binary: str

    def put_shop(self, host: RecordedHost, *lines: str, names: str = SHOP.name, sockets: str = "80") -> None:
        """Give a host another site."""
        inside = "".join(f"\t{line}\n" for line in (self.named.format(names), *lines))
        host.files[self.shop_file] = f"{self.opening.format(sockets)}\n{inside}{self.closing}\n".encode()

    def on(self, host: RecordedHost) -> Nginx | Apache:
        """The adapter on a host."""
        return self.provider(host, Store(host, STORE))

    def take(self, host: RecordedHost, *vservers: Vserver) -> Plan:
        """Have a host become what is desired."""
        plan = self.on(host).plan(vservers)
        host.take(plan.changes)
        return plan


NGINX = WebServer(
    Nginx,
    NginxHost,
    ("nginx-1.22", "nginx-1.26"),
    "/etc/nginx/sites-enabled/default",
    "/etc/nginx/conf.d/shop.conf",
    "server {{\n\tlisten {};",
    "server_name {};",
    "}",
    "nginx",
)
APACHE = WebServer(
    Apache,
    ApacheHost,
    ("apache-2.4-debian-12", "apache-2.4-debian-13"),
    "/etc/apache2/sites-enabled/000-default.conf",
    "/etc/apache2/sites-enabled/shop.conf",
    "<VirtualHost *:{}>",
    "ServerName {}",
    "</VirtualHost>",
    "apache2ctl",
)
