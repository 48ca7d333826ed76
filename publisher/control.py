"""Control events: what a PBX's journal says about itself, as the payloads of CONTROL records.

A payload is a msgpack map with `kind` first; the body of the message carries it as `control`. Times are
RFC 3339, as everywhere in the envelope. Both sides ignore keys that they do not know.

    gap   from, to (times between which events may be missing; nothing that the PBX said before is), cause,
          count (how many, None where nobody can know), and where records of our own numbering were lost,
          from_seq and to_seq; the times are then those at which they had been received
    up    version (the PBX's greeting), boot (what tells one start of the PBX from another), boot_us
    down  cause (a word), reason (a sentence)
"""

from __future__ import annotations

from typing import Final

import msgpack  # type: ignore[import-untyped]

from schemas.timestamps import timestamp_text

GAP: Final = "gap"
UP: Final = "up"
DOWN: Final = "down"
KINDS: Final = frozenset({GAP, UP, DOWN})

# A control record holds a few short texts; more is damage.
MAX_PAYLOAD_BYTES: Final = 65_536

DAMAGED: Final = "a control record that cannot be read"


def gap(
    cause: str,
    from_us: int,
    to_us: int,
    count: int | None = None,
    *,
    from_seq: int | None = None,
    to_seq: int | None = None,
) -> bytes:
    """The payload of a gap. Times in microseconds since the Unix epoch, UTC; they are put in order."""
    payload: dict[str, object] = {
        "kind": GAP,
        "from": timestamp_text(min(from_us, to_us)),
        "to": timestamp_text(max(from_us, to_us)),
        "cause": cause,
        "count": count,
    }
    if from_seq is not None and to_seq is not None:
        payload["from_seq"] = from_seq
        payload["to_seq"] = to_seq
    return pack(payload)


def up(version: str, boot: str = "", boot_us: int = 0) -> bytes:
    """The payload of a PBX that came up; `boot_us` is when it started, 0 where it does not say."""
    return pack({"kind": UP, "version": version, "boot": boot, "boot_us": boot_us})


def down(cause: str, reason: str = "") -> bytes:
    """The payload of a PBX that went away."""
    return pack({"kind": DOWN, "cause": cause, "reason": reason})


def pack(payload: dict[str, object]) -> bytes:
    """Raises `ValueError` for a kind that does not exist."""
    if payload.get("kind") not in KINDS:
        raise ValueError(f"a control event is one of {', '.join(sorted(KINDS))}, not {payload.get('kind')!r}")
    # A PBX's own words may hold undecodable bytes: they are shown as "?".
    packed: bytes = msgpack.packb(payload, unicode_errors="replace")
    return packed


def unpack(raw: bytes) -> dict[str, object]:
    """The payload's map. A damaged payload gives a gap that says so: what cannot be read may hide a loss."""
    try:
        payload = msgpack.unpackb(raw) if len(raw) <= MAX_PAYLOAD_BYTES else None
    except (ValueError, msgpack.UnpackException):
        payload = None
    if isinstance(payload, dict) and isinstance(kind := payload.get("kind"), str) and kind in KINDS:
        return payload
    return {"kind": GAP, "cause": DAMAGED, "count": None}


def body_map(raw: bytes, received_us: int, seq: int, span: int) -> dict[str, object]:
    """The `control` map of a message's body: the payload, complete.

    A record that stands for `span` > 1 numbers names them, so that a consumer that counts `seq` can prove
    that the hole is the announced one. A gap always has its times: the record's own where it has none.
    """
    payload = unpack(raw)
    if payload["kind"] != GAP:
        return payload
    at = timestamp_text(received_us)
    complete: dict[str, object] = {
        "kind": GAP,
        "from": at,
        "to": at,
        "cause": "unknown",
        "count": None,
        **payload,
    }
    if span > 1:
        complete.setdefault("from_seq", seq)
        complete.setdefault("to_seq", seq + span - 1)
        if complete["count"] is None:
            complete["count"] = span
    return complete
