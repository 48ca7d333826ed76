"""The errors of the consumers.

ConsumerError
├── BusUnreachable      no connection to the bus
├── BusRefused          connected, but not allowed
├── BusLost             the subscription ended; unsettled deliveries come again
├── QueueUnreachable    no connection to the command queue, or no answer; what was queued is unknown
├── QueueRefused        connected to it, but not allowed
├── QueueFull           the PBX's queue takes no more now; nothing was queued
├── SinkMisconfigured   a binding's sink is unknown, or its options contradict each other
├── SinkUnavailable     the sink cannot take anything now
├── LotFull             the parking lot takes no more
├── FilterInvalid       a binding's filter cannot be understood: which part, where, why
├── IdInUse             the id stands for another command; nothing was queued
└── NoReplyYet          a command's reply did not come in the time that the caller gave it

A command that breaks the contract is `schemas.errors.CommandError`, which names the field.
"""


class ConsumerError(Exception):
    """Any error of the consumers."""


class BusUnreachable(ConsumerError):
    """The bus gave no connection."""


class BusRefused(ConsumerError):
    """The bus refused the login, the vhost or a declaration."""


class BusLost(ConsumerError):
    """The subscription ended; what was not settled will be delivered again."""


class SinkMisconfigured(ConsumerError):
    """The sink is unknown, or its options contradict each other."""


class SinkUnavailable(ConsumerError):
    """The sink cannot take anything now; it will be tried again."""


class LotFull(ConsumerError):
    """The parking lot takes no more: replay or drop what stands there."""


class FilterInvalid(ConsumerError):
    """A part of a filter cannot be understood.

    `part` is `regex`, `contains`, `where.<Field>`, `events` or `extensions`; `pos` the character where it
    goes wrong, None where that is not known.
    """

    def __init__(self, part: str, why: str, pos: int | None = None) -> None:
        where = "" if pos is None else f" at character {pos + 1}"
        super().__init__(f"{part}: {why}{where}")
        self.part = part
        self.pos = pos


class QueueUnreachable(ConsumerError):
    """The command queue gave no connection or no answer. The same id may be sent again.

    `begun`: a request may have reached it; else nothing was queued.
    """

    def __init__(self, message: str, *, begun: bool = True) -> None:
        super().__init__(message)
        self.begun = begun


class QueueRefused(ConsumerError):
    """The command queue's server refused the login, a right or the work."""


class QueueFull(ConsumerError):
    """The PBX's queue takes no more commands now."""


class IdInUse(ConsumerError):
    """The id was used before, for another command."""


class NoReplyYet(ConsumerError):
    """The reply did not come in time. The command may still be executed, and its reply asked for again."""
