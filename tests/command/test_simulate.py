"""`amibus simulate` as one who sends commands uses it: phones that fail, faults, and what was dialled."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from publisher.command.main import run
from publisher.simulator import FaultKind
from tests.architecture.blocks import ROOT, table
from tests.command.amibus import SECRET, Simulator, simulating

ORIGINATE = "Action: Originate\r\nChannel: SIP/{}\r\nApplication: Wait\r\nAsync: true\r\nActionID: {}\r\n\r\n"
QUICK = ("--calls-per-second", "0", "--ring-secs", "0.01")


def asked(simulator: Simulator, *actions: str, until: bytes) -> bytes:
    """Log in, send the actions, and give what came until these bytes."""
    received = b""
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=60) as client:
        login = f"Action: Login\r\nUsername: bus\r\nSecret: {SECRET}\r\n\r\n"
        client.sendall((login + "".join(actions)).encode())
        while until not in received:
            data = client.recv(1 << 16)
            if not data:
                break
            received += data
    return received


def test_the_summary_tells_what_was_dialled_and_what_was_dialled_again(tmp_path: Path) -> None:
    with simulating(*QUICK, cwd=tmp_path) as simulator:
        actions = [ORIGINATE.format(200, "a"), ORIGINATE.format(201, "b"), ORIGINATE.format(202, "a")]
        asked(simulator, *actions, "Action: Logoff\r\n\r\n", until=b"Goodbye")
        assert simulator.end(signal.SIGTERM) == 0
        assert simulator.next_object() == {"dialled": 3, "dialled_again": 1, "action_ids": ["a"]}


def test_phones_can_be_busy_or_not_answered(tmp_path: Path) -> None:
    with simulating(*QUICK, "--busy", "207", "--no-answer", "208", cwd=tmp_path) as simulator:
        actions = [
            ORIGINATE.format(207, "a"),
            ORIGINATE.format(208, "b").replace("Async", "Timeout: 5\r\nAsync"),
        ]
        received = asked(simulator, actions[0], until=b"Reason: 5")
        assert b"Response: Failure" in received
        assert b"Response: Failure" in asked(simulator, actions[1], until=b"Reason: 3")


def test_a_fault_of_the_command_line_strikes(tmp_path: Path) -> None:
    with simulating(*QUICK, "--fault", "drop_after:originate", cwd=tmp_path) as simulator:
        assert b"queued" not in asked(simulator, ORIGINATE.format(200, "a"), until=b"never")
        assert simulator.end(signal.SIGTERM) == 0
        told = simulator.next_object()
    assert told == {"dialled": 1, "dialled_again": 0, "faults": {"drop_after": 1}}


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("explode", "'explode' is no kind of fault; allowed: no_response"),
        ("refused:frobnicate", "'frobnicate' is no action that the simulator knows; there are: "),
        ("drop_after:orignate", "did you mean originate? there are: absolutetimeout, "),
        ("refused:ping:2", "2 is no probability"),
        ("refused:login", "login can have no fault"),
    ],
)
def test_a_wrong_fault_gives_one_line_and_2(capfd: pytest.CaptureFixture[str], rule: str, part: str) -> None:
    assert run(["simulate", "--fault", rule]) == 2
    shown = capfd.readouterr()
    (line,) = shown.err.splitlines()
    assert line.startswith("amibus: Invalid value for --fault: ")
    assert part in line
    assert shown.out == ""


@pytest.mark.parametrize("option", ["--busy", "--no-answer"])
def test_a_phone_that_there_is_not_is_named_with_those_there_are(
    capfd: pytest.CaptureFixture[str], option: str
) -> None:
    assert run(["simulate", option, "999"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert f"Invalid value for {option}: '999' is no phone; there are 200, 201, " in line
    assert "219, and outside numbers of 5 digits or more" in line


def test_the_page_names_every_kind_of_fault() -> None:
    rows = table(ROOT / "deploy/docs/simulate-and-record.md", "kind")
    assert {row[0] for row in rows} == set(FaultKind)
