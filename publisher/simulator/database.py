"""The database of the simulated PBX: DBPut, DBGet, DBGetTree, DBDel, DBDelTree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from publisher.simulator.answers import Fields, error, listing
from publisher.simulator.requests import Request
from publisher.simulator.state import PbxState
from publisher.simulator.turn import Turn

if TYPE_CHECKING:
    from publisher.simulator.switchboard import Switchboard

MAX_ENTRIES: Final = 10_000


def db_get(state: PbxState, request: Request) -> list[Fields]:
    family, key = request.get("Family"), request.get("Key")
    if not family:
        return error(request, "No family specified.")
    if not key:
        return error(request, "No key specified.")
    value = state.database.get((family, key))
    if value is None:
        return error(request, "Database entry not found")
    event: Fields = [("Event", "DBGetResponse"), ("Family", family), ("Key", key), ("Val", value)]
    text = "Result will follow"
    return listing(state, request, text, [event], "DBGetComplete", id_first=False, old_complete=[])


def db_get_tree(state: PbxState, request: Request) -> list[Fields]:
    family, key = request.get("Family"), request.get("Key")
    events: list[Fields] = []
    for (of_family, of_key), value in sorted(state.database.items()):
        if family in ("", of_family) and (not key or of_key == key or of_key.startswith(f"{key}/")):
            event: Fields = [("Event", "DBGetTreeResponse"), ("Key", f"/{of_family}/{of_key}")]
            events.append([*event, ("Val", value)])
    return listing(state, request, "Result will follow", events, "DBGetTreeComplete", id_first=False)


def db_put(board: Switchboard, turn: Turn) -> None:
    request, database = turn.request, board.state.database
    family, key = request.get("Family"), request.get("Key")
    if not family:
        return turn.refuse("No family specified")
    if not key:
        return turn.refuse("No key specified")
    if (family, key) not in database and len(database) >= MAX_ENTRIES:
        return turn.refuse("Failed to update entry")
    database[family, key] = request.get("Val")
    turn.accept("Updated database successfully")
    return None


def db_del(board: Switchboard, turn: Turn) -> None:
    request, database = turn.request, board.state.database
    family, key = request.get("Family"), request.get("Key")
    if not family:
        return turn.refuse("No family specified.")
    if not key:
        return turn.refuse("No key specified.")
    if database.pop((family, key), None) is None:
        modern = board.state.style.modern
        return turn.refuse("Database entry could not be deleted" if modern else "Database entry not found")
    turn.accept("Key deleted successfully")
    return None


def db_del_tree(board: Switchboard, turn: Turn) -> None:
    request, database = turn.request, board.state.database
    family, key = request.get("Family"), request.get("Key")
    if not family:
        return turn.refuse("No family specified.")
    doomed = [
        entry
        for entry in database
        if entry[0] == family and (not key or f"{entry[1]}/".startswith(f"{key}/"))
    ]
    if not doomed:
        return turn.refuse("Database entry not found")
    for entry in doomed:
        del database[entry]
    turn.accept("Key tree deleted successfully")
    return None
