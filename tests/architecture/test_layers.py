"""The house keeps its layers: imports run one way, and each driver has one door a package."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "publisher", "consumers")

# The longest prefix decides. A module imports from lower layers or from its own unit.
LAYERS: dict[str, int] = {
    "schemas": 0,
    "publisher.ami": 1,
    "publisher": 2,
    "publisher.ports": 3,
    "publisher.command_ports": 3,
    "publisher.simulator": 4,
    "publisher.services": 4,
    "publisher.adapters": 4,
    "publisher.app": 5,
    "publisher.command": 6,
    "consumers": 1,
    "consumers.ports": 2,
    "consumers.plugin": 2,
    # Pure but for the one thread pool that matches.
    "consumers.filtering": 3,
    "consumers.calls": 3,
    "consumers.dispatching": 3,
    "consumers.adapters": 3,
    "consumers.folding": 4,
    "consumers.sinks": 4,
    "consumers.commands": 4,
    "consumers.events": 4,
    "consumers.testing": 5,
    "consumers.app": 5,
}

DRIVERS = {
    "aio_pika",
    "aiormq",
    "fakeredis",
    "fastapi",
    "httpx",
    "httpx2",
    "hyperscan",
    "redis",
    "regex",
    "sqlalchemy",
    "sqlite3",
    "uvicorn",
}

# aio-pika stands on aiormq: one door for the two.
SAME_DOOR = {"aiormq": "aio_pika"}


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{dotted(path)} imports relatively; write the whole name"
            found.add(node.module or "")
            found.update(f"{node.module}.{name.name}" for name in node.names)
    return found


def unit(module: str) -> str:
    """The layer entry that a module falls under."""
    candidates = [name for name in LAYERS if module == name or module.startswith(name + ".")]
    return max(candidates, key=len)


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_module_imports_only_from_lower_layers_or_its_own_unit(path: Path) -> None:
    me = dotted(path)
    for name in imports(path):
        if name.split(".")[0] not in PACKAGES or not is_module(name) or name == me:
            continue
        if "." not in name and name != me.split(".")[0]:
            # `import schemas.x` also names the package itself, which is of the lowest layer.
            pass
        mine, theirs = unit(me), unit(name)
        assert mine == theirs or LAYERS[theirs] < LAYERS[mine], f"{me} must not import {name}"


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_publisher_and_consumers_never_import_each_other_except_in_the_command(path: Path) -> None:
    me = dotted(path)
    if me.startswith("publisher.command"):
        return
    heads = {name.split(".")[0] for name in imports(path)}
    if me.startswith("schemas"):
        assert not heads & {"publisher", "consumers"}
    if me.startswith("publisher"):
        assert "consumers" not in heads
    if me.startswith("consumers"):
        assert "publisher" not in heads


def test_one_module_a_package_imports_a_driver() -> None:
    doors: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in modules():
        for name in imports(path):
            head = name.split(".")[0]
            if head in DRIVERS:
                doors[dotted(path).split(".")[0], SAME_DOOR.get(head, head)].add(dotted(path))
    crowded = {door: sorted(users) for door, users in doors.items() if len(users) > 1}
    assert not crowded


@pytest.mark.parametrize("package", ["schemas", "publisher.ami"])
def test_the_pure_core_knows_no_loop_no_clock_and_no_socket(package: str) -> None:
    banned = {"asyncio", "socket", "ssl", "time", "threading", "logging", "sqlite3", "pydantic"}
    for path in (ROOT / Path(*package.split("."))).rglob("*.py"):
        used = {name.split(".")[0] for name in imports(path)}
        assert not used & banned, f"{dotted(path)} uses {used & banned}"


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_file_stays_under_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_names_are_nouns_of_the_field() -> None:
    banned = {"utils", "util", "helpers", "helper", "manager", "common", "base", "misc"}
    assert not [dotted(path) for path in modules() if set(dotted(path).split(".")) & banned]
