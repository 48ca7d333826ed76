"""What a filter fixes for certain, as topic patterns: the broker then sends no event that cannot pass.

Two things can be fixed: the event's name, by `events` or by a pattern that begins with `^Event:
Dial\\r\\n`, and the extension, by `extensions`. An event has one key for each of its extensions, and a
binding gets it by any of them, so what may be written into a topic pattern is not the same for both:

* All keys of an event have the same name in them. A pattern with another fixed name can be left out.
* A pattern that takes any extension takes the event by each of its keys, so also by the one of an extension
  that the filter asks for. But a pattern with a fixed extension is left alone: the filter may find its
  extension in another key of the same event.

An event names at most `MAX_EXTENSIONS` extensions, as many as it can have keys, so none of them lacks a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Final

from consumers.filtering.event_filter import EventFilter, folded
from consumers.filtering.parsing import Unread, parse
from consumers.filtering.syntax import Begin, Choice, Node, One, Repeat, Row
from schemas.routing import control_key, escape_token, routing_key
from schemas.topics import ANY_WORDS, KEY_WORDS, ONE_WORD, split_words

MOST_PATTERNS: Final = 64
_MOST_NAMES: Final = 64
_FIRST_HEADER: Final = "Event: "
_LINE_END: Final = "\r\n"
_CONTROL: Final = "control."


def narrowed_keys(keys: Sequence[str], wanted: EventFilter) -> tuple[str, ...]:
    """Topic patterns that take, of the events that `keys` take, all that pass the filter, and none besides.

    `keys` as they are where nothing is fixed, where the patterns would be more than `MOST_PATTERNS`, or
    where no event could pass. The filter has to be valid.
    """
    names = _fixed_names(wanted)
    extensions = frozenset(wanted.extensions)
    if names is None and not extensions:
        return tuple(keys)
    found: dict[str, None] = {}
    for words in _three_words(keys):
        for pattern in _narrowed(words, names, extensions):
            found[pattern] = None
            if len(found) > MOST_PATTERNS:
                return tuple(keys)
    return tuple(found) or tuple(keys)


def _three_words(keys: Iterable[str]) -> Iterable[tuple[str, ...]]:
    """The patterns as three words each, as many as every key has."""
    for key in keys:
        words = split_words(key)
        fillings = [
            [(ONE_WORD,) * times for times in range(KEY_WORDS + 1)] if word == ANY_WORDS else [(word,)]
            for word in words
        ]
        # Each # at most doubles what is looked at, and people write one or two.
        for filled in product(*fillings[: KEY_WORDS * 2]):
            flat = tuple(word for part in filled for word in part)
            if len(flat) == KEY_WORDS:
                yield flat


def _narrowed(
    words: tuple[str, ...], names: frozenset[tuple[str, str]] | None, extensions: frozenset[str]
) -> Iterable[str]:
    """One pattern with what is fixed written into it."""
    pbx, event, extension = words
    parties = [extension]
    if extension == ONE_WORD and extensions:
        parties = sorted(map(escape_token, extensions))
    if names is None:
        for party in parties:
            yield ".".join((pbx, event, party))
        return
    for name, kind in sorted(names):
        if event not in (ONE_WORD, name):
            continue
        if not kind:
            for party in parties:
                yield ".".join((pbx, name, party))
        elif extension in (ONE_WORD, kind) and not extensions:
            # A control event, which has no extensions: its kind stands in their place.
            yield ".".join((pbx, name, kind))


def _fixed_names(wanted: EventFilter) -> frozenset[tuple[str, str]] | None:
    """The words for the name in the keys of all events that pass, with the kind of a control event or
    nothing.

    None where any name may pass.
    """
    found: set[str] | None = {folded(name) for name in wanted.events} or None
    first = _names_at_the_begin(wanted.regex) if wanted.regex else None
    # The text of a control event is empty, and it has no headers. A pattern may be found in it all the same.
    control = not (wanted.contains or wanted.where or first is not None)
    if first is not None:
        found = first if found is None else found & first
    if found is None:
        return None
    words = {(_word(routing_key("x", name)), "") for name in found}
    if control:
        for name in found:
            if name.startswith(_CONTROL):
                _, word, kind = control_key("x", name.removeprefix(_CONTROL)).split(".")
                words.add((word, kind))
    return frozenset(words)


def _word(key: str) -> str:
    """The word for the name in a key."""
    return key.split(".")[1]


def _names_at_the_begin(source: str) -> set[str] | None:
    """The names that a packet must have for the pattern to be found, folded; None where that is not sure."""
    try:
        begins = _begins(parse(source))
    except (Unread, RecursionError):
        return None
    if begins is None or not begins.anchored:
        return None
    names = set()
    for text in begins.texts:
        name, end, _ = text.removeprefix(_FIRST_HEADER).partition(_LINE_END)
        if not text.startswith(_FIRST_HEADER) or not end or not name or "\n" in name or "\r" in name:
            return None
        names.add(folded(name))
    return names


class _Begins:
    """What a part of a pattern can begin with. `whole`: it matches nothing beyond. `anchored`: only at the
    begin.
    """

    __slots__ = ("anchored", "texts", "whole")

    def __init__(self, texts: frozenset[str], whole: bool, anchored: bool = False) -> None:
        self.texts = texts
        self.whole = whole
        self.anchored = anchored


_ANYTHING: Final = _Begins(frozenset({""}), whole=False)


def _begins(node: Node) -> _Begins | None:
    """None: too many to be named."""
    match node:
        case Begin():
            return _Begins(frozenset({""}), whole=True, anchored=True)
        case One(characters):
            few = characters.few(_MOST_NAMES)
            return _ANYTHING if few is None else _Begins(few, whole=True)
        case Row(items):
            return _row(items)
        case Choice(options):
            each = [_begins(option) for option in options]
            known = [one for one in each if one is not None]
            if len(known) < len(each):
                return None
            texts = frozenset[str]().union(*(one.texts for one in known))
            return _Begins(texts, all(one.whole for one in known), all(one.anchored for one in known))
        case Repeat(item, 1, 1):
            return _begins(item)
        case _:
            return _ANYTHING


def _row(items: Sequence[Node]) -> _Begins | None:
    texts = frozenset({""})
    anchored = False
    for item in items:
        part = _begins(item)
        if part is None or len(texts) * len(part.texts) > _MOST_NAMES:
            return _Begins(texts, whole=False, anchored=anchored)
        anchored = anchored or (part.anchored and texts == {""})
        texts = frozenset(first + second for first, second in product(texts, part.texts))
        if not part.whole:
            return _Begins(texts, whole=False, anchored=anchored)
    return _Begins(texts, whole=True, anchored=anchored)
