"""The fake under the contract suite."""

from __future__ import annotations

from collections.abc import Mapping

from publisher.command_ports import CommandQueue
from tests.command_contract.harness import KEEP_MS, new_pbx
from tests.fakes.command_queue import FakeCommandQueue
from tests.fakes.command_store import Data, FakeCommandStore, News


class InMemoryHarness:
    name = "fake"

    def __init__(self) -> None:
        self.pbx = new_pbx()
        self.store = FakeCommandStore()

    def queue(
        self, owner: str = "owner", *, lease_ms: int = 15_000, keep_ms: int = KEEP_MS, max_depth: int = 10_000
    ) -> CommandQueue:
        return FakeCommandQueue(self.store, owner, lease_ms=lease_ms, keep_ms=keep_ms, max_depth=max_depth)

    async def enqueue(
        self, id: str, body: bytes = b"body", *, ttl_ms: int = 30_000, bulk: bool = False, at_ms: int = 0
    ) -> tuple[str, ...]:
        return self.store.enqueue(id, body, ttl_ms=ttl_ms, bulk=bulk, at_ms=at_ms, keep_ms=KEEP_MS)

    async def cancel(self, id: str) -> tuple[str, ...]:
        return self.store.cancel(id)

    async def expire(self, id: str, reply: bytes, grace_ms: int = 0) -> tuple[str, bytes]:
        return self.store.expire(id, reply, KEEP_MS, grace_ms)

    async def look(self, id: str) -> dict[str, bytes]:
        return dict(self.store.command(id))

    async def write(self, id: str, fields: Mapping[str, bytes]) -> None:
        self.store.data.commands.setdefault(id, {}).update(fields)

    async def erase(self, id: str, *names: str) -> None:
        if not names:
            self.store.data.commands.pop(id, None)
            self.store.data.goes_ms.pop(id, None)
        for name in names:
            self.store.command(id).pop(name, None)

    async def ttl_ms(self, id: str) -> int:
        return self.store.data.goes_ms[id] - self.store.now_ms()

    async def news(self) -> list[News]:
        return list(self.store.data.news)

    async def waiting(self) -> tuple[int, int]:
        return len(self.store.data.interactive), len(self.store.data.bulk)

    async def now_ms(self) -> int:
        return self.store.now_ms()

    async def forget(self) -> None:
        self.store.forget()

    async def restart(self) -> None:
        self.store.restart()

    async def copied(self) -> Data:
        return self.store.copied()

    async def roll_back(self, copy: Data) -> None:
        self.store.roll_back(copy)

    async def close(self) -> None:
        return
