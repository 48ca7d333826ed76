"""RabbitMQ under the contract suite: what the publisher's adapter sends, the consumers' adapter takes."""

from __future__ import annotations

from collections.abc import Sequence

from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.source import RabbitSource
from consumers.errors import BusLost
from consumers.ports import Binding, BusSource, Subscription
from publisher.adapters.rabbitmq.bus import RabbitBus, RabbitSettings
from publisher.ports import BusSession
from schemas.broker_url import BrokerUrl
from schemas.message import Message


class NamedSource:
    """A source that remembers which bindings were made, so that the shared broker can be left as found."""

    def __init__(self, source: RabbitSource) -> None:
        self._source = source
        self.names: set[str] = set()

    async def bind(self, binding: Binding) -> None:
        self.names.add(binding.name)
        await self._source.bind(binding)

    async def unbind(self, name: str) -> None:
        await self._source.unbind(name)

    async def places(self, name: str) -> Sequence[str]:
        return await self._source.places(name)

    async def subscribe(self, name: str, prefetch: int = 500) -> Subscription:
        return await self._source.subscribe(name, prefetch)

    async def close(self) -> None:
        await self._source.close()


class RabbitHarness:
    name = "rabbitmq"

    def __init__(self, amqp_url: str) -> None:
        self._url = BrokerUrl.parse(amqp_url)
        self._session: BusSession | None = None
        self._source: NamedSource | None = None

    async def open(self) -> None:
        self._session = await RabbitBus(RabbitSettings(self._url), "contract").open()
        self._source = NamedSource(RabbitSource(SourceSettings(self._url)))
        self._sent = 0

    @property
    def source(self) -> BusSource:
        assert self._source is not None
        return self._source

    @property
    def lost(self) -> type[Exception]:
        return BusLost

    async def publish(self, messages: Sequence[Message]) -> None:
        assert self._session is not None
        self._session.publish(messages)
        self._sent += len(messages)
        while (await self._session.settled()).confirmed_through < self._sent:
            pass

    async def reopen(self) -> None:
        assert self._source is not None
        names = self._source.names
        await self._source.close()
        self._source = NamedSource(RabbitSource(SourceSettings(self._url)))
        self._source.names = names

    async def close(self) -> None:
        assert self._source is not None
        assert self._session is not None
        for name in self._source.names:
            await self._source.unbind(name)
        await self._source.close()
        await self._session.close()
