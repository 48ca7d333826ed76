"""Which sinks there are: those that installed packages name under the entry point group `amibus.sinks`.

A sink is loaded when it is asked for and not before, so a package that cannot be loaded is told with its own
reason and disturbs no other. Errors name the sink, the key and what is allowed; never a value.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import inspect
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from consumers.errors import SinkMisconfigured
from consumers.plugin import SINKS_GROUP, Sink, SinkContext, SinkOptions, SinkType

_METHODS: Final = ("open", "take", "close")


@dataclass(slots=True, frozen=True)
class FoundSink:
    """A sink's class under the name that bindings use. `package` is where it comes from."""

    name: str
    type: SinkType
    package: str

    def options(self, given: Mapping[str, Any]) -> SinkOptions:
        """The options of a binding. Raises `SinkMisconfigured` that names each wrong key."""
        model = self.type.Options
        try:
            return model.model_validate(dict(given))
        except ValidationError as error:
            wrong = "; ".join(_sentence(model, one) for one in error.errors())
        raise SinkMisconfigured(f"sink {self.name}: {wrong}")

    def most_events(self, options: SinkOptions) -> int:
        """How many events one `take` gets: the option `batch` where the sink has it, within its bound."""
        batch = getattr(options, "batch", self.type.most_events)
        return max(1, min(int(batch), self.type.most_events))

    def make(self, options: SinkOptions, context: SinkContext) -> Sink:
        """A sink for one binding; nothing is opened. Raises `SinkMisconfigured`."""
        try:
            return self.type(options, context)
        except SinkMisconfigured as error:
            raise SinkMisconfigured(f"sink {self.name}: {error}") from error
        except Exception as error:  # A sink is somebody else's code.
            raise SinkMisconfigured(f"sink {self.name}: {type(error).__name__}: {error}") from error


class SinkRegistry:
    """The sinks of the installed packages, or of the given entry points."""

    def __init__(self, entries: Iterable[EntryPoint] | None = None) -> None:
        found = importlib.metadata.entry_points(group=SINKS_GROUP) if entries is None else entries
        self._entries: dict[str, list[EntryPoint]] = {}
        for entry in found:
            self._entries.setdefault(entry.name, []).append(entry)

    @property
    def names(self) -> list[str]:
        """Every sink's name, in order."""
        return sorted(self._entries)

    def find(self, name: str) -> FoundSink:
        """The sink of this name. Raises `SinkMisconfigured`: unknown, twice there, or cannot be loaded."""
        entries = self._entries.get(name, [])
        if not entries:
            near = difflib.get_close_matches(name, self.names, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            known = ", ".join(self.names) or "none at all"
            raise SinkMisconfigured(f"there is no sink {name!r}; {hint}known are: {known}")
        if len({entry.value for entry in entries}) > 1:
            packages = " and ".join(sorted(map(_package, entries)))
            raise SinkMisconfigured(f"sink {name} comes with {packages}: uninstall all but one")
        return FoundSink(name, _load(entries[0]), _package(entries[0]))


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"


def _load(entry: EntryPoint) -> SinkType:
    whose = f"sink {entry.name} of {_package(entry)}"
    try:
        loaded = entry.load()
    except Exception as error:  # It is somebody else's code, and its fault must be told, not ours.
        raise SinkMisconfigured(
            f"{whose} cannot be loaded from {entry.value}: {type(error).__name__}: {error}"
        ) from error
    if lacking := _lacking(loaded):
        raise SinkMisconfigured(f"{whose} is no sink: {entry.value} {lacking}")
    return typing.cast("SinkType", loaded)


def _lacking(loaded: object) -> str:
    """What keeps it from being a sink's class, or nothing."""
    options = getattr(loaded, "Options", None)
    most = getattr(loaded, "most_events", None)
    if not (isinstance(options, type) and issubclass(options, SinkOptions)):
        return "has no class Options made from SinkOptions"
    if type(most) is not int or most < 1:
        return "has no number most_events of at least 1"
    for method in _METHODS:
        if not inspect.iscoroutinefunction(getattr(loaded, method, None)):
            return f"has no method `async def {method}`"
    return ""


def _sentence(model: type[SinkOptions], error: Any) -> str:
    """One of pydantic's errors as a part of a sentence."""
    key = ".".join(map(str, error["loc"]))
    names = [field.alias or name for name, field in model.model_fields.items()]
    known = ", ".join(names) or "none"
    match error["type"]:
        case "missing":
            return f"{key} must be given"
        case "extra_forbidden":
            near = difflib.get_close_matches(key, names, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            return f"{key} is unknown; {hint}known are: {known}"
    text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text.replace("Input should be", "must be", 1)
    if error["loc"] and (field := model.model_fields.get(str(error["loc"][0]))) is not None:
        value = error.get("input")
        if _is_secret(field.annotation) and isinstance(value, str) and value:
            text = text.replace(value, "***")
    return f"{key}: {text}" if key else text


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_is_secret, typing.get_args(annotation)))
