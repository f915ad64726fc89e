# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Web servers without a machine: recorded ones, whose own lists follow when their files change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import RecordedHost

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
