"""Events written by hand, numbered as a journal numbers them."""

from __future__ import annotations

from typing import Any

from schemas.envelope import Event, event_id
from schemas.timestamps import timestamp_text
from tests.calls.recorded import BEGIN_US, EPOCH, PBX


def event(name: str, seq: int, at: float = 0.0, **more: Any) -> Event:
    """One event; `more` is fields, and the envelope's own keys where they are such."""
    own = {
        key: more.pop(key)
        for key in ("pbx", "epoch", "snapshot", "synthetic", "suspect", "control", "call", "linkedid")
        if key in more
    }
    pbx, epoch = own.pop("pbx", PBX), own.pop("epoch", EPOCH)
    fields = {"Event": name, "Privilege": "call,all", **more}
    return Event(
        id=event_id(pbx, epoch, seq),
        pbx=pbx,
        epoch=epoch,
        seq=seq,
        received_at=timestamp_text(BEGIN_US + int(at * 1_000_000)),
        event=name,
        fields={} if "control" in own else fields,
        **own,
    )


def gap(seq: int, at: float = 0.0) -> Event:
    begin, end = timestamp_text(BEGIN_US), timestamp_text(BEGIN_US + int(at * 1_000_000))
    control = {"kind": "gap", "from": begin, "to": end, "cause": "the connection was lost", "count": None}
    return event("control.gap", seq, at, control=control)


def up(seq: int, boot: str, at: float = 0.0) -> Event:
    return event("control.up", seq, at, control={"kind": "up", "version": "22.10.1", "boot": boot})


def channel(name: str, uniqueid: str, state: str, linkedid: str = "", **more: str) -> dict[str, str]:
    """The headers of a channel's snapshot since Asterisk 12."""
    number = name.partition("/")[2].partition("-")[0]
    words = {"0": "Down", "4": "Ring", "5": "Ringing", "6": "Up"}
    return {
        "Channel": name,
        "ChannelState": state,
        "ChannelStateDesc": words[state],
        "CallerIDNum": number,
        "CallerIDName": "<unknown>",
        "Exten": "s",
        "Uniqueid": uniqueid,
        "Linkedid": linkedid or uniqueid,
        **more,
    }


def dest(headers: dict[str, str]) -> dict[str, str]:
    return {f"Dest{name}": value for name, value in headers.items()}
