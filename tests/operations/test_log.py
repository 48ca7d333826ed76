"""The log: one line a report, nothing secret, no flood."""

from __future__ import annotations

import errno
import io
import json

from publisher.adapters.log import LogReporter, level_of
from publisher.masking import mask_numbers
from publisher.reports import (
    BusBlocked,
    BusDown,
    BusRefusal,
    GapAnnounced,
    JournalAlarm,
    MessagesRefused,
    MessagesUnroutable,
    PbxDown,
    PbxUp,
    ResyncDone,
)


def test_a_console_line_names_level_pbx_and_what_happened() -> None:
    out = io.StringIO()
    LogReporter(out=out, now=lambda: 0.0)(PbxUp("main", "Asterisk Call Manager/9.0.0", 17))
    assert out.getvalue() == "00:00:00 INFO    main  PbxUp  version=Asterisk Call Manager/9.0.0  epoch=17\n"


def test_a_json_line_is_one_object() -> None:
    out = io.StringIO()
    LogReporter("json", out=out, now=lambda: 0.0)(GapAnnounced("main", "link_lost", 1, 2, None))
    assert json.loads(out.getvalue()) == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "warning",
        "event": "GapAnnounced",
        "pbx": "main",
        "cause": "link_lost",
        "from_us": 1,
        "to_us": 2,
        "count": None,
    }


def test_repeats_are_kept_back_and_counted() -> None:
    out = io.StringIO()
    moment = [0.0]
    log = LogReporter("json", out=out, now=lambda: moment[0])
    for second in range(25):
        moment[0] = float(second)
        log(PbxDown("main", "unreachable", "no route", 1.0))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line.get("repeated") for line in lines] == [None, 9, 9]


def test_two_pbxs_do_not_hide_each_other() -> None:
    out = io.StringIO()
    log = LogReporter(out=out, now=lambda: 0.0)
    log(PbxDown("main", "unreachable", "no route", 1.0))
    log(PbxDown("branch", "unreachable", "no route", 1.0))
    assert len(out.getvalue().splitlines()) == 2


def test_the_level_hides_what_is_less() -> None:
    out = io.StringIO()
    log = LogReporter(level="error", out=out, now=lambda: 0.0)
    log(ResyncDone("main", 3, 0))
    log(PbxDown("main", "unreachable", "no route", 1.0))
    log(JournalAlarm("main", "the disk is full"))
    assert [line.split()[1] for line in out.getvalue().splitlines()] == ["ERROR"]


def test_phone_numbers_show_their_last_four_digits_only() -> None:
    assert (
        mask_numbers("no such peer 74951234567 at 127.0.0.1:50380")
        == "no such peer ***4567 at 127.0.0.1:50380"
    )
    assert mask_numbers("extension 200") == "extension 200"
    for text in ("to 74951234567.", "tel:+74951234567", "sip:74951234567@pbx", "74951234567: busy"):
        assert "7495123" not in mask_numbers(text)
        assert "***4567" in mask_numbers(text)
    for text in ("call 1795424000.123", "broker:35672 is away", "at 10:15:00.123456"):
        assert mask_numbers(text) == text


def test_a_line_break_in_a_pbx_s_words_makes_no_second_line() -> None:
    out = io.StringIO()
    LogReporter(out=out)(PbxDown("main", "lost", "one\n12:00:00 INFO main PbxUp\x1b[2J", 1.0))
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()


def test_json_lines_do_not_steer_a_terminal_either() -> None:
    out = io.StringIO()
    LogReporter("json", out=out)(PbxDown("main", "lost", "\x1b[2J\x9b2J\u2028", 1.0))
    assert json.loads(out.getvalue())["reason"] == "\x1b[2J\x9b2J\u2028"
    assert out.getvalue().rstrip("\n").isprintable()


def test_trouble_with_the_bus_is_a_warning_and_a_refusal_an_error() -> None:
    assert level_of(BusDown("main", "gone", 3, 1.0)) == "warning"
    assert level_of(MessagesRefused("main", 3, 1.0)) == "warning"
    assert level_of(MessagesUnroutable("main", 3)) == "warning"
    assert level_of(BusRefusal("main", "no", 1.0)) == "error"
    assert level_of(BusBlocked("main", "low on memory")) == "warning"


def test_that_trouble_is_over_is_told_however_soon_it_comes() -> None:
    out = io.StringIO()
    reporter = LogReporter(out=out, now=lambda: 0.0)
    reporter(BusBlocked("main", "low on memory"))
    reporter(BusBlocked("main", ""))
    assert len(out.getvalue().splitlines()) == 2


class FullDisk(io.StringIO):
    """A file on a disk that is full."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_takes_nothing_stops_nobody() -> None:
    closed = io.StringIO()
    closed.close()
    for out in (FullDisk(), closed):
        report = LogReporter(out=out)
        report(PbxUp("main", "", 1))
        report(BusDown("main", "the line was cut", 0, 1.0))
