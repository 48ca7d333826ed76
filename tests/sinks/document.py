"""The page on sinks: its tables of options, made from the sinks themselves, and its example.

`python -m tests.sinks.document` writes the tables anew; a test compares.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from consumers.plugin import SinkOptions
from consumers.sinks.registry import SinkRegistry

PAGE: Final = Path(__file__).parents[2] / "deploy/docs/sinks.md"
_TABLE: Final = re.compile(
    r"(<!-- options of ([a-z-]+), from the program -->\n).*?(\n<!-- end -->)", re.DOTALL
)
_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def with_tables(page: str) -> str:
    """The page with each table as it is now."""
    registry = SinkRegistry()
    return _TABLE.sub(
        lambda found: found[1] + options_table(registry.find(found[2]).type.Options) + found[3], page
    )


def documented(page: str) -> set[str]:
    """The sinks whose options stand there."""
    return {name for _, name, _ in _TABLE.findall(page)}


def options_table(model: type[SinkOptions]) -> str:
    lines = ["", "| option | default | meaning |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        meaning = f"{field.description}{_bounds(field)}".replace("|", "\\|")
        meaning = re.sub("(`[^`]*`)|<", lambda found: found[1] or "&lt;", meaning)
        lines.append(f"| `{field.alias or name}` | {_default(field)} | {meaning} |")
    return "\n".join([*lines, ""])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(must be given)"
    if field.default is None or field.default == "":
        return "(none)"
    return f"`{json.dumps(field.default)}`"


def _bounds(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return " One of " + ", ".join(f"`{choice}`" for choice in get_args(field.annotation) if choice) + "."
    limits: dict[str, Any] = {}
    for limit in field.metadata:
        for word in ("ge", "le", "max_length"):
            if (value := getattr(limit, word, None)) is not None:
                limits[word] = value
    if "ge" in limits and "le" in limits:
        return f" From {limits['ge']:g} to {limits['le']:,}."
    if "ge" in limits:
        return f" At least {limits['ge']:g}."
    return ""


def block(kind: str, holding: str) -> str:
    """The page's one block of this kind with this in it."""
    blocks: list[tuple[str, str]] = _FENCE.findall(PAGE.read_text(encoding="utf-8"))
    (text,) = [text for found, text in blocks if found == kind and holding in text]
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
