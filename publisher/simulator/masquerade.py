"""A masquerade, as Asterisk 11 sends a channel elsewhere that runs no dialplan.

A new channel takes the place of the old one: its name and its party. What is left of the old one is a zombie
that is hung up. So the channel keeps its name, and its Uniqueid is another one from then on.
"""

from __future__ import annotations

from publisher.simulator.events import Events
from publisher.simulator.script import Say, Script
from publisher.simulator.state import Channel, PbxState


def masquerade(state: PbxState, events: Events, a: Channel, prefix: str, first_state: int) -> Script:
    """`prefix` names the new channel at first, such as `AsyncGoto` or `Parked`."""
    name, old_uniqueid = a.name, a.uniqueid
    place = Channel(f"{prefix}/{name}", state.new_uniqueid()[1], state=first_state, context=a.context)
    yield events.newchannel(place)
    clone = [("Clone", name), ("CloneState", a.state_name)]
    original = [("Original", place.name), ("OriginalState", place.state_name)]
    yield Say("Masquerade", "call,all", [*clone, *original])
    zombie = Channel(f"{place.name}<ZOMBIE>", old_uniqueid, state=a.state)
    yield _rename(name, f"{name}<MASQ>", old_uniqueid)
    yield _rename(place.name, name, place.uniqueid)
    yield _rename(f"{name}<MASQ>", zombie.name, old_uniqueid)
    state.rename_uniqueid(a, place.uniqueid)
    yield events.caller_id(a)
    yield events.hangup(zombie, 16)


def _rename(name: str, new_name: str, uniqueid: str) -> Say:
    return Say("Rename", "call,all", [("Channel", name), ("Newname", new_name), ("Uniqueid", uniqueid)])
