"""Bridges: what joins two channels, and the lists of them. Conferences there are none."""

from __future__ import annotations

from publisher.simulator.answers import Fields, error, listing
from publisher.simulator.requests import Request
from publisher.simulator.state import PbxState

NO_CONFERENCE = "No active conferences."


def bridge_fields(bridge: str, channels: int) -> Fields:
    """A bridge of two parties as the events of Asterisk 12 and later show it."""
    fields: Fields = [("BridgeUniqueid", bridge), ("BridgeType", "basic")]
    fields += [("BridgeTechnology", "simple_bridge"), ("BridgeCreator", "<unknown>")]
    fields += [("BridgeName", "<unknown>"), ("BridgeNumChannels", channels)]
    return [*fields, ("BridgeVideoSourceMode", "none")]


def bridge_list(state: PbxState, request: Request) -> list[Fields]:
    bridges = {channel.bridge_id: None for channel in state.channels.values() if channel.bridge_id}
    events: list[Fields] = [[("Event", "BridgeListItem"), *bridge_fields(bridge, 2)] for bridge in bridges]
    return listing(state, request, "Bridge listing will follow", events, "BridgeListComplete")


def confbridge_list_rooms(state: PbxState, request: Request) -> list[Fields]:
    return error(request, NO_CONFERENCE)


def confbridge_list(state: PbxState, request: Request) -> list[Fields]:
    return error(request, NO_CONFERENCE if request.get("Conference") else "No Conference name provided.")
