"""The supervisor: keeps services running, each for itself.

The only place with a broad catch. A service that stops on an unforeseen error is reported and started
again after a growing wait; the others never notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from publisher.backoff import Backoff
from publisher.ports import Clock
from publisher.reports import Report, ServiceCrashed

_STOP_SECS: Final = 10.0

Service = Callable[[], Coroutine[Any, Any, None]]


class Supervisor:
    """Owns one task a service. Stop gives each at most ten seconds to end by itself."""

    def __init__(self, clock: Clock, report: Callable[[Report], None]) -> None:
        self._clock = clock
        self._report = report
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, pbx: str, service: str, run: Service) -> None:
        """Run a service until `stop`; `pbx` and `service` name it in reports."""
        name = f"{service}:{pbx}"
        self._tasks[name] = asyncio.create_task(self._keep(pbx, service, run), name=name)

    async def _keep(self, pbx: str, service: str, run: Service) -> None:
        backoff = Backoff(0.5, 30.0)
        while True:
            try:
                await run()
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if current is not None and current.cancelling():
                    raise
                # A library cancelled something of its own and let it escape; that is a crash, not a stop.
                self._crashed(pbx, service, "an inner task was cancelled", wait := backoff.next_secs())
            except Exception as error:
                self._crashed(pbx, service, f"{type(error).__name__}: {error}", wait := backoff.next_secs())
            else:
                return
            await self._clock.sleep(wait)

    def _crashed(self, pbx: str, service: str, error: str, wait: float) -> None:
        self._report(ServiceCrashed(pbx, service, error, wait))

    async def stop(self, service: str = "") -> None:
        """Cancel all services, or those of one name, and wait for them, bounded; what then still runs is
        left behind."""
        names = [name for name in self._tasks if not service or name.startswith(f"{service}:")]
        tasks = [self._tasks.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECS)
