"""A queue of a test's own, and everything that was ever taken off it."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aio_pika
import msgpack  # type: ignore[import-untyped]

from tests.end_to_end.plain_amqp import Taken, take_all
from tests.services.choice import RabbitmqServer

_VHOST = """
    rabbit_vhost:add(<<"{name}">>, <<"test">>),
    rabbit_auth_backend_internal:set_permissions(
        <<"{user}">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>).
"""


@dataclass(slots=True, frozen=True)
class Arrived:
    """One message as it stood on a queue."""

    message_id: str
    routing_key: str
    cc: tuple[str, ...]
    headers: dict[str, Any]
    raw_body: bytes
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """What sort of event: gap, up, down, malformed, snapshot, synthetic, or event."""
        if "control" in self.body:
            return str(self.body["control"]["kind"])
        return next((flag for flag in ("snapshot", "synthetic") if self.body.get(flag)), "event")


def arrived(taken: Taken) -> Arrived:
    """The message with its body decoded by msgpack alone."""
    headers = dict(taken.properties["headers"])
    cc = tuple(headers.get("CC") or ())
    message_id = taken.properties["message_id"]
    return Arrived(message_id, taken.routing_key, cc, headers, taken.body, msgpack.unpackb(taken.body))


async def new_vhost(server: RabbitmqServer) -> str:
    """A virtual host for one test on the shared broker."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    await asyncio.to_thread(server.rabbitmqctl, "eval", _VHOST.format(name=name, user=server.user))
    return name


class Taker:
    """A queue of one's own, bound before anything is published; `all` is what was taken from it, in order."""

    def __init__(
        self,
        server: RabbitmqServer,
        key: str = "#",
        vhost: str = "",
        arguments: dict[str, Any] | None = None,
    ) -> None:
        self._server = server
        self._vhost = vhost
        self._key = key
        self._arguments = arguments or {}
        self.name = f"test-{uuid.uuid4().hex[:12]}"
        self.all: list[Arrived] = []
        self._taking = threading.Lock()
        self._failed = False

    @property
    def url(self) -> str:
        return self._server.amqp_url.rstrip("/") + "/" + self._vhost

    async def bind(self) -> None:
        """Declare the queue, and the exchanges as the contract says them."""
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            await channel.declare_exchange("ami.unrouted", "fanout", durable=True)
            await channel.declare_exchange(
                "ami.events", "topic", durable=True, arguments={"alternate-exchange": "ami.unrouted"}
            )
            queue = await channel.declare_queue(self.name, durable=True, arguments=self._arguments)
            await queue.bind("ami.events", self._key)

    async def unbind(self) -> None:
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue(self.name)
            await queue.unbind("ami.events", self._key)

    async def take(self) -> int:
        """Take everything that stands on the queue now; how many there were."""
        return await asyncio.to_thread(self._take)

    def _take(self) -> int:
        # All of it in the thread: what was taken is kept even if nobody waits for it any more.
        with self._taking:
            # Nor may a failure pass unseen: what was under way then comes again, and not in its place.
            assert not self._failed
            self._failed = True
            taken = take_all(self._server, self._vhost, self.name)
            self._failed = False
            self.all += [arrived(one) for one in taken]
            return len(taken)

    async def until(self, happened: Callable[[list[Arrived]], bool], timeout_secs: float = 60) -> None:
        """Take until what has been taken says so; looks at each batch alone."""
        async with asyncio.timeout(timeout_secs):
            seen = 0
            while True:
                await self.take()
                if happened(self.all[seen:]):
                    return
                seen = len(self.all)
                await asyncio.sleep(0.05)
