"""Commands given without end by many clients at once, and the books that say whether all went well.

The oracle, whatever was killed, cut or rolled back meanwhile:
* the PBX executed each id at most once, and dialled it at most once;
* each command has exactly one final reply in the queue's news, and its client got that one;
* what expired, was rejected or cancelled never reached the PBX;
* what succeeded did;
* `unknown` only where `in_doubt` says that it may be: the command stood in the journal as sent and unanswered
  when something broke.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis.asyncio as redis

from consumers.commands import CommandClient, QueueFull, QueueRefused, QueueUnreachable
from publisher.simulator import SimulatedPbx
from schemas.command_queue import CommandKeys
from schemas.reply import FINAL, Reply, State

BUSY, SILENT, NOWHERE = "217", "218", "249"
QUERIES = frozenset({"Ping", "CoreShowChannels"})
NEVER_SENT = frozenset({State.EXPIRED, State.REJECTED})


@dataclass(slots=True)
class Books:
    """What was ordered and what came of it."""

    replies: dict[str, Reply] = field(default_factory=dict)
    ordered: dict[str, str] = field(default_factory=dict)
    doubtful_orders: set[str] = field(default_factory=set)
    finals: dict[str, list[str]] = field(default_factory=dict)
    in_doubt: set[str] = field(default_factory=set)

    def note_in_doubt(self, journal: Path) -> None:
        """Something broke: what stands in the journal as sent and unanswered now."""
        if journal.exists():
            with contextlib.closing(sqlite3.connect(journal)) as file:
                rows = file.execute("SELECT id FROM command WHERE state = '' AND sent_us > 0")
                self.in_doubt |= {id for (id,) in rows}

    def check(self, pbx: SimulatedPbx, unknown_allowed: bool = False) -> Counter[str]:
        """Hold the books against what the PBX did; how many commands ended in which state."""
        assert not pbx.executed.repeated(), pbx.executed.repeated()
        assert not pbx.dialled.repeated(), pbx.dialled.repeated()
        assert self.replies.keys() == self.ordered.keys()
        for id, reply in self.replies.items():
            action = self.ordered[id]
            told = (
                f"{action} {id}: {reply.state} {reply.reason} {reply.message}, finals {self.finals.get(id)}"
            )
            assert self.finals.get(id) == [reply.state], told
            if reply.state in NEVER_SENT:
                assert not pbx.executed[id], told
            if reply.state is State.SUCCEEDED and action not in QUERIES:
                assert pbx.executed[id] == 1, told
            if reply.state is State.UNKNOWN and not unknown_allowed:
                assert id in self.in_doubt, told
        return Counter(str(reply.state) for reply in self.replies.values())


class Orders:
    """Gives `most` orders; each worker waits for the reply to its last one."""

    def __init__(self, client: CommandClient, books: Books, seed: int, most: int, workers: int = 24) -> None:
        self._client = client
        self._books = books
        self._chance = random.Random(seed)
        self._most = most
        self._workers = workers
        self._given = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    @property
    def answered(self) -> int:
        return len(self._books.replies)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]

    async def reached(self, answered: int) -> None:
        """So many are answered."""
        while self.answered < answered:
            self._news.clear()
            await self._news.wait()

    async def done(self, secs: float) -> None:
        """All that was ordered is answered."""
        async with asyncio.timeout(secs):
            await asyncio.gather(*self._tasks)

    async def _work(self) -> None:
        while self._given < self._most:
            self._given += 1
            await self._order(f"c{self._given}-{self._chance.getrandbits(40):x}")

    async def _order(self, id: str) -> None:
        action, fields = self._choice()
        expires = 0.3 if self._chance.random() < 0.1 else 60.0
        priority = "bulk" if self._chance.random() < 0.2 else "interactive"
        while True:
            try:
                sent = await self._client.send(
                    "main", action, fields, id=id, expires_secs=expires, priority=priority
                )
                break
            except (QueueUnreachable, QueueFull, QueueRefused):
                # The same id again: it is the same command, whether or not it was queued.
                self._books.doubtful_orders.add(id)
                await asyncio.sleep(0.1)
        self._books.ordered[id] = action
        self._books.replies[id] = await sent.reply(120)
        self._news.set()

    def _choice(self) -> tuple[str, dict[str, Any]]:
        draw, chance = self._chance.random(), self._chance
        phone, other = str(chance.randrange(200, 217)), str(chance.randrange(200, 217))
        if draw < 0.5:
            return "Originate", {"Phone": phone, "Exten": other, "Variable": {"CRM_ID": str(chance.random())}}
        if draw < 0.58:
            return "Originate", {"Phone": BUSY, "Exten": other}
        if draw < 0.62:
            return "Originate", {"Phone": SILENT, "Exten": other, "Timeout": 1000}
        if draw < 0.66:
            return "Originate", {"Phone": NOWHERE, "Exten": other}
        if draw < 0.75:
            return "UserEvent", {"UserEvent": "CRM", "Headers": {"Card": "Карта 15: a=b"}}
        if draw < 0.83:
            return "QueuePause", {"Queue": "support", "Phone": "201", "Paused": chance.random() < 0.5}
        if draw < 0.9:
            return "Setvar", {"Variable": "CRM_X", "Value": "1"}
        if draw < 0.95:
            return "CoreShowChannels", {}
        return "Ping", {}


@contextlib.asynccontextmanager
async def news_of(url: str, books: Books, pbx: str = "main") -> AsyncIterator[None]:
    """Reads all news of the queue from its beginning, and notes each final reply."""
    task = asyncio.create_task(_read_news(url, books, CommandKeys(pbx).replies))
    try:
        yield
        # Every final reply is in the stream before its client has it.
        async with asyncio.timeout(10):
            await _all_read(books)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _all_read(books: Books) -> None:
    while any(id not in books.finals for id in books.replies):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def _read_news(url: str, books: Books, stream: str) -> None:
    after = "0-0"
    while True:
        client = redis.Redis.from_url(url, socket_timeout=10)
        try:
            while True:
                found: Any = await client.xread({stream: after}, count=1000, block=200)
                entries = found.items() if isinstance(found, Mapping) else found
                for _, some in entries:
                    for entry, fields in some[0] if some and isinstance(some[0], list) else some:
                        after = entry.decode()
                        if fields[b"state"].decode() in FINAL:
                            books.finals.setdefault(fields[b"id"].decode(), []).append(
                                fields[b"state"].decode()
                            )
        except (redis.RedisError, OSError):
            await asyncio.sleep(0.05)
        finally:
            with contextlib.suppress(redis.RedisError, OSError):
                await client.aclose()
