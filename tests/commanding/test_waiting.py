"""The line of waiting commands against a model of plain lists: order, fairness, lanes, bounds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from publisher.commanding.waiting import Waiting, WaitingCommand
from schemas.command import Command, Priority

CLIENTS = ("crm", "bot", "web")
MOST = 5


def waiting_command(
    number: int, client: str, bulk: bool = False, call: bool = False, expires_ms: int = 0
) -> WaitingCommand:
    priority = Priority.BULK if bulk else Priority.INTERACTIVE
    command = Command(id=f"c-{number}", client=client, action="Ping", priority=priority)
    return WaitingCommand(command, b"", expires_ms, {}, 30_000 if call else 0)


def lane_of(one: WaitingCommand) -> tuple[bool, bool]:
    """Bulk or not, call or not: lanes go before each other in this order."""
    return one.command.priority is Priority.BULK, one.is_call


@dataclass
class Model:
    """Lanes of lines, one a client: the first client of a lane is next, and goes behind the others then."""

    lanes: dict[tuple[bool, bool], list[tuple[str, list[WaitingCommand]]]] = field(
        default_factory=lambda: {(bulk, call): [] for bulk in (False, True) for call in (False, True)}
    )

    def everything(self) -> list[WaitingCommand]:
        return [one for lane in self.lanes.values() for _, line in lane for one in line]

    def add(self, one: WaitingCommand) -> bool:
        if sum(other.command.client == one.command.client for other in self.everything()) >= MOST:
            return False
        lane = self.lanes[lane_of(one)]
        for client, line in lane:
            if client == one.command.client:
                line.append(one)
                return True
        lane.append((one.command.client, [one]))
        return True

    def take(self, most: int, calls: int, others: int) -> list[WaitingCommand]:
        taken: list[WaitingCommand] = []
        rooms = {True: calls, False: others}
        for bulk, call in sorted(self.lanes):
            lane = self.lanes[bulk, call]
            while lane and rooms[call] and len(taken) < most:
                client, line = lane.pop(0)
                taken.append(line.pop(0))
                rooms[call] -= 1
                if line:
                    lane.append((client, line))
        return taken

    def put_back(self, taken: list[WaitingCommand]) -> None:
        for one in reversed(taken):
            lane = self.lanes[lane_of(one)]
            line = next((line for client, line in lane if client == one.command.client), [])
            lane[:] = [entry for entry in lane if entry[1] is not line]
            lane.insert(0, (one.command.client, [one, *line]))

    def remove(self, id: str) -> WaitingCommand | None:
        found = next((one for one in self.everything() if one.id == id), None)
        for lane in self.lanes.values():
            for _, line in lane:
                line[:] = [one for one in line if one.id != id]
            lane[:] = [entry for entry in lane if entry[1]]
        return found


class WaitingMachine(RuleBasedStateMachine):
    """What is done to the line is done to the model too."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = Waiting()
        self.model = Model()
        self.number = 0
        self.taken: list[WaitingCommand] = []

    @rule(
        client=st.sampled_from(CLIENTS), bulk=st.booleans(), call=st.booleans(), expires_ms=st.integers(0, 9)
    )
    def add(self, client: str, bulk: bool, call: bool, expires_ms: int) -> None:
        self.number += 1
        one = waiting_command(self.number, client, bulk, call, expires_ms)
        assert self.waiting.add(one, MOST) is self.model.add(one)

    @rule(most=st.integers(0, 6), calls=st.integers(0, 4), others=st.integers(0, 4))
    def take(self, most: int, calls: int, others: int) -> None:
        self.taken = self.waiting.take(most, calls, others)
        assert self.taken == self.model.take(most, calls, others)

    @precondition(lambda self: self.taken)
    @rule()
    def put_back(self) -> None:
        self.waiting.put_back(self.taken)
        self.model.put_back(self.taken)
        self.taken = []

    @rule(number=st.integers(1, 30))
    def remove(self, number: int) -> None:
        assert self.waiting.remove(f"c-{number}") == self.model.remove(f"c-{number}")

    @rule()
    def clear(self) -> None:
        if self.number % 7 == 0:
            self.waiting.clear()
            self.model, self.taken = Model(), []

    @invariant()
    def the_same_commands_wait(self) -> None:
        expected = self.model.everything()
        assert len(self.waiting) == len(expected)
        assert {one.id for one in self.waiting} == {one.id for one in expected}
        assert all(one.id in self.waiting for one in expected)
        assert all(one.id not in self.waiting for one in self.taken)
        due = {one.id for one in expected if one.expires_ms <= 5}
        assert {one.id for one in self.waiting.due(5)} == due


WaitingMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestWaiting = WaitingMachine.TestCase

lines = st.lists(
    st.builds(waiting_command, st.integers(0, 10**9), st.sampled_from(CLIENTS), st.booleans(), st.booleans()),
    unique_by=lambda one: one.id,
    max_size=30,
)


def filled(commands: list[WaitingCommand]) -> Waiting:
    waiting = Waiting()
    assert all(waiting.add(one, 1000) for one in commands)
    return waiting


@given(lines, st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_no_more_is_taken_than_there_is_room_for_and_nothing_waits_for_no_reason(
    commands: list[WaitingCommand], most: int, calls: int, others: int
) -> None:
    waiting = filled(commands)
    taken = waiting.take(most, calls, others)
    kinds = Counter(one.is_call for one in taken)
    assert len(taken) <= most
    assert kinds[True] <= calls
    assert kinds[False] <= others
    for one in waiting:
        assert len(taken) == most or kinds[one.is_call] == (calls if one.is_call else others)


@given(lines, st.integers(1, 40))
def test_what_a_person_waits_for_goes_before_bulk_and_each_client_s_own_in_its_order(
    commands: list[WaitingCommand], most: int
) -> None:
    taken = filled(commands).take(most, most, most)
    assert [lane_of(one) for one in taken] == sorted(lane_of(one) for one in taken)
    for client in CLIENTS:
        for lane in {lane_of(one) for one in taken}:
            mine = [one for one in taken if one.command.client == client and lane_of(one) == lane]
            queued = [one for one in commands if one.command.client == client and lane_of(one) == lane]
            assert mine == queued[: len(mine)]


def test_a_client_that_sends_much_delays_only_itself() -> None:
    many = [waiting_command(number, "bot") for number in range(100)]
    few = [waiting_command(200, "crm"), waiting_command(201, "web"), waiting_command(202, "crm")]
    order = [one.command.client for one in filled(many + few).take(6, 0, 6)]
    assert order == ["bot", "crm", "web", "bot", "crm", "bot"]


def test_the_turn_of_the_clients_goes_on_from_one_batch_to_the_next() -> None:
    waiting = filled(
        [waiting_command(n, client) for n, client in enumerate(["bot", "bot", "crm", "crm", "web"])]
    )
    order = [one.command.client for _ in range(5) for one in waiting.take(1, 1, 1)]
    assert order == ["bot", "crm", "web", "bot", "crm"]


def test_a_hangup_passes_calls_that_have_no_room() -> None:
    waiting = filled([waiting_command(n, "crm", call=True) for n in range(5)] + [waiting_command(9, "crm")])
    assert [one.id for one in waiting.take(10, 0, 10)] == ["c-9"]
    assert [one.id for one in waiting.take(10, 2, 10)] == ["c-0", "c-1"]


def test_a_client_s_bound_is_its_own_and_counts_all_its_lanes() -> None:
    waiting = Waiting()
    assert waiting.add(waiting_command(1, "crm", bulk=True), 2)
    assert waiting.add(waiting_command(2, "crm", call=True), 2)
    assert not waiting.add(waiting_command(3, "crm"), 2)
    assert waiting.add(waiting_command(4, "bot"), 2)
    waiting.remove("c-1")
    assert waiting.add(waiting_command(5, "crm"), 2)


@given(lines, st.integers(0, 40), st.integers(0, 10), st.integers(0, 10))
def test_what_is_put_back_is_taken_again_in_the_same_order(
    commands: list[WaitingCommand], most: int, calls: int, others: int
) -> None:
    waiting = filled(commands)
    taken = waiting.take(most, calls, others)
    waiting.put_back(taken)
    assert len(waiting) == len(commands)
    assert waiting.take(most, calls, others) == taken
