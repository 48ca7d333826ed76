"""The bindings of the configuration with what only the consumers know: filters, sinks and their options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from consumers.app.definition import CALLS, BindingDefinition
from consumers.dispatching.settings import DispatchSettings
from consumers.errors import ConsumerError, FilterInvalid
from consumers.filtering import CompiledFilter, EventFilter
from consumers.sinks.registry import SinkRegistry
from publisher.configuration.binding import BindingSettings
from publisher.configuration.section import EMBEDDED
from publisher.configuration.settings import Settings
from publisher.errors import ConfigurationError
from schemas import PatternError, check_pattern

KeyPath = tuple[str | int, ...]


def definitions_of(settings: Settings) -> list[BindingDefinition]:
    """Every binding, checked: keys, patterns, sinks and their options.

    Raises `ConfigurationError` with one line for each error found.
    """
    registry = SinkRegistry()
    found: list[BindingDefinition] = []
    errors: list[str] = []
    embedded = settings.bus.read_url().reveal() == EMBEDDED
    for index, binding in enumerate(settings.binding):
        wrong = list(_wrong(binding, embedded))
        compiled = None
        try:
            compiled = _compiled(filter_of(binding))
        except FilterInvalid as error:
            wrong.append(((error.part.partition(".")[0],), str(error)))
        try:
            found.append(definition_of(binding, compiled, settings, registry))
        except ConsumerError as error:
            wrong.append((("sink",), str(error)))
        errors += [
            f"{settings.place(('binding', index, *where))}: binding {binding.name}: {sentence}"
            for where, sentence in wrong
        ]
    if errors:
        raise ConfigurationError("\n".join(errors))
    return found


def definition_of(
    binding: BindingSettings, compiled: CompiledFilter | None, settings: Settings, registry: SinkRegistry
) -> BindingDefinition:
    """One binding with its filter. Raises `SinkMisconfigured`; its keys are not looked at."""
    sink = registry.find(binding.sink)
    options = sink.options(binding.sink_options)
    return BindingDefinition(
        name=binding.name,
        sink=sink,
        options=options,
        keys=tuple(binding.keys),
        filter=filter_of(binding),
        compiled=compiled,
        settings=DispatchSettings(
            prefetch=binding.prefetch,
            concurrency=binding.concurrency,
            most_events=sink.most_events(options),
            tries=binding.tries,
            retry_secs=binding.retry_secs,
            retry_most_secs=binding.retry_most_secs,
            take_secs=binding.timeout_secs,
            once=binding.once,
        ),
        on=binding.on,
        start=binding.start,
        max_waiting=binding.max_waiting,
        partitions=binding.partitions,
        folder=settings.folder,
    )


def filter_of(binding: BindingSettings) -> EventFilter:
    """What it asks of an event."""
    return EventFilter(
        contains=binding.contains,
        regex=binding.regex,
        where=dict(binding.where),
        events=tuple(binding.events),
        extensions=tuple(binding.extensions),
    )


def _compiled(wanted: EventFilter) -> CompiledFilter | None:
    """The filter ready for use, None where it takes everything. Raises `FilterInvalid`."""
    asks = wanted.contains or wanted.regex or wanted.where or wanted.events or wanted.extensions
    return wanted.compiled() if asks else None


def _wrong(binding: BindingSettings, embedded: bool) -> Iterator[tuple[KeyPath, str]]:
    for index, key in enumerate(binding.keys):
        try:
            check_pattern(key)
        except PatternError as error:
            yield ("keys", index), f"keys: {error}"
    if embedded and binding.partitions:
        yield ("partitions",), "partitions: the embedded bus has none; they need RabbitMQ ([bus] url)"
    if not embedded and binding.start == "oldest":
        yield (
            ("start",),
            "start: a queue on RabbitMQ can only hold what comes after it was made; allowed: new",
        )
    if binding.on == CALLS and (binding.regex or binding.contains or binding.where or binding.events):
        yield ("on",), "a binding of calls has no packets to filter; allowed: keys, extensions"


def described(definition: BindingDefinition) -> dict[str, Any]:
    """A binding as it is understood, for `amibus check`."""
    wanted = definition.filter
    conditions: dict[str, Any] = {
        "contains": wanted.contains,
        "regex": wanted.regex,
        "where": dict(wanted.where),
        "events": list(wanted.events),
        "extensions": list(wanted.extensions),
    }
    return {
        "name": definition.name,
        "on": definition.on,
        "keys": list(definition.keys),
        "bound": list(definition.bound_keys),
        "filter": {name: value for name, value in conditions.items() if value},
        "sink": definition.sink.name,
        "from": definition.sink.package,
        "options": definition.options.model_dump(mode="json", exclude_none=True),
        "at_once": definition.settings.most_events,
        "concurrency": definition.settings.concurrency,
        "partitions": definition.partitions,
    }
