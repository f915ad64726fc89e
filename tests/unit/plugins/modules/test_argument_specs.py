# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import objects, one_or_many

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
