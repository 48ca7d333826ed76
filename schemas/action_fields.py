"""What the fields of an action may hold: each kind takes a value as it came, and gives the one to use.

Strategy. Nothing that a client writes may become another header or action, or reach the dialplan's
evaluation or a shell. So every kind says what is allowed, never what is forbidden, and the few that take free
text refuse what Asterisk gives a meaning to: control characters (they end a header), `${` and `$[` (evaluated
by the dialplan). The names are ASCII; free text is any text.

Every value may come as text; numbers and flags also as themselves. A value that is refused is never quoted in
the error (it may be a phone number): the field's name and what is allowed are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

from schemas.envelope import kind_of
from schemas.errors import CommandError

MAX_VALUE_CHARS: Final = 1000
MAX_MAP_ENTRIES: Final = 64
# What Asterisk's own buffer for a caller ID holds (main/manager.c, action_originate: 256 with its end): of a
# longer one the number would be cut off.
MAX_CALLER_ID_CHARS: Final = 100
MAX_CALLER_ID_BYTES: Final = 255
# What its buffers for a dial string and for a queue's member hold (action_originate, and AST_CHANNEL_NAME in
# apps/app_queue.c): of a longer one the end would be cut off, and with it the context of a Local channel.
MAX_CHANNEL_CHARS: Final = 200
MAX_INTERFACE_CHARS: Final = 79

# C0, DEL, C1, the Unicode line ends, and halves of characters: no text of the contract holds one.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_EVALUATED: Final = re.compile(r"\$\{|\$\[")
_CALLER_ID: Final = re.compile(
    r'(?:"(?P<quoted>[^"<>]*)"|(?P<bare>[^"<>]*?)) ?<(?P<number>\+?[0-9*#]{1,20})>'
)
_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,20}")
_FLAGS: Final = {"true": True, "yes": True, "1": True, "on": True} | {
    "false": False,
    "no": False,
    "0": False,
    "off": False,
}


class Kind(Protocol):
    """A kind of value."""

    def check(self, field: str, value: Any) -> Any:
        """The value to use. Raises `CommandError` that names `field` and what is allowed."""
        ...

    def schema(self) -> dict[str, Any]:
        """As JSON Schema; it allows all that `check` does, and may allow more."""
        ...


def plain_text(field: str, value: Any, most: int = MAX_VALUE_CHARS) -> str:
    """Text without anything that Asterisk could take for more than text. Raises `CommandError`."""
    if type(value) is not str:
        raise CommandError(field, f"must be text, not {kind_of(value)}")
    if len(value) > most:
        raise CommandError(field, f"has {len(value)} characters, at most {most} are allowed")
    if _CONTROL.search(value):
        raise CommandError(field, "holds a control character, and none is allowed")
    if _EVALUATED.search(value):
        raise CommandError(field, "holds ${ or $[, which the dialplan would evaluate; neither is allowed")
    return value


@dataclass(slots=True, frozen=True)
class Text:
    """Free text."""

    most: int = MAX_VALUE_CHARS
    least: int = 1

    def check(self, field: str, value: Any) -> str:
        text = plain_text(field, value, self.most)
        if len(text) < self.least:
            raise CommandError(field, "is empty")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": self.least, "maxLength": self.most}


@dataclass(slots=True, frozen=True)
class Word:
    """Text of a fixed form. `pattern` is the whole of it, in the syntax that Python and JSON Schema share."""

    pattern: str
    allowed: str
    most: int = MAX_VALUE_CHARS

    def check(self, field: str, value: Any) -> str:
        text = plain_text(field, value, self.most)
        if not re.fullmatch(self.pattern, text):
            raise CommandError(field, f"has a form that is not allowed; allowed: {self.allowed}")
        return text

    def schema(self) -> dict[str, Any]:
        form: dict[str, Any] = {"type": "string", "pattern": f"^{self.pattern}$", "description": self.allowed}
        return form | {"maxLength": self.most} if self.most < MAX_VALUE_CHARS else form


@dataclass(slots=True, frozen=True)
class Whole:
    """A whole number, as a number or as decimal digits."""

    least: int
    most: int

    def check(self, field: str, value: Any) -> int:
        number = value
        if type(value) is str and re.fullmatch(r"-?[0-9]{1,18}", value):
            number = int(value)
        if type(number) is not int:
            raise CommandError(field, f"must be a whole number, not {kind_of(value)}")
        if not self.least <= number <= self.most:
            allowed = f"from {self.least} to {self.most}" if self.least < self.most else f"{self.least}"
            raise CommandError(field, f"must be {allowed}")
        return number

    def schema(self) -> dict[str, Any]:
        digits = {"type": "string", "pattern": "^-?[0-9]{1,18}$"}
        return {"anyOf": [{"type": "integer", "minimum": self.least, "maximum": self.most}, digits]}


@dataclass(slots=True, frozen=True)
class Flag:
    """True or false, or the words for them that Asterisk knows."""

    def check(self, field: str, value: Any) -> bool:
        if type(value) is bool:
            return value
        flag = _FLAGS.get(value.lower()) if type(value) is str else None
        if flag is None:
            raise CommandError(field, f"must be true or false, not {kind_of(value)}")
        return flag

    def schema(self) -> dict[str, Any]:
        words = "|".join(map(any_case, _FLAGS))
        return {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": f"^(?:{words})$"}]}


@dataclass(slots=True, frozen=True)
class CallerId:
    """`"Name" <number>`, `Name <number>` or a number; a name has no quotes and no angle brackets."""

    def check(self, field: str, value: Any) -> str:
        text = plain_text(field, value, MAX_CALLER_ID_CHARS)
        if _NUMBER.fullmatch(text):
            return f"<{text}>"
        found = _CALLER_ID.fullmatch(text)
        # A backslash would take the quote that follows it from Asterisk's parser (main/callerid.c).
        if found is None or "\\" in text:
            raise CommandError(field, 'has a form that is not allowed; allowed: "Name" <number>, or a number')
        name = (found["quoted"] or found["bare"] or "").strip()
        written = f'"{name}" <{found["number"]}>' if name else f"<{found['number']}>"
        if len(written) > MAX_CALLER_ID_CHARS or len(written.encode()) > MAX_CALLER_ID_BYTES:
            allowed = f"{MAX_CALLER_ID_CHARS} characters and {MAX_CALLER_ID_BYTES} bytes, with its quotes"
            raise CommandError(field, f"is too long; allowed: {allowed}")
        return written

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": MAX_CALLER_ID_CHARS}


@dataclass(slots=True, frozen=True)
class TextMap:
    """Names with texts, such as channel variables; `many` lets a name have a list of them."""

    name: Word
    most: int = MAX_MAP_ENTRIES
    many: bool = False

    def check(self, field: str, value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise CommandError(field, f"must be a map of names with texts, not {kind_of(value)}")
        if len(value) > self.most:
            raise CommandError(field, f"has {len(value)} entries, at most {self.most} are allowed")
        checked: dict[str, Any] = {}
        for name, one in value.items():
            if type(name) is not str or not re.fullmatch(self.name.pattern, name):
                raise CommandError(f"{field}.{_shown(name)}", f"is no name; allowed: {self.name.allowed}")
            where = f"{field}.{name}"
            if type(one) is list and self.many:
                if not 1 <= len(one) <= self.most:
                    raise CommandError(where, f"must have 1 to {self.most} values")
                checked[name] = [plain_text(where, item) for item in one]
            else:
                checked[name] = plain_text(where, str(one) if type(one) is int else one)
        return checked

    def schema(self) -> dict[str, Any]:
        text: dict[str, Any] = {"type": ["string", "integer"], "maxLength": MAX_VALUE_CHARS}
        if self.many:
            text = {"anyOf": [text, {"type": "array", "items": text, "minItems": 1, "maxItems": self.most}]}
        names = {"pattern": f"^{self.name.pattern}$"}
        return {
            "type": "object",
            "propertyNames": names,
            "additionalProperties": text,
            "maxProperties": self.most,
        }


def any_case(word: str) -> str:
    """A regular expression for an ASCII word in any case, in the syntax that Python and JSON Schema share."""
    return "".join(f"[{sign.upper()}{sign.lower()}]" if sign.isalpha() else sign for sign in word)


def _shown(name: Any) -> str:
    """A refused name, fit for an error."""
    return ascii(name[:40])[1:-1] if type(name) is str else kind_of(name)


# The forms of the field's own words.
EXTENSION: Final = Word(r"\+?[0-9*#]{1,20}", "digits, * and #, a leading +, at most 20 of them")
PHONE: Final = Word(r"[A-Za-z0-9_*#+.-]{1,40}", "a phone's name or number: letters, digits and _ * # + . -")
CONTEXT: Final = Word(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,78}", "a context's name: letters, digits and _ . -")
# Never one that begins with a slash: Hangup would take it for a regular expression over all channels.
CHANNEL: Final = Word(
    r"[A-Za-z0-9][A-Za-z0-9_.:@+*#;<>~=-]*(?:/[A-Za-z0-9_.:@+*#;<>~=-]+)*",
    "a channel's name such as PJSIP/200-0000001a",
    MAX_CHANNEL_CHARS,
)
INTERFACE: Final = Word(
    r"[A-Za-z0-9]+(?:/[A-Za-z0-9_.@+*#-]+)+",
    "a device such as PJSIP/200 or Local/200@from-queue/n",
    MAX_INTERFACE_CHARS,
)
QUEUE: Final = Word(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,78}", "a queue's name: letters, digits and _ . -")
VARIABLE: Final = Word(r"_{0,2}[A-Za-z][A-Za-z0-9_]{0,77}", "a variable's name: letters, digits and _")
# The name of a recording goes into the arguments of an application, where a comma would begin the next one,
# and the one after the next is a shell command (apps/app_mixmonitor.c, manager_mixmonitor).
RECORDING: Final = Word(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", "a file's name without a folder: letters, digits and _ . -"
)
RECORDING_OPTIONS: Final = Word(r"(?:[abpP]|[vVW]\(-?[0-4]\)){1,16}", "a, b, p, P, v(x), V(x) and W(x)")
RECORDING_ID: Final = Word(r"[A-Za-z0-9_]{1,40}", "the MixMonitorID that MixMonitor answered")
DIGIT: Final = Word(r"[0-9*#A-Da-d]", "one of 0 to 9, *, #, A to D")
PARKING_LOT: Final = QUEUE
MAILBOX: Final = Word(r"[A-Za-z0-9_*#+.-]{1,40}(?:@[A-Za-z0-9_.-]{1,40})?", "a mailbox such as 200@default")
OBJECT: Final = Word(r"[A-Za-z0-9_.+*#-]{1,80}", "letters, digits and _ . + * # -")
PRESENTITY: Final = Word(r"[A-Za-z0-9_.:@/+*#-]{1,80}", "a provider such as CustomPresence:200")
USER_EVENT: Final = Word(r"[A-Za-z][A-Za-z0-9_-]{0,59}", "a name of letters, digits, _ and -")
APPLICATION: Final = Word(r"[A-Za-z][A-Za-z0-9_]{0,39}", "a dialplan application's name")
ACTION: Final = Word(r"[A-Za-z][A-Za-z0-9_-]{0,39}", "an action's name")
# A header's name as one writes it oneself: no colon, no white space.
HEADER: Final = Word(r"[A-Za-z][A-Za-z0-9_()-]{0,59}", "letters, digits and _ ( ) -")
