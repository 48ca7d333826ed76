"""The bindings that one process serves: each with its own runner; changed while the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from consumers.app.definition import BindingDefinition
from consumers.app.filter_gate import FilterGate
from consumers.dispatching.intake import Gate, OpenGate
from consumers.dispatching.runner import BindingRunner
from consumers.errors import ConsumerError
from consumers.plugin import SinkContext
from consumers.ports import BusSource, ParkingLot
from consumers.reports import BindingCrashed, BindingRefused, BindingRemoved, BindingReporter, SinkTold

_RESTART_SECS = 5.0


@dataclass(slots=True)
class _Served:
    definition: BindingDefinition
    runner: BindingRunner
    task: asyncio.Task[None]


class BindingSet:
    """Implements serving a set of definitions. `sources` are the buses, by what a definition is `on`."""

    def __init__(self, sources: Mapping[str, BusSource], lot: ParkingLot, report: BindingReporter) -> None:
        self._sources = sources
        self._lot = lot
        self._report = report
        self._served: dict[str, _Served] = {}
        self._changing = asyncio.Lock()

    @property
    def names(self) -> list[str]:
        return sorted(self._served)

    @property
    def taken(self) -> int:
        """Events that all sinks have taken since the start."""
        return sum(served.runner.worker.taken for served in self._served.values())

    def runner(self, name: str) -> BindingRunner:
        """Raises `KeyError`."""
        return self._served[name].runner

    async def apply(self, definitions: Iterable[BindingDefinition]) -> None:
        """Serve these and no others. What is equal goes on undisturbed; what is gone is taken off the bus,
        with what waits there. A sink that cannot be made is told, and its binding stays as it was."""
        async with self._changing:
            wanted = {definition.name: definition for definition in definitions}
            gone = [name for name, served in self._served.items() if _moved(served, wanted.get(name))]
            await asyncio.gather(*(self._remove(name) for name in gone))
            changed = [
                definition
                for name, definition in wanted.items()
                if name not in self._served
                or self._served[name].definition != definition
                or self._served[name].task.done()
            ]
            await asyncio.gather(*(self._serve(definition) for definition in changed))

    async def close(self) -> None:
        """Drain them all at the same time. Their places on the bus stay."""
        async with self._changing:
            await asyncio.gather(*(self._stop(name) for name in list(self._served)))

    async def _serve(self, definition: BindingDefinition) -> None:
        try:
            runner = self._made(definition)
        except ConsumerError as error:
            self._report(BindingRefused(definition.name, str(error)))
            return
        if definition.name in self._served:
            await self._stop(definition.name)
        task = asyncio.create_task(self._kept_running(definition, runner))
        self._served[definition.name] = _Served(definition, runner, task)

    def _made(self, definition: BindingDefinition) -> BindingRunner:
        name, compiled = definition.name, definition.compiled
        gate: Gate = OpenGate() if compiled is None else FilterGate(compiled)
        context = SinkContext(name, definition.folder, lambda said: self._report(SinkTold(name, said)))
        return BindingRunner(
            definition.binding,
            definition.settings,
            self._sources[definition.on],
            gate,
            definition.sink.make(definition.options, context),
            self._lot,
            self._report,
        )

    async def _kept_running(self, definition: BindingDefinition, runner: BindingRunner) -> None:
        """A fault of ours in one binding ends no other; it is told, and the binding begins anew."""
        while True:
            try:
                await runner.run()
                return
            except Exception as error:  # The last resort of one binding: as a supervisor's.
                self._crashed(definition, error)
            while True:
                await asyncio.sleep(_RESTART_SECS)
                try:
                    runner = self._made(definition)
                    break
                except Exception as error:  # As above: a secret's file may be away for a moment.
                    self._crashed(definition, error)
            self._served[definition.name].runner = runner

    def _crashed(self, definition: BindingDefinition, error: Exception) -> None:
        self._report(BindingCrashed(definition.name, f"{type(error).__name__}: {error}", _RESTART_SECS))

    async def _remove(self, name: str) -> None:
        source = self._sources[self._served[name].definition.on]
        await self._stop(name)
        try:
            await source.unbind(name)
        except ConsumerError as error:
            self._report(BindingRefused(name, f"it is served no more, but is still on the bus: {error}"))
            return
        self._report(BindingRemoved(name))

    async def _stop(self, name: str) -> None:
        served = self._served.pop(name)
        served.task.cancel()
        await asyncio.gather(served.task, return_exceptions=True)


def _moved(served: _Served, wanted: BindingDefinition | None) -> bool:
    """Whether it is to be taken off its bus: it is gone, or takes from another one."""
    return wanted is None or wanted.on != served.definition.on
