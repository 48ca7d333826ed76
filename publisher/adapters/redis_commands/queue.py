"""The command queue of one PBX on Redis (or on the embedded server that speaks the same).

The scripts in `lua/` do each step as one. What they answer is turned into the types of
`publisher.commanding.entries` here; whoever writes into the queue's hashes, nothing of it breaks a claim.

A command whose id is not UTF-8, or longer than any other field may be, is dropped where it is found: an
answer under what can be read of such an id would go to another key, and the original would be taken over for
ever. Other ids that have not the form of one are kept: the intake answers them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from publisher.adapters.redis_commands.driver import RedisLink
from publisher.commanding.entries import (
    ALL,
    Claim,
    FinalReply,
    Memory,
    QueuedCommand,
    Tenure,
    Verdict,
)
from publisher.errors import QueueFenced, QueueHeld
from schemas.command import MAX_BODY_BYTES
from schemas.command_queue import CommandKeys

_PAGE: Final = 200
_NEWS_KEPT: Final = 5000
_START: Final = "0-0"
_LARGEST_ID: Final = 300


@dataclass(slots=True, frozen=True)
class QueueSettings:
    """`lease_ms`: how long a turn lasts without news from us. `keep_ms`: how long replies are kept."""

    lease_ms: int = 15_000
    keep_ms: int = 24 * 3600 * 1000
    max_depth: int = 10_000


class RedisCommandQueue:
    """Implements `publisher.command_ports.CommandQueue`. `owner` is the command journal's name."""

    def __init__(self, link: RedisLink, pbx: str, owner: str, settings: QueueSettings) -> None:
        self._link = link
        self._keys = CommandKeys(pbx)
        self._owner = owner
        self._settings = settings
        self._tenure = ""
        self._memory = Memory()
        self._seen = [_START, _START, _START]

    async def take(self, memory: Memory) -> Tenure:
        keys, settings = self._keys, self._settings
        remembered = (memory.epoch, memory.writes, memory.seen_ms, "1" if memory.exact else "0")
        answer = await self._link.run(
            "take",
            (keys.fence, keys.interactive, keys.bulk),
            (self._owner, settings.lease_ms, settings.max_depth, *remembered),
        )
        words = [_text(word) for word in answer]
        if words[0] == "held":
            left = _number(words[2]) / 1000
            raise QueueHeld(f"another collector ({words[1][:8]}) has the turn for {left:.0f} s more", left)
        epoch, now_ms, identity, writes = _number(words[1]), _number(words[2]), words[3], _number(words[4])
        self._tenure = f"{epoch}:{self._owner}"
        self._memory = Memory(epoch, identity, writes, now_ms, exact=True)
        self._seen = [_START, _START, _START]
        return Tenure(
            epoch=epoch,
            identity=identity,
            now_ms=now_ms,
            trusted=not words[7],
            watermarks=(words[5], words[6]),
            why_not=words[7],
        )

    async def confirm(self) -> None:
        await self._fenced("confirm", (), ())

    @property
    def memory(self) -> Memory:
        """What to remember, up to the last answer: every write of ours that was heard of counts."""
        return self._memory

    async def renew(self) -> int:
        answer = await self._fenced("renew", (self._keys.active,), (self._settings.lease_ms,))
        return _number(answer[3])

    async def release(self) -> None:
        await self._link.run("release", (self._keys.fence,), (self._tenure,))

    async def wait(self, timeout_secs: float) -> None:
        keys = self._keys
        streams = dict(zip((keys.interactive, keys.bulk, keys.cancels), self._seen, strict=True))
        await self._link.wait(streams, timeout_secs)

    async def claim(self, most: int, upto: tuple[str, str] = ALL) -> Claim:
        keys = self._keys
        answer = await self._fenced(
            "claim",
            (keys.interactive, keys.bulk, keys.active, keys.cancels),
            (self._owner, most, keys.prefix, MAX_BODY_BYTES, *upto),
        )
        return Claim(
            now_ms=_number(answer[1]),
            cancelled=tuple(_text(id) for id in answer[3]),
            commands=tuple(await self._answerable(answer[4])),
            looked_at=_number(answer[5]),
        )

    async def orphans(self) -> list[QueuedCommand]:
        found: list[QueuedCommand] = []
        first = 0
        while True:
            answer = await self._fenced(
                "orphans", (self._keys.active,), (self._keys.prefix, MAX_BODY_BYTES, first, _PAGE)
            )
            some = await self._answerable(answer[5])
            found += some
            if _number(answer[3]) < _PAGE:
                return found
            first += _number(answer[4]) - (len(answer[5]) - len(some))

    async def _answerable(self, described: Sequence[Sequence[bytes]]) -> list[QueuedCommand]:
        """The commands whose ids can be answered; the others are dropped."""
        unanswerable = [one[0] for one in described if not _is_answerable(one[0])]
        if unanswerable:
            words: tuple[str | bytes | int, ...] = (self._keys.prefix, self._settings.keep_ms, *unanswerable)
            await self._fenced("drop", (self._keys.active,), words)
        return [_queued(one) for one in described if _is_answerable(one[0])]

    async def mark_sending(self, ids: Sequence[str]) -> list[Verdict]:
        words: tuple[str | int, ...] = (self._owner, self._keys.prefix, self._settings.lease_ms, *ids)
        answer = await self._fenced("sending", (self._keys.replies,), words)
        return [Verdict(_text(word), _number(left)) for word, left in answer[3:]]

    async def finish(self, finals: Sequence[FinalReply]) -> list[str]:
        keys = self._keys
        words: list[str | bytes | int] = [self._tenure, self._owner, keys.prefix, self._settings.keep_ms]
        for final in finals:
            words += [final.id, str(final.state), final.reply, final.body, final.client, final.action]
        answer = await self._link.run("finish", (keys.fence, keys.active, keys.replies), words)
        self._remember(_number(answer[1]))
        return [_text(verdict) for verdict in answer[2:]]

    async def tell(self, id: str, state: str, step: str, more: str = "") -> None:
        await self._link.add(
            self._keys.replies, {"id": id, "state": state, "step": step, "more": more}, _NEWS_KEPT
        )

    async def close(self) -> None:
        await self._link.close()

    async def _fenced(self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        """Run a script that is only for whoever has the turn. Raises `QueueFenced`."""
        words = (self._tenure, self._memory.identity, *args)
        answer = await self._link.run(name, (self._keys.fence, *keys), words)
        verdict = _text(answer[0])
        if verdict == "fenced":
            raise QueueFenced(f"another turn has begun ({_text(answer[1])[:8] or 'the queue is empty'})")
        if verdict == "other_server":
            raise QueueFenced("the queue's server was restarted or replaced")
        self._remember(_number(answer[2]), _number(answer[1]))
        return answer

    def _remember(self, writes: int, now_ms: int = 0) -> None:
        known = self._memory
        self._memory = Memory(
            known.epoch,
            known.identity,
            max(known.writes, writes),
            max(known.seen_ms, now_ms),
            exact=True,
        )


def _queued(words: Sequence[bytes]) -> QueuedCommand:
    state, body, at, ttl, signature, queued, expires, owner, cancel, entry, priority, client, action = words[
        1:
    ]
    return QueuedCommand(
        id=_text(words[0]),
        state=_text(state),
        body=bytes(body),
        at_ms=_number(at),
        ttl_ms=_number(ttl),
        signature=_text(signature),
        queued_ms=_number(queued),
        expires_ms=_number(expires),
        owner=_text(owner),
        cancelled=bool(cancel),
        entry=_text(entry),
        bulk=priority == b"bulk",
        client=_text(client),
        action=_text(action),
    )


def _is_answerable(id: bytes) -> bool:
    try:
        id.decode()
    except UnicodeDecodeError:
        return False
    return len(id) <= _LARGEST_ID


def _text(word: bytes | str) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def _number(word: bytes | str | int) -> int:
    """A whole number; 0 for what is none, because anybody may write into the queue's hashes."""
    text = _text(word) if isinstance(word, bytes) else str(word)
    return int(text) if len(text) <= 18 and text.isascii() and text.lstrip("-").isdigit() else 0
