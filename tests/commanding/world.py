"""A commander's world in memory: a queue that fails, a disk that refuses, a PBX that comes and goes, in
virtual time; and the books that say whether all went well.

The oracle, whatever happens:
* each command is handed to the PBX at most once;
* each command that the queue has not forgotten gets a final reply, and never two that differ;
* what expired or was rejected was never handed over; what succeeded was;
* `unknown` only what was handed over, or older than a queue that went back in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from publisher.ami.errors import SessionNotReady
from publisher.ami.fields import parse_packet
from publisher.ami.reports import Reply as AmiReply
from publisher.app.commands import judge_of
from publisher.command_ports import Taker
from publisher.commanding.audit import Audit
from publisher.configuration.loading import parse
from publisher.errors import QueueUnreachable
from publisher.records import EVENT, Record
from publisher.reports import Report
from publisher.services.commander import Commander, CommanderSettings
from publisher.services.dispatcher import DispatchSettings
from publisher.services.intake import Intake
from publisher.services.settlement import CommandDesk
from schemas.command import Command, signature, signed_text
from schemas.reply import FINAL, Reply, State
from tests.fakes.command_journal import FakeCommandJournal
from tests.fakes.command_queue import FakeCommandQueue
from tests.fakes.command_store import FakeCommandStore, word
from tests.fakes.journal import FakeJournal
from tests.fakes.virtual_time import VirtualClock

TOKEN = "not-a-real-token"
SETTINGS = parse(
    f"""
[[pbx]]
name = "main"
secret = "s"
[[policy.client]]
name = "crm"
secret = "{TOKEN}"
commands = ["calls", "variables", "status"]
extensions = ["200-249"]
channels = ["PJSIP/{{extension}}"]
contexts = ["internal"]
destinations = ["200-249"]
variables = ["*"]
global_variables = true
rate = 0
max_waiting = 1000
""",
    Path("amibus.toml"),
)
FIELDS: dict[str, dict[str, Any]] = {
    "Originate": {"Phone": "200", "Exten": "201", "Timeout": 3000},
    "Setvar": {"Variable": "X", "Value": "1"},
    "Ping": {},
}
LEASE_SECS = 3.0


class Store(FakeCommandStore):
    """A server by the virtual clock, that remembers each final reply it was given."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.finals: dict[str, set[bytes]] = {}

    def now_ms(self) -> int:
        return self._clock.now_us() // 1000 + self.shift_ms

    def finish(self, id: str, state: str, reply: bytes, keep_ms: int) -> None:
        super().finish(id, state, reply, keep_ms)
        self.finals.setdefault(id, set()).add(reply)


class Pbx:
    """The way to a PBX, and the PBX. Implements `publisher.command_ports.ActionLine`.

    `manner` says of each command, in turn, what becomes of it: "good", "busy", "silent" (no answer ever),
    "drop" (executed, and the connection breaks before the answer).
    """

    ami_version = "9.0.0"

    def __init__(self, world: World, manners: list[str]) -> None:
        self._world = world
        self._manners = manners
        self._takers: dict[str, Taker] = {}
        self._waiting: list[tuple[str, str, Taker]] = []
        self.channels: dict[str, tuple[str, str]] = {}
        self.up = True
        self.channels_known = True
        self.handed_over: Counter[str] = Counter()

    def living(self, uniqueid: str) -> tuple[str, str] | None:
        return self.channels.get(uniqueid)

    def send(
        self,
        action: str,
        headers: Iterable[tuple[str, str]],
        action_id: str,
        taker: Taker,
        timeout_secs: float,
    ) -> None:
        if not self.up:
            raise SessionNotReady("the PBX is not connected")
        self.handed_over[action_id] += 1
        self._takers[action_id] = taker
        self._waiting.append((action, action_id, taker))

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for action, id, taker in waiting:
            manner = self._manners.pop(0) if self._manners else "good"
            self._world.start(self._do(action, id, taker, manner))

    async def _do(self, action: str, id: str, taker: Taker, manner: str) -> None:
        await asyncio.sleep(0.02)
        if manner == "drop":
            self.break_down()
            self._world.start(self._come_back(2.0))
        if manner not in ("silent", "drop"):
            self._answer(id, taker, "Response: Success\r\n")
        if action == "Originate":
            await self._call(id, manner)

    async def _call(self, id: str, manner: str) -> None:
        self.channels[id] = ("PJSIP/200-1", "5")
        self._say(f"Event: Newchannel\r\nPrivilege: call,all\r\nUniqueid: {id}\r\nChannel: PJSIP/200-1\r\n")
        await asyncio.sleep(0.5)
        good = manner != "busy"
        if good:
            self.channels[id] = ("PJSIP/200-1", "6")
        said = "Success\r\nReason: 4" if good else "Failure\r\nReason: 5"
        if manner != "silent":
            self._say(
                f"Event: OriginateResponse\r\nPrivilege: call,all\r\nActionID: {id}\r\nResponse: {said}\r\n"
                f"Uniqueid: {id}\r\n"
            )
        await asyncio.sleep(8.0 if good else 0.0)
        del self.channels[id]

    def _answer(self, id: str, taker: Taker, text: str) -> None:
        if self._takers.pop(id, None) is not None:
            taker.answered(AmiReply(id, parse_packet(text.encode()), success=True))

    def _say(self, text: str) -> None:
        """An event, if anybody is connected: into the journal, and to who watches."""
        world, commander = self._world, self._world.commander
        if not self.up:
            return
        raw, events = text.encode(), world.events
        if world.running:
            pos = events.next_pos
            events.append(
                [Record(pos, events.epoch, events.next_seq, world.clock.now_us(), EVENT, 0, "main", raw)]
            )
            parsed = parse_packet(raw)
            if parsed.name in commander.in_flight.watched:
                commander.in_flight.on_event(parsed.name, parsed.fields)

    def break_down(self) -> None:
        """The connection is gone, and every answer that was to come."""
        self.up = False
        self.channels_known = False
        takers, self._takers = self._takers, {}
        for id, taker in takers.items():
            taker.answered(AmiReply(id, None, False, complete=False, reason="the link ended"))
        self._world.commander.wake()

    def forget_takers(self) -> None:
        """The process that waited for answers is gone."""
        self._takers.clear()
        self._waiting.clear()

    async def _come_back(self, secs: float) -> None:
        await asyncio.sleep(secs)
        self.connect()

    def connect(self) -> None:
        self.up = True
        self.channels_known = True
        self._world.commander.wake()


@dataclass(slots=True)
class Books:
    """What was ordered, by id: when, and what it was."""

    ordered: dict[str, Command] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    frozen: bool = False
    # What the disk had not taken when a process or the machine's power ended: a queue that goes back in time
    # as well has its reply made anew.
    unnoted: set[str] = field(default_factory=set)
    power_lost: bool = False


class World:
    """One PBX's commander, again and again, and all that it works with."""

    def __init__(self, seed: int = 0, manners: list[str] | None = None, rate: float = 0.0) -> None:
        self.clock = VirtualClock()
        self.store = Store(self.clock)
        self.journal = FakeCommandJournal()
        self.events = FakeJournal()
        self.events.begin_epoch(1_760_000_000_000)
        self.reports: list[Report] = []
        self.pbx = Pbx(self, manners or [])
        self.books = Books()
        self.chance = random.Random(seed)
        self.dispatch = DispatchSettings(
            most_calls=5, most_others=20, rate=rate, burst=1, answer_secs=2.0, lease_secs=LEASE_SECS
        )
        self.copy = self.store.copied()
        self.running = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._process: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self.new_process()

    def new_process(self) -> None:
        self.queue = FakeCommandQueue(self.store, self.journal.owner, lease_ms=int(LEASE_SECS * 1000))
        desk = CommandDesk("main", self.queue, self.journal, Audit("main"), self.clock, self.reports.append)
        judge = judge_of(SETTINGS, SETTINGS.pbx[0])
        self.commander = Commander(
            desk,
            Intake("main", judge, lambda client: TOKEN if client == "crm" else ""),
            self.events,
            self.pbx,
            CommanderSettings(lease_secs=LEASE_SECS, dispatch=self.dispatch),
            lambda names: None,
        )

    # -- the process --------------------------------------------------------

    def begin(self) -> None:
        """Start a process."""
        self.running = True
        self._process = asyncio.create_task(self.commander.run())

    async def end(self) -> None:
        """Stop it as an operator does."""
        assert self._process is not None
        self._process.cancel()
        await asyncio.gather(self._process, return_exceptions=True)
        self.running = False
        self.pbx.forget_takers()

    async def restart(self) -> None:
        """Stop it, and start another one on the same disk."""
        async with self._one_at_a_time:
            await self.end()
            self.journal.reopen()
            self.new_process()
            self.begin()

    async def crash(self, power: bool = False) -> None:
        """Kill it, or stop its machine, and start another one on the same disk."""
        async with self._one_at_a_time:
            self.books.unnoted |= self.commander.settlement.unnoted
            self.queue.trouble = QueueUnreachable("nobody hears a process that is gone")
            self.journal.refusal = "nobody writes for a process that is gone"
            await self.end()
            self.journal.refusal = ""
            if power:
                self.journal.lose_power()
            self.journal.reopen()
            self.new_process()
            self.begin()

    def start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def still_alive(self) -> None:
        """Raise what the process died of."""
        if self._process is not None and self._process.done():
            self._process.result()

    # -- orders -------------------------------------------------------------

    def order(self, id: str, action: str = "Ping", ttl_secs: float = 30.0, bulk: bool = False) -> None:
        """Queue a command as its client does."""
        priority = "bulk" if bulk else "interactive"
        command = Command.make(action, FIELDS[action], client="crm", id=id, priority=priority)
        at_ms, ttl_ms, body = self.store.now_ms(), int(ttl_secs * 1000), command.encode()
        signed = signature(TOKEN, signed_text("main", id, at_ms, ttl_ms, body))
        answer = self.store.enqueue(
            id, body, at_ms=at_ms, ttl_ms=ttl_ms, signature=signed, client="crm", action=action, bulk=bulk
        )
        assert answer[0] in ("queued", "known")
        self.books.ordered[id] = command
        self.books.forgotten.discard(id)

    def unknown_reply(self, id: str) -> bytes:
        """What a collector says that cannot find out."""
        action = self.books.ordered[id].action
        at = "2026-01-02T03:04:05.000000Z"
        return Reply(id=id, pbx="main", action=action, state=State.UNKNOWN, at=at, reason="crashed").encode()

    def encoded(self, body: dict[str, Any]) -> bytes:
        """A body that nobody has checked."""
        return json.dumps(body).encode()

    def reply(self, id: str) -> Reply | None:
        known = self.store.command(id)
        return Reply.decode(known["reply"]) if word(known, "state") in FINAL else None

    async def answered(self, *ids: str, secs: float = 600.0) -> list[Reply]:
        """The final replies of these commands, by default of all that the queue has not forgotten."""
        async with asyncio.timeout(secs):
            while True:
                wanted = ids or tuple(id for id in self.books.ordered if id not in self.books.forgotten)
                found = [self.reply(id) for id in wanted]
                if all(found):
                    return [reply for reply in found if reply is not None]
                self.still_alive()
                await asyncio.sleep(0.05)

    # -- what befalls the queue's server ------------------------------------

    def keep_copy(self) -> None:
        self.copy = self.store.copied()

    def roll_back(self) -> None:
        """The server is back with the copy: what was queued since is forgotten, unless it is queued again."""
        self.store.roll_back(self.copy)
        self._note_forgotten()

    def forget(self) -> None:
        self.store.forget()
        self._note_forgotten()

    def _note_forgotten(self) -> None:
        self.books.frozen = True
        self.books.forgotten |= {id for id in self.books.ordered if not self.store.command(id)}

    # -- the oracle ---------------------------------------------------------

    def check(self) -> Counter[str]:
        """Hold everything against the books; how many commands ended in which state."""
        books, handed_over = self.books, self.pbx.handed_over
        assert not [id for id, times in handed_over.items() if times > 1]
        states: Counter[str] = Counter()
        for id, command in books.ordered.items():
            reply = self.reply(id)
            if reply is None:
                assert id in books.forgotten, id
                continue
            states[str(reply.state)] += 1
            told = f"{command.action} {id}: {reply.state} {reply.reason} {reply.message}"
            given = self.store.finals[id]
            assert len(given) == 1 or books.power_lost or id in books.unnoted, (told, given)
            if reply.state in (State.EXPIRED, State.REJECTED):
                assert not handed_over[id], told
            if reply.state in (State.SUCCEEDED, State.FAILED):
                assert handed_over[id] == 1, told
            if reply.state is State.UNKNOWN:
                assert handed_over[id] == 1 or books.frozen or books.power_lost, told
        return states

    async def close(self) -> None:
        with contextlib.suppress(Exception):
            await self.end()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
