"""The buses of call events under the contract suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from consumers.adapters.embedded_calls import FILE_NAME, EmbeddedCalls
from consumers.adapters.rabbitmq.calls import RabbitCalls
from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.source import RabbitSource
from consumers.errors import BusLost
from consumers.ports import BusSource, ParkingLot
from consumers.reports import BindingReport
from schemas.broker_topology import CALLS
from schemas.broker_url import BrokerUrl
from schemas.message import Message
from tests.bus_contract.rabbit import NamedSource
from tests.fakes.parking_lot import FakeLot


class EmbeddedCallsHarness:
    name = "embedded calls"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lot: ParkingLot = FakeLot()
        self.reports: list[BindingReport] = []
        self.calls = self._made()

    def _made(self) -> EmbeddedCalls:
        return EmbeddedCalls(self._folder / FILE_NAME, self.lot, self.reports.append, "calls")

    @property
    def source(self) -> BusSource:
        return self.calls

    @property
    def lost(self) -> type[Exception]:
        return BusLost

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.calls.publish(messages)

    async def reopen(self) -> None:
        await self.close()
        self.calls = self._made()

    async def close(self) -> None:
        await self.calls.close()


class RabbitCallsHarness:
    name = "rabbitmq calls"

    def __init__(self, amqp_url: str) -> None:
        self._settings = SourceSettings(BrokerUrl.parse(amqp_url))
        self._taken = RabbitSource(self._settings)
        self.calls = RabbitCalls(self._taken, self._settings.url)
        self._source = NamedSource(RabbitSource(self._settings, CALLS))

    async def open(self) -> None:
        await self.calls.begin()

    @property
    def source(self) -> BusSource:
        return self._source

    @property
    def lost(self) -> type[Exception]:
        return BusLost

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.calls.publish(messages)

    async def reopen(self) -> None:
        names = self._source.names
        await self._source.close()
        self._source = NamedSource(RabbitSource(self._settings, CALLS))
        self._source.names = names

    async def close(self) -> None:
        for name in self._source.names:
            await self._source.unbind(name)
        await self._source.close()
        await self.calls.forget()
        await self._taken.close()
