# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's virtual hosts: which one answers whom, and what its lines say."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.inherited_rules import (
    rule_before,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.parser import (
    Statement,
    Vhost,
    original_arguments,
    socket,
    statements,
    used_sockets,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import (
    ENABLED,
    UNIT,
    vserver_file,
    vserver_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.redirects import (
    SIMPLE,
    looping,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import OwnLists
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web import sites as web
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.https import HSTS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import (
    EVERY_IPV4,
    HTTP_PORT,
    Line,
    Socket,
)

OUR_SETTINGS = (
    "sslengine",
    "sslcertificatefile",
    "sslcertificatekeyfile",
    "sslcertificatechainfile",
    "sslprotocol",
    "sslciphersuite",
    "sslhonorcipherorder",
    "sslopensslconfcmd",
)

_COMMAND = "sslopensslconfcmd"
# what our files have one of, and what cannot loosen what they say of versions
_OVERRIDDEN = ("groups", "curves", "protocol")
_VERSIONS = ("tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3")


class Site(web.Site):
    """One virtual host, on all its sockets.

    Args:
        vhosts: as Apache lists it, once for each socket.
        text: the file it stands in.
        lines: what that file says.
        read: reads a file of ours.
    """

    def __init__(
        self, vhosts: Sequence[Vhost], text: str, lines: Sequence[Statement], read: Callable[[str], str]
    ) -> None:
        self.vhosts = vhosts
        self.path, self.line, self.ours = vhosts[0].path, vhosts[0].line, vhosts[0].ours
        first = bisect.bisect_left([one.line for one in lines], self.line)
        if lines[first : first + 1] and lines[first].name == "<macro":
            first += 1
        begins = bool(lines[first : first + 1]) and lines[first].name == "<virtualhost"
        # the sockets in the administrator's own words
        opening = " ".join(lines[first].args) if begins else ""
        self.arguments = original_arguments(text, self.ours) if self.ours else opening
        rest = itertools.islice(lines, first + 1, None)
        self.block = list(itertools.takewhile(lambda one: one.name != "</virtualhost", rest))
        self._read = read

    @property
    def place(self) -> str:
        return self.vhosts[0].place

    @property
    def vservers(self) -> Sequence[str]:
        return [self.ours] if self.ours else []

    @property
    def clear(self) -> Sequence[Socket]:
        words = self._used("clear") if self.ours else [socket(word) for word in self.arguments.split()]
        return [Socket(one.address, one.port or HTTP_PORT) for one in words]

    @property
    def tls(self) -> Sequence[Socket]:
        return self._used("tls") if self.ours else []

    @property
    def told_proxied(self) -> bool | None:
        """Whether one of its lines says that load balancers come to its sockets; None where none says anything."""
        return _proxied(self.block)

    def _used(self, side: str) -> list[Socket]:
        path = vserver_file(self.ours, "use")
        return used_sockets(path, self._read(path), side)

    def lines(self, side: str) -> list[Statement]:
        """What holds on one of its sides: our file, which the rest of the block can override; none where not ours."""
        if not self.ours:
            return []
        path = vserver_file(self.ours, side)
        return [*statements(path, self._read(path)), *self.block]

    @property
    def certificates(self) -> Sequence[str]:
        return [one.args[0] for one in self.lines("tls") if one.name == "sslcertificatefile" and one.args]

    @property
    def redirects(self) -> bool:
        lines = self.lines("clear")
        engine = [one.args for one in lines if one.name == "rewriteengine" and one.args]
        ours = vserver_file(self.ours, "clear")
        rules = any(one.name == "rewriterule" and one.path == ours for one in lines)
        return rules and bool(engine) and engine[-1][0].lower() == "on"

    @property
    def password_prompt(self) -> Line | None:
        return self._first(
            lambda one: one.name == "authtype" and bool(one.args) and one.args[0].lower() in ("basic", "digest")
        )

    @property
    def clear_ports(self) -> Sequence[int]:
        return list(dict.fromkeys(socket(word).port or HTTP_PORT for word in self.arguments.split()))

    def own_tls(self, port: int) -> Line | None:
        return self._first(lambda one: one.name in OUR_SETTINGS)

    @property
    def only_redirects(self) -> Line | None:
        return self._first(lambda one: one.name in SIMPLE and "/" in one.args[:-1])

    def looping(self, tls_port: int) -> Line | None:
        found = next(looping(self.block, self.own_names, tls_port), None)
        return Line(found.shown, found.place) if found else None

    @property
    def own_names(self) -> Sequence[str]:
        told = [one for one in self.block if one.name in ("servername", "serveralias")]
        words = (word.rpartition("//")[2].partition(":")[0].lower() for one in told for word in one.args)
        return list(dict.fromkeys(words))

    # ---- Apache alone

    @property
    def rewriting_off(self) -> Line | None:
        """The line that keeps a redirect from working."""
        return self._first(lambda one: one.name == "rewriteengine" and bool(one.args) and one.args[0].lower() == "off")

    def names_on(self, vhost: Vhost) -> set[str]:
        """The names on one of its sockets; Apache does not list the other names of one that is alone there."""
        return {*vhost.names, *self.own_names}

    def _first(self, wanted: Callable[[Statement], bool]) -> Line | None:
        found = next(filter(wanted, self.block), None)
        return Line(found.shown, found.place) if found else None


class Sites(web.Sites[Site]):
    """All virtual hosts of a configuration.

    Args:
        listed: as Apache lists them.
        texts: texts of the files that it reads, by path.
        modules: the modules that are loaded.
        read: reads a file of ours.
    """

    def __init__(
        self, listed: Sequence[Vhost], texts: Mapping[str, str], modules: set[str], read: Callable[[str], str]
    ) -> None:
        self.texts = texts
        self.modules = modules
        together: dict[object, list[Vhost]] = {}
        for number, one in enumerate(listed):
            together.setdefault((one.path, one.line) if one.path else number, []).append(one)
        lines = {path: list(statements(path, texts.get(path, ""))) for path in {one.path for one in listed}}
        self.all = [Site(some, texts.get(some[0].path, ""), lines[some[0].path], read) for some in together.values()]

    @property
    def proxied(self) -> Collection[Socket]:
        told: dict[Socket, set[bool | None]] = {}
        for site in self.all:
            for one in (*site.clear, *site.tls):
                told.setdefault(one, set()).add(site.told_proxied)
        # what one site says of a socket holds for all; what the server says, for sockets of which none says anything
        of_all = _proxied(self._around())
        return {one for one, words in told.items() if True in words or (of_all and False not in words)}

    def unnamed(self) -> Site | None:
        firsts = [
            ((one.port == 0, socket(one.address).address != EVERY_IPV4), number)
            for number, site in enumerate(self.all)
            for one in site.vhosts
            if one.first and one.port in (HTTP_PORT, 0)
        ]
        return self.all[min(firsts)[1]] if firsts else None

    def named(self, vserver: Vserver) -> Site | None:
        ranked = [
            ((site.ours != vserver.name, one.port != HTTP_PORT), number)
            for number, site in enumerate(self.all)
            for one in site.vhosts
            if (one.port != vserver.implicit_tls_port or site.ours == vserver.name)
            and vserver.name in site.names_on(one)
        ]
        return self.all[min(ranked)[1]] if ranked else None

    def tls_setting(self, site: Site, name: str) -> tuple[str, ...]:
        found = [one.args for one in site.lines("tls") if one.name == name.lower()]
        return found[-1] if found else ()

    def tls_versions(self, site: Site) -> set[str]:
        words = self.tls_setting(site, "SSLProtocol")
        return _versions(words) if words else self.own_versions(site)

    def own_versions(self, site: Site) -> set[str]:
        around = [one.args for one in self._around() if one.name == "sslprotocol"]
        return _versions(around[-1]) if around else set()

    def own_lists(self, site: Site) -> OwnLists:
        around = [(one.name, one.args) for one in self._around() if one.args]
        # the list for TLS 1.3 is another one, which stays in force beside ours
        ciphers = [args[-1] for name, args in around if name == "sslciphersuite" and args[0].lower() != "tlsv1.3"]
        commands = [args for name, args in around if name == _COMMAND]
        groups = [args[-1] for args in commands if args[0].lower() in ("groups", "curves")]
        return OwnLists(ciphers[-1:], groups[-1:])

    def commands(self, _site: Site) -> Iterable[web.Command]:
        # of one that a file of ours has as well, that one counts; a site's own are refused
        for one in self._around():
            if one.name == _COMMAND and one.args and one.args[0].lower() not in _OVERRIDDEN:
                yield web.Command(one.args[0], one.args[-1], Line(one.shown, one.place))

    def wants_certificate(self, _site: Site) -> bool:
        told = [one.args for one in (*self._around(), *_outside_sections(_site.block)) if one.name == "sslverifyclient"]
        return [word.lower() for word in told[-1]] == ["require"] if told else False

    def staples(self, site: Site) -> bool:
        told = [one.args for one in (*self._around(), *_outside_sections(site.block)) if one.name == "sslusestapling"]
        return [word.lower() for word in told[-1]] == ["on"] if told else False

    @property
    def sends_hsts(self) -> bool:
        """Whether the administrator has that header sent by all sites."""
        headers = [[word.lower() for word in one.args] for one in self._around() if one.name == "header"]
        return any(HSTS.lower() in words and "unset" not in words for words in headers)

    def _around(self) -> Iterator[Statement]:
        """The administrator's lines that hold for all sites: outside of virtual hosts, directories and the like."""
        for path, text in self.texts.items():
            yield from () if vserver_of(path) else _outside_sections(statements(path, text))

    def rule_before(self, site: Site) -> Line | None:
        """A rule of the whole server that comes before the virtual host's own, with which it would answer."""
        found = rule_before(list(_outside_sections(site.block)), list(self._around()))
        return Line(found.shown, found.place) if found else None

    def taken(self, site: Site, vserver: Vserver) -> Line | None:
        for other in self.all:
            for one in () if other.ours else other.vhosts:
                named = vserver.name == "default" or vserver.name in other.names_on(one)
                if named and one.port == vserver.implicit_tls_port:
                    return Line("", other.place)
        return None

    def how_to_free(self, taken: Line) -> str:
        path = taken.place.rpartition(":")[0]
        name = re.fullmatch(rf"{re.escape(ENABLED)}/([^/]+)\.conf", path)
        if name and sum(one.path == path for one in self.all) == 1:
            return f"disable that one ('a2dissite {name.group(1)}' and 'systemctl reload {UNIT}')"
        return f"remove that <VirtualHost> section, and leave the others in {path or 'the file'}"


def _proxied(lines: Iterable[Statement]) -> bool | None:
    """What lines say of the PROXY protocol; None for nothing."""
    told = [one.args[0].lower() for one in lines if one.name == "remoteipproxyprotocol" and one.args]
    return told[-1] == "on" if told else None


def _outside_sections(lines: Iterable[Statement]) -> Iterator[Statement]:
    """Lines that hold without a condition on the request."""
    depth = 0
    for one in lines:
        if one.name.startswith("<") and one.name.lstrip("</") not in ("ifmodule", "ifdefine", "ifversion"):
            depth = max(0, depth + (-1 if one.name.startswith("</") else 1))
        elif not depth:
            yield one


def _versions(words: Sequence[str]) -> set[str]:
    """The versions of TLS that the words of SSLProtocol allow."""
    found = set() if words[0][0] not in "+-" else set(_VERSIONS)
    for word in words:
        some = set(_VERSIONS) if word.lstrip("+-").lower() == "all" else {word.lstrip("+-").lower()}
        found = found - some if word.startswith("-") else found | some
    return found
