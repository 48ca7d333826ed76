"""The errors of the contract.

    SchemaError
    ├── DecodeError             remote: bytes that are not a body of this contract
    │   └── EnvelopeError       remote: a readable map that breaks the envelope; `key` names where
    ├── EncodeError             local: a map that cannot be written as a body
    ├── RoutingError            local: a routing key or one of its tokens is malformed
    │   └── PatternError        local: a key pattern that is malformed or can never match
    ├── CommandError            a command or reply that breaks the contract; `field` names where
    └── UnknownDocument         local: no document of that name is part of the package

Each message is one sentence. It names keys and types, never values, so that no phone number gets into
a log; only what a person configured (patterns, document names) is quoted.
"""

from __future__ import annotations


class SchemaError(Exception):
    """Any error of the contract."""


class DecodeError(SchemaError):
    """The bytes are not a body of this contract."""


class EnvelopeError(DecodeError):
    """A readable map breaks the envelope. `key` is the envelope key, such as `fields` or `control.from`."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class EncodeError(SchemaError):
    """A map cannot be written as a body."""


class RoutingError(SchemaError):
    """A routing key or a token of one is malformed."""


class PatternError(RoutingError):
    """A key pattern is malformed or can never match a key of the bus."""


class CommandError(SchemaError):
    """A command or a reply breaks the contract. `field` is where, such as `Exten` or `Variable.CRM_ID`;
    empty where it concerns the whole."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class UnknownDocument(SchemaError):
    """The package holds no document of that name."""
