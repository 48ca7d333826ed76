"""What kind of PBX to simulate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Final

from publisher.simulator.packets import ALL_CLASSES
from publisher.simulator.style import STYLES, Style

# Two names are Cyrillic on purpose: what is shown first shows that they survive.
_NAMES: Final = ("Оператор Иван", "Анна Сидорова", "Сергей Щукин", "Ольга Ёлкина", 'ООО "Ромашка"')


def default_extensions() -> dict[str, str]:
    """Extensions 200 to 219 with their names."""
    return {
        str(number): _NAMES[number - 200] if number < 200 + len(_NAMES) else f"Agent {number}"
        for number in range(200, 220)
    }


@dataclass(slots=True, frozen=True)
class User:
    """A user of manager.conf; `read` and `write` are event and action classes."""

    secret: str = field(repr=False)
    read: frozenset[str] = ALL_CLASSES
    write: frozenset[str] = ALL_CLASSES


@dataclass(slots=True, frozen=True)
class Pace:
    """Mean seconds of the parts of a call."""

    ring_secs: float = 2.0
    talk_secs: float = 8.0


@dataclass(slots=True)
class SimulatorOptions:
    """`port` 0 takes a free one. `version` is a key of `STYLES`: 11, 20 or 22.

    `write_timeout_secs`: a client whose socket takes nothing for that long is cut off, what waited for it is
    lost, its current event truncated (Asterisk's `writetimeout`, 0.1 s there by default).
    `auth_timeout_secs` and `max_unauthenticated` bound sessions that do not log in (30 s and 50 in Asterisk).
    `encoding` is the one of the PBX's own text. `timestamps`: `timestampevents = yes`.

    Phones: `busy`, `congested` and `no_answer` are numbers (extensions, or outside ones dialled through one
    of `trunks`) that do not answer; all others do after `ring_secs`. A call that a client started ends after
    `pace.talk_secs`. `unknown_extens` are what the dialplan does not know; it knows every other one.
    """

    host: str = "127.0.0.1"
    port: int = 0
    version: str = "20"
    users: dict[str, User] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=default_extensions)
    encoding: str = "utf-8"
    timestamps: bool = True
    tls: ssl.SSLContext | None = None
    allow_multiple_login: bool = True
    write_timeout_secs: float = 10.0
    auth_timeout_secs: float = 30.0
    max_unauthenticated: int = 50
    # Asterisk waits a second before it refuses a login; a test need not.
    refusal_delay_secs: float = 0.0
    trunks: frozenset[str] = frozenset({"trunk"})
    busy: frozenset[str] = frozenset()
    congested: frozenset[str] = frozenset()
    no_answer: frozenset[str] = frozenset()
    unknown_extens: frozenset[str] = frozenset()
    ring_secs: float = 0.05
    pace: Pace = Pace()

    @property
    def style(self) -> Style:
        return STYLES[self.version]
