"""What the engine answers: for each event, which filters take it and which could not be decided."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

Id = TypeVar("Id", bound=Hashable)

Reason = Literal["timeout", "quarantined", "busy"]
TIMEOUT: Final[Reason] = "timeout"
QUARANTINED: Final[Reason] = "quarantined"
BUSY: Final[Reason] = "busy"

PENDING: Final[Literal["pending"]] = "pending"
Answer = bool | Reason | Literal["pending"]

_NONE: Final[Mapping[Any, Reason]] = MappingProxyType({})


@dataclass(slots=True)
class Verdict(Generic[Id]):
    """The answer for one event. A filter that is named in no part of it does not take the event.

    `matched`: the filters that take it, in no order. `pending`: those that need more time than was given to
    them; `Decision.settled` has their answer. `undecided`: those without an answer, and why: `timeout` (its
    pattern took too long on this event), `quarantined` (it did so too often, and is not tried now) or
    `busy` (too many others wait for more time).
    """

    matched: tuple[Id, ...] = ()
    pending: tuple[Id, ...] = ()
    undecided: Mapping[Id, Reason] = field(default_factory=lambda: _NONE)


@dataclass(slots=True, frozen=True)
class PatternQuarantined:
    """A pattern kept taking too long and is not evaluated for `retry_secs`; then it is tried again.

    `filters` have it as the part `part` (`regex` or `where.<field>`); `pattern` is its name, made of its
    hash.
    """

    filters: tuple[Hashable, ...]
    part: str
    pattern: str
    retry_secs: float
