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
    └── JournalError            the journal's file
        ├── JournalInUse        another process writes it
        └── JournalDamaged      it cannot be read

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
