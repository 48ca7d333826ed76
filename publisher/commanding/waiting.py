"""Waiting: commands claimed and not yet sent, in the order in which they go.

Interactive ones before bulk ones; among equals the clients in turn, so that one who sends much delays only
itself. Calls stand in lanes of their own: where no more calls may be under way, a hangup passes them.

Bound: each client has at most its own number of waiting commands; `add` says no beyond that.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.command import Command, Priority


@dataclass(slots=True)
class WaitingCommand:
    """One of them. `expires_ms` is by Redis's clock; `fields` are the command's as the policy made them;
    `ring_ms` is 0 for what is no call; `taken_at` is monotonic."""

    command: Command
    body: bytes
    expires_ms: int
    fields: dict[str, Any]
    ring_ms: int = 0
    taken_at: float = 0.0

    @property
    def id(self) -> str:
        return self.command.id

    @property
    def is_call(self) -> bool:
        """Whether its final reply comes only with the end of the ringing."""
        return self.ring_ms > 0


Lane = tuple[Priority, bool]
_ORDER: Final[tuple[Lane, ...]] = (
    (Priority.INTERACTIVE, False),
    (Priority.INTERACTIVE, True),
    (Priority.BULK, False),
    (Priority.BULK, True),
)


@dataclass(slots=True)
class Waiting:
    """The commands of one PBX."""

    _lanes: dict[Lane, OrderedDict[str, deque[WaitingCommand]]] = field(
        default_factory=lambda: {lane: OrderedDict() for lane in _ORDER}
    )
    _by_id: dict[str, WaitingCommand] = field(default_factory=dict)
    _of_client: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[WaitingCommand]:
        return iter(list(self._by_id.values()))

    def __contains__(self, id: str) -> bool:
        return id in self._by_id

    def add(self, waiting: WaitingCommand, most_of_client: int) -> bool:
        """Take it at the end of its client's line; False if the client has too many waiting."""
        client = waiting.command.client
        if self._of_client.get(client, 0) >= most_of_client:
            return False
        lane = self._lanes[waiting.command.priority, waiting.is_call]
        lane.setdefault(client, deque()).append(waiting)
        self._by_id[waiting.id] = waiting
        self._of_client[client] = self._of_client.get(client, 0) + 1
        return True

    def take(self, most: int, most_calls: int, most_others: int) -> list[WaitingCommand]:
        """The next ones to send, at most so many of each kind and in all; they wait no longer."""
        taken: list[WaitingCommand] = []
        rooms = {True: most_calls, False: most_others}
        for priority, calls in _ORDER:
            before = len(taken)
            self._take_from(self._lanes[priority, calls], min(most - before, rooms[calls]), taken)
            rooms[calls] -= len(taken) - before
        return taken

    def put_back(self, taken: Iterable[WaitingCommand]) -> None:
        """What was taken and could not be sent goes first again."""
        for waiting in reversed(list(taken)):
            lane = self._lanes[waiting.command.priority, waiting.is_call]
            client = waiting.command.client
            lane.setdefault(client, deque()).appendleft(waiting)
            lane.move_to_end(client, last=False)
            self._by_id[waiting.id] = waiting
            self._of_client[client] = self._of_client.get(client, 0) + 1

    def _take_from(
        self, lane: OrderedDict[str, deque[WaitingCommand]], room: int, taken: list[WaitingCommand]
    ) -> None:
        while room > 0 and lane:
            client, line = next(iter(lane.items()))
            waiting = line.popleft()
            if line:
                lane.move_to_end(client)
            else:
                del lane[client]
            self._forget(waiting)
            taken.append(waiting)
            room -= 1

    def remove(self, id: str) -> WaitingCommand | None:
        """Take one out of its line; None if it does not wait here."""
        waiting = self._by_id.get(id)
        if waiting is None:
            return None
        lane = self._lanes[waiting.command.priority, waiting.is_call]
        line = lane[waiting.command.client]
        line.remove(waiting)
        if not line:
            del lane[waiting.command.client]
        self._forget(waiting)
        return waiting

    def due(self, now_ms: int) -> list[WaitingCommand]:
        """Those whose time is over; they stay until they are removed."""
        return [waiting for waiting in self._by_id.values() if waiting.expires_ms <= now_ms]

    def clear(self) -> None:
        """Forget all of them."""
        for lane in self._lanes.values():
            lane.clear()
        self._by_id.clear()
        self._of_client.clear()

    def _forget(self, waiting: WaitingCommand) -> None:
        del self._by_id[waiting.id]
        client = waiting.command.client
        left = self._of_client[client] - 1
        if left:
            self._of_client[client] = left
        else:
            del self._of_client[client]
