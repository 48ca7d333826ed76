"""A pattern as a tree, as far as it is understood.

A tree stands for a set of texts: all that the pattern can match, and perhaps others. Where an `exactness`
matters, `Loose`, `Somewhere` and `AnyText` say that the pattern matches less than the tree.
"""

from __future__ import annotations

from dataclasses import dataclass

from consumers.filtering.characters import Characters


@dataclass(slots=True, frozen=True)
class One:
    """One character of a set."""

    characters: Characters


@dataclass(slots=True, frozen=True)
class Row:
    """One after the other; none is the empty text."""

    items: tuple[Node, ...]


@dataclass(slots=True, frozen=True)
class Choice:
    """Any of these."""

    options: tuple[Node, ...]


@dataclass(slots=True, frozen=True)
class Repeat:
    """The item so many times; `most` None: without end."""

    item: Node
    least: int
    most: int | None


@dataclass(slots=True, frozen=True)
class Begin:
    """The begin of the text."""


@dataclass(slots=True, frozen=True)
class End:
    """The end of the text; with `newline`, also before a newline that ends it."""

    newline: bool


@dataclass(slots=True, frozen=True)
class Loose:
    """The item, but the pattern may refuse what matches it: atomic groups and possessive repeats."""

    item: Node


@dataclass(slots=True, frozen=True)
class Somewhere:
    """No text, but a condition on the place: word boundaries, looks around, lines' ends."""


@dataclass(slots=True, frozen=True)
class AnyText:
    """Any text, also none, that depends on what was matched before: a reference back to a group."""


@dataclass(slots=True, frozen=True)
class Unknown:
    """Something that is not understood; it may match any text, also none."""


Node = One | Row | Choice | Repeat | Begin | End | Loose | Somewhere | AnyText | Unknown
NO_TEXT = Row(())
