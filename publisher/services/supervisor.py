"""The supervisor: keeps services running, each for itself.

The only place with a broad catch. A service that stops on an unforeseen error is reported and started
again after a wait that grows from 0.5 s to 30 s and begins anew once the service has run for a minute; the
others never notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, ParamSpec

from publisher.backoff import Backoff
from publisher.ports import Clock
from publisher.reports import Report, ServiceCrashed

_STOP_SECS: Final = 10.0
# A service that ran this long was a good one: its next crash is waited for as its first.
_GOOD_RUN_SECS: Final = 60.0

Service = Callable[[], Coroutine[Any, Any, None]]
Arguments = ParamSpec("Arguments")


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
            began = self._clock.monotonic()
            try:
                await run()
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if current is not None and current.cancelling():
                    raise
                # A library cancelled something of its own and let it escape; that is a crash, not a stop.
                crash = "an inner task was cancelled"
            except Exception as error:
                crash = f"{type(error).__name__}: {error}"
            else:
                return
            if self._clock.monotonic() - began >= _GOOD_RUN_SECS:
                backoff.reset()
            wait = backoff.next_secs()
            self._report(ServiceCrashed(pbx, service, crash, wait))
            await self._clock.sleep(wait)

    async def stop(self, service: str = "") -> None:
        """Cancel all services, or those of one name, and wait for them, bounded; what then still runs is
        left behind."""
        names = [name for name in self._tasks if not service or name.startswith(f"{service}:")]
        tasks = [self._tasks.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECS)


class CallbackFaults:
    """What goes wrong in a service's callbacks, kept for the service to raise in its own task.

    The event loop that calls them knows no service to start again: it would print a traceback, and the
    service would wait for ever for what the callback did not get to say. `on_fault` wakes the service.
    """

    def __init__(self, on_fault: Callable[[], None]) -> None:
        self._on_fault = on_fault
        self._first: Exception | None = None

    @property
    def any(self) -> bool:
        return self._first is not None

    def guarded(self, callback: Callable[Arguments, None]) -> Callable[Arguments, None]:
        """The callback, as one that never raises."""

        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
            try:
                callback(*args, **kwargs)
            except Exception as error:
                if self._first is None:
                    self._first = error
                self._on_fault()

        return call

    def raise_first(self) -> None:
        """Raise what went wrong first, if anything did."""
        if self._first is not None:
            raise self._first

    def forget(self) -> None:
        self._first = None
