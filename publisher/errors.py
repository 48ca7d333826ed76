"""The errors of the publisher.

    PublisherError
    ├── ConfigurationError      ours: what, where, what is allowed
    ├── PbxError                the PBX's side
    │   ├── PbxUnreachable      no connection
    │   └── LoginRefused        the PBX said no
    ├── BusError                the broker's side
    │   ├── BusUnreachable      no connection
    │   ├── BusRefused          connected, but not allowed (login, vhost, topology, topic permission)
    │   └── BusLost             a session ended; what was unconfirmed is unknown
    ├── JournalError            the journal's file
    │   ├── JournalInUse        another process writes it
    │   └── JournalDamaged      it cannot be read
    ├── CommandJournalError     the command journal or the audit takes nothing now
    └── CommandQueueError       the side of the command queue
        ├── QueueUnreachable    no connection, or it does not serve now
        ├── QueueRefused        connected, but not allowed or not fit
        ├── QueueHeld           another commander has the turn
        └── QueueFenced         the turn is over: another one has begun, or the server is another one

Each message is one sentence that a person can act on and that never holds a secret.
"""


class PublisherError(Exception):
    """Any error of the publisher."""


class ConfigurationError(PublisherError):
    """A setting is wrong: the message names the file, the key and what is allowed."""


class PbxError(PublisherError):
    """The PBX's side."""


class PbxUnreachable(PbxError):
    """The manager port gave no connection."""


class LoginRefused(PbxError):
    """The PBX refused the login."""


class BusError(PublisherError):
    """The broker's side."""


class BusUnreachable(BusError):
    """The broker gave no connection."""


class BusRefused(BusError):
    """The broker refused the login, the vhost, a declaration or a publish."""


class BusLost(BusError):
    """A session ended. What was unconfirmed may or may not stand on the bus."""


class JournalError(PublisherError):
    """The journal's file."""


class JournalInUse(JournalError):
    """Another process writes this journal."""


class JournalDamaged(JournalError):
    """The journal's file cannot be read."""


class CommandJournalError(PublisherError):
    """The command journal, or the audit beside it, takes nothing now: nothing may be sent."""


class CommandQueueError(PublisherError):
    """The side of the command queue. Whether the call took effect is unknown."""


class QueueUnreachable(CommandQueueError):
    """The queue's server gave no connection or no answer."""


class QueueRefused(CommandQueueError):
    """The queue's server refused the login, a right or the work."""


class QueueHeld(CommandQueueError):
    """Another commander has the turn, for at most `left_secs` more if it does not go on."""

    def __init__(self, message: str, left_secs: float) -> None:
        super().__init__(message)
        self.left_secs = left_secs


class QueueFenced(CommandQueueError):
    """The turn is over: another commander has begun one, or the server is another than it was."""
