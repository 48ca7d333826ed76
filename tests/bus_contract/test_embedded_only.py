"""What only the embedded bus can promise, since it stands on the journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumers.errors import BusLost, BusRefused
from consumers.ports import Binding, BusSource
from publisher import control
from publisher.adapters.bindings_file import MAX_GENERATIONS, BindingRecord, BindingsFile, Generation
from publisher.adapters.embedded_bus import EmbeddedBus
from publisher.adapters.journal import JournalSettings, open_journal
from publisher.errors import JournalDamaged
from publisher.records import CONTROL, Record
from schemas.message import Headers, Message
from tests.bus_contract.embedded import EmbeddedHarness
from tests.bus_contract.harness import Numbers, drain, take
from tests.journal.numbered import EPOCH, START_US, numbered, write


def decoded(record: Record) -> Message:
    event = "control" if record.kind == CONTROL else "newexten"
    headers = Headers("main", record.epoch, record.seq, record.call)
    return Message(f"main.{event}.-", headers, str(record.pos), event, 0, record.raw)


async def test_ten_bindings_decode_a_recent_record_once(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, "main")
    journal.begin_epoch(EPOCH)
    decoded_positions: list[int] = []

    def counting(record: Record) -> Message:
        decoded_positions.append(record.pos)
        return decoded(record)

    bus = EmbeddedBus({"main": journal}, {"main": counting})
    for number in range(10):
        await bus.bind(Binding(f"b{number}", ("#",), durable=False))
    await write(journal, 100)
    for number in range(10):
        subscription = await bus.subscribe(f"b{number}")
        await drain(subscription, 100)
    assert decoded_positions == list(range(1, 101))
    await bus.close()
    assert journal.cursors() == {}
    await journal.close()


async def test_a_binding_from_the_oldest_gets_all_that_is_kept_without_a_gap(tmp_path: Path) -> None:
    now_us = START_US
    journal = await open_journal(tmp_path, "main", JournalSettings(keep_secs=1.0), now_us=lambda: now_us)
    journal.begin_epoch(EPOCH)
    await write(journal, 100)
    now_us += 1_050_000 + 1_000_000
    bus = EmbeddedBus({"main": journal}, {"main": decoded})
    await bus.bind(Binding("early", ("#",), start="oldest"))
    await journal.enforce_retention()
    journal.append(numbered(journal, 10))
    await bus.bind(Binding("late", ("#",), start="oldest"))
    late = await bus.subscribe("late")
    assert [message.message_id for message in await drain(late, 10)] == [str(pos) for pos in range(101, 111)]
    await bus.close()
    await journal.close()


async def test_a_binding_that_retention_overtook_gets_the_gap_with_its_count(tmp_path: Path) -> None:
    now_us = START_US
    settings = JournalSettings(keep_secs=1.0, tail_records=5)
    journal = await open_journal(tmp_path, "main", settings, now_us=lambda: now_us)
    journal.begin_epoch(EPOCH)
    bus = EmbeddedBus({"main": journal}, {"main": decoded})
    await bus.bind(Binding("b", ("*.control.#",)))
    await write(journal, 100)
    now_us += 10**9
    await journal.enforce_retention()
    subscription = await bus.subscribe("b")
    (delivery,) = await take(subscription, 1)
    gap = control.unpack(delivery.message.body)
    assert (gap["cause"], gap["count"], gap["from_seq"]) == ("retention", 100, 1)
    subscription.settle(delivery.tag)
    assert journal.cursor("binding:b") >= 95
    await bus.close()
    await journal.close()


async def test_settling_twice_is_the_callers_fault_and_a_missing_binding_is_named(tmp_path: Path) -> None:
    harness = EmbeddedHarness(tmp_path)
    await harness.open()
    with pytest.raises(BusRefused, match="there is no binding 'x'"):
        await harness.source.subscribe("x")
    with pytest.raises(BusRefused, match="at least one key"):
        await harness.source.bind(Binding("x", ()))
    await harness.source.bind(Binding("x", ("#",)))
    with pytest.raises(BusRefused, match="prefetch is 0"):
        await harness.source.subscribe("x", 0)
    subscription = await harness.source.subscribe("x")
    await harness.publish([Numbers().make("main.x.-")])
    (delivery,) = await take(subscription, 1)
    subscription.settle(delivery.tag)
    with pytest.raises(ValueError, match="not open"):
        subscription.settle(delivery.tag)
    await harness.close()
    with pytest.raises(BusLost, match="closed"):
        await harness.source.bind(Binding("y", ("#",)))


async def test_a_cursor_outlives_a_lost_bindings_file(tmp_path: Path) -> None:
    harness = EmbeddedHarness(tmp_path)
    await harness.open()
    numbers = Numbers()
    await harness.source.bind(Binding("b", ("#",)))
    await harness.publish([numbers.make("main.x.-") for _ in range(3)])
    await harness.close()
    (tmp_path / "bindings.json").unlink()
    await harness.open()
    await harness.source.bind(Binding("b", ("#",)))
    subscription = await harness.source.subscribe("b")
    assert len(await drain(subscription, 3)) == 3
    await harness.close()


def test_a_damaged_bindings_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bindings.json"
    for text in ("{", "[]", '{"bindings": {"a": [{"keys": 3}]}}'):
        path.write_text(text)
        with pytest.raises(JournalDamaged, match="is damaged; move it away"):
            BindingsFile(path).load()


def test_generations_of_keys_are_bounded_and_no_key_is_forgotten() -> None:
    record = BindingRecord("b", True, [Generation(("k0",))])
    for number in range(1, 40):
        assert record.change_keys((f"k{number}",), {"main": number * 10}, {"main": 0})
        assert not record.change_keys((f"k{number}",), {"main": number * 10}, {"main": 0})
    assert len(record.generations) == MAX_GENERATIONS
    assert [key for part in record.generations for key in part.keys] == [f"k{n}" for n in range(40)]
    record.change_keys(("last",), {"main": 400}, {"main": 400})
    assert [part.keys for part in record.generations] == [("last",)]


def test_the_bus_has_the_shape_of_the_consumers_port() -> None:
    def accepts(bus: EmbeddedBus) -> BusSource:
        return bus

    assert callable(accepts)
