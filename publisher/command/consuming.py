"""The consumers in a process of `amibus run`: their buses, the parking lot, changes of the configuration."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from consumers.adapters.embedded_calls import FILE_NAME as CALLS_FILE
from consumers.adapters.embedded_calls import EmbeddedCalls
from consumers.adapters.parking_file import FILE_NAME as PARKING_FILE
from consumers.adapters.parking_file import ParkingFile
from consumers.adapters.rabbitmq.calls import RabbitCalls
from consumers.adapters.rabbitmq.driver import SourceSettings
from consumers.adapters.rabbitmq.lot import RabbitLot
from consumers.adapters.rabbitmq.source import RabbitSource
from consumers.adapters.replaying_source import ReplayingSource
from consumers.app.binding_set import BindingSet
from consumers.app.definition import CALLS, EVENTS, BindingDefinition
from consumers.app.fold_keeper import FoldKeeper
from consumers.folding import FOLDING, FoldingSettings
from consumers.ports import BusSource, CallBus, ParkingLot
from consumers.reports import BindingReporter, ConfigurationChanged, ConfigurationRefused
from publisher.adapters.clock import SystemClock
from publisher.app import rabbit_settings
from publisher.command.bindings import definitions_of
from publisher.configuration.loading import load
from publisher.configuration.section import EMBEDDED
from publisher.configuration.settings import Settings
from publisher.errors import ConfigurationError
from schemas.broker_topology import CALLS as CALLS_EXCHANGE

_LOOK_SECS: Final = 2.0


def broker_settings(settings: Settings, name: str) -> SourceSettings:
    """How consumers reach the configured broker."""
    url = settings.bus.read_url().reveal()
    assert url != EMBEDDED
    how = rabbit_settings(settings.bus, url)
    return SourceSettings(
        how.url,
        name=name,
        heartbeat_secs=how.heartbeat_secs,
        connect_timeout_secs=how.connect_timeout_secs,
        tls=how.tls,
    )


def parking_lot_of(settings: Settings) -> ParkingLot:
    """Where events are parked: on the broker, or in a file beside the journals."""
    if settings.bus.read_url().reveal() == EMBEDDED:
        return ParkingFile(settings.journal.dir / PARKING_FILE, SystemClock().now_us)
    return RabbitLot(broker_settings(settings, "ami-bus parking"), SystemClock().now_us)


class Consuming:
    """The consumers of one process. `embedded` is the bus in it, None with a broker. `trunks`: of each PBX by
    name, the peers that are trunks.

    Call events are made where some binding is on calls; with a broker, by one of the processes.
    """

    def __init__(
        self,
        settings: Settings,
        embedded: BusSource | None,
        report: BindingReporter,
        trunks: Mapping[str, Iterable[str]],
    ) -> None:
        self._report = report
        self._lot = parking_lot_of(settings)
        events: BusSource
        taken: BusSource
        calls: BusSource
        told: CallBus
        if embedded is not None:
            assert isinstance(self._lot, ParkingFile)
            file = EmbeddedCalls(settings.journal.dir / CALLS_FILE, self._lot, report, FOLDING)
            taken = events = ReplayingSource(embedded, self._lot)
            told, calls = file, ReplayingSource(file, self._lot)
            self._closing: Sequence[BusSource] = [file]
        else:
            events = RabbitSource(broker_settings(settings, "ami-bus consumers"))
            calls = RabbitSource(broker_settings(settings, "ami-bus consumers of calls"), CALLS_EXCHANGE)
            # Of its own: a broker that is short of memory stops the connections that publish.
            how = broker_settings(settings, "ami-bus call events")
            taken = own = RabbitSource(how)
            told = RabbitCalls(own, how.url)
            self._closing = [events, calls, taken]
        self._settings = settings
        folding = FoldingSettings(content_type=settings.bus.media_type)
        self._folding = FoldKeeper(taken, told, self._lot, trunks, report, folding)
        self.bindings = BindingSet({EVENTS: events, CALLS: calls}, self._lot, report)

    async def start(self, definitions: Sequence[BindingDefinition]) -> None:
        """Serve these bindings."""
        await self._apply(definitions)

    async def follow(self, file: Path) -> None:
        """Take over changed bindings when the file changes or SIGHUP comes, until cancelled. What is wrong is
        told, and everything goes on as it was."""
        asked = asyncio.Event()
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
        served = seen = _state(file)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECS):
                    await asked.wait()
            now = _state(file)
            # Twice the same: nobody is in the middle of writing it.
            if asked.is_set() or (now != served and now == seen):
                asked.clear()
                served = now
                await self._reload(file)
            seen = now

    async def _reload(self, file: Path) -> None:
        try:
            settings = await asyncio.to_thread(load, file)
            definitions = await asyncio.to_thread(definitions_of, settings)
            if self.bindings.names and not (settings.binding or settings.pbx):
                raise ConfigurationError(f"{file}: holds neither a [[binding]] nor a [[pbx]]: is it whole?")
            await self._apply(definitions)
        except ConfigurationError as error:
            self._report(ConfigurationRefused("", str(error)))
            return
        except Exception as error:  # Nothing in a changed file may end what is running.
            self._report(ConfigurationRefused("", f"{type(error).__name__}: {error}"))
            return
        others = [
            name
            for name in Settings.model_fields
            if name != "binding" and getattr(settings, name) != getattr(self._settings, name)
        ]
        self._report(
            ConfigurationChanged("", tuple(self.bindings.names), tuple(f"[{name}]" for name in others))
        )

    async def _apply(self, definitions: Sequence[BindingDefinition]) -> None:
        # The bindings first: they are to have what the fold tells from its beginning.
        await self.bindings.apply(definitions)
        await self._folding.apply(any(one.on == CALLS for one in definitions))

    async def close(self) -> None:
        """End the folding, drain the bindings, then leave the bus."""
        await self._folding.close()
        await self.bindings.close()
        for source in self._closing:
            await source.close()
        await self._lot.close()


def _state(file: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file does; None while it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
