"""Keeps the service that folds running while some binding wants call events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from consumers.errors import ConsumerError
from consumers.folding import FOLDING, CallFolding, FoldingSettings
from consumers.ports import BusSource, CallBus, ParkingLot
from consumers.reports import BindingCrashed, BindingRefused, BindingRemoved, BindingReporter

_RESTART_SECS: Final = 5.0


class FoldKeeper:
    """See the module. `source` is where raw events come from, `calls` where call events go."""

    def __init__(
        self,
        source: BusSource,
        calls: CallBus,
        lot: ParkingLot,
        trunks: Mapping[str, Iterable[str]],
        report: BindingReporter,
        settings: FoldingSettings,
    ) -> None:
        self._source = source
        self._calls = calls
        self._lot = lot
        self._trunks = dict(trunks)
        self._report = report
        self._settings = settings
        self._task: asyncio.Task[None] | None = None

    async def apply(self, wanted: bool) -> None:
        """Run it or not. Once nobody wants it any more its place leaves the bus with what waits there, as a
        binding's does, and what it knew of the calls is forgotten."""
        if wanted and self._task is None:
            self._task = asyncio.create_task(self._kept_running())
        elif not wanted and self._task is not None:
            await self.close()
            try:
                await self._source.unbind(FOLDING)
                await self._calls.forget()
            except ConsumerError as error:
                self._report(
                    BindingRefused(FOLDING, f"it is served no more, but is still on the bus: {error}")
                )
                return
            self._report(BindingRemoved(FOLDING))

    async def close(self) -> None:
        """End it; what it told is settled, and the rest comes again."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _kept_running(self) -> None:
        """A fault of ours in it ends nothing else; it is told, and the folding begins anew."""
        while True:
            folding = CallFolding(
                self._source, self._calls, self._lot, self._trunks, self._report, self._settings
            )
            try:
                await folding.run()
            except Exception as error:  # The last resort, as a supervisor's.
                self._report(BindingCrashed(FOLDING, f"{type(error).__name__}: {error}", _RESTART_SECS))
            await asyncio.sleep(_RESTART_SECS)
