"""Calls are written as scripts: generators that change the state and yield what to say and when to rest.

So the state is always the one that the events sent so far tell of.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from publisher.simulator.answers import Fields
from publisher.simulator.ask import Ask
from publisher.simulator.state import Channel


@dataclass(slots=True)
class Say:
    """An event to send: its name, its classes, its other fields."""

    event: str
    classes: str
    fields: Fields


@dataclass(slots=True)
class Rest:
    """Wait so many seconds, or until something is asked of one of the channels."""

    secs: float
    channels: tuple[Channel, ...] = ()


Step: TypeAlias = Say | Rest
Script: TypeAlias = Iterator[Step]
# A part of a call that ends with what was asked of the channel; None: the channel is gone already.
Part: TypeAlias = Generator[Step, None, Ask | None]
