"""The embedded bus under the contract suite. A journal record's raw bytes hold the whole message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgpack  # type: ignore[import-untyped]

from consumers.errors import BusLost, BusRefused
from consumers.ports import BusSource
from publisher.adapters.embedded_bus import EmbeddedBus
from publisher.adapters.journal import JournalSettings, SqliteJournal, open_journal
from publisher.records import EVENT, Record
from schemas.message import Headers, Message
from tests.bus_contract.harness import PBXS


def packed(message: Message) -> bytes:
    headers = message.headers
    return bytes(
        msgpack.packb(
            [
                message.routing_key,
                [headers.pbx, headers.epoch, headers.seq, headers.call, headers.linkedid, list(headers.cc)],
                message.message_id,
                message.type,
                message.timestamp,
                message.body,
            ]
        )
    )


def unpacked(record: Record) -> Message:
    key, (pbx, epoch, seq, call, linkedid, cc), *rest = msgpack.unpackb(record.raw)
    return Message(key, Headers(pbx, epoch, seq, call, linkedid, tuple(cc)), *rest)


class EmbeddedHarness:
    name = "embedded"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.journals: dict[str, SqliteJournal] = {}
        self._bus: EmbeddedBus | None = None

    async def open(self) -> None:
        for pbx in PBXS:
            self.journals[pbx] = await open_journal(self._folder, pbx, JournalSettings(tail_records=20))
            if not self.journals[pbx].epoch:
                self.journals[pbx].begin_epoch(1_700_000_000_000)
        self._bus = EmbeddedBus(
            self.journals,
            dict.fromkeys(PBXS, unpacked),
            self._folder / "bindings.json",
            lost=BusLost,
            refused=BusRefused,
        )

    @property
    def source(self) -> BusSource:
        assert self._bus is not None
        return self._bus

    @property
    def lost(self) -> type[Exception]:
        return BusLost

    async def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            journal = self.journals[message.headers.pbx]
            journal.append(
                [
                    Record(
                        journal.next_pos,
                        journal.epoch,
                        journal.next_seq,
                        message.timestamp * 1_000_000,
                        EVENT,
                        0,
                        message.headers.call,
                        packed(message),
                    )
                ]
            )
        for journal in self.journals.values():
            await journal.wait_beyond(journal.next_pos - 2)

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    async def close(self) -> None:
        await self.source.close()
        for journal in self.journals.values():
            await journal.close()
