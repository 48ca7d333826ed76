"""The embedded bus: the journals themselves, read by bindings with durable cursors. Nothing to install.

It gives consumers what `consumers.ports.BusSource` asks for, without importing it, with RabbitMQ's topic
rules, `CC` included: a binding gets a message once, however many of its keys take it. Order is kept for
each PBX. A message is decoded once for all bindings while its record is in memory (`Record.message`).

A binding that waits, or is far behind, holds nothing up: records leave by the journal's retention alone, and
a binding older than that gets the gap record that tells what it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from publisher.adapters.bindings_file import BindingRecord, BindingsFile, Generation
from publisher.adapters.embedded_queue import (
    PASSING,
    Decoder,
    EmbeddedQueue,
    EmbeddedSubscription,
    cursor_name,
    seen_name,
)
from publisher.errors import BusLost, BusRefused, JournalError
from publisher.ports import Journal


class KeptJournal(Journal, Protocol):
    """A journal that tells what it still keeps."""

    @property
    def first_pos(self) -> int:
        """Position of the oldest kept record; `next_pos` where there is none."""
        ...


class BindingWanted(Protocol):
    """What `bind` is given: `consumers.ports.Binding` has this shape."""

    @property
    def name(self) -> str: ...

    @property
    def keys(self) -> tuple[str, ...]: ...

    @property
    def start(self) -> str: ...

    @property
    def durable(self) -> bool: ...


class EmbeddedBus:
    """Implements `consumers.ports.BusSource`.

    `lost` and `refused` make the errors that the consumers' side expects.

    `path` is the file that keeps the bindings (None: none survives this object). Close the bus before the
    journals.
    """

    def __init__(
        self,
        journals: Mapping[str, KeptJournal],
        decoders: Mapping[str, Decoder],
        path: Path | None = None,
        lost: Callable[[str], Exception] = BusLost,
        refused: Callable[[str], Exception] = BusRefused,
    ) -> None:
        """Raises `JournalDamaged` or `JournalError` when the bindings file cannot be read."""
        self._journals = dict(journals)
        self._decoders = dict(decoders)
        self._lost = lost
        self._refused = refused
        self._file = BindingsFile(path)
        self._records = self._file.load()
        self._queues: dict[str, EmbeddedQueue] = {}
        self._subscriptions: list[EmbeddedSubscription] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._changing = asyncio.Lock()
        self._closed = False
        for journal in self._journals.values():
            for name in journal.cursors():
                if name.startswith(PASSING):
                    journal.remove_cursor(name)

    async def bind(self, binding: BindingWanted) -> None:
        """As the port says. Raises what `refused` makes when the binding has no key or cannot be kept."""
        self._still_open()
        if not binding.name or not binding.keys:
            raise self._refused(f"binding {binding.name!r} needs a name and at least one key")
        keys = tuple(dict.fromkeys(binding.keys))
        async with self._changing:
            known = self._records.get(binding.name)
            if known is None:
                known = BindingRecord(binding.name, binding.durable, [Generation(keys)])
                await self._set_cursors(known, binding.start)
                self._records[binding.name] = known
            else:
                queue = self._queue(known)
                if known.change_keys(keys, queue.ends(), queue.done()):
                    queue.keys_changed()
            await self._save()

    async def _set_cursors(self, record: BindingRecord, start: str) -> None:
        """The cursors come first: a definition without them would start at the oldest record.

        A cursor that stands there already (the bindings file was lost) is kept: what waits is not lost too.
        """
        name = cursor_name(record)
        for journal in self._journals.values():
            if name not in journal.cursors():
                pos = journal.durable_pos if start == "new" else journal.first_pos - 1
                journal.advance(seen_name(record), pos)
                journal.advance(name, pos)
        for journal in self._journals.values():
            await journal.wait_cursor(name, journal.cursor(name))

    async def unbind(self, name: str) -> None:
        """As the port says; its subscriptions end. Nothing happens when there is no such binding."""
        self._still_open()
        async with self._changing:
            record = self._records.pop(name, None)
            if record is None:
                return
            queue = self._queues.pop(name, None)
            if queue is not None:
                queue.removed = True
                queue.wake()
            await self._save()
            self._remove_cursors(record)

    def bindings(self) -> dict[str, tuple[str, ...]]:
        """Names and present keys."""
        return {name: record.generations[-1].keys for name, record in self._records.items()}

    async def places(self, name: str) -> list[str]:
        """As the port says: one process serves a binding, so it is never divided."""
        return [name]

    async def subscribe(self, name: str, prefetch: int = 500) -> EmbeddedSubscription:
        """As the port says. Raises what `refused` makes when there is no such binding."""
        self._still_open()
        record = self._records.get(name)
        if record is None:
            raise self._refused(f"there is no binding {name!r}; bind it first")
        if prefetch < 1:
            raise self._refused(f"prefetch is {prefetch}, at least 1 is needed")
        subscription = EmbeddedSubscription(self._queue(record), prefetch, self._lost)
        self._subscriptions.append(subscription)
        if not self._watchers:
            loop = asyncio.get_running_loop()
            self._watchers = [loop.create_task(self._watch(journal)) for journal in self._journals.values()]
        return subscription

    async def close(self) -> None:
        """End all subscriptions; what is unsettled comes again. The journals stay open."""
        if self._closed:
            return
        self._closed = True
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for subscription in self._subscriptions:
            await subscription.close()
        for queue in self._queues.values():
            queue.flush()
            queue.removed = True
            queue.wake()
        for record in self._records.values():
            if not record.durable:
                self._remove_cursors(record)

    async def _watch(self, journal: Journal) -> None:
        """Wake the queues when a journal has news. Ends when the journal is closed."""
        pos = journal.durable_pos
        while True:
            try:
                await journal.wait_beyond(pos)
            except JournalError:
                return
            pos = journal.durable_pos
            for queue in self._queues.values():
                queue.wake()

    def _queue(self, record: BindingRecord) -> EmbeddedQueue:
        queue = self._queues.get(record.name)
        if queue is None:
            queue = self._queues[record.name] = EmbeddedQueue(record, self._journals, self._decoders)
        return queue

    async def _save(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._file.save, dict(self._records))
        except JournalError as error:
            raise self._refused(str(error)) from error

    def _remove_cursors(self, record: BindingRecord) -> None:
        for journal in self._journals.values():
            journal.remove_cursor(cursor_name(record))
            journal.remove_cursor(seen_name(record))

    def _still_open(self) -> None:
        if self._closed:
            raise self._lost("the embedded bus is closed")
