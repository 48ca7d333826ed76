"""The journal against a plain list: any order of appends, reads, cursors, epochs and reopenings."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from publisher.adapters.journal import JournalSettings, SqliteJournal, open_journal, open_journal_reader
from publisher.records import Record

T = TypeVar("T")
SETTINGS = JournalSettings(tail_records=20, tail_bytes=4000, commit_spacing_secs=0.0)
# A counter-example as it was found tells enough; making it smaller takes minutes of opening files.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
NAMES = st.sampled_from(("forwarder", "binding:a", "Привязка"))


class JournalAsList(RuleBasedStateMachine):
    """The model: the records, the cursors, the saved state."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.journal = self.open()
        self.records: list[Record] = []
        self.cursors: dict[str, int] = {}
        self.state = (b"", 0)
        self.begin_epoch()

    def open(self) -> SqliteJournal:
        return self.run(open_journal(Path(self.folder.name), "main", SETTINGS))

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(work)

    async def settle(self) -> None:
        if self.records:
            last = self.records[-1]
            await self.journal.wait_beyond(last.pos + last.span - 2)

    @rule(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=30), span=st.sampled_from((1, 1, 1, 4)))
    def append(self, sizes: list[int], span: int) -> None:
        pos, seq = self.journal.next_pos, self.journal.next_seq
        fresh = [
            Record(pos + i, self.journal.epoch, seq + i, pos * 7 + i, 0, i % 8, f"c{i % 3}", b"\xf0" * size)
            for i, size in enumerate(sizes)
        ]
        fresh[-1].span = span
        self.records += [
            Record(r.pos, r.epoch, r.seq, r.received_us, 0, r.flags, r.call, r.raw, r.span) for r in fresh
        ]
        self.journal.append(fresh)

    @rule()
    def begin_epoch(self) -> None:
        self.journal.begin_epoch(self.journal.epoch + 1)

    @rule(after=st.floats(0, 1), most=st.integers(1, 40), most_bytes=st.integers(0, 3000))
    def read(self, after: float, most: int, most_bytes: int) -> None:
        self.run(self.settle())
        pos = int(after * self.journal.durable_pos)
        expected = [record for record in self.records if record.pos > pos][:most]
        found = self.run(self.journal.read(pos, most, most_bytes))
        assert found == expected[: len(found)]
        assert found or not expected
        assert len(found) <= 1 or sum(len(record.raw) for record in found) <= most_bytes

    @rule(name=NAMES, where=st.floats(0, 1))
    def advance(self, name: str, where: float) -> None:
        self.run(self.settle())
        self.cursors[name] = int(where * self.journal.durable_pos)
        self.journal.advance(name, self.cursors[name])
        self.run(self.journal.wait_cursor(name, self.cursors[name]))

    @rule(name=NAMES)
    def remove_cursor(self, name: str) -> None:
        self.cursors.pop(name, None)
        self.journal.remove_cursor(name)

    @rule(state=st.binary(max_size=20))
    def save_state(self, state: bytes) -> None:
        self.run(self.settle())
        self.state = (state, self.journal.durable_pos)
        self.journal.save_state(*self.state)

    @rule()
    def reopen(self) -> None:
        self.run(self.journal.close())
        self.journal = self.open()

    @precondition(lambda self: self.records)
    @rule(which=st.floats(0, 1))
    def look_from_another_connection(self, which: float) -> None:
        self.run(self.settle())
        wanted = self.records[int(which * (len(self.records) - 1))]

        async def look() -> tuple[list[Record], int, int]:
            reader = await open_journal_reader(self.journal.path)
            found: list[Record] = []
            while part := await reader.read(found[-1].pos + found[-1].span - 1 if found else 0, 50):
                found += part
            numbered = await reader.pos_of(wanted.epoch, wanted.seq)
            timed = await reader.pos_at(wanted.received_us)
            await reader.close()
            return found, numbered, timed

        found, numbered, timed = self.run(look())
        assert found == self.records
        assert numbered == wanted.pos
        assert timed == min(r.pos for r in self.records if r.received_us >= wanted.received_us)

    @invariant()
    def numbers_fit(self) -> None:
        end = self.records[-1].pos + self.records[-1].span if self.records else 1
        assert self.journal.next_pos == end
        assert self.journal.cursors() == self.cursors
        assert self.journal.load_state() == self.state
        assert self.journal.state.alarm == ""

    def teardown(self) -> None:
        self.run(self.journal.close())
        self.loop.close()
        self.folder.cleanup()


JournalAsList.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
)
test_the_journal_is_a_list_that_survives = JournalAsList.TestCase
