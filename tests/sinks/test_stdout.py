"""Standard output: lines of JSON or packets, a reader that is slow or gone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from consumers.errors import SinkUnavailable
from consumers.sinks.stdout import StdoutSink
from consumers.testing import SinkRunner, sink_event

PACKET = "Event: Hangup\r\nChannel: SIP/200-1\r\nVariable: A=1\r\nVariable: B=2\r\n"


async def test_events_are_lines_of_json(capfd: pytest.CaptureFixture[str]) -> None:
    async with SinkRunner(StdoutSink) as sink:
        await sink.take(sink_event(PACKET), sink_event(seq=2))
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2]
    assert json.loads(lines[0])["fields"]["Variable"] == ["A=1", "B=2"]


async def test_packets_stand_as_asterisk_sent_them(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    async with SinkRunner(StdoutSink, {"format": "packets"}) as sink:
        await sink.take(sink_event(PACKET))
    assert capfdbinary.readouterr().out == PACKET.encode() + b"\r\n"


async def test_a_control_event_is_shown_among_packets(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    control = {"kind": "down", "cause": "lost", "reason": "reset\r\nEvent: Forged"}
    async with SinkRunner(StdoutSink, {"format": "packets"}) as sink:
        await sink.take(sink_event(control=control))
    assert capfdbinary.readouterr().out == (
        b"Event: control.down\r\nkind: down\r\ncause: lost\r\nreason: reset Event: Forged\r\n\r\n"
    )


async def test_without_standard_output_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SinkUnavailable, match="there is no standard output"):
        await SinkRunner(StdoutSink).open()


CHILD = """
import asyncio, sys
from consumers.errors import SinkUnavailable
from consumers.sinks.stdout import StdoutSink
from consumers.testing import SinkRunner, sink_events

async def main():
    async with SinkRunner(StdoutSink) as sink:
        sys.stdin.readline()
        try:
            async with asyncio.timeout(float(sys.argv[1])):
                await sink.take(*sink_events(500))
        except (SinkUnavailable, TimeoutError) as error:
            print(type(error).__name__, error, file=sys.stderr)

asyncio.run(main())
"""


def started(timeout_secs: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-W", "error", "-c", CHILD, timeout_secs]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=Path(__file__).parents[2])


def test_a_reader_that_went_away_makes_events_wait() -> None:
    child = started("20")
    assert child.stdout is not None
    child.stdout.close()
    child.stdout = None
    _, said = child.communicate(b"\n", 60)
    assert said == b"SinkUnavailable nobody reads standard output any more\n"
    assert child.returncode == 0


def test_a_reader_that_does_not_read_holds_up_neither_the_loop_nor_the_end() -> None:
    child = started("0.2")
    assert child.stdin is not None
    child.stdin.write(b"\n")
    child.stdin.close()
    assert child.wait(60) == 0
    assert child.stderr is not None
    assert child.stdout is not None
    assert child.stderr.read() == b"TimeoutError \n"
    child.stderr.close()
    child.stdout.close()
