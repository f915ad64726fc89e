# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Imports go down, never up or in a circle, and only the transaction writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.layering import (
    PACKAGE,
    cycles_in,
    handed_paths_in,
    imports_in,
    late_imports_in,
    read_tree,
    readers_in,
    violations_in,
    writers_in,
)

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
SHARED = {"sasl", "web"}  # what several daemons' providers share
PROVIDERS = PLUGINS / "module_utils" / "_providers"
DAEMONS = sorted({path.parent.name for path in PROVIDERS.glob("*/provider.py")} - SHARED)

# From the bottom up. A room may import from itself and from the floors below it.
FLOORS = (
    ("_errors", "_model", "_protocols", "_text", "_host.platform"),
    ("_host.control_groups", "_host.obstacles", "_host.processes"),
    ("_host.causes", "_host.programs"),
    ("_names", "_strings", "_host.identity", "_host.leftovers", "_host.reading"),
    ("_host.host",),
    ("_host", "_tls", "_cryptography_dep"),
    ("_argspec",),
    ("_arguments",),
    (
        "_module",
        "_wire",
        "_certificates.pem",
        "_certificates.parsing",
        "_certificates.kdf_cost",
        "_certificates.must_staple",
    ),
    ("_certificates.store", "_providers.daemon"),
    ("_certificates.passphrase",),
    (
        "_certificates.keys",
        "_certificates.key_pair",
        "_providers.base",
        "_providers.saved_settings",
        "_providers.line_values",
        "_providers.own_ciphers",
        "_providers.lost_copies",
    ),
    ("_certificates.x509", "_providers.sending", "_providers.accounts", "_providers.text_blocks"),
    ("_providers.start_requirements",),
    ("_certificates.summary", "_providers.sasl", "_providers.web"),
    tuple(f"_providers.{daemon}" for daemon in DAEMONS),
    ("_providers.registry",),
    ("_service",),
    ("_certificates", "_vservers", "_domains", "_accounts", "_tls_info"),
    ("plugin_utils",),
    ("doc_fragments", "filter", "modules"),
    ("action",),
)
# What may write is the transaction, in one file or several. The host itself writes to memory only (memfd_create).
WRITERS = {"_host.host", "_host.transaction", "_host.lock", "_host.journal", "_host.staging", "_host.mirror"}
WRITERS |= {"_host.private_files", "_host.bounded_copy", "_host.guard", "_host.recovery"}
WRITERS |= {"_host.content", "_host.trusted_paths"}
# What opens files to read them.
READERS = {"_host.reading", "_host.control_groups", "_host.processes"}
# What reads the collection's own files, on the control node.
OWN_FILES = {"action.check_variables", "plugin_utils._role_variables"}
WRITERS |= {"_host.programs", "_host.obstacles"}  # programs are run for it; one looks through descriptors

# What imports in functions: nothing that runs while a transaction changes the host, unless it was imported before.
LATE = {f"_providers.registry:_{daemon}" for daemon in DAEMONS}
LATE |= {f"_wire.dialogues.registry:_{one}" for one in ("http", "imap", "ldap", "nntp", "pop3", "smtp")}
LATE |= {f"_providers.postfix.provider:{one}" for one in ("_logins", "account_database", "plan_domains", "queue")}
LATE |= {"_providers.dovecot.provider:account_database", "_certificates.install_service:_proofs"}
# these find what apply(), the first of them, has imported; _recover() is before any change
LATE |= {f"_host.transaction:{one}" for one in ("apply", "_forget", "_guard", "_put_back", "_recover", "_test")}


@pytest.fixture(scope="module")
def tree():
    return read_tree(PLUGINS)


@pytest.fixture(scope="module")
def imports(tree):
    return imports_in(tree)


def test_the_whole_tree_is_read(imports):
    assert len(imports) > 100
    assert "_errors" in imports["_domains.options"]
    assert {"postfix", "dovecot", "exim"} <= set(DAEMONS)


def test_imports_make_no_circle(imports):
    assert cycles_in(imports) == []


def test_imports_go_down(imports):
    assert violations_in(imports, FLOORS) == []


def test_nothing_is_imported_while_the_host_changes(tree):
    assert late_imports_in(tree) == LATE


def test_the_model_imports_nothing_of_ours(imports):
    assert imports["_model"] == set()


def test_only_the_transaction_writes(tree):
    assert set(writers_in(tree)) <= WRITERS | READERS


def test_files_are_read_in_one_place(tree):
    assert set(readers_in(tree)) <= READERS | WRITERS | OWN_FILES


def test_no_program_or_library_is_handed_a_path_to_read(tree):
    assert handed_paths_in(tree) == []


# ---- the checker itself, on small trees with a fault


def planted(tmp_path, **files):
    """Modules with what each of them imports. The letters stand for dotted names."""
    for name, lines in files.items():
        path = tmp_path / "module_utils" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return read_tree(tmp_path)


def whole(name):
    return f"from {PACKAGE}module_utils.{name} import something"


def part(package, name):
    return f"from {PACKAGE}module_utils.{package} import {name}"


def test_planted_circle(tmp_path):
    tree = planted(tmp_path, _a=[whole("_b")], _b=[whole("_p.c")], _p__c=["def late():", "    " + whole("_a")])
    assert cycles_in(imports_in(tree)) == ["_a -> _b -> _p.c -> _a"]


def test_planted_import_in_a_function(tmp_path):
    tree = planted(tmp_path, _a=["import os", "def late():", "    " + whole("_b")], _b=[whole("_c")], _c=[])
    assert late_imports_in(tree) == {"_a:late"}


def test_planted_circle_of_a_package(tmp_path):
    tree = planted(tmp_path, _p__a=[part("_p", "b as b")], _p__b=[part("_p", "a")])
    assert cycles_in(imports_in(tree)) == ["_p.a -> _p.b -> _p.a"]


@pytest.mark.parametrize(
    "line",
    [
        "open('/x')",
        "import os; os.open('/x', 0)",
        "import io; io.open('/x')",
        "from pathlib import Path",
        "import pathlib",
    ],
)
def test_planted_reader(line, tmp_path):
    assert readers_in(planted(tmp_path, _a=[line])) == ["_a"]


@pytest.mark.parametrize(
    "line",
    [
        "argv = ['openssl', 'x509', '-in', path]",
        "argv = ['-CAfile', path]",
        "context.load_verify_locations(path)",
        "context.load_verify_locations(cafile=path)",
        "context.load_verify_locations(capath=path)",
        "context.load_cert_chain(path, password='')",
    ],
)
def test_planted_path_for_a_library(line, tmp_path):
    assert handed_paths_in(planted(tmp_path, _a=[line])) == ["_a:1"]
    assert handed_paths_in(planted(tmp_path, _a=[re.sub(r"\bpath\b", "f'/dev/fd/{handle}'", line)])) == []


def test_planted_import_of_another_provider(tmp_path):
    tree = planted(
        tmp_path,
        _providers__base=[],
        _providers__exim__provider=[whole("_providers.base"), whole("_providers.postfix.main_cf")],
        _providers__postfix__main_cf=["import os"],
        _providers__postfix__provider=[whole("_providers.postfix.main_cf")],
    )
    assert violations_in(imports_in(tree), FLOORS) == ["_providers.exim.provider imports _providers.postfix.main_cf"]


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ("_model", "_errors"),
        ("_host__host", "_host.transaction"),
        ("_wire__stream", "_vservers.options"),
        ("_providers__postfix__provider", "_service.runner"),
        ("_service__runner", "_accounts.service"),
        ("_accounts__service", "_domains.options"),
        ("_certificates__store", "_certificates.request"),
    ],
)
def test_planted_import_that_does_not_go_down(lower, upper, tmp_path):
    tree = planted(tmp_path, **{lower: [whole(upper)], upper.replace(".", "__"): []})
    assert violations_in(imports_in(tree), FLOORS) == [f"{lower.replace('__', '.')} imports {upper}"]


def test_planted_module_that_is_nowhere(tmp_path):
    assert violations_in(imports_in(planted(tmp_path, _loose=[])), FLOORS) == ["_loose is on no floor"]


@pytest.mark.parametrize(
    "line",
    [
        "open('/etc/x', 'w')",
        "open('/etc/x', mode='ab')",
        "open('/etc/x', how)",
        "os.rename('a', 'b')",
        "shutil.rmtree('a')",
        "subprocess.run(['true'])",
        "path.write_text('x')",
        "module.run_command(['true'])",
    ],
)
def test_planted_writer(line, tmp_path):
    assert writers_in(planted(tmp_path, _vservers__options=["import os", f"def late(): {line}"])) == [
        "_vservers.options"
    ]


@pytest.mark.parametrize(
    "line", ["open('/etc/x')", "open('/etc/x', 'rb')", "os.listdir('/')", "name.replace('a', 'b')"]
)
def test_reader_is_no_writer(line, tmp_path):
    assert writers_in(planted(tmp_path, _vservers__options=[line])) == []
