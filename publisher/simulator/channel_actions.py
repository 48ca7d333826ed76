"""What is done to a living channel: digits, texts, recording, muting. And what is told without a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from publisher.simulator.answers import Fields
from publisher.simulator.packets import response
from publisher.simulator.requests import whole_number
from publisher.simulator.state import Channel
from publisher.simulator.turn import Turn

if TYPE_CHECKING:
    from publisher.simulator.switchboard import Switchboard


def play_dtmf(board: Switchboard, turn: Turn) -> None:
    request = turn.request
    if not request.get("Channel") or board.state.find(request.get("Channel")) is None:
        return turn.refuse("Channel not found")
    if not request.get("Digit"):
        return turn.refuse("No digit specified")
    duration = request.get("Duration")
    if board.state.style.modern and duration and whole_number(duration) is None:
        return turn.refuse("Could not convert Duration parameter")
    turn.accept("DTMF successfully queued")
    return None


def send_text(board: Switchboard, turn: Turn) -> None:
    request = turn.request
    if not request.get("Channel"):
        return turn.refuse("No channel specified")
    if not request.get("Message"):
        return turn.refuse("No Message specified")
    if board.state.find(request.get("Channel")) is None:
        return turn.refuse("No such channel")
    turn.accept("Success")
    return None


def message_send(board: Switchboard, turn: Turn) -> None:
    """A text to a phone without a call."""
    request = turn.request
    to = request.get("To") or request.get("Destination")
    if not to:
        return turn.refuse("No 'To' address specified.")
    if ":" not in to:
        return turn.refuse("Message technology not found.")
    turn.accept("Message successfully sent")
    return None


def user_event(board: Switchboard, turn: Turn) -> None:
    turn.accept("Event Sent")
    # Asterisk 11 repeats every header but the name of the event, the Action among them.
    skipped = {"userevent", "action"} if board.state.style.modern else {"userevent"}
    request = turn.request
    rest: Fields = [(name, value) for name, value in request.headers if name.lower() not in skipped]
    board.say("UserEvent", "user,all", [("UserEvent", request.get("UserEvent")), *rest])


def mix_monitor(board: Switchboard, turn: Turn) -> None:
    """Record the call. The response has no sentence; options `i(NAME)` give the recording's id."""
    channel = _monitored(board, turn)
    if channel is None:
        return
    options = turn.request.get("Options")
    fields: Fields = []
    if "i(" in options:
        variable = options.partition("i(")[2].partition(")")[0]
        recording = f"0x{id(channel) & 0xFFFFFFFF:x}"
        channel.set_variable(variable, recording)
        fields.append(("MixMonitorID", recording))
    turn.answer([response("Success", turn.request.action_id, fields)])
    if board.state.style.modern:
        said = board.dialplan.events.channel("MixMonitorStart", channel, [])
        board.say(said.event, said.classes, said.fields)


def stop_mix_monitor(board: Switchboard, turn: Turn) -> None:
    channel = _monitored(board, turn)
    if channel is None:
        return
    turn.answer([response("Success", turn.request.action_id)])
    if board.state.style.modern:
        said = board.dialplan.events.channel("MixMonitorStop", channel, [])
        board.say(said.event, said.classes, said.fields)


def monitor(board: Switchboard, turn: Turn) -> None:
    if (channel := _monitored(board, turn)) is not None:
        turn.accept("Started monitoring channel")
        _tell_monitor(board, "MonitorStart", channel)


def stop_monitor(board: Switchboard, turn: Turn) -> None:
    if (channel := _monitored(board, turn)) is not None:
        turn.accept("Stopped monitoring channel")
        _tell_monitor(board, "MonitorStop", channel)


def mute_audio(board: Switchboard, turn: Turn) -> None:
    request = turn.request
    for name in ("Channel", "State", "Direction"):
        if not request.get(name):
            return turn.refuse(f"{name} not specified")
    if board.state.find(request.get("Channel")) is None:
        return turn.refuse("No such channel")
    turn.answer([response("Success", request.action_id)])
    return None


def _monitored(board: Switchboard, turn: Turn) -> Channel | None:
    """The channel that the action names; None: it was refused."""
    name = turn.request.get("Channel")
    if not name:
        turn.refuse("No channel specified")
        return None
    channel = board.state.find(name)
    if channel is None:
        turn.refuse("No such channel")
    return channel


def _tell_monitor(board: Switchboard, event: str, channel: Channel) -> None:
    said = board.dialplan.events.channel(event, channel, [])
    board.say(said.event, said.classes, said.fields)
