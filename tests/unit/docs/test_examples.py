# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example in the documentation names only what exists, and is well formed.

tests/system/docs follows the first page on hosts; the modules' own examples are run by tests/system/mail.
"""

from __future__ import annotations

import configparser
import importlib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.cli.adhoc import AdHocCLI
from ansible.cli.doc import DocCLI
from ansible.cli.galaxy import GalaxyCLI
from ansible.cli.inventory import InventoryCLI
from ansible.cli.playbook import PlaybookCLI
from ansible.cli.vault import VaultCLI
from ansible.config.manager import ConfigManager
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.splitter import parse_kv

from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._role_variables import OF_PLAYBOOKS
from ansible_collections.postmaster.secure_channel.tests.support.written_examples import (
    ROOT,
    RST,
    Block,
    all_blocks,
    blocks_of,
    pages,
)

COLLECTION = "postmaster.secure_channel"
PACKAGE = f"ansible_collections.{COLLECTION}.plugins"
LANGUAGES = ("console", "ini", "text", "yaml")
ANSIBLE = {
    "ansible": AdHocCLI,
    "ansible-doc": DocCLI,
    "ansible-galaxy": GalaxyCLI,
    "ansible-inventory": InventoryCLI,
    "ansible-playbook": PlaybookCLI,
    "ansible-vault": VaultCLI,
}
# What else a reader types; bash judges the syntax.
OTHERS = ("apt", "apt-get", "cd", "export", "git", "mkdir", "openssl", "pip", "python3", "umask")
OF_THE_USER = ("backup_passphrase",)
# Lists of objects that the roles hand to a module: which module, and which of its options takes them.
OBJECTS = {
    "certificates_list": ("mail_cert_request", "requests"),
    "vservers_list": ("mail_vserver_tls", "vservers"),
    "relay_accounts_list": ("mail_relay_account", "accounts"),
    "domain_security_list": ("mail_domain_security", "domains"),
    "domain_security_domains": ("mail_domain_security", "domains"),
}
# What the role takes out of an entry before it hands it on.
ROLE_KEYS = {"certificates_list": ("source", "acme_challenge")}

BLOCKS = all_blocks()


def of(*languages: str) -> Any:
    """Run a test for each block in one of these languages."""
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=[block.name for block in chosen])


# ---- what there is


class Captured(BaseException):
    """Ends a module as soon as it has said what options it takes."""


@cache
def module_spec(name: str) -> dict[str, Any]:
    """The keyword arguments with which a module of ours makes its AnsibleModule."""

    def capture(_self: AnsibleModule, **kwargs: Any) -> None:
        raise Captured(kwargs)

    module = importlib.import_module(f"{PACKAGE}.modules.{name}")
    with mock.patch.object(AnsibleModule, "__init__", capture), pytest.raises(Captured) as caught:
        module.main()
    spec: dict[str, Any] = caught.value.args[0]
    return spec


@cache
def role_options() -> dict[str, dict[str, Any]]:
    """The documented variables of all roles and playbooks."""
    found: dict[str, dict[str, Any]] = dict(OF_PLAYBOOKS)
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            found.update(entry["options"])
    return found


def validate(where: str, spec: Mapping[str, Any], given: Mapping[str, Any], **rules: Any) -> None:
    """Have Ansible judge options as it does in a run."""
    result = ArgumentSpecValidator(dict(spec), **rules).validate(dict(given))
    assert not result.error_messages, f"{where}: {result.error_messages}"


def validate_module(where: str, name: str, given: Mapping[str, Any]) -> None:
    """Judge the options of a call of one of our modules."""
    spec = module_spec(name)
    rules = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
    validate(where, spec["argument_spec"], given, **{rule: spec.get(rule) for rule in rules})


def module_calls(tasks: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each call of a module of ours in tasks, also inside blocks."""
    for task in tasks:
        for key, value in task.items():
            if key in ("block", "rescue", "always"):
                yield from module_calls(value)
            elif key.startswith(f"{COLLECTION}.mail_"):
                yield key.removeprefix(f"{COLLECTION}."), value


# ---- pages


def test_every_block_is_seen() -> None:
    for page in pages():
        text = page.read_text()
        marks = text.count(".. code-block::") if page.suffix == ".rst" else len(re.findall("^```", text, re.M)) // 2
        assert len(list(blocks_of(page))) == marks, page
        assert "::\n\n" not in re.sub(r"\.\. contents::\n", "", text) or page.suffix == ".md", page
    assert len(BLOCKS) > 40


def test_every_block_is_in_a_language_that_is_judged() -> None:
    assert {block.language for block in BLOCKS} <= set(LANGUAGES)


def test_the_table_of_contents_lists_every_page() -> None:
    sections = yaml.safe_load((RST.parent / "extra-docs.yml").read_text())["sections"]
    listed = [page for section in sections for page in section["toctree"]]
    assert sorted(listed) == sorted(path.stem for path in RST.glob("*.rst"))


def test_every_filter_that_is_named_exists() -> None:
    for page in pages():
        for name in re.findall(rf"\| {COLLECTION}\.(\w+)", page.read_text()):
            assert (ROOT / "plugins" / "filter" / f"{name}.py").exists(), f"{page}: {name}"


# ---- YAML


def is_inventory(content: Any) -> bool:
    """Whether it says which hosts there are."""
    return isinstance(content, dict) and set(content) == {"all"}


@of("yaml")
def test_variables_exist_and_have_the_right_shape(block: Block) -> None:
    content = yaml.safe_load(block.text)
    if isinstance(content, list) or is_inventory(content):
        return
    used = " ".join(re.findall(r"{{(.*?)}}", (ROOT / block.page).read_text()))
    options = role_options()
    for name, value in content.items():
        if name not in options:
            assert re.search(rf"\b{name}\b", used), f"{block.name}: no role has {name}, and nothing here uses it"
            continue
        validate(block.name, {name: options[name]}, {name: value})
        if name not in OBJECTS:
            continue
        module, option = OBJECTS[name]
        for entry in value:
            rest = {key: one for key, one in entry.items() if key not in ROLE_KEYS.get(name, ())}
            if entry.get("source") == "lineage":
                module, option = "mail_cert_install", "certificates"
            validate(block.name, module_spec(module)["argument_spec"][option]["options"], rest)


@of("yaml")
def test_calls_of_modules_have_the_right_options(block: Block) -> None:
    content = yaml.safe_load(block.text)
    if not isinstance(content, list):
        return
    for item in content:
        tasks = item.get("tasks", []) if "hosts" in item else [item]
        for name, given in module_calls(tasks):
            validate_module(block.name, name, given)


def test_ansible_reads_all_plays_and_tasks(tmp_path) -> None:
    plays = []
    for block in BLOCKS:
        content = yaml.safe_load(block.text) if block.language == "yaml" else None
        if not isinstance(content, list):
            continue
        if any("hosts" in item for item in content):
            plays += content
        else:
            plays.append({"name": f"Tasks of {block.name}", "hosts": "all", "tasks": content})
    assert len(plays) > 3
    playbook = tmp_path / "all.yml"
    playbook.write_text(yaml.safe_dump(plays, sort_keys=False))
    command = ["ansible-playbook", "--syntax-check", "--inventory", "localhost,", str(playbook)]
    environment = {**os.environ, "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@of("ini")
def test_settings_of_ansible_exist(block: Block) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(block.text)
    base = ConfigManager().get_configuration_definitions().values()
    known = {(one["section"], one["key"]) for setting in base for one in setting.get("ini", [])}
    assert {(section, key) for section in parser.sections() for key in parser[section]} <= known


# ---- commands


def test_command_lines_are_told_from_output() -> None:
    assert Block("page", 1, "console", "$ ansible all \\\n    -m ping\n# make\n").commands == [
        "ansible all -m ping",
        "make",
    ]
    with pytest.raises(ValueError, match="no command"):
        assert Block("page", 1, "console", "$ make\nall: 3 s\n").commands


def words_of(command: str) -> list[str]:
    """The words of a command, without what only says as whom or where it is run."""
    words = shlex.split(command, comments=True)
    while words and (words[0] == "sudo" or re.match(r"[A-Z_]+=", words[0])):
        words = words[1:]
    return words


def judge_variables(where: str, extra: list[str]) -> None:
    """The names of variables that a command line sets."""
    for text in extra:
        if not text.startswith("@"):
            names = json.loads(text) if text.startswith("{") else parse_kv(text)
            assert set(names) <= {*role_options(), *OF_THE_USER}, where


def judge_ansible(where: str, words: list[str]) -> None:
    """Ansible's own parsers judge options; what they name must exist."""
    if words[1:] == ["--version"]:
        return
    cli = ANSIBLE[words[0]](words)
    cli.init_parser()
    options = cli.parser.parse_args(words[1:])
    judge_variables(where, getattr(options, "extra_vars", None) or [])
    if words[0] == "ansible-playbook":
        for name in options.args:
            path = ROOT / "playbooks" / f"{name.removeprefix(f'{COLLECTION}.')}.yml"
            assert not name.startswith(COLLECTION) or path.exists(), f"{where}: {name}"
    elif words[0] == "ansible":
        name = options.module_name
        if name.startswith(f"{COLLECTION}."):
            validate_module(where, name.removeprefix(f"{COLLECTION}."), parse_kv(options.module_args))
        else:
            assert importlib.util.find_spec(f"ansible.modules.{name.removeprefix('ansible.builtin.')}"), where
    elif words[0] == "ansible-doc":
        folder, suffix = ("roles", "") if options.type == "role" else ("plugins/modules", ".py")
        for name in options.args:
            assert (ROOT / folder / f"{name.removeprefix(f'{COLLECTION}.')}{suffix}").exists(), f"{where}: {name}"


def targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@of("console")
def test_commands_name_what_exists(block: Block) -> None:
    for command in block.commands:
        done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block.name}: {done.stderr}"
        words = words_of(command.strip("()"))
        program = words[0].rpartition("/bin/")[2]
        where = f"{block.name}: {command}"
        if program in ANSIBLE:
            judge_ansible(where, words)
        elif program == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets(), where
        elif program.startswith("tests/"):
            assert os.access(ROOT / program, os.X_OK), where
        else:
            assert program in OTHERS, where
