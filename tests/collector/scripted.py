"""A link whose PBX is a script: every byte, and every moment between two of them, is the test's."""

from __future__ import annotations

import re
from collections.abc import Callable

from publisher import control
from publisher.ami.session import AmiSession, SessionSettings
from publisher.records import CONTROL
from publisher.reports import Report
from publisher.services.link import Link
from publisher.services.recorder import Recorder
from tests.fakes.journal import FakeJournal

_ACTION = re.compile(r"Action: (\S+)\r\n")
_ACTION_ID = re.compile(r"ActionID: (\S+)\r\n")


class StoppedClock:
    """Implements `publisher.ports.Clock`; stands until it is moved."""

    def __init__(self) -> None:
        self.secs = 1_790_000_000.0

    def now_us(self) -> int:
        return int(self.secs * 1e6)

    def monotonic(self) -> float:
        return self.secs

    async def sleep(self, secs: float) -> None:
        self.secs += secs


class Wire:
    """Implements `publisher.ports.AmiStream`; keeps what was written, and tells `heard` of it."""

    def __init__(self, heard: Callable[[bytes], None] = lambda data: None) -> None:
        self._heard = heard
        self.written = b""
        self.aborted = False

    def write(self, data: bytes) -> None:
        assert not self.aborted
        self.written += data
        self._heard(data)

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        self.aborted = True


def answers_to(data: bytes) -> bytes:
    """What a PBX without any state says to actions: success, and lists with nothing in them."""
    text = data.decode()
    said = ""
    for action, action_id in zip(_ACTION.findall(text), _ACTION_ID.findall(text), strict=True):
        is_list = action == "CoreShowChannels" or (
            action.endswith(("Status", "List")) and action != "CoreStatus"
        )
        said += f"Response: Success\r\nActionID: {action_id}\r\n"
        if is_list:
            said += f"EventList: start\r\n\r\nEvent: {action}Complete\r\nActionID: {action_id}\r\n"
            said += "EventList: Complete\r\n"
        said += "\r\n"
    return said.encode()


class ScriptedLink:
    """One link after another on one journal; `say` is the PBX's voice, `asked` what it hears."""

    def __init__(self) -> None:
        self.journal = FakeJournal(commit_secs=None)
        self.clock = StoppedClock()
        self.reports: list[Report] = []
        self.recorder = Recorder(self.journal, on_noted=lambda parsed: self.link.noted(parsed))
        self.connect("")

    def connect(self, gap_cause: str, attach: bool = True) -> None:
        """A new connection; the one before is forgotten."""
        settings = SessionSettings(username="bus", secret="obviously-fake", auth="plain")
        self.wire = Wire()
        self.link = Link(
            AmiSession(settings, self.clock.secs),
            self.recorder,
            self.journal,
            self.clock,
            self.reports.append,
            gap_cause,
        )
        if attach:
            self.link.attach(self.wire)

    def say(self, *lines: str) -> None:
        self.link.received("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n")

    def asked(self) -> dict[str, str]:
        """The actions since the last time, with their ActionIDs."""
        text, self.wire.written = self.wire.written.decode(), b""
        return dict(zip(_ACTION.findall(text), _ACTION_ID.findall(text), strict=True))

    def answer(self, action_id: str, *lines: str) -> None:
        self.say("Response: Success", f"ActionID: {action_id}", *lines)

    def wait(self, secs: float) -> None:
        """Let time pass, with the ticks that belong to it."""
        for _ in range(int(secs * 4)):
            self.clock.secs += 0.25
            self.link.tick()

    # The ways to each phase.

    def logged_in(self) -> str:
        """Up to the question which run it is; returns that question's ActionID."""
        self.link.received(b"Asterisk Call Manager/9.0.0\r\n")
        self.answer(self.asked()["Login"])
        return self.asked()["CoreStatus"]

    def identified(self, run: str = "2026-11-23") -> str:
        """Up to the request for events; returns its ActionID."""
        self.answer(self.logged_in(), f"CoreStartupDate: {run}", "CoreStartupTime: 10:00:00")
        return self.asked()["Events"]

    def live(self, run: str = "2026-11-23") -> str:
        """Up to the first list of the resync; returns its ActionID."""
        self.answer(self.identified(run), "Events: On")
        return self.asked()["CoreShowChannels"]

    def controls(self) -> list[tuple[str, int]]:
        """The control records: kind and epoch."""
        return [
            (str(control.unpack(record.raw)["kind"]), record.epoch)
            for record in self.journal.records
            if record.kind == CONTROL
        ]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.controls()]
