"""`AMIBUS__SECTION__KEY=value`: settings from the environment, laid over those of the file.

`AMIBUS__BUS__URL=amqp://…`, `AMIBUS__PBX__0__HOST=10.0.0.5`, `AMIBUS__PBX__0__TRUNKS=["trunk"]`. List
elements are named by their index; the next free index appends. Values are text; one that starts with
`[` or `{` is read as TOML. Variables with another number of underscores are none of ours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, Final

from publisher.configuration.locations import Path

PREFIX: Final = "AMIBUS__"


def overlay(data: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[Path, str], list[str]]:
    """Lay the variables over `data` in place.

    Returns which variable set which path, and one sentence for each variable that cannot be used.
    """
    origins: dict[Path, str] = {}
    errors: list[str] = []
    for name in sorted(environ, key=_natural):
        if not name.startswith(PREFIX):
            continue
        path = _path(name)
        try:
            _set(data, path, _value(environ[name]))
        except ValueError as error:
            errors.append(f"environment variable {name}: {error}")
        else:
            origins[path] = name
    return origins, errors


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split("__")]


def _path(name: str) -> Path:
    parts = name[len(PREFIX) :].split("__")
    return tuple(int(part) if part.isdecimal() else part.lower() for part in parts)


def _value(text: str) -> Any:
    if not text.startswith(("[", "{")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise ValueError(
            'starts like a list or table but is none; allowed: ["a", "b"] or {key = "value"}'
        ) from None


def _set(data: dict[str, Any], path: Path, value: Any) -> None:
    place: Any = data
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        following: Any = None if last else [] if isinstance(path[depth + 1], int) else {}
        if isinstance(part, int):
            if not isinstance(place, list):
                raise ValueError(f"{_dotted(path[:depth])} is no list")
            if part > len(place):
                raise ValueError(
                    f"{_dotted(path[:depth])} has {len(place)} elements; the next index is {len(place)}"
                )
            if part == len(place):
                place.append(value if last else following)
            elif last:
                place[part] = value
            place = place[part]
            continue
        if not isinstance(place, dict):
            raise ValueError(f"{_dotted(path[:depth])} holds no keys")
        if last:
            place[part] = value
        else:
            place = place.setdefault(part, following)


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path) or "the configuration"
