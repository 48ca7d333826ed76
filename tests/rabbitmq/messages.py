"""Numbered messages, so that an oracle can count what came of them."""

from __future__ import annotations

from schemas.message import Headers, Message

EPOCH = 1_760_000_000_000


def numbered(
    seq: int,
    pbx: str = "main",
    key: str = "main.hangup.200",
    body_bytes: int = 600,
    cc: tuple[str, ...] = (),
    call: str = "1760000000.1",
) -> Message:
    """A message whose id, header and first body bytes all say `seq`."""
    body = b"%020d" % seq
    return Message(
        routing_key=key,
        headers=Headers(pbx=pbx, epoch=EPOCH, seq=seq, call=call, linkedid=call, cc=cc),
        message_id=f"{pbx}-{EPOCH:x}-{seq:x}",
        type="Hangup",
        timestamp=1_760_000_000,
        body=body + b"x" * max(0, body_bytes - len(body)),
    )
