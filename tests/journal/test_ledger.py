"""The ledger: what is due, and what is not due again."""

from __future__ import annotations

from publisher.adapters.journal.ledger import Ledger
from publisher.adapters.journal.settings import JournalSettings
from publisher.adapters.journal.write_side import Contents
from publisher.records import EVENT, Record
from tests.journal.numbered import EPOCH, raw_of


def test_while_the_disk_refuses_a_moved_cursor_is_noted_once_and_written_when_it_can_be() -> None:
    ledger = Ledger("main", Contents(), JournalSettings())
    ledger.begin_epoch(EPOCH)
    ledger.append([Record(pos, EPOCH, pos, 0, EVENT, 0, "main", raw_of(pos)) for pos in range(1, 11)])
    ledger.refused(*ledger.collect(to_disk=True))
    assert not ledger.unnoted
    ledger.advance("forwarder", 7)
    assert ledger.unnoted
    _, note = ledger.collect(to_disk=False)
    ledger.noted(note)
    assert note.cursors == {"forwarder": 7}
    assert not ledger.unnoted, "another note would say nothing new"
    assert ledger.unwritten
    batch, note = ledger.collect(to_disk=True)
    assert batch.cursors == {"forwarder": 7}
    ledger.written(batch, note)
    assert not ledger.unwritten
    ledger.remove_cursor("forwarder")
    assert ledger.unnoted
