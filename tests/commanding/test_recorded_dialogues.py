"""Every recorded dialogue as commands: each outcome says what the PBX's answer in the recording says.

The PBX's bytes go through the session, the relay of a link and the flights, as they do in the service; what
is expected is read off the recording by a few lines of this file's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from publisher.ami.fields import parse_packet
from publisher.ami.framing import Packet
from publisher.ami.session import AmiSession, ListItem, Reply
from publisher.command_ports import Taker
from publisher.commanding.outcomes import Outcome
from publisher.services.action_relay import ActionRelay
from publisher.services.in_flight import InFlight
from publisher.services.settlement import Handled
from publisher.services.supervisor import CallbackFaults
from schemas.command import Command
from schemas.reply import State
from tests.ami.peer import logged_in
from tests.ami.traces import dialogues, read, short_name

ASKED = [path for path in dialogues() if path.with_suffix(".req").exists()]
# Actions that no command can be: they concern the session that all commands share, or are no actions.
NOT_COMMANDS = {"login", "logoff", "challenge", "events", "filter", "waitevent", ""}
# A synchronous Originate is never sent: it would hold up the session.
SYNCHRONOUS = re.compile(r"originate_(sync|nochannel)")


class RecordedLine:
    """The way to a PBX that says what a recording says. Implements `publisher.command_ports.ActionLine`."""

    up = True
    channels_known = True

    def __init__(self, banner: str) -> None:
        self.session: AmiSession = logged_in()
        self.relay = ActionRelay(self.session)
        found = re.search(r"/([0-9.]+)", banner)
        self.ami_version = found[1] if found else "9.0.0"

    def living(self, uniqueid: str) -> tuple[str, str] | None:
        return None

    def send(
        self,
        action: str,
        headers: Iterable[tuple[str, str]],
        action_id: str,
        taker: Taker,
        timeout_secs: float,
    ) -> None:
        self.relay.send(action, headers, action_id, taker, 0.0, timeout_secs)

    def flush(self) -> None:
        self.session.data_to_send()


def requests(path: Path) -> list[tuple[str, str, bool]]:
    """Action, ActionID and whether it is asynchronous, of each request that a command could make."""
    found = []
    for text in path.with_suffix(".req").read_bytes().replace(b"\r\n", b"\n").split(b"\n\n"):
        action = re.search(rb"(?im)^action: *(.*?) *$", text)
        action_id = re.search(rb"(?m)^ActionID: ([A-Za-z0-9][A-Za-z0-9_.-]{0,59})$", text)
        name = action[1].decode() if action else ""
        if action_id and name.lower() not in NOT_COMMANDS:
            found.append((name, action_id[1].decode(), re.search(rb"(?im)^async: *true", text) is not None))
    return found


def expected(path: Path, action_id: str, event: str) -> list[dict[str, Any]]:
    """The packets of the recording that answer an ActionID: its response, or events of one name."""
    begin = f"Event: {event}\r\n".encode() if event else b"Response: "
    mark = f"\r\nActionID: {action_id}\r\n".encode()
    whole = read(path)
    packets = [
        part + b"\r\n" for part in whole.partition(b"\r\n")[2].split(b"\r\n\r\n") if mark in part + b"\r\n"
    ]
    return [dict(parse_packet(part).fields) for part in packets if part.lstrip(b"\r\n").startswith(begin)]


def outcomes(path: Path) -> dict[str, Outcome]:
    """What each command of a dialogue came to."""
    data = read(path)
    banner, _, rest = data.partition(b"\r\n")
    line = RecordedLine(banner.decode("latin-1"))
    found: dict[str, Outcome] = {}

    def settle(handled: Handled, outcome: Outcome) -> None:
        found.setdefault(handled.id, outcome)

    flights = InFlight(
        line,
        settle,
        lambda id, step, more: None,
        CallbackFaults(lambda: None),
    )
    for action, action_id, is_async in requests(path):
        command = Command(id=action_id, client="test", action=action, raw=True)
        handled = Handled(action_id, "test", action, b"", 0.0, command, sent=True)
        ring_ms = 30_000 if action.lower() == "originate" and is_async else 0
        flight = flights.begin(handled, ring_ms, 0.0, 30.0)
        line.send(action, (), action_id, flight, 30.0)
    line.flush()
    for report in line.session.receive_data(rest, 0.0):
        match report:
            case ListItem():
                assert line.relay.item(report.action_id, report.packet)
            case Reply():
                assert line.relay.reply(report)
            case Packet():
                parsed = parse_packet(report.raw)
                if parsed.name in flights.watched:
                    flights.event(parsed.name, parsed.fields)
            case _:
                pass
    line.relay.end("the recording ends")
    return found


@pytest.mark.parametrize("path", ASKED, ids=short_name)
def test_each_recorded_action_ends_as_the_recording_says(path: Path) -> None:
    if SYNCHRONOUS.search(path.name):
        pytest.skip("a synchronous Originate is never sent")
    ended = outcomes(path)
    for action, action_id, is_async in requests(path):
        told = f"{action} {action_id}"
        calling = action.lower() == "originate" and is_async
        answers = expected(path, action_id, "OriginateResponse" if calling else "")
        if not answers:
            # The recording holds no answer with this id, as of an action that Asterisk could not read.
            assert ended.get(action_id) is None or ended[action_id].state in (State.UNKNOWN, State.FAILED), (
                told
            )
            continue
        outcome, answer = ended[action_id], answers[0]
        assert outcome.fields == answer, told
        good = answer.get("Response") not in ("Error", "Failure")
        assert outcome.state is (State.SUCCEEDED if good else State.FAILED), told
        if not good and not calling:
            assert outcome.message == answer["Message"], told


@pytest.mark.parametrize(
    "path", [path for path in ASKED if "status" in path.name or "list" in path.name], ids=short_name
)
def test_the_list_of_a_recorded_query_comes_back_whole_and_in_order(path: Path) -> None:
    ended = outcomes(path)
    for action, action_id, _ in requests(path):
        outcome = ended.get(action_id)
        if outcome is None or outcome.state is not State.SUCCEEDED or not outcome.events:
            continue
        mark = f"\r\nActionID: {action_id}\r\n".encode()
        parts = [b"\r\n" + part + b"\r\n" for part in read(path).split(b"\r\n\r\n")]
        mine = [
            named[1].decode()
            for part in parts
            if mark in part and (named := re.search(rb"\r\nEvent: ([^\r\n]*)", part))
        ]
        assert [event["Event"] for event in outcome.events] == mine[: len(outcome.events)], action
        assert outcome.truncated or len(outcome.events) >= len(mine) - 1
