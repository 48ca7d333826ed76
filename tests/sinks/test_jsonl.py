"""The file of the sink `jsonl`: whole lines whatever happens, put aside in time, one writer."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import Done, SinkContext
from consumers.sinks.jsonl.rotating_file import RotatingFile, Rotation
from consumers.sinks.jsonl.sink import JsonlSink
from consumers.sinks.registry import SinkRegistry
from consumers.testing import SinkRunner, sink_events
from tests.journal.small_disk import small_disk
from tests.services.server_process import wait_until

LINE = b'{"n": 1}\n'
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def runner(folder: Path, **options: Any) -> SinkRunner:
    return SinkRunner(JsonlSink, {"path": "events.jsonl", **options}, folder=folder)


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def put_aside(folder: Path) -> list[Path]:
    return sorted(folder.glob("events-*.jsonl"))


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def new_file(tmp_path: Path, clock: Clock, told: list[str]) -> Callable[..., RotatingFile]:
    def make(most_bytes: int = 100, daily: bool = False, keep_files: int = 3) -> RotatingFile:
        rotation = Rotation(most_bytes, daily, keep_files)
        return RotatingFile(tmp_path / "events.jsonl", rotation, True, told.append, clock)

    return make


# Rotation.


async def test_the_file_is_put_aside_before_it_grows_too_large(tmp_path: Path) -> None:
    async with runner(tmp_path, rotate_bytes=2000, keep_files=100) as sink:
        for event in sink_events(30):
            await sink.take(event)
    files = [*put_aside(tmp_path), tmp_path / "events.jsonl"]
    assert len(files) > 3
    assert all(file.stat().st_size <= 2000 for file in files)
    assert [id for file in files for id in ids(file)] == [event.id for event in sink_events(30)]


async def test_only_so_many_files_are_kept_and_no_other_file_is_touched(tmp_path: Path) -> None:
    for name in ("events-1.jsonl", "events-20261124T000000000000Z.txt", "other-20261124T000000000000Z.jsonl"):
        (tmp_path / name).write_text("mine")
    async with runner(tmp_path, rotate_bytes=1, keep_files=2) as sink:
        for event in sink_events(10):
            await sink.take(event)
    found = [file for file in put_aside(tmp_path) if file.name != "events-1.jsonl"]
    assert [ids(file)[0] for file in found] == [event.id for event in sink_events(2, first=8)]
    assert len(os.listdir(tmp_path)) == 2 + 1 + 1 + 3


def test_a_new_day_begins_a_new_file(new_file: Callable[..., RotatingFile], clock: Clock) -> None:
    file = new_file(most_bytes=0, daily=True)
    file.open()
    file.write(LINE)
    clock.now += timedelta(hours=11, minutes=59)
    file.write(LINE)
    assert not put_aside(file.path.parent)
    clock.now += timedelta(minutes=2)
    file.write(LINE)
    file.close()
    (aside,) = put_aside(file.path.parent)
    assert aside.read_bytes() == LINE * 2
    assert file.path.read_bytes() == LINE


def test_a_file_of_yesterday_is_put_aside_after_a_restart(
    new_file: Callable[..., RotatingFile], clock: Clock
) -> None:
    file = new_file(most_bytes=0, daily=True)
    file.path.write_bytes(LINE)
    yesterday = (NOON - timedelta(days=1)).timestamp()
    os.utime(file.path, (yesterday, yesterday))
    file.open()
    file.write(LINE)
    file.close()
    assert len(put_aside(file.path.parent)) == 1


def test_names_rise_even_if_the_clock_is_set_back(
    new_file: Callable[..., RotatingFile], clock: Clock
) -> None:
    file = new_file(most_bytes=1, keep_files=2)
    file.open()
    for number in range(6):
        file.write(b'{"n": %d}\n' % number)
        clock.now -= timedelta(hours=1)
    file.close()
    kept = [json.loads(path.read_bytes())["n"] for path in put_aside(file.path.parent)]
    assert kept == [3, 4]


def test_names_that_are_no_times_are_not_ours(new_file: Callable[..., RotatingFile]) -> None:
    file = new_file(most_bytes=1, keep_files=1)
    for stamp in ("99999999T999999999999Z", "99991231T235959999999Z"):
        file.path.with_name(f"events-{stamp}.jsonl").write_text("mine")
    file.open()
    for _ in range(4):
        file.write(LINE)
    file.close()
    assert [path.read_text() for path in put_aside(file.path.parent)].count("mine") == 2
    assert len(put_aside(file.path.parent)) == 3


async def test_a_file_that_somebody_moved_is_theirs_and_a_new_one_begins(tmp_path: Path) -> None:
    first, second = sink_events(2)
    async with runner(tmp_path) as sink:
        await sink.take(first)
        (tmp_path / "events.jsonl").rename(tmp_path / "theirs")
        await sink.take(second)
    assert ids(tmp_path / "theirs") == [first.id]
    assert ids(tmp_path / "events.jsonl") == [second.id]


# What a crash leaves.


@pytest.mark.parametrize("torn", [b'{"id": "main-', b"{", b"\0" * 5000, b'{"a": "' + b"x" * 200_000])
def test_a_last_line_that_a_crash_cut_short_is_taken_off_and_told(
    new_file: Callable[..., RotatingFile], told: list[str], torn: bytes
) -> None:
    file = new_file(most_bytes=0)
    file.path.write_bytes(LINE + torn)
    file.open()
    file.write(LINE)
    file.close()
    assert file.path.read_bytes() == LINE * 2
    assert len(told) == 1
    assert f"{len(torn)} bytes" in told[0]


def test_a_file_with_nothing_but_a_torn_line_becomes_empty(new_file: Callable[..., RotatingFile]) -> None:
    file = new_file()
    file.path.write_bytes(b'{"id"')
    file.open()
    file.close()
    assert file.path.read_bytes() == b""


def test_a_whole_line_without_its_end_gets_one(
    new_file: Callable[..., RotatingFile], told: list[str]
) -> None:
    file = new_file()
    file.path.write_bytes(LINE + LINE.rstrip())
    file.open()
    file.write(LINE)
    file.close()
    assert file.path.read_bytes() == LINE * 3
    assert not told


@pytest.mark.parametrize("content", [b"[settings]\nkey = 1", b"\x7fELF\x02\x01" + b"\xff" * 100_000])
async def test_another_program_s_file_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "events.jsonl").write_bytes(content)
    sink = runner(tmp_path)
    with pytest.raises(SinkUnavailable, match="another program's file"):
        await sink.open()
    await sink.close()
    assert (tmp_path / "events.jsonl").read_bytes() == content


async def test_what_was_mended_is_told_to_the_log_by_the_loop_itself(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(LINE + b"{")
    threads: list[threading.Thread] = []

    def tell(sentence: str) -> None:
        threads.append(threading.current_thread())

    found = SinkRegistry().find("jsonl")
    sink = found.make(found.options({"path": "events.jsonl"}), SinkContext("b", tmp_path, tell))
    await sink.open()
    await sink.close()
    assert threads == [threading.main_thread()]


CHILD = """
import asyncio, sys
from pathlib import Path
from consumers.sinks.jsonl.sink import JsonlSink
from consumers.testing import SinkRunner, sink_events

async def main():
    options = {"path": "events.jsonl", "rotate_bytes": 200_000, "keep_files": 1000, "fsync": "never"}
    async with SinkRunner(JsonlSink, options, folder=Path(sys.argv[1])) as sink:
        number = 1
        while True:
            await sink.take(*sink_events(50, first=number))
            number += 50
            print(number - 1, flush=True)

asyncio.run(main())
"""


@contextmanager
def writing(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that writes the file, and prints how far it is."""
    command = [sys.executable, "-c", CHILD, str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert child.stdout is not None
    with child, child.stdout:
        try:
            assert child.stdout.readline()
            yield child
        finally:
            child.kill()


async def test_a_kill_loses_nothing_that_was_taken_and_leaves_only_whole_lines(tmp_path: Path) -> None:
    taken = 50
    with writing(tmp_path) as child:
        assert child.stdout is not None
        for _ in range(40):
            taken = int(child.stdout.readline())
        child.kill()
        for line in child.stdout:
            taken = int(line)
    async with runner(tmp_path):
        pass
    files = [*put_aside(tmp_path), tmp_path / "events.jsonl"]
    found = [id for file in files for id in ids(file)]
    assert found[:taken] == [event.id for event in sink_events(taken)]


async def test_cancelled_takes_leave_whole_lines(tmp_path: Path) -> None:
    async with runner(tmp_path, fsync="never") as sink:
        for turn in range(60):
            taking = asyncio.create_task(sink.take(*sink_events(200)))
            for _ in range(turn % 6):
                await asyncio.sleep(0)
            taking.cancel()
            await asyncio.wait([taking])
        assert await sink.take(*sink_events(1, first=999)) == [Done()]
    assert ids(tmp_path / "events.jsonl")[-1] == sink_events(1, first=999)[0].id


# What cannot be written.


async def test_a_full_disk_makes_events_wait_and_leaves_whole_lines(tmp_path: Path) -> None:
    with small_disk(tmp_path, 4 * 2**20) as disk:
        sink = runner(disk.folder, fsync="never")
        await sink.open()
        await sink.take(*sink_events(10))
        disk.fill()

        async def until_it_is_full() -> None:
            for first in range(11, 2000, 100):
                await sink.take(*sink_events(100, first=first))

        said = r"events\.jsonl cannot be written: (No space left|File too large)"
        with pytest.raises(SinkUnavailable, match=said):
            await until_it_is_full()
        found = ids(disk.folder / "events.jsonl")
        await sink.close()
        disk.free()
        await sink.open()
        await sink.take(*sink_events(10, first=5000))
        await sink.close()
        assert ids(disk.folder / "events.jsonl") == [
            *found,
            *(event.id for event in sink_events(10, first=5000)),
        ]


async def test_a_missing_folder_is_said_with_what_to_do(tmp_path: Path) -> None:
    sink = SinkRunner(JsonlSink, {"path": "no/such/events.jsonl"}, folder=tmp_path)
    with pytest.raises(SinkUnavailable) as caught:
        await sink.open()
    assert str(caught.value) == f"the folder {tmp_path}/no/such does not exist: make it, or correct the path"
    await sink.close()


def test_a_path_that_is_no_file_is_refused() -> None:
    with pytest.raises(SinkMisconfigured, match="path"):
        SinkRunner(JsonlSink, {"path": ""}, folder=Path("/"))


@pytest.mark.parametrize("kind", ["folder", "fifo"])
async def test_only_an_ordinary_file_is_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "events.jsonl"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    sink = runner(tmp_path)
    with pytest.raises(SinkUnavailable, match=r"no ordinary file|Is a directory"):
        await sink.open()
    await sink.close()


# One writer.


async def test_a_second_binding_of_this_process_is_refused(tmp_path: Path) -> None:
    second = runner(tmp_path)
    async with runner(tmp_path):
        with pytest.raises(SinkUnavailable, match="written by another binding of this process"):
            await second.open()
        await second.close()
    async with second:
        await second.take(*sink_events(1))


async def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    second = runner(tmp_path)
    with writing(tmp_path) as child:
        with pytest.raises(
            SinkUnavailable, match=f"is being written by process {child.pid}: give each a file"
        ):
            await second.open()
        await second.close()
    async with second:
        await second.take(*sink_events(1))


# When it reaches the disk.


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of files as they reached the disk."""
    sizes: list[int] = []
    whole = os.fsync

    def noting(file: int) -> None:
        whole(file)
        sizes.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", noting)
    return sizes


async def test_each_batch_reaches_the_disk_before_it_counts_as_taken(
    tmp_path: Path, synced: list[int]
) -> None:
    async with runner(tmp_path, fsync="each_batch") as sink:
        for event in sink_events(3):
            await sink.take(event)
            assert synced[-1] == (tmp_path / "events.jsonl").stat().st_size


async def test_within_an_interval_everything_reaches_the_disk(tmp_path: Path, synced: list[int]) -> None:
    path = tmp_path / "events.jsonl"
    async with runner(tmp_path, fsync="interval", fsync_secs=0.05) as sink:
        await sink.take(*sink_events(3))
        size = path.stat().st_size
        assert size not in synced
        await asyncio.to_thread(wait_until, lambda: size in synced, 10, "the sync")
        await sink.take(*sink_events(3))
    assert synced[-1] == path.stat().st_size


async def test_never_means_never(tmp_path: Path, synced: list[int]) -> None:
    async with runner(tmp_path, fsync="never", rotate_bytes=500) as sink:
        for event in sink_events(5):
            await sink.take(event)
    assert not synced
