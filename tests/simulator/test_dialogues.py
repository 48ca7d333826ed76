"""The same actions get the same answers as the recorded servers gave: headers, their order, their words."""

from __future__ import annotations

import re

import pytest

from publisher.simulator.actions import actions_of
from publisher.simulator.options import default_extensions
from publisher.simulator.state import PbxState
from publisher.simulator.style import STYLES
from tests.simulator.client import Client
from tests.simulator.dialogues import (
    TRACES,
    VERSIONS,
    Dialogue,
    blocks,
    dialogues,
    is_unasked,
    name_of,
    received_by,
    simulator_for,
)

# Times, counters, and what says which build it is or how busy its phones were.
MASKED = {
    *("Timestamp", "CoreStartupDate", "CoreStartupTime", "CoreReloadDate", "CoreReloadTime"),
    *("CoreCurrentCalls", "CoreProcessedCalls", "Challenge", "Output", "Status", "StatusText"),
}
NOT_COMPARED = {
    "login_md5": "its key answers another challenge",
    "listcommands": "compared below: the recorded servers know more actions",
    "confbridgelist": "the recorded servers had conferences",
    "dialplan_newlines": "a dialplan with forged packets, which no action caused",
    "dialplan_long_values": "a dialplan of its own",
    "presencestate": "Asterisk 11 sends bytes there that it never wrote",
}
# Of the CLI the simulator knows these alone.
CLI = {"command_version", "command_noactionid", "command_nocommand", "command_unknown"}
UNKNOWN = "Message: Invalid/unknown command: "


def is_known(dialogue: Dialogue) -> bool:
    """The simulator knows every action that the recorded server knew."""
    known = actions_of(PbxState(STYLES[dialogue.version], default_extensions()))
    refused = set(re.findall(rf"{UNKNOWN}(\S+)\. ", dialogue.received.decode(errors="replace")))
    asked = re.findall(r"^action: *(\S+)", dialogue.sent.decode(errors="replace"), re.M | re.I)
    return all(action.lower() in known or action in refused for action in asked)


COMPARED = [
    dialogue
    for dialogue in dialogues()
    if dialogue.name not in NOT_COMPARED
    and (not dialogue.name.startswith("command_") or dialogue.name in CLI)
    and is_known(dialogue)
]


def answers(data: bytes) -> list[list[str]]:
    """What answers actions: responses with their words, the items of lists with their header names."""
    found: list[list[str]] = []
    for lines in blocks(data):
        if is_unasked(lines):
            continue
        if lines[0].startswith("Response: "):
            found.append([shown(line) for line in lines])
        else:
            found.append([lines[0], *(name_of(line) for line in lines[1:])])
    return found


def shown(line: str) -> str:
    if "--END COMMAND--" in line:
        return "the output of a command before Asterisk 14"
    return name_of(line) if name_of(line) in MASKED else line


def items(packets: list[list[str]]) -> list[list[str]]:
    return [lines for lines in packets if lines[0].startswith("Event: ") and "Complete" not in lines[0]]


@pytest.mark.parametrize("dialogue", COMPARED, ids=str)
async def test_an_action_is_answered_as_the_recorded_server_answered_it(dialogue: Dialogue) -> None:
    async with simulator_for(dialogue) as pbx, Client(pbx) as client:
        ours = answers(await received_by(client, dialogue))
    theirs = answers(dialogue.received)
    listed = items(theirs)
    assert [lines for lines in ours if lines not in items(ours)] == [
        lines for lines in theirs if lines not in listed
    ]
    # How many items a list has is not the same; what they look like is.
    kinds = {lines[0] for lines in listed}
    assert all(lines in listed for lines in items(ours) if lines[0] in kinds)


def test_enough_dialogues_are_compared() -> None:
    compared = {dialogue.name for dialogue in COMPARED}
    assert compared >= {
        *("hangup", "hangup_regex", "redirect", "park", "atxfer_blindtransfer", "monitor", "senddtmf"),
        *("originate_async_ok", "originate_async_busy", "originate_async_noanswer", "originate_nochannel"),
        *("originate_sync_busy", "queueadd_remove_pause", "getvar_channel", "getvar_global"),
        *("extensionstate", "mailboxstatus", "parkedcalls_parkinglots", "status_one_vars"),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_actions_need_the_classes_that_the_recorded_servers_name(version: str) -> None:
    path = TRACES / version / "actions" / "listcommands.ami"
    if not path.exists():
        pytest.skip("the recordings are not here")
    theirs = dict(re.findall(r"^(\w+): .*\(Priv: (\S+)\)", path.read_text(errors="replace"), re.MULTILINE))
    known = actions_of(PbxState(STYLES[version], default_extensions()))
    for action in known.values():
        needed = set(theirs[action.name].split(",")) - {"all", "<none>"}
        assert action.classes == needed, action.name


@pytest.mark.parametrize(
    ("version", "unknown"),
    [
        ("11", {"blindtransfer", "devicestatelist", "dbgettree"}),
        ("20", {"queues", "pjsipshowendpoints"}),
        ("22", {"monitor", "stopmonitor", "sippeers"}),
    ],
)
def test_an_age_knows_only_its_own_actions(version: str, unknown: set[str]) -> None:
    assert not unknown & set(actions_of(PbxState(STYLES[version], default_extensions())))
