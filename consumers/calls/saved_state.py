"""The state of a fold as bytes: a MessagePack map with a version.

    {"v": 1, "pbxs": {name: {epoch, seq, gaps, boot, …, calls: [map], legs: [map], ended: [uniqueid]}}}

Legs name their call by its key, calls their legs by name. What is there is checked to be of the right kind:
bytes of another origin must give an error, not a fold that fails later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

from consumers.calls.call import Call
from consumers.calls.channel_name import ChannelKind
from consumers.calls.errors import CallStateError
from consumers.calls.leg import Leg
from consumers.calls.switchboard import Recent, Switchboard
from schemas.call_event import Callee, Party, Transfer, read_callee, read_party, read_transfer
from schemas.errors import EnvelopeError
from schemas.timestamps import timestamp_us

VERSION: Final = 1

_NUMBERS: Final = ("epoch", "seq", "gaps", "sweep_us", "heard_us", "started")
_PARTIES: Final = ("caller", "original_caller", "callee")
_SPECIAL: Final = frozenset(
    {"legs", "holders", "caller_leg", "callees", "transfers", "links", "uniqueids", "provisional", *_PARTIES}
)
_CALL_TYPES: Final = {one.name: one.type for one in fields(Call) if one.name not in _SPECIAL}
_LEG_TYPES: Final = {one.name: one.type for one in fields(Leg) if one.name not in ("call", "kind")}
# The last time that can be written, in microseconds; no other number is larger.
_LARGEST: Final = timestamp_us("9999-12-31T23:59:59.999999Z")
_KINDS: Final = {"str": str, "int": int, "bool": bool}


def dump(boards: Mapping[str, Switchboard]) -> bytes:
    """All boards as bytes."""
    state = {"v": VERSION, "pbxs": {pbx: _board_map(board) for pbx, board in boards.items()}}
    packed: bytes = msgpack.packb(state, unicode_errors="surrogateescape")
    return packed


def load(state: bytes, new_board: Callable[[str], Switchboard]) -> dict[str, Switchboard]:
    """The boards of such bytes. Raises `CallStateError`."""
    try:
        read = msgpack.unpackb(state, unicode_errors="surrogateescape")
    except (ValueError, msgpack.UnpackException) as error:
        raise CallStateError("the saved calls are damaged: no MessagePack") from error
    version = read.get("v") if isinstance(read, dict) else None
    if type(version) is not int:
        raise CallStateError("the saved calls are damaged: no map with a version")
    if version != VERSION:
        raise CallStateError(f"the saved calls are of version {version}; only version {VERSION} can be read")
    try:
        return {_checked(pbx, str): _load_board(body, new_board(pbx)) for pbx, body in read["pbxs"].items()}
    except (ValueError, TypeError, LookupError, AttributeError, EnvelopeError) as error:
        raise CallStateError(f"the saved calls are damaged: {error!r}") from error


def _board_map(board: Switchboard) -> dict[str, Any]:
    return {
        **{name: getattr(board, name) for name in _NUMBERS},
        "boot": board.boot,
        "calls": [_call_map(call) for call in board.calls.values()],
        "legs": [_leg_map(leg) for leg in board.names.values()],
        "hooked": list(board.channels),
        "bridges": [[bridge, [leg.name for leg in legs]] for bridge, legs in board.bridges.items()],
        "unsaid": [[leg.name, since_us] for leg, since_us in board.unsaid.items()],
        "links": [[linkedid, call.key] for linkedid, call in board.links.items()],
        "ended": list(board.ended),
        "ended_calls": list(board.ended_calls),
    }


def _call_map(call: Call) -> dict[str, Any]:
    body: dict[str, Any] = {name: getattr(call, name) for name in _CALL_TYPES}
    for name in _PARTIES:
        party: Party | None = getattr(call, name)
        body[name] = None if party is None else party.to_map()
    body["legs"] = [leg.name for leg in call.legs]
    body["holders"] = [leg.name for leg in call.holders]
    body["caller_leg"] = "" if call.caller_leg is None else call.caller_leg.name
    body["callees"] = [[key, callee.to_map()] for key, callee in call.callees.items()]
    body["transfers"] = [transfer.to_map() for transfer in call.transfers]
    body["links"], body["uniqueids"] = call.links, call.uniqueids
    body["provisional"] = call.provisional
    return body


def _leg_map(leg: Leg) -> dict[str, Any]:
    return {**{name: getattr(leg, name) for name in _LEG_TYPES}, "kind": int(leg.kind)}


def _load_board(body: Mapping[str, Any], board: Switchboard) -> Switchboard:
    for name in _NUMBERS:
        setattr(board, name, _checked(body[name], int))
    board.boot = _checked(body["boot"], str)
    legs: dict[str, dict[str, Any]] = {_checked(one["name"], str): one for one in body["legs"]}
    for saved in body["calls"]:
        call = Call(**{name: _checked(saved[name], _KINDS[str(kind)]) for name, kind in _CALL_TYPES.items()})
        _load_call(call, saved)
        for name in saved["legs"]:
            leg = _load_leg(legs.pop(name), call)
            call.legs[leg] = None
            board.names[name] = leg
        call.holders = {board.names[name]: None for name in saved["holders"]}
        call.caller_leg = board.names[saved["caller_leg"]] if saved["caller_leg"] else None
        board.calls[call.key] = call
    if legs:
        raise ValueError("a leg without a call")
    # The order in which they were known, which is not that of the calls.
    board.names = {one["name"]: board.names[one["name"]] for one in body["legs"]}
    carried = {leg.uniqueid: leg for leg in board.names.values()}
    board.channels = {_checked(uniqueid, str): carried[uniqueid] for uniqueid in body["hooked"]}
    for bridge, names in body["bridges"]:
        board.bridges[_checked(bridge, str)] = {board.names[name]: None for name in names}
    board.unsaid = {board.names[name]: _checked(since_us, int) for name, since_us in body["unsaid"]}
    board.links = {_checked(linkedid, str): board.calls[key] for linkedid, key in body["links"]}
    board.ended = Recent(_checked(uniqueid, str) for uniqueid in body["ended"])
    board.ended_calls = Recent(_checked(key, str) for key in body["ended_calls"])
    return board


def _load_call(call: Call, saved: Mapping[str, Any]) -> None:
    for name in _PARTIES:
        setattr(call, name, None if saved[name] is None else read_party(name, saved[name]))
    call.callees = {_checked(key, str): _callee(one) for key, one in saved["callees"]}
    call.transfers = [_transfer(one) for one in saved["transfers"]]
    for name in ("links", "uniqueids", "provisional"):
        setattr(call, name, [_checked(one, str) for one in saved[name]])


def _callee(saved: object) -> Callee:
    return read_callee("callees", saved)


def _transfer(saved: object) -> Transfer:
    return read_transfer("transfers", saved)


def _load_leg(saved: Mapping[str, Any], call: Call) -> Leg:
    values = {name: _checked(saved[name], _KINDS[str(kind)]) for name, kind in _LEG_TYPES.items()}
    return Leg(**values, kind=ChannelKind(_checked(saved["kind"], int)), call=call)


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"not {kind.__name__}")
    if isinstance(value, int) and not -1 <= value <= _LARGEST:
        raise ValueError("a number out of range")
    return value
