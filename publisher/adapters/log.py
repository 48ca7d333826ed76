"""Reports become log lines here and nowhere else.

A console line for people (`12:30:01 WARN  main  PbxDown: …`) or one JSON object a line for machines.
Repeats of the same report about the same subject (a PBX, a binding) are written at most once in ten
seconds; the next line says how many were kept back. Phone numbers inside texts are masked to their last
four digits when masking is on (the default), because PBX messages may quote callers; `publisher.masking`
says what counts as one. A log that takes nothing (its disk is full, its pipe closed) stops nobody: the
lines are lost, and nothing is raised.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Protocol, TextIO

from publisher.escaping import escape_json
from publisher.masking import mask_numbers
from publisher.reports import (
    BusBlocked,
    BusDown,
    BusRefusal,
    CommandAnsweredTwice,
    CommandJournalAlarm,
    CommandsDown,
    CommandsElsewhere,
    CommandsFrozen,
    CommandsRefusal,
    EventsNotOn,
    FilterNotSet,
    GapAnnounced,
    JournalAlarm,
    MalformedSeen,
    MessagesRefused,
    MessagesUnroutable,
    PbxDown,
    PbxLoginRefused,
    ResyncIncomplete,
    ServiceCrashed,
)

_REPEAT_SECS: Final = 10.0
_REMEMBERED: Final = 1000
# A PBX's words may hold a bare LF, or worse: they stay within their line.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

LEVELS: Final = ("debug", "info", "warning", "error")

_WARNINGS: Final = (
    *(PbxDown, GapAnnounced, ResyncIncomplete, FilterNotSet, MalformedSeen),
    *(BusDown, MessagesRefused, MessagesUnroutable),
    *(CommandsDown, CommandsElsewhere, CommandsFrozen, CommandAnsweredTwice),
)
_ERRORS: Final = (PbxLoginRefused, EventsNotOn, ServiceCrashed, BusRefusal, CommandsRefusal)


class AnyReport(Protocol):
    """A report of this package or of another one: a dataclass whose first field is what it is about."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def _subject(report: AnyReport) -> str:
    return str(getattr(report, dataclasses.fields(report)[0].name))


def one_line(text: str) -> str:
    """The text with a space for each run of line breaks and control characters."""
    return _CONTROLS.sub(" ", text)


class LogReporter:
    """A `Reporter` that writes lines. `level` is the least one written."""

    def __init__(
        self,
        style: str = "console",
        level: str = "info",
        mask: bool = True,
        out: TextIO | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._json = style == "json"
        self._least = LEVELS.index(level)
        self._mask = mask
        self._out = out if out is not None else sys.stderr
        self._now = now
        self._last: dict[tuple[str, str, str], float] = {}
        self._kept_back: dict[tuple[str, str, str], int] = {}

    def __call__(self, report: AnyReport) -> None:
        level = level_of(report)
        if LEVELS.index(level) < self._least:
            return
        name = type(report).__name__
        key = (_subject(report), name, _kind_of_repeat(report))
        now = self._now()
        last = self._last.get(key)
        if last is not None and now - last < _REPEAT_SECS and getattr(type(report), "REPEATS", True):
            self._kept_back[key] = self._kept_back.get(key, 0) + 1
            return
        if len(self._last) >= _REMEMBERED:
            self._last.clear()
            self._kept_back.clear()
        self._last[key] = now
        self._write(level, name, report, self._kept_back.pop(key, 0), now)

    def _write(self, level: str, name: str, report: AnyReport, kept_back: int, now: float) -> None:
        data = {field.name: getattr(report, field.name) for field in dataclasses.fields(report)}
        if self._mask:
            data = {
                key: mask_numbers(value) if isinstance(value, str) else value for key, value in data.items()
            }
        if kept_back:
            data["repeated"] = kept_back
        moment = datetime.fromtimestamp(now, UTC)
        if self._json:
            line = json.dumps(
                {"time": moment.isoformat(timespec="milliseconds"), "level": level, "event": name, **data},
                ensure_ascii=False,
            )
            line = escape_json(line)
        else:
            subject = data.pop(dataclasses.fields(report)[0].name)
            said = "  ".join(f"{key}={_short(value)}" for key, value in data.items())
            line = f"{moment:%H:%M:%S} {level.upper():7} {subject}  {name}  {said}".rstrip()
            line = one_line(line)
        # ValueError: the stream was closed.
        with contextlib.suppress(OSError, ValueError):
            self._out.write(line + "\n")
            self._out.flush()


def level_of(report: AnyReport) -> str:
    """How loud a report is."""
    if isinstance(report, _ERRORS):
        return "error"
    if isinstance(report, JournalAlarm | CommandJournalAlarm) and report.alarm:
        return "error"
    if isinstance(report, BusBlocked):
        return "warning" if report.reason else "info"
    # Reports of other modules say it themselves.
    said = getattr(type(report), "LEVEL", "")
    if said in LEVELS:
        return str(said)
    return "warning" if isinstance(report, _WARNINGS) else "info"


def _kind_of_repeat(report: AnyReport) -> str:
    """What must be the same for two reports to be repeats: trouble, and that it is over, are not."""
    match report:
        case JournalAlarm() | CommandJournalAlarm():
            return report.alarm
        case BusBlocked():
            return report.reason
        case _:
            return str(getattr(report, "cause", ""))


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value)
