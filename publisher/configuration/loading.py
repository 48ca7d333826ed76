"""Reading `amibus.toml`: everything wrong with it at once, one line each, each naming file, line and key.

A value is never part of a message, so that no secret can be: the key and what is allowed are.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from publisher.configuration.environment import overlay
from publisher.configuration.locations import Locations
from publisher.configuration.locations import Path as KeyPath
from publisher.configuration.quantities import plain_number
from publisher.configuration.secrets import SecretUrl, is_world_readable
from publisher.configuration.settings import Settings
from publisher.errors import ConfigurationError

FILE_NAME: Final = "amibus.toml"
MAX_FILE_BYTES: Final = 4 << 20
_POSITION: Final = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)\Z")
# Pydantic names the branch of a union in an error's location; the file knows nothing of it.
_BRANCHES: Final = {"bool", "TlsSettings"}
# Arrays of tables whose names must differ, each with the name of one that has none.
_NAMED: Final[dict[KeyPath, str | None]] = {("pbx",): "main", ("policy", "client"): None, ("binding",): None}
_SECRETS: Final[tuple[KeyPath, ...]] = (("pbx",), ("policy", "client"))


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a file with the environment laid over.

    Raises `ConfigurationError` whose message has one line for each error found.
    """
    text, world_readable = _read(path)
    return parse(text, path, environ, world_readable)


def load_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings where there is no file: defaults and the environment."""
    return parse("", Path(FILE_NAME), environ)


def parse(
    text: str, path: Path, environ: Mapping[str, str] | None = None, world_readable: bool = False
) -> Settings:
    """The settings in a TOML text. `path` is for messages, and its folder for relative paths in it."""
    environ = {} if environ is None else environ
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(_syntax(path, text, error)) from None
    origins, unusable = overlay(data, environ)
    errors = [(0, sentence) for sentence in unusable]
    place = _Place(path, Locations(text), origins)
    context = {"folder": path.parent, "environ": environ}
    # Where the table is missing its folder is beside the file all the same.
    data.setdefault("journal", {})
    settings = None
    try:
        settings = Settings.model_validate(data, context=context)
    except ValidationError as error:
        errors += _sentences(place, error)
    if world_readable:
        errors += _exposed(place, data)
    for tables, default in _NAMED.items():
        errors += _duplicates(place, data, tables, default)
    errors += _unknown_pbxs(place, data)
    if errors or settings is None:
        # Chained to nothing: the validation error holds what was written.
        raise ConfigurationError("\n".join(sentence for _, sentence in sorted(errors)))
    settings.came_from(path.parent, place.name)
    return settings


def _read(path: Path) -> tuple[str, bool]:
    try:
        world_readable = is_world_readable(path)
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{path}: is too large; allowed: {MAX_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n"), world_readable
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{path} line {line}: is not UTF-8 text; TOML allows no other encoding"
        ) from None


def _syntax(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    """A sentence for a TOML error. The parser's text may quote one character of the file, never a value."""
    message = str(error)
    position = _POSITION.search(message)
    number = int(position[1]) if position and position[1] else max(1, len(text.splitlines()))
    message = message[: position.start()] if position else message
    lines = text.splitlines()
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    head = line.partition("=")[0].strip()
    key = head if re.fullmatch(r"[\w.\"'\[\] -]{1,80}", head) else ""
    if message.startswith(("Cannot overwrite", "Cannot declare", "Duplicate inline table key")):
        message = (
            "is there twice; a key or table is allowed once ([[pbx]] and [[binding]] any number of times)"
        )
    else:
        message = f"is no TOML: {message[:1].lower()}{message[1:]}"
    return f"{path} line {number}: {key + ': ' if key else ''}{message}"


class _Place:
    """Where a setting came from."""

    def __init__(self, file: Path, locations: Locations, origins: dict[KeyPath, str]) -> None:
        self._file = file
        self._locations = locations
        self._origins = origins

    def _variable(self, path: KeyPath) -> str:
        """The variable that set this, or that made the table around it; empty where it is of the file."""
        around = [path[:length] for length in range(len(path), 0, -1)]
        if origin := next((self._origins[one] for one in around if one in self._origins), ""):
            return origin
        for one in around:
            if one in self._locations:
                return ""
            if made := [name for below, name in self._origins.items() if below[: len(one)] == one]:
                return made[0]
        return ""

    def line(self, path: KeyPath) -> int:
        """For sorting: 0 where the setting is not from the file."""
        return self._locations.line_of(path) or 0

    @property
    def file(self) -> Path:
        return self._file

    def is_in_file(self, path: KeyPath) -> bool:
        return not any(path[:length] in self._origins for length in range(1, len(path) + 1))

    def name(self, path: KeyPath) -> str:
        if origin := self._variable(path):
            return f"environment variable {origin}"
        line = self._locations.line_of(path)
        return f"{self._file} line {line}" if line else f"{self._file}"


def _sentences(place: _Place, error: ValidationError) -> list[tuple[int, str]]:
    entries = error.errors(include_url=False, include_input=False)
    tables = {entry["loc"][:-2] for entry in entries if "TlsSettings" in entry["loc"][-2:-1]}
    sentences = []
    for entry in entries:
        if entry["loc"][-1:] == ("bool",) and entry["loc"][:-1] in tables:
            continue  # it was a table, and what is wrong inside it is said already
        if entry["loc"][-1:] == ("TlsSettings",) and entry["type"] == "model_type":
            continue  # it was no table: what it may be is said by the other branch
        path: KeyPath = tuple(part for part in entry["loc"] if part not in _BRANCHES)
        reason = (
            f"unknown key; {_allowed_keys(path)}" if entry["type"] == "extra_forbidden" else _reason(entry)
        )
        sentences.append((place.line(path), f"{place.name(path)}: {dotted(path)}: {reason}"))
    return sentences


def dotted(path: KeyPath) -> str:
    """`pbx[0].host`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _reason(entry: Any) -> str:
    kind, details = entry["type"], entry.get("ctx", {})
    match kind:
        case "missing":
            return "is missing"
        case "literal_error":
            return f"allowed: {details['expected'].replace(' or ', ', ')}"
        case "greater_than_equal":
            return f"is too small; allowed: {plain_number(details['ge'])} or more"
        case "less_than_equal":
            return f"is too large; allowed: {plain_number(details['le'])} or less"
        case "string_too_long":
            return f"is too long; allowed: {details['max_length']} characters"
        case "too_long":
            return f"has too many elements; allowed: {details['max_length']}"
        case "string_too_short" | "too_short":
            return "is empty"
        case "string_type" | "path_type":
            return "must be text in quotes"
        case "list_type":
            return "must be written [[…]], with two brackets" if entry["loc"] in _NAMED else "must be a list"
        case "int_type" | "int_parsing" | "int_from_float":
            return "must be a whole number"
        case "float_type" | "float_parsing":
            return "must be a number"
        case "finite_number":
            return "must be a finite number"
        case "bool_type" | "bool_parsing":
            return "must be true or false"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be a table"
        case _:
            message = str(entry["msg"])
            return message[:1].lower() + message[1:]


def _allowed_keys(path: KeyPath) -> str:
    model: type[BaseModel] = Settings
    for part in path[:-1]:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) or model
    names = list(model.model_fields)
    if not names:
        return "none is allowed here yet"
    close = difflib.get_close_matches(str(path[-1]), names, n=1, cutoff=0.6)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return f"{hint}allowed: {', '.join(names)}"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation such as `list[PbxSettings]` or `bool | TlsSettings` names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, Union, UnionType):
        return next((model for model in map(_model_in, get_args(annotation)) if model), None)
    return None


def _exposed(place: _Place, data: dict[str, Any]) -> list[tuple[int, str]]:
    """Secrets that stand in a file which every user of the machine can read."""
    paths: list[KeyPath] = []
    for tables in _SECRETS:
        for index, table in enumerate(_tables(data, tables)):
            if isinstance(table, dict) and "secret" in table:
                paths.append((*tables, index, "secret"))
    for section in ("bus", "commands"):
        table = data.get(section)
        url = table.get("url") if isinstance(table, dict) else None
        if isinstance(url, str) and SecretUrl(url).holds_password:
            paths.append((section, "url"))
    reason = f"is a secret in a file that every user can read; run: chmod o-rwx {place.file}"
    return [
        (place.line(path), f"{place.name(path)}: {dotted(path)}: {reason}")
        for path in paths
        if place.is_in_file(path)
    ]


def _tables(data: dict[str, Any], path: KeyPath) -> list[Any]:
    """An array of tables of the file; empty where there is none."""
    found: Any = data
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, list) else []


def _duplicates(
    place: _Place, data: dict[str, Any], tables: KeyPath, default: str | None
) -> list[tuple[int, str]]:
    errors: list[tuple[int, str]] = []
    seen: dict[str, KeyPath] = {}
    for index, table in enumerate(_tables(data, tables)):
        name = table.get("name", default) if isinstance(table, dict) else None
        if not isinstance(name, str):
            continue
        path: KeyPath = (*tables, index, "name")
        if name in seen:
            first = place.name(seen[name])
            sentence = f"{dotted(path)}: is the same name as in {first}; names must differ"
            errors.append((place.line(path), f"{place.name(path)}: {sentence}"))
        seen.setdefault(name, path)
    return errors


def _unknown_pbxs(place: _Place, data: dict[str, Any]) -> list[tuple[int, str]]:
    """PBXs that a client may command and that are not configured. Where none is at all, as on a machine that
    only sends, nobody can say."""
    tables = [table for table in _tables(data, ("pbx",)) if isinstance(table, dict)]
    known = [str(table.get("name", _NAMED[("pbx",)])) for table in tables]
    errors: list[tuple[int, str]] = []
    for index, client in enumerate(_tables(data, ("policy", "client"))):
        wanted = client.get("pbx") if isinstance(client, dict) else None
        for which, name in enumerate(wanted if isinstance(wanted, list) else []):
            if known and isinstance(name, str) and name not in known:
                path: KeyPath = ("policy", "client", index, "pbx", which)
                sentence = f"{dotted(path)}: is no PBX of this configuration; there is: {', '.join(known)}"
                errors.append((place.line(path), f"{place.name(path)}: {sentence}"))
    return errors
