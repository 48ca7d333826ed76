"""`deploy/amibus.example.toml`: every key with its meaning and its default, generated from the models.

`python -m publisher.configuration.example` writes it anew.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from publisher.configuration.binding import BindingSettings
from publisher.configuration.pbx import PbxSettings
from publisher.configuration.policy import ClientSettings
from publisher.configuration.quantities import format_size, plain_number
from publisher.configuration.secrets import SecretText, SecretUrl
from publisher.configuration.section import ServerTls, TlsSettings
from publisher.configuration.settings import Settings

EXAMPLE_FILE: Final = Path("deploy/amibus.example.toml")
_WIDTH: Final = 100
_HEAD: Final = """\
# amibus.toml: the settings of ami-bus. Every key has a default: what stands behind a # shows it, or an
# example of a value where there is none. Unknown keys are errors. Any key can be set by the environment
# instead: AMIBUS__BUS__URL=amqp://…, AMIBUS__PBX__0__HOST=10.0.0.5.
"""
# What a first configuration sets; everything else stays commented out.
_SHOWN: Final = {("pbx", "name"), ("pbx", "host"), ("pbx", "username"), ("pbx", "secret_file")}
SIZES: Final = frozenset({"keep_bytes", "memory_limit", "audit_bytes"})
_CHOICES: Final = frozenset({"binding", "policy.client"})
ARRAYS: Final[dict[str, type[BaseModel]]] = {
    "pbx": PbxSettings,
    "policy.client": ClientSettings,
    "binding": BindingSettings,
}
# Keys that are arrays of tables with a section of their own.
_TABLES: Final = frozenset(name.rpartition(".")[2] for name in ARRAYS)


def example_text() -> str:
    """The commented example."""
    return "\n".join([_HEAD, *(_section(section, model) for section, model in sections())])


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """The file's sections in their order, each with the model of its table."""
    for section, field in Settings.model_fields.items():
        model = ARRAYS.get(section) or field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        yield section, model
        for key in model.model_fields:
            if inner := ARRAYS.get(f"{section}.{key}"):
                yield f"{section}.{key}", inner


def own_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of a table, without those that are tables of their own."""
    return {key: field for key, field in model.model_fields.items() if not _is_table(key, field)}


def _is_table(key: str, field: FieldInfo) -> bool:
    return key in _TABLES and any(
        isinstance(one, type) and issubclass(one, BaseModel) for one in get_args(field.annotation)
    )


def write_example(path: Path = EXAMPLE_FILE) -> None:
    path.write_text(example_text(), encoding="utf-8")


def _section(section: str, model: type[BaseModel]) -> str:
    header = f"[[{section}]]" if section in ARRAYS else f"[{section}]"
    about = (model.__doc__ or "").splitlines()[0]
    # A binding and a client are somebody's choice: none is made by the example.
    lines = [f"# {about}", f"# {header}" if section in _CHOICES else header]
    for key, field in own_fields(model).items():
        lines += _comment(field.description or "")
        setting = f"{key} = {_value(key, field)}"
        lines.append(setting if (section, key) in _SHOWN else f"# {setting}")
        if key == "tls":
            lines += _table(type(field.default) if isinstance(field.default, ServerTls) else TlsSettings)
    return "\n".join(lines) + "\n"


def _table(model: type[BaseModel]) -> list[str]:
    pairs = ", ".join(f"{key} = {_value(key, field)}" for key, field in model.model_fields.items())
    return [f"# tls = {{ {pairs} }}"]


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# - ", subsequent_indent="#   ")


def _value(key: str, field: FieldInfo) -> str:
    if field.default is None or field.is_required():
        return toml((field.examples or [""])[0])
    if key in SIZES:
        return toml(format_size(field.default))
    if isinstance(field.default, ServerTls):
        return "{ verify = true }"
    return toml(field.default)


def toml(value: Any) -> str:
    """A value as TOML writes it: text, numbers, booleans and lists of these; secrets stay masked."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return plain_number(value)
        case dict():
            pairs = ", ".join(f"{key} = {toml(one)}" for key, one in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list():
            return f"[{', '.join(toml(element) for element in value)}]"
        case SecretText() | SecretUrl():
            return toml(str(value))
        case _:
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'"{text}"'


if __name__ == "__main__":
    write_example()
