# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import re
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._argspec import objects, one_or_many
from ansible_collections.postmaster.secure_channel.plugins.module_utils._arguments import KIND, is_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import (
    DiscreetModule,
    refuse_relative_paths,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import Kind

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
PACKAGE = "ansible_collections.postmaster.secure_channel.plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("mail_*.py"))


class Captured(BaseException):
    """Ends a module as soon as it has said what options it takes."""


def module(name):
    return importlib.import_module(f"{PACKAGE}.modules.{name}")


def spec_of(name, monkeypatch):
    """The keyword arguments with which a module makes its AnsibleModule."""

    def capture(_self, *args, **kwargs):
        assert not args
        raise Captured(kwargs)

    monkeypatch.setattr(AnsibleModule, "__init__", capture)
    with pytest.raises(Captured) as caught:
        module(name).main()
    return caught.value.args[0]


def documentation(name, section):
    """A section of a module's own documentation, with what the fragments that it includes have there."""
    own = yaml.safe_load(module(name).DOCUMENTATION)
    found = {}
    for fragment in own.get("extends_documentation_fragment", []):
        words = fragment.split(".")[2:]
        holder = importlib.import_module(f"{PACKAGE}.doc_fragments.{words[0]}").ModuleDocFragment
        attribute = words[1].upper() if len(words) > 1 else "DOCUMENTATION"
        found.update((yaml.safe_load(getattr(holder, attribute)) or {}).get(section, {}))
    for key, content in own.get(section, {}).items():
        found[key] = {**found.get(key, {}), **content}
    return found


def bare(options, below):
    """What both documentation and argument spec say of options."""
    found = {}
    for name, option in options.items():
        kept = {key: option[key] for key in ("default", "choices", "elements", "aliases") if key in option}
        kept["type"] = option.get("type", "str")
        kept["required"] = option.get("required", False)
        if option.get(below):
            kept["suboptions"] = bare(option[below], below)
        found[name] = kept
    return found


@pytest.mark.parametrize("name", MODULES)
def test_documentation_says_what_the_module_takes(name, monkeypatch):
    documented = bare(documentation(name, "options"), "suboptions")
    assert documented == bare(spec_of(name, monkeypatch)["argument_spec"], "options")


@pytest.mark.parametrize("name", MODULES)
def test_check_mode_is_declared_and_supported(name, monkeypatch):
    declared = documentation(name, "attributes")["check_mode"]["support"]
    assert (declared == "full") is bool(spec_of(name, monkeypatch).get("supports_check_mode"))


def declared_by(name, monkeypatch):
    """The argument spec of a module as it is written, with the kinds."""

    def capture(_self, **kwargs):
        raise Captured(kwargs)

    monkeypatch.setattr(DiscreetModule, "__init__", capture)
    with pytest.raises(Captured) as caught:
        module(name).main()
    return caught.value.args[0]


def all_options(spec, where=""):
    for option, content in spec.items():
        yield where + option, content
        yield from all_options(content.get("options", {}), f"{where}{option}.")


@pytest.mark.parametrize("name", MODULES)
def test_every_option_for_text_has_a_kind(name, monkeypatch):
    spec = declared_by(name, monkeypatch)["argument_spec"]
    without = [path for path, option in all_options(spec) if is_text(option) and not isinstance(option.get(KIND), Kind)]
    assert without == []
    needless = [path for path, option in all_options(spec) if KIND in option and not is_text(option)]
    assert needless == []


@pytest.mark.parametrize("name", MODULES)
def test_the_kind_of_a_secret_is_secret(name, monkeypatch):
    spec = declared_by(name, monkeypatch)["argument_spec"]
    for path, option in all_options(spec):
        if KIND in option:
            assert option[KIND].secret is bool(option.get("no_log")), path


@pytest.mark.parametrize("name", MODULES)
def test_no_option_has_a_second_name_or_a_source_that_nothing_looks_at(name, monkeypatch):
    for path, option in all_options(declared_by(name, monkeypatch)["argument_spec"]):
        assert not {"aliases", "fallback", "deprecated_aliases"} & set(option), path
        assert option.get("type", "str") not in ("raw", "json", "jsonarg"), path


@pytest.mark.parametrize("name", MODULES)
def test_messages_can_name_the_modules_objects(name, monkeypatch):
    given = declared_by(name, monkeypatch)
    named = {field for _text, field, _spec, _conversion in Formatter().parse(given["title"]) if field}
    assert named
    assert named <= set(given["argument_spec"])


def test_kinds_are_ours_alone(monkeypatch):
    for name in MODULES:
        options = dict(all_options(spec_of(name, monkeypatch)["argument_spec"]))
        assert not [path for path, option in options.items() if KIND in option]


@pytest.mark.parametrize("path", sorted((PLUGINS / "modules").glob("mail_*.py")), ids=lambda path: path.stem)
def test_no_module_leaves_by_another_door(path):
    """Everything that a module says goes through DiscreetModule."""
    text = path.read_text()
    assert "AnsibleModule(" not in text
    assert "DiscreetModule(" in text
    assert "print(" not in text


def secrets(spec, where=""):
    for name, option in spec.items():
        if option.get("no_log"):
            yield where + name
        yield from secrets(option.get("options", {}), f"{where}{name}.")


@pytest.mark.parametrize("name", MODULES)
def test_every_password_is_secret(name, monkeypatch):
    def all_of(spec, where=""):
        for option, content in spec.items():
            if "choices" not in content:  # what is chosen from a list is no secret
                yield where + option
            yield from all_of(content.get("options", {}), f"{where}{option}.")

    spec = spec_of(name, monkeypatch)["argument_spec"]
    suspicious = {path for path in all_of(spec) if "pass" in path.rpartition(".")[2] or path.endswith("secret")}
    suspicious = {path for path in suspicious if not path.endswith("update_password")}  # says when, not what
    assert suspicious <= set(secrets(spec))


# ---- one object, or many

ELEMENT: dict[str, dict[str, Any]] = {
    "name": {"type": "str"},
    "size": {"type": "int", "default": 1},
    "colour": {"type": "str"},
}


def test_both_forms_share_one_element():
    spec = one_or_many(ELEMENT, "things", "name")
    nested = spec["argument_spec"]["things"]["options"]
    assert nested == {**ELEMENT, "name": {"type": "str", "required": True}}
    assert ELEMENT["name"] == {"type": "str"}  # the given one is not changed
    assert spec["required_one_of"] == [("name", "things")]
    assert spec["mutually_exclusive"] == [("name", "things"), ("colour", "things")]


def test_objects():
    one = {"name": "a", "size": 1, "colour": None}
    assert objects({**one, "things": None, "other": 1}, ELEMENT, "things") == [one]
    none = {option: spec.get("default") for option, spec in ELEMENT.items()}
    assert objects({**none, "things": [{"name": "b"}]}, ELEMENT, "things") == [{"name": "b"}]
    assert objects({**none, "things": []}, ELEMENT, "things") == []
    with pytest.raises(Problem, match="option name: it cannot be combined with things"):
        objects({**none, "name": "a", "things": [{"name": "b"}]}, ELEMENT, "things")


# ---- paths


def paths_in(options):
    """The options that are paths, each with what stands around one that is given."""
    for option, one in options.items():
        if one.get("type") == "path":
            yield option, lambda value, option=option: {option: value}
        if one.get("elements") == "path":
            yield option, lambda value, option=option: {option: ["/etc/first", value]}
        if "options" in one:
            for inner, around in paths_in(one["options"]):
                yield inner, lambda value, option=option, around=around: {option: [around(value)]}


@pytest.mark.parametrize("name", MODULES)
def test_relative_paths_are_refused_everywhere(name, monkeypatch):
    spec = spec_of(name, monkeypatch)["argument_spec"]
    for option, around in paths_in(spec):
        for value in ("file", "./file", "../file", "~nobody-of-this-name/file"):
            with pytest.raises(Problem, match="is no absolute path") as caught:
                refuse_relative_paths(spec, around(value))
            assert caught.value.option == option
        refuse_relative_paths(spec, around("/etc/file"))


def test_path_that_must_be_there_is_not_empty():
    for one in ({"default": "/etc"}, {"required": True}):
        with pytest.raises(Problem, match="is no absolute path"):
            refuse_relative_paths({"store": {"type": "path", **one}}, {"store": ""})
    refuse_relative_paths({"copy": {"type": "path"}}, {"copy": ""})


def test_every_module_has_its_paths_looked_at():
    texts = [(PLUGINS / f"modules/{name}.py").read_text() for name in MODULES]
    assert all(re.search(r"^    run\(.*, work\)$", text, re.MULTILINE) for text in texts)


def test_a_default_of_the_store_reaches_the_modules_that_have_it(monkeypatch):
    groups = yaml.safe_load((PLUGINS.parent / "meta" / "runtime.yml").read_text())["action_groups"]
    has_store = [name for name in MODULES if "store" in spec_of(name, monkeypatch)["argument_spec"]]
    assert groups["secure_channel_store"] == has_store
    assert groups["secure_channel"] == MODULES
