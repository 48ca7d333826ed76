"""The errors of the AMI protocol code: all of them are our caller's.

    AmiError
    ├── ActionRefused       an action that must not be sent: what, where, what is allowed
    ├── TooManyRequests     the bound on requests in flight or on unsent bytes is reached
    └── SessionNotReady     the session is not logged in yet, or is closed

What the PBX does wrong never raises: it comes out as a malformed packet or as an event of the session.
Each message is one sentence, and none holds a value that was refused (it may be a secret).
"""


class AmiError(Exception):
    """Any error of the AMI protocol code."""


class ActionRefused(AmiError):
    """The action would break the protocol or become another action on the PBX."""


class TooManyRequests(AmiError):
    """Too many requests wait for their answer, or too many bytes wait to be sent: try again later."""


class SessionNotReady(AmiError):
    """Only a session that is logged in and not closed takes requests."""
