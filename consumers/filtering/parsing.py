"""Reads the patterns that `regex` takes, as far as their meaning is sure.

What is read is a subset on purpose. A construct whose extent is sure but whose meaning is not (properties,
fuzzy parts, `\\m`, `\\K`, calls of groups) becomes `Unknown`; where not even its extent is sure the whole
pattern is left unread: verbose patterns, version 1, sets in sets, conditionals, verbs, flags within.

The reading follows version 0 of `regex`, which is its default. A pattern is read before it is compiled,
too, so nothing may be assumed of it: what is no valid pattern is read somehow or not at all.
"""

from __future__ import annotations

import re
from typing import Final

from consumers.filtering.characters import ANY, CLASSES, NOT_NEWLINE, Characters, negated, span, union
from consumers.filtering.syntax import (
    AnyText,
    Begin,
    Choice,
    End,
    Loose,
    Node,
    One,
    Repeat,
    Row,
    Somewhere,
    Unknown,
)

DEEPEST: Final = 40

_FLAGS: Final = re.compile(r"\(\?([ism]+)\)")
_SCOPED: Final = re.compile(r"\(\?([ism]*)(?:-([ism]+))?:")
_NAMED: Final = re.compile(r"\(\?P?<[A-Za-z_]\w*>")
_LOOK: Final = re.compile(r"\(\?<?[=!]")
_CALL: Final = re.compile(r"\(\?(?:R|0|\d+|&\w+|P>\w+)\)")
_NAMED_REFERENCE: Final = re.compile(r"\(\?P=\w+\)")
_COMMENT: Final = re.compile(r"\(\?#[^)]*\)")
_COUNT: Final = re.compile(r"\{(?:(\d{1,9})|(\d{0,9}),(\d{0,9}))\}")
_BRACES: Final = re.compile(r"\{[^{}]*\}")
_GROUP_REFERENCE: Final = re.compile(r"\\(?:[1-9]\d?(?!\d)|g<\w+>)")
_PROPERTY: Final = re.compile(r"\\[pP]\{[^{}]*\}")
_CODE: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))")

_CLASS: Final = re.compile(r"\\([dDwWsS])")

_CONTROLS: Final = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "a": 7}
_PLACES: Final[dict[str, Node]] = {"A": Begin(), "Z": End(newline=False), "b": Somewhere(), "B": Somewhere()}
# In sets these are operators in version 1, which a flag can turn on.
_SET_OPERATORS: Final = ("--", "&&", "||", "~~")


class Unread(Exception):
    """The pattern is not understood."""


def parse(source: str) -> Node:
    """The pattern's tree. Raises `Unread`."""
    if any("\ud800" <= character <= "\udfff" for character in source):
        raise Unread("a lone surrogate")
    return _Parser(source).whole()


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._depth = 0
        self._flags = frozenset("s")

    def whole(self) -> Node:
        if flags := self._take(_FLAGS):
            self._flags |= frozenset(flags[1])
        node = self._choice()
        if self._at < len(self._source):
            raise Unread("a group is closed that was not opened")
        return node

    def _take(self, what: re.Pattern[str]) -> re.Match[str] | None:
        found = what.match(self._source, self._at)
        if found:
            self._at = found.end()
        return found

    def _next(self, text: str) -> bool:
        return self._source.startswith(text, self._at)

    def _choice(self) -> Node:
        options = [self._row()]
        while self._next("|"):
            self._at += 1
            options.append(self._row())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _row(self) -> Node:
        items: list[Node] = []
        while self._at < len(self._source) and self._source[self._at] not in "|)":
            if self._take(_COMMENT):
                # A count after a comment belongs to what stood before it.
                if self._at < len(self._source) and self._source[self._at] in "*+?{":
                    raise Unread("a repeat after a comment")
                continue
            items.append(self._repeated(self._item()))
        return items[0] if len(items) == 1 else Row(tuple(items))

    # -- repeats ---------------------------------------------------------------

    def _repeated(self, item: Node) -> Node:
        if self._at >= len(self._source) or self._source[self._at] not in "*+?{":
            return item
        if isinstance(item, Begin | End | Somewhere):
            raise Unread("a place is repeated")
        count = self._count()
        if count is None:
            if not self._take(_BRACES):
                raise Unread("a lone brace")
            # Fuzzy, or braces that stand for themselves: either way nothing is sure of the item any more.
            item = Unknown()
        else:
            item = self._suffixed(Repeat(item, *count))
        if self._at < len(self._source) and self._source[self._at] in "*+?{":
            raise Unread("a repeat of a repeat")
        return item

    def _count(self) -> tuple[int, int | None] | None:
        character = self._source[self._at]
        if character != "{":
            self._at += 1
            return (1 if character == "+" else 0), (1 if character == "?" else None)
        found = self._take(_COUNT)
        if not found or found[0] == "{,}":
            if found:
                raise Unread("braces around a comma")
            return None
        exactly, least, most = found.groups()
        if exactly is not None:
            return int(exactly), int(exactly)
        return int(least or 0), int(most) if most else None

    def _suffixed(self, repeat: Repeat) -> Node:
        """Lazy matches the same texts, possessive fewer."""
        if self._next("?"):
            self._at += 1
        elif self._next("+"):
            self._at += 1
            return Loose(repeat)
        return repeat

    # -- items -------------------------------------------------------------------

    def _item(self) -> Node:
        character = self._source[self._at]
        if character == "(":
            return self._group()
        if character == "[":
            return One(self._set())
        if character == "\\":
            return self._escape()
        if character in "*+?":
            raise Unread("nothing to repeat")
        if character == "{":
            raise Unread("a lone brace")
        self._at += 1
        if character == ".":
            return One(ANY if "s" in self._flags else NOT_NEWLINE)
        if character == "^":
            return Somewhere() if "m" in self._flags else Begin()
        if character == "$":
            return Somewhere() if "m" in self._flags else End(newline=True)
        return self._literal(ord(character))

    def _literal(self, code: int) -> Node:
        return One(span(code, code, "i" in self._flags))

    def _group(self) -> Node:
        if self._next("(*"):
            raise Unread("a verb")
        if not self._next("(?"):
            self._at += 1
            return self._inside()
        if self._take(_CALL):
            return Unknown()
        if self._take(_NAMED_REFERENCE):
            return AnyText()
        if self._take(_LOOK):
            self._inside()
            return Somewhere()
        if self._next("(?>"):
            self._at += 3
            return Loose(self._inside())
        if self._take(_NAMED):
            return self._inside()
        scoped = self._take(_SCOPED)
        if not scoped:
            raise Unread("a group of an unknown kind")
        outer = self._flags
        self._flags = (outer | frozenset(scoped[1])) - frozenset(scoped[2] or "")
        try:
            return self._inside()
        finally:
            self._flags = outer

    def _inside(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unread("groups nest too deep")
        node = self._choice()
        if not self._next(")"):
            raise Unread("a group without an end")
        self._at += 1
        self._depth -= 1
        # A wrapper, so that a repeat takes the group and not its last item.
        return node if isinstance(node, Choice | Row) else Row((node,))

    def _escape(self) -> Node:
        if self._take(_GROUP_REFERENCE):
            return AnyText()
        if self._take(_PROPERTY):
            return Unknown()
        letter = self._source[self._at + 1 : self._at + 2]
        if letter in _PLACES:
            self._at += 2
            return _PLACES[letter]
        if letter in CLASSES:
            self._at += 2
            return One(CLASSES[letter])
        if letter and letter in "mMKGXR":
            self._at += 2
            return Unknown()
        return self._literal(self._escaped_code())

    def _escaped_code(self) -> int:
        """The character that an escape stands for, in a set or not."""
        if found := self._take(_CODE):
            code = int(found[1] or found[2] or found[3], 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                raise Unread("no character")
            return code
        character = self._source[self._at + 1 : self._at + 2]
        if character in _CONTROLS:
            self._at += 2
            return _CONTROLS[character]
        if not character or character.isalnum():
            raise Unread("an unknown escape")
        self._at += 2
        return ord(character)

    # -- sets ------------------------------------------------------------------------

    def _set(self) -> Characters:
        self._at += 1
        inverse = self._next("^")
        self._at += inverse
        members: list[Characters] = []
        began = self._at
        while not (self._next("]") and members):
            if self._at >= len(self._source) or self._next("["):
                raise Unread("a set in a set, or one without an end")
            if any(map(self._next, _SET_OPERATORS)):
                raise Unread("an operator of sets")
            members.append(self._member())
        classes = set(_CLASS.findall(self._source, began, self._at))
        if inverse and any(name.swapcase() in classes for name in classes):
            # `regex` takes [^\d\D] for any character, which no character is.
            raise Unread("a class and its opposite")
        self._at += 1
        found = union(members)
        return negated(found) if inverse else found

    def _member(self) -> Characters:
        """A character, a range or a class."""
        letter = self._source[self._at + 1 : self._at + 2]
        if self._next("\\") and letter in CLASSES:
            self._at += 2
            if self._next("-") and not self._next("-]"):
                raise Unread("a range that begins with a class")
            return CLASSES[letter]
        first = last = self._set_code()
        if self._next("-") and not self._next("-]"):
            self._at += 1
            if self._next("\\") and self._source[self._at + 1 : self._at + 2] in CLASSES:
                raise Unread("a range that ends with a class")
            if self._next("["):
                raise Unread("a set in a set")
            last = self._set_code()
            if last < first:
                raise Unread("a range that runs backwards")
        return span(first, last, "i" in self._flags)

    def _set_code(self) -> int:
        if self._next("\\b"):
            self._at += 2
            return 8
        if self._next("\\"):
            return self._escaped_code()
        if self._at >= len(self._source):
            raise Unread("a set without an end")
        code = ord(self._source[self._at])
        self._at += 1
        return code
