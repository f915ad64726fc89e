# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the roles' argument specs, defaults, READMEs and tasks say of the same thing is the same."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.filter.certificate_installs import OPTIONS as OF_INSTALL
from ansible_collections.postmaster.secure_channel.plugins.filter.certificate_requests import OPTIONS_OF_THE_ROLE
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._inventory import OWN_CA
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._role_variables import ALIKE, RESULTS

COLLECTION = Path(__file__).resolve().parents[3]
PACKAGE = "ansible_collections.postmaster.secure_channel.plugins"
ROLES = sorted((COLLECTION / "roles").iterdir())
TAGS = {"certificates", "vservers", "accounts", "domains", "verify"}
each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def entry_points(role: Path) -> dict[str, Any]:
    """The argument specs of a role, by tasks file."""
    found: dict[str, Any] = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    return found


def options_of(role: Path) -> dict[str, Any]:
    """All variables of a role."""
    return {name: option for one in entry_points(role).values() for name, option in one["options"].items()}


def option(name: str) -> dict[str, Any]:
    """The argument spec of one variable."""
    (found,) = [options_of(role)[name] for role in ROLES if name in options_of(role)]
    return dict(found)


def nested(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Options of options, down to the last."""
    for name, one in options.items():
        yield name, one
        yield from nested(one.get("options") or {})


def is_computed(value: Any) -> bool:
    """Whether a default depends on other variables."""
    return isinstance(value, str) and "{{" in value


def tasks_of(role: Path) -> Iterator[dict[str, Any]]:
    """All tasks of a role, those in blocks too."""

    def flat(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in tasks:
            yield task
            for part in ("block", "rescue", "always"):
                yield from flat(task.get(part, []))

    for path in sorted((role / "tasks").rglob("*.yml")):
        yield from flat(yaml.safe_load(path.read_text()))


@each_role
def test_defaults_are_those_of_the_argument_spec(role: Path) -> None:
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    declared = {name: one["default"] for name, one in options_of(role).items() if "default" in one}
    assert {name: value for name, value in defaults.items() if not is_computed(value)} == declared
    assert set(defaults) <= set(options_of(role))


@each_role
def test_each_option_is_described(role: Path) -> None:
    for entry_point in entry_points(role).values():
        assert entry_point["short_description"]
        assert entry_point["description"]
        for name, one in nested(entry_point["options"]):
            assert one["description"], name
            assert one["type"], name
            assert one["type"] != "list" or one["elements"], name


@each_role
def test_every_password_is_secret(role: Path) -> None:
    for name, one in nested(options_of(role)):
        if "pass" in name and "choices" not in one:
            assert one["no_log"] is True, name


@each_role
def test_the_readme_lists_each_variable_with_its_default(role: Path) -> None:
    rows = [line.split(" | ") for line in (role / "README.md").read_text().splitlines() if line.startswith("| `")]
    told = {row[0].removeprefix("| ").strip("`"): row[1].strip() for row in rows}
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    assert list(told) == list(options_of(role))
    for name, one in options_of(role).items():
        if one.get("required"):
            assert told[name] == "required"
        elif name not in defaults:
            assert not told[name]
        elif is_computed(defaults[name]):
            assert told[name]
        else:
            assert yaml.safe_load(told[name].strip("`")) == defaults[name]


@each_role
def test_each_tasks_file_that_is_called_from_outside_has_a_tag(role: Path) -> None:
    for name in entry_points(role):
        for task in yaml.safe_load((role / "tasks" / f"{name}.yml").read_text()):
            imported = task.get("ansible.builtin.import_tasks")  # has tags of its own
            assert imported in {f"{one}.yml" for one in entry_points(role)} or set(task["tags"]) <= TAGS


@each_role
def test_what_is_left_behind_is_known(role: Path) -> None:
    left = {name for task in tasks_of(role) for name in task.get("ansible.builtin.set_fact", {})}
    left |= {task["register"] for task in tasks_of(role) if "register" in task}
    assert {name for name in left if not name.startswith("__")} <= RESULTS
    assert all(name.startswith(f"__{role.name}_") for name in left - RESULTS)


def test_each_result_is_left_by_some_role() -> None:
    texts = "".join(path.read_text() for role in ROLES for path in (role / "tasks").rglob("*.yml"))
    assert all(name in texts for name in RESULTS)


@each_role
def test_packages_are_named_in_the_variables_only(role: Path) -> None:
    for task in tasks_of(role):
        assert not {"ansible.builtin.apt", "ansible.builtin.dnf"} & set(task)
        package = task.get("ansible.builtin.package")
        assert package is None or package["name"].startswith(f"{{{{ __{role.name}_")


# ---- entries of lists, which are options of modules


class Captured(BaseException):
    """Ends a module as soon as it has said what options it takes."""


def module_options(module: str, many: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options of the objects in a list that a module takes."""

    def capture(_self: AnsibleModule, **kwargs: Any) -> None:
        raise Captured(kwargs)

    monkeypatch.setattr(AnsibleModule, "__init__", capture)
    with pytest.raises(Captured) as caught:
        importlib.import_module(f"{PACKAGE}.modules.{module}").main()
    found: dict[str, Any] = caught.value.args[0]["argument_spec"][many]["options"]
    return found


def bare(options: Mapping[str, Any]) -> dict[str, Any]:
    """What decides whether a value is right. Defaults are the module's alone."""
    found = {}
    for name, one in options.items():
        found[name] = {key: one[key] for key in ("type", "elements", "choices") if key in one}
        found[name].update({key: True for key in ("required", "no_log") if one.get(key)})
        if one.get("options"):
            found[name]["options"] = bare(one["options"])
    return found


@pytest.mark.parametrize(
    ("variable", "module", "many"),
    [
        ("vservers_list", "mail_vserver_tls", "vservers"),
        ("domain_security_list", "mail_domain_security", "domains"),
        ("domain_security_domains", "mail_domain_security", "domains"),
        ("relay_accounts_list", "mail_relay_account", "accounts"),
    ],
)
def test_entries_have_the_options_of_the_module(
    variable: str, module: str, many: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bare(option(variable)["options"]) == bare(module_options(module, many, monkeypatch))


def test_certificates_have_the_options_of_two_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    request = module_options("mail_cert_request", "requests", monkeypatch)
    install = module_options("mail_cert_install", "certificates", monkeypatch)
    declared = bare(option("certificates_list")["options"])
    assert all(name in declared for name in OPTIONS_OF_THE_ROLE)
    own = {name: declared.pop(name) for name in OPTIONS_OF_THE_ROLE}
    assert own["acme_challenge"]["choices"] == option("certificates_acme_challenge")["choices"]
    assert own["source"].pop("choices")  # a word of the role's, which the modules only note
    assert own["source"] == bare(request)["source"] == bare(install)["source"]
    del request["source"], install["source"]
    assert set(install) - set(OF_INSTALL) == {"name", "content", "state"}  # these the role fills in
    assert declared == bare({**{name: install[name] for name in OF_INSTALL if name in install}, **request})


def test_each_source_is_a_tasks_file() -> None:
    files = {path.stem for path in (COLLECTION / "roles" / "certificates" / "tasks" / "sources").iterdir()}
    source = option("certificates_list")["options"]["source"]
    assert set(source["choices"]) == files
    assert source["default"] == OWN_CA


def test_declarations_that_are_alike() -> None:
    for name, other in ALIKE.items():
        assert bare({"one": option(name)}) == bare({"one": {**option(other), "options": None}})


@pytest.mark.parametrize("path", sorted((COLLECTION / "playbooks").glob("*.yml")), ids=lambda path: path.stem)
def test_each_playbook_checks_the_variables_before_anything_else(path: Path) -> None:
    play = yaml.safe_load(path.read_text())[0]
    assert play["any_errors_fatal"] is True  # a fault on one host stops the others, too
    assert not {"roles", "serial"} & set(play)
    first = play["tasks"]
    checks = [number for number, task in enumerate(first) if "postmaster.secure_channel.check_variables" in task]
    assert checks[0] == len(first) - 1
    assert len(checks) == 1
    assert first[checks[0]]["tags"] == ["always"]
    # a host that the play has nothing to do with may leave it before
    assert all("ansible.builtin.meta" in task for task in first[: checks[0]])
