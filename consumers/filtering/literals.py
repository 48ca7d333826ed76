"""A text that is looked for as it is, in the place of a pattern."""

from __future__ import annotations

from hashlib import sha256

from consumers.filtering.forms import literal_form


class Literal:
    """What `contains` is compiled to; behaves as `Pattern` does, but never takes long."""

    __slots__ = ("form", "name", "source", "takes_nothing")

    def __init__(self, source: str) -> None:
        self.source = source
        self.form = literal_form(source)
        self.takes_nothing = not source
        self.name = sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def found_in(self, text: str, timeout_secs: float, aside: bool = False) -> bool:
        return self.source in text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and other.source == self.source

    def __hash__(self) -> int:
        return hash((Literal, self.source))

    def __repr__(self) -> str:
        return f"Literal({self.name})"
