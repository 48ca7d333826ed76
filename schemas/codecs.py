"""Bodies as bytes: MessagePack (the default) and JSON, both ways.

Strategy. Writing is on the path of every event, so the maps are trusted (the publisher builds them) and go
to a reused C packer. Only when a text holds a lone surrogate (an undecodable byte, by surrogateescape) does
the slow road begin: such a map is rewritten with U+FFFD in their place and packed again.
Reading trusts nothing. A body is refused, with one sentence, when it
* has more than 16 MiB (`MAX_BODY_BYTES`; the default limit of RabbitMQ 4) or is followed by more bytes;
* is not UTF-8, MessagePack or JSON as its content type says;
* holds a list or map of more than 65,536 entries, or nests deeper than 8;
* repeats a key in a map, where other readers would each keep another of the values;
* holds what is not text, number, true, false, null, list or map: extension types, binary, NaN.
"""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

import msgpack  # type: ignore[import-untyped]

from schemas.envelope import KEYS, Event, join_fields, kind_of
from schemas.errors import DecodeError, EncodeError
from schemas.message import JSON, MSGPACK

MAX_BODY_BYTES: Final = 16 * 2**20
MAX_ENTRIES: Final = 2**16
MAX_DEPTH: Final = 8

_CONTAINERS: Final = {dict, list}
_CHECKED_BY_EVENT: Final = KEYS - {"control"}
_TEXT: Final = {str}
_PLAIN: Final = {str, int, bool, float, type(None)}
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_SURROGATES: Final = "amibus.replacement"


def _replace_surrogates(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    return _REPLACEMENT.encode() * (error.end - error.start), error.end


codecs.register_error(_SURROGATES, _replace_surrogates)

_packer = msgpack.Packer(autoreset=True)
_json_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def pack_body(body: dict[str, Any]) -> bytes:
    """The map as MessagePack. Raises `EncodeError` when it cannot be written or exceeds `MAX_BODY_BYTES`."""
    try:
        packed: bytes = _packer.pack(body)
    except UnicodeEncodeError:
        packed = _packer.pack(decodable(body))
    except (TypeError, ValueError, OverflowError) as error:
        raise EncodeError(f"the body cannot be written as MessagePack: {error}") from error
    return packed if len(packed) <= MAX_BODY_BYTES else _too_large(len(packed))


def json_body(body: dict[str, Any]) -> bytes:
    """The map as compact JSON in UTF-8. Raises `EncodeError` as `pack_body` does."""
    try:
        packed = _json_encoder.encode(body).encode()
    except UnicodeEncodeError:
        packed = _json_encoder.encode(decodable(body)).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"the body cannot be written as JSON: {error}") from error
    return packed if len(packed) <= MAX_BODY_BYTES else _too_large(len(packed))


def _too_large(size: int) -> NoReturn:
    raise EncodeError(f"the body has {size} bytes, at most {MAX_BODY_BYTES} are allowed")


def body_writer(content_type: str) -> Callable[[dict[str, Any]], bytes]:
    """`pack_body` or `json_body`, to be chosen once. Raises `EncodeError` for another content type."""
    if content_type == MSGPACK:
        return pack_body
    if content_type == JSON:
        return json_body
    raise EncodeError(f"no body can be written as {content_type!r}; {MSGPACK} and {JSON} are allowed")


def decodable(body: dict[str, Any]) -> dict[str, Any]:
    """The map with U+FFFD for each lone surrogate, in values and in header names.

    Two header names that differ only in undecodable bytes become one header with a list of values; the
    packet's text then stands in `text`, where nothing is lost.
    """
    clean = {_clean(key): _decodable(value) for key, value in body.items()}
    fields = body.get("fields")
    if type(fields) is dict:
        merged: dict[str, Any] = {}
        for name, value in fields.items():
            value = _decodable(value)
            name = _clean(name)
            if name in merged:
                value = [*_listed(merged[name]), *_listed(value)]
                clean.setdefault("text", _clean(join_fields(fields)))
            merged[name] = value
        clean["fields"] = merged
    return clean


def _clean(text: str) -> str:
    return text.encode("utf-8", _SURROGATES).decode()


def _listed(value: Any) -> list[Any]:
    return value if type(value) is list else [value]


def _decodable(value: Any) -> Any:
    if type(value) is str:
        return _clean(value)
    if type(value) is list:
        return [_decodable(one) for one in value]
    if type(value) is dict:
        return {_clean(key): _decodable(one) for key, one in value.items()}
    return value


def encode(content_type: str, event: Event) -> bytes:
    """The event as a body. Raises `EncodeError` for a content type other than MessagePack or JSON."""
    return body_writer(content_type)(event.to_map())


def decode(content_type: str, body: bytes) -> Event:
    """The event of a body. Parameters of the content type (`; charset=utf-8`) are ignored.

    Raises `DecodeError` for bytes that are no map, `EnvelopeError` (a `DecodeError`) for a wrong one.
    """
    decoded = _read(content_type, body)
    if type(decoded) is dict and decoded.keys() <= _CHECKED_BY_EVENT and _is(MSGPACK, content_type):
        # Every value of these keys is looked at once more by the envelope; the reader has bounded the rest.
        return Event.from_map(decoded)
    return Event.from_map(_checked(decoded))


def decode_map(content_type: str, body: bytes) -> dict[str, Any]:
    """The map of a body, unknown keys and all, not yet checked to be an envelope. Raises `DecodeError`."""
    return _checked(_read(content_type, body))


def _is(wanted: str, content_type: str) -> bool:
    return content_type == wanted or content_type.partition(";")[0].strip().lower() == wanted


def _read(content_type: str, body: bytes) -> Any:
    if len(body) > MAX_BODY_BYTES:
        raise DecodeError(f"the body has {len(body)} bytes, at most {MAX_BODY_BYTES} are allowed")
    if _is(MSGPACK, content_type):
        return _unpack(body)
    if _is(JSON, content_type):
        return _parse_json(body)
    raise DecodeError(f"the content type must be {MSGPACK} or {JSON}, not {content_type!r}")


def _checked(decoded: Any) -> dict[str, Any]:
    if type(decoded) is not dict:
        raise DecodeError(f"the body must be a map, not {kind_of(decoded)}")
    _check_values(decoded)
    return cast("dict[str, Any]", decoded)


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        twice = _repeated(pairs)
        named = f" {twice[:40]!a}" if type(twice) is str else ""
        raise DecodeError(f"the body holds a map that repeats the key{named}; each key may stand once")
    if len(pairs) > MAX_ENTRIES:
        raise DecodeError(f"the body holds a map of more than {MAX_ENTRIES} entries")
    return unique


def _repeated(pairs: list[tuple[Any, Any]]) -> Any:
    """The first key that stands twice; there is one."""
    counts = Counter(key for key, _ in pairs)
    return next(key for key, count in counts.items() if count > 1)


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    raise DecodeError(f"the body holds MessagePack extension type {code}; none is allowed")


def _refuse_constant(name: str) -> NoReturn:
    raise DecodeError(f"the body holds {name}, which is not JSON")


def _unpack(body: bytes) -> Any:
    """Bodies that the same values give again, byte for byte, repeat no key: only others go through `_unique`.

    That is three times as fast as a hook for each map, and true of all that `pack_body` writes. Other writers
    may spend more bytes on a value than it needs; their bodies take the slow road and are read all the same.
    """
    limits = {"ext_hook": _refuse_extension, "max_array_len": MAX_ENTRIES, "max_map_len": MAX_ENTRIES}
    try:
        decoded = msgpack.unpackb(body, **limits)
        if _packer.pack(decoded) != body:
            decoded = msgpack.unpackb(body, object_pairs_hook=_unique, **limits)
        return decoded
    except msgpack.ExtraData as error:
        raise DecodeError(f"the body's map is followed by {len(error.extra)} more bytes") from None
    except msgpack.StackError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise DecodeError("the body holds text that is not UTF-8") from None
    except (msgpack.FormatError, ValueError) as error:
        detail = str(error) or "a byte that begins no value"
        raise DecodeError(f"the body is not MessagePack of this contract: {detail}") from None


def _parse_json(body: bytes) -> Any:
    try:
        decoded = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
        if b"\\u" in body:
            # A lone surrogate can be written as an escape; no text of the contract holds one.
            json.dumps(decoded, ensure_ascii=False).encode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise DecodeError("the body holds text that is not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise DecodeError(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError:
        raise DecodeError("the body holds a number of too many digits") from None
    return decoded


def _too_deep() -> DecodeError:
    return DecodeError(f"the body nests deeper than {MAX_DEPTH} levels")


def _check_values(body: dict[Any, Any]) -> None:
    """A level at a time; nearly all values are plain, and the set of their types settles those."""
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                if not _TEXT.issuperset(map(type, container)):
                    raise DecodeError("the body holds a map with a key that is not text")
                values = container.values()
            elif len(container) > MAX_ENTRIES:
                raise DecodeError(f"the body holds a list of more than {MAX_ENTRIES} entries")
            else:
                values = container
            if _PLAIN.issuperset(map(type, values)):
                continue
            odd = set(map(type, values)) - _PLAIN
            if not odd <= _CONTAINERS:
                raise DecodeError(
                    "the body holds a value that is not text, number, true, false, null, list or map "
                    f"({', '.join(sorted(kind.__name__ for kind in odd - _CONTAINERS))})"
                )
            below.extend([value for value in values if type(value) in _CONTAINERS])
        if not below:
            return
        level = below
    raise _too_deep()
