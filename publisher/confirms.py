"""Publisher confirms: what became of each message of a session, told in any order.

Messages are numbered from 1 as they are sent. The broker acks or nacks single numbers or all up to one
(`multiple`), not necessarily in order. Kept is the prefix that is settled and the settled numbers beyond
it, so memory and time are bounded by what is outstanding: O(1) amortized for each message.

Invariants
* Numbers up to `settled_through` are settled; `settled_through + 1` is not.
* A number is settled once: whatever is said of it later changes nothing.
"""

from __future__ import annotations


class Confirms:
    """The numbers of one session."""

    __slots__ = ("_beyond", "_refused", "sent", "settled_through")

    def __init__(self) -> None:
        self.sent = 0
        self.settled_through = 0
        self._beyond: set[int] = set()
        self._refused: list[int] = []

    @property
    def outstanding(self) -> int:
        """How many numbers were sent and not yet settled."""
        return self.sent - self.settled_through - len(self._beyond)

    def send(self, count: int) -> None:
        """The next `count` numbers are on their way."""
        self.sent += count

    def ack(self, number: int, multiple: bool) -> None:
        """The broker has it. Raises `ValueError` for a number that was never sent."""
        self._check(number, multiple)
        if not multiple:
            if number == self.settled_through + 1:
                self.settled_through = number
                self._close_up()
            elif number > self.settled_through:
                self._beyond.add(number)
            return
        last = number or self.sent
        if last > self.settled_through:
            self._settle_through(last)

    def nack(self, number: int, multiple: bool) -> None:
        """The broker refused it. Raises `ValueError` for a number that was never sent."""
        self._check(number, multiple)
        last = number or self.sent
        first = self.settled_through + 1 if multiple else last
        for each in range(max(first, self.settled_through + 1), last + 1):
            if each not in self._beyond:
                self._beyond.add(each)
                self._refused.append(each)
        self._close_up()

    def take_refused(self) -> tuple[int, ...]:
        """The numbers that were refused since the last call, in ascending order."""
        refused = tuple(sorted(self._refused))
        self._refused.clear()
        return refused

    def _check(self, number: int, multiple: bool) -> None:
        if number > self.sent or number < (0 if multiple else 1):
            raise ValueError(f"the broker settled message {number}, but only {self.sent} were sent")

    def _settle_through(self, last: int) -> None:
        if self._beyond:
            for each in range(self.settled_through + 1, last + 1):
                self._beyond.discard(each)
        self.settled_through = last
        self._close_up()

    def _close_up(self) -> None:
        beyond = self._beyond
        while beyond and self.settled_through + 1 in beyond:
            self.settled_through += 1
            beyond.remove(self.settled_through)
