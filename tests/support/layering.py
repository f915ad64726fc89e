# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which code imports which: read from the source, without importing any of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PACKAGE = "ansible_collections.postmaster.secure_channel.plugins."
# Calls that change a file system, or may: nothing but the transaction needs os.open().
_WRITING = {
    "os": """
        chmod chown fchmod fchown lchown link makedirs mkdir mkfifo mknod open remove removedirs rename renames replace
        rmdir symlink truncate unlink utime
    """,
    "shutil": "chown copy copy2 copyfile copytree move rmtree",
    "subprocess": "Popen call check_call check_output run",
    "tempfile": "NamedTemporaryFile TemporaryDirectory TemporaryFile mkdtemp mkstemp",
}
# Modules that open files by their paths.
_OPENING = frozenset({"fileinput", "linecache", "pathlib", "tokenize"})
# Functions of ssl, and options of openssl(1), that take a path.
_LOADING = frozenset({"load_cert_chain", "load_verify_locations"})
_PATH_OPTIONS = frozenset({"-in", "-CAfile", "-untrusted", "-inkey", "-certfile"})
_WRITING_METHODS = frozenset({"write_bytes", "write_text", "run_command"})

Imports = Mapping[str, frozenset[str]]  # what each module imports of the others


def read_tree(root: Path) -> dict[str, ast.Module]:
    """The modules below a directory, by their dotted names; shared code is named without ``module_utils``."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        if path.name != "__init__.py":
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            found[name.removeprefix("module_utils.")] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imports_in(tree: Mapping[str, ast.Module]) -> Imports:
    """What each module imports of the tree's other modules, wherever in its code."""
    return {name: frozenset(_imported(module, tree)) for name, module in tree.items()}


def _imported(module: ast.Module, tree: Mapping[str, ast.Module]) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            short = name.removeprefix(PACKAGE).removeprefix("module_utils.")
            if name.startswith(PACKAGE) and short in tree:
                yield short


def late_imports_in(tree: Mapping[str, ast.Module]) -> set[str]:
    """Functions that import modules of the tree, each as ``module:function``."""
    return {
        f"{name}:{function.name}"
        for name, module in tree.items()
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef) and any(_imported(ast.Module(function.body, []), tree))
    }


def cycles_in(imports: Imports) -> list[str]:
    """Circles of imports, each as ``a -> b -> a``."""
    found: dict[frozenset[str], str] = {}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            circle = way[way.index(name) :]
            found.setdefault(frozenset(circle), " -> ".join((*circle, name)))
        elif name not in done:
            for other in sorted(imports[name]):
                visit(other, (*way, name))
            done.add(name)

    for name in sorted(imports):
        visit(name, ())
    return list(found.values())


def violations_in(imports: Imports, floors: Sequence[Sequence[str]]) -> list[str]:
    """Imports that do not go down.

    Args:
        imports: what each module imports.
        floors: the lowest first; each with its rooms, which are modules or packages. The longest name decides where a
            module lives. A room may import what is in itself and on lower floors, and nothing beside or above it.
    """
    level = {room: number for number, floor in enumerate(floors) for room in floor}

    def room_of(name: str) -> str:
        parts = name.split(".")
        names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((one for one in names if one in level), "")

    found = []
    for name, others in sorted(imports.items()):
        room = room_of(name)
        if not room:
            found.append(f"{name} is on no floor")
            continue
        for other in sorted(others):
            below = room_of(other)
            if below and below != room and level[below] >= level[room]:
                found.append(f"{name} imports {other}")
    return found


def writers_in(tree: Mapping[str, ast.Module]) -> list[str]:
    """Modules that change a file system or run programs, by what they call."""
    return [name for name, module in tree.items() if any(_writes(node) for node in ast.walk(module))]


def _writes(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Name) and called.id == "open":
        return _mode(node) != "r"
    if not isinstance(called, ast.Attribute):
        return False
    if called.attr in _WRITING_METHODS:
        return True
    return isinstance(called.value, ast.Name) and called.attr in _WRITING.get(called.value.id, "").split()


def readers_in(tree: Mapping[str, ast.Module]) -> list[str]:
    """Modules that open files, whatever for, or import what does."""
    return [name for name, module in tree.items() if any(_opens(node) for node in ast.walk(module))]


def _opens(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name in _OPENING for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module in _OPENING
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Name):
        return called.id == "open"
    return isinstance(called, ast.Attribute) and ast.unparse(called) in ("os.open", "io.open", "os.fdopen")


def handed_paths_in(tree: Mapping[str, ast.Module]) -> list[str]:
    """Places where OpenSSL, the library or the program, is to open a file of its own accord and without limits."""
    return [
        f"{name}:{node.lineno}"
        for name, module in tree.items()
        for node in ast.walk(module)
        if isinstance(node, (ast.Call, ast.List)) and _hands_a_path(node)
    ]


def _hands_a_path(node: ast.Call | ast.List) -> bool:
    if isinstance(node, ast.List):
        pairs = zip(node.elts, node.elts[1:])
        given = [value for option, value in pairs if isinstance(option, ast.Constant) and option.value in _PATH_OPTIONS]
    elif isinstance(node.func, ast.Attribute) and node.func.attr in _LOADING:
        given = [
            *node.args[:1],
            *(one.value for one in node.keywords if one.arg in ("cafile", "capath", "certfile", "keyfile")),
        ]
    else:
        return False
    return not all(ast.unparse(value).startswith("f'/dev/fd/") for value in given)


def _mode(call: ast.Call) -> str:
    """The mode of an open() without what does not matter; empty where it is not written there."""
    given = call.args[1:2] or [one.value for one in call.keywords if one.arg == "mode"]
    if not given:
        return "r"
    return given[0].value.strip("bt") if isinstance(given[0], ast.Constant) and isinstance(given[0].value, str) else ""
