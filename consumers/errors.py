"""The errors of the consumers.

ConsumerError
├── BusUnreachable      no connection to the bus
├── BusRefused          connected, but not allowed
└── BusLost             the subscription ended; unsettled deliveries come again
"""


class ConsumerError(Exception):
    """Any error of the consumers."""


class BusUnreachable(ConsumerError):
    """The bus gave no connection."""


class BusRefused(ConsumerError):
    """The bus refused the login, the vhost or a declaration."""


class BusLost(ConsumerError):
    """The subscription ended; what was not settled will be delivered again."""
