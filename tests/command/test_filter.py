"""`amibus filter test`: what a filter takes of a recording or the journals, and what it costs."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
import regex  # type: ignore[import-untyped]

from consumers.filtering.hazards import hazards
from publisher.simulator import Trace
from tests.command.amibus import COMMAND, amibus, environment, objects, one_line

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "tests" / "corpus" / "events-20.ami"
PATTERN = "Dial.{1,}?20|Bridge.{1,}?20|Hangup.{1,}?20"


def test_it_prints_the_packets_that_regex_finds_and_counts_them(tmp_path: Path) -> None:
    done = amibus("filter", "test", "--regex", PATTERN, str(RECORDING), cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == b""
    *taken, summary = objects(done.stdout)
    packets = [packet.decode(errors="replace") for packet in Trace.read(RECORDING).events]
    assert [event["seq"] for event in taken] == [
        seq for seq, text in enumerate(packets, start=1) if regex.search(PATTERN, text[:-2], regex.DOTALL)
    ]
    assert taken
    assert all(event["cost_us"] > 0 for event in taken)
    assert summary["events"] == len(packets)
    assert summary["taken"] == len(taken)
    assert 0 < summary["median_us"] <= summary["worst_us"]


def test_all_parts_have_to_hold(tmp_path: Path) -> None:
    parts = ["--event", "varset", "--event", "Hangup", "--where", "channel=SIP", "--contains", "Channel"]
    done = amibus("filter", "test", *parts, "--where", "Variable=^[A-Z]", str(RECORDING), cwd=tmp_path)
    *taken, _ = objects(done.stdout)
    assert taken
    for event in taken:
        assert event["event"] == "VarSet"
        assert "SIP" in event["fields"]["Channel"]
        assert event["fields"]["Variable"][0].isupper()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--regex", "a(b"], "regex: missing ) at character 4"),
        (["--where", "Exten=*"], "where.Exten: nothing to repeat at character 1"),
        (["--where", "Exten"], "'Exten' is not FIELD=REGEX"),
        (["--where", "A=1", "--where", "A=2"], "A is given twice"),
        (["--event", ""], "events: an empty name"),
        ([], "give a filter"),
        (["--contains", "x", "--encoding", "no-such"], "'no-such' is no text encoding"),
    ],
)
def test_a_wrong_filter_is_one_sentence_and_exit_code_2(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    line = one_line(amibus("filter", "test", *arguments, str(RECORDING), cwd=tmp_path), 2)
    assert says in line


def test_a_recording_that_is_not_there_and_no_journal_are_failures(tmp_path: Path) -> None:
    assert "cannot be read" in one_line(amibus("filter", "test", "--event", "x", "no", cwd=tmp_path), 1)
    assert "there is no journal" in one_line(amibus("filter", "test", "--event", "x", cwd=tmp_path), 1)


def test_a_pattern_that_can_blow_up_is_told_with_a_measured_probe(tmp_path: Path) -> None:
    done = amibus("filter", "test", "--where", "Exten=^(a|a)*$", str(RECORDING), cwd=tmp_path)
    assert done.returncode == 0
    error = done.stderr.decode()
    assert "several options take the same text; on a made-up text of" in error
    assert "more than 250 ms" in error


def test_on_a_terminal_what_was_found_is_marked(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [*COMMAND, "filter", "test", "--contains", "Channel", "--regex", "Dial|Hangup", str(RECORDING)],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=environment(TERM="xterm"),
    ) as process:
        os.close(theirs)
        while True:
            try:
                data = os.read(ours, 65_536)
            except OSError:
                break
            if not data:
                break
            shown += data
        assert process.wait() == 0
    os.close(ours)
    assert b"\x1b[7mHangup\x1b[0m" in shown
    assert b"\x1b[7mChannel\x1b[0m" in shown
    assert b"taken" in shown.splitlines()[-1]


@pytest.mark.parametrize(
    "source", ["(a|a)*$", "^(\\w+\\s?)*$", "(a|ab)*c", "(.*)*x", ".*a.*b.*c", "(a+|b)+$", "([ab]|a)+!"]
)
def test_dangerous_patterns_are_seen(source: str) -> None:
    assert hazards(source)


@pytest.mark.parametrize(
    "source",
    [
        "Dial.{1,}?200|Bridge.{1,}?200|Hangup.{1,}?200",
        "(\\d+,)*",
        "(?:Exten: \\d+\\r\\n)+",
        "^Event: (Dial|Hangup)",
        "(a|b)*",
    ],
)
def test_ordinary_patterns_are_not_complained_of(source: str) -> None:
    assert not hazards(source)


def test_a_whole_binding_is_tried_with_its_keys_and_its_filter(tmp_path: Path) -> None:
    (tmp_path / "amibus.toml").write_text(
        '[[binding]]\nname = "crm"\nsink = "stdout"\nkeys = ["*.hangup.#"]\nregex = "Cause: 16"\n'
        '[[binding]]\nname = "calls"\nsink = "stdout"\non = "calls"\n',
        encoding="utf-8",
    )
    trace = ROOT / "tests/corpus/events-20.ami"
    *taken, summary = objects(amibus("filter", "test", "--binding", "crm", str(trace), cwd=tmp_path).stdout)
    packets = [packet.decode() for packet in Trace.read(trace).events]
    wanted = [text for text in packets if text.startswith("Event: Hangup\r\n") and "Cause: 16" in text]
    assert summary["taken"] == len(taken) == len(wanted) > 0
    assert {event["event"] for event in taken} == {"Hangup"}
    refused = amibus("filter", "test", "--binding", "calls", str(trace), cwd=tmp_path)
    assert "'calls' is no binding on events; there is: crm" in one_line(refused, 2)
