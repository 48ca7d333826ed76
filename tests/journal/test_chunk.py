"""Packing records into chunks and back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.adapters.journal.chunk import MAX_CHUNK_BYTES, MAX_CHUNK_RECORDS, pack, split, unpack
from publisher.errors import JournalDamaged
from publisher.records import Record

texts = st.text(st.characters(codec=None), max_size=10)
drafts = st.tuples(
    st.integers(-(1 << 62), 1 << 62),
    st.integers(0, 1),
    st.integers(0, 255),
    texts,
    st.binary(max_size=50),
    st.integers(1, 4),
    st.booleans(),
)


def made(parts: list[tuple[int, int, int, str, bytes, int, bool]]) -> list[Record]:
    """Records in order; a true last part begins a new epoch there."""
    records, pos, epoch, epoch_pos = [], 7, 100, 3
    for received_us, kind, flags, call, raw, span, new_epoch in parts:
        if new_epoch:
            epoch, epoch_pos = epoch + 1, pos
        records.append(Record(pos, epoch, pos - epoch_pos + 1, received_us, kind, flags, call, raw, span))
        pos += span
    return records


@given(st.lists(drafts, min_size=1, max_size=30))
def test_split_pack_and_unpack_give_the_same_records_back(
    parts: list[tuple[int, int, int, str, bytes, int, bool]],
) -> None:
    records = made(parts)
    chunks = [pack(part) for part in split(records)]
    found = [record for chunk in chunks for record in unpack(chunk, 0, 1000, 1 << 30)]
    assert found == records
    for earlier, later in pairwise(chunks):
        assert later.first_pos == earlier.last_pos + 1
        assert later.epoch > earlier.epoch


@given(
    st.lists(drafts, min_size=1, max_size=30), st.integers(0, 120), st.integers(1, 10), st.integers(0, 300)
)
def test_a_part_of_a_chunk_is_what_a_slice_of_the_list_is(
    parts: list[tuple[int, int, int, str, bytes, int, bool]], after: int, most: int, most_bytes: int
) -> None:
    records = made([(*part[:6], False) for part in parts])
    found = unpack(pack(records), after, most, most_bytes)
    expected = [record for record in records if record.pos > after][:most]
    assert found == expected[: len(found)]
    assert found or not expected
    assert len(found) <= 1 or sum(len(record.raw) for record in found) <= most_bytes


@given(st.lists(drafts, min_size=1, max_size=5), st.data())
def test_any_changed_byte_is_found(
    parts: list[tuple[int, int, int, str, bytes, int, bool]], data: st.DataObject
) -> None:
    chunk = pack(made([(*part[:6], False) for part in parts]))
    where = data.draw(st.integers(0, len(chunk.head) + len(chunk.data) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    both = bytearray(chunk.head + chunk.data)
    both[where] ^= bit
    head, body = bytes(both[: len(chunk.head)]), bytes(both[len(chunk.head) :])
    with pytest.raises(JournalDamaged):
        unpack(chunk._replace(head=head, data=body), 0, 1000, 1 << 30)


def test_chunks_keep_their_bounds_and_a_giant_stands_alone() -> None:
    sizes = [100] * 3000 + [MAX_CHUNK_BYTES // 2] * 5 + [3 * MAX_CHUNK_BYTES] + [10]
    records = [Record(i + 1, 1, i + 1, 0, 0, 0, "", b"x" * size) for i, size in enumerate(sizes)]
    parts = list(split(records))
    assert [record for part in parts for record in part] == records
    for part in parts:
        assert len(part) <= MAX_CHUNK_RECORDS
        assert len(part) == 1 or sum(len(record.raw) for record in part) <= MAX_CHUNK_BYTES
    assert list(split([])) == []
