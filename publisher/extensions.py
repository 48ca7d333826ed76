"""Extensions of an event: whom it concerns, read by the table in party_fields.py.

Strategy, for this stands on the path of every event:
* Events of one name come in few shapes (the tuple of their header names). For each shape the party headers
  are found once and kept as a plan: a getter that picks their values in one C call. The last plan of a name
  serves every event that has no header unknown to it and all that it reads; any other is looked up by its
  exact shape.
* One call's events repeat the same few values (the channel, its caller, its connected line, what it
  dialled), so the answer is kept by those values. Plans that read by the same rules share what they keep.
* A new combination is put together from its single values, which are kept too.

Invariants: the answer depends on the event and the trunks alone, never on what is or is not kept; at most
eight extensions, each once, the event's own channel's first.

Bounds: 1,024 plans; 8,192 combinations of at most 512 characters each; 2,048 single values a rule, as
long at most. When plans or combinations are full they are dropped whole and fill again; single
values leave one by one, the least recently used first. What is too long is read anew each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from publisher.channel_names import ChannelNames, Parties
from publisher.numbers import number
from publisher.party_fields import CHANNEL, CHANNELS, DEVICE, DIALLED, NUMBER, PEER, Guard, Rule, party_field
from schemas.message import MAX_EXTENSIONS

if TYPE_CHECKING:
    from functools import _lru_cache_wrapper

Fields = Mapping[str, str | list[str]]

MAX_PLANS: Final = 1024
MAX_COMBINATIONS: Final = 8192
MAX_VALUES: Final = 2048
_LONGEST_COMBINATION: Final = 512
_LONGEST_HEADER: Final = 64
_LONGEST_SHAPE: Final = 4096

# Rank, place in the packet, header, rule.
_Ranked = tuple[int, int, str, Rule]

# Asterisk <= 11 writes the channel's name into the header's: every channel would be a shape of its own.
_NAMED_AFTER_CHANNEL: Final = "ChanVariable("


Form = Callable[[str], Parties]
Reader: TypeAlias = "_lru_cache_wrapper[Parties]"


@dataclass(slots=True)
class _Reading:
    """Which headers to read, each by its reader; `known` keeps answers by the headers' values."""

    pick: Callable[[Fields], Any]
    readers: tuple[Reader, ...]
    known: dict[Any, Parties]


@dataclass(slots=True)
class _Plan:
    """What to read in one shape: `ordinary`, or another reading for some values of the header `guard`."""

    headers: frozenset[str]
    ordinary: _Reading | None
    guard: str = ""
    guarded: dict[str, _Reading] = field(default_factory=dict)


class ExtensionReader:
    """Reads the extensions of one PBX's events. Not shared between threads."""

    def __init__(self, trunks: Iterable[str] = ()) -> None:
        names = ChannelNames(trunks)
        self._forms: dict[str, Form] = {
            NUMBER: lambda value: (found,) if (found := number(value)) else (),
            CHANNEL: names.channel,
            CHANNELS: names.channels,
            DEVICE: names.device,
            PEER: names.peer,
            DIALLED: names.dialled,
        }
        self._readers: dict[Rule, Reader] = {}
        self._last: dict[str, _Plan] = {}
        self._plans: dict[tuple[str, tuple[str, ...]], _Plan] = {}
        self._known: dict[tuple[Reader, ...], dict[Any, Parties]] = {}
        self._known_held = 0

    def extensions(self, name: str, fields: Fields) -> tuple[str, ...]:
        """The extensions that event `name` with these headers concerns, own channel's first; at most 8."""
        plan = self._last.get(name)
        if plan is None or not plan.headers.issuperset(fields):
            plan = self._plan(name, fields)
        try:
            reading = plan.ordinary
            if plan.guard:
                reading = plan.guarded.get(fields[plan.guard], reading)  # type: ignore[arg-type]
            if reading is None:
                return ()
            values = reading.pick(fields)
            found = reading.known.get(values)
            return self._read(reading, values) if found is None else found
        except KeyError:
            # The last plan of this name reads a header that this event lacks.
            self._last[name] = self._plan(name, fields)
            return self.extensions(name, fields)
        except TypeError:
            return self._read_lists(self._plan(name, fields), fields)

    # -- finding out what to read -------------------------------------------

    def _plan(self, name: str, fields: Fields) -> _Plan:
        shape = tuple(fields)
        plan = self._plans.get((name, shape))
        if plan is None:
            if any(map(_is_named_after_a_channel, shape)):
                shape = tuple(header for header in shape if not _is_named_after_a_channel(header))
                plan = self._plans.get((name, shape))
            plan = plan or self._new_plan(name, shape)
        self._last[name] = plan
        return plan

    def _new_plan(self, name: str, shape: tuple[str, ...]) -> _Plan:
        plan = self._make_plan(name, shape)
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
            self._last.clear()
            self._known.clear()
            self._known_held = 0
        if len(name) + sum(map(len, shape)) <= _LONGEST_SHAPE:
            self._plans[name, shape] = plan
        return plan

    def _make_plan(self, name: str, shape: tuple[str, ...]) -> _Plan:
        ranked: list[_Ranked] = []
        guarded: tuple[_Ranked, Guard] | None = None
        headers = {header.lower(): header for header in reversed(shape)}
        for position, header in enumerate(shape):
            if len(header) > _LONGEST_HEADER or (answer := party_field(name, header)) is None:
                continue
            rank, rule = answer
            if isinstance(rule, Rule):
                ranked.append((rank, position, header, rule))
            elif rule.header.lower() in headers:
                # The table gives an event one guard at most (a test holds it to that).
                guarded = (rank, position, header, Rule(NUMBER)), rule
        plan = _Plan(frozenset(shape), self._reading(ranked))
        if guarded is not None:
            (rank, position, header, _), guard = guarded
            plan.guard = headers[guard.header.lower()]
            for value, rule in guard.rules.items():
                reading = self._reading([*ranked, (rank, position, header, rule)])
                assert reading is not None
                # Set with inheritance, a variable's name carries underscores: it names the same.
                for spelling in (value, f"_{value}", f"__{value}"):
                    plan.guarded[spelling] = reading
        return plan

    def _reading(self, ranked: list[_Ranked]) -> _Reading | None:
        if not ranked:
            return None
        ranked = sorted(ranked, key=lambda entry: entry[:2])
        readers = tuple(self._reader(entry[3]) for entry in ranked)
        pick: Callable[[Fields], Any] = itemgetter(*(entry[2] for entry in ranked))
        return _Reading(pick, readers, self._known.setdefault(readers, {}))

    def _reader(self, rule: Rule) -> Reader:
        """One reader a rule, which keeps what it has read."""
        reader = self._readers.get(rule)
        if reader is None:
            form, argument = self._forms[rule.form], rule.argument
            if argument >= 0:
                form = partial(_read_argument, form, argument)
            reader = self._readers[rule] = lru_cache(maxsize=MAX_VALUES)(form)
        return reader

    # -- reading ------------------------------------------------------------

    def _read(self, reading: _Reading, values: Any) -> Parties:
        readers = reading.readers
        several = values if len(readers) > 1 else (values,)
        if sum(map(len, several)) > _LONGEST_COMBINATION:
            return self._read_long(readers, several)
        found: dict[str, None] = {}
        for reader, value in zip(readers, several):  # noqa: B905 - its price
            for party in reader(value):
                found[party] = None
        extensions = tuple(found)
        if len(extensions) > MAX_EXTENSIONS:
            extensions = extensions[:MAX_EXTENSIONS]
        if self._known_held >= MAX_COMBINATIONS:
            for known in self._known.values():
                known.clear()
            self._known_held = 0
        reading.known[values] = extensions
        self._known_held += 1
        return extensions

    def _read_long(self, readers: tuple[Reader, ...], values: Iterable[str | list[str]]) -> Parties:
        """Read without keeping. Of a repeated header every value counts."""
        found: dict[str, None] = {}
        for reader, value in zip(readers, values, strict=True):
            for one in [value] if isinstance(value, str) else value:
                for party in reader.__wrapped__(one):
                    found[party] = None
        return tuple(found)[:MAX_EXTENSIONS]

    def _read_lists(self, plan: _Plan, fields: Fields) -> Parties:
        """Some header stands several times (a made-up event, as a rule): every value of it counts."""
        readings = [plan.ordinary]
        if plan.guard:
            guards = fields[plan.guard]
            chosen = [plan.guarded.get(value) for value in ([guards] if isinstance(guards, str) else guards)]
            readings = [reading for reading in chosen if reading is not None] or readings
        found: dict[str, None] = {}
        for reading in readings:
            if reading is not None:
                picked = reading.pick(fields)
                several = picked if len(reading.readers) > 1 else (picked,)
                found.update(dict.fromkeys(self._read_long(reading.readers, several)))
        return tuple(found)[:MAX_EXTENSIONS]


def _read_argument(form: Form, argument: int, value: str) -> Parties:
    arguments = value.split(",", argument + 1)
    return form(arguments[argument]) if len(arguments) > argument else ()


def _is_named_after_a_channel(header: str) -> bool:
    return header.startswith(_NAMED_AFTER_CHANNEL)
