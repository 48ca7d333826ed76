"""What a microservice may rely on: commands sent, followed, cancelled, answered, on every kind of server."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.commands import CommandClient, IdInUse, NoReplyYet, Patience, QueueFull, QueueUnreachable
from publisher.commanding.entries import Memory, QueuedCommand
from schemas.command_queue import CommandKeys
from schemas.errors import CommandError
from schemas.reply import Reply, State
from tests.command_contract.answerer import answering, succeeds
from tests.command_contract.conftest import KINDS
from tests.command_contract.harness import final_of
from tests.command_contract.redis import RedisHarness
from tests.fakes.command_store import LARGEST_INLINE

QUICK = Patience(tries=2, retry_secs=0.02, look_secs=0.05, forgotten_secs=0.3)


@pytest.fixture(params=[kind for kind in KINDS if kind != "fake"])
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RedisHarness]:
    """A queue of each kind that speaks Redis, empty."""
    made = await KINDS[request.param](request, tmp_path)
    assert isinstance(made, RedisHarness)
    yield made
    await made.close()


@pytest.fixture(params=["embedded", "single"])
async def plain(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RedisHarness]:
    """A queue in this process and one in a real Redis, for what is the client's own doing."""
    made = await KINDS[request.param](request, tmp_path)
    assert isinstance(made, RedisHarness)
    yield made
    await made.close()


async def test_a_command_is_sent_followed_and_answered(served: RedisHarness) -> None:
    async with served.client() as client, answering(served.queue()) as answerer:
        sent = await client.send(served.pbx, "Ping", id="a")
        steps = [(step.step, step.channel) async for step in sent.steps()]
        expected = [("sending", ""), ("accepted", ""), ("ringing", "PJSIP/200-00000001"), ("final", "")]
        assert steps == expected
        reply = await sent.reply()
        assert (reply.id, reply.action, reply.state, reply.field("uniqueid")) == (
            "a",
            "Ping",
            "succeeded",
            "a",
        )
        # The same again is the same, and not done again.
        again = await client.send(served.pbx, "Ping", id="a")
        assert await again.reply() == reply
        assert answerer.sent == {"a": 1}
        with pytest.raises(
            IdInUse, match="the id a stands for another command: with other fields, or of another action"
        ):
            await client.send(served.pbx, "Status", id="a")


async def test_a_large_reply_comes_too(served: RedisHarness) -> None:
    def large(queued: QueuedCommand) -> Reply:
        return dataclasses.replace(succeeds(queued), output=("x" * 100,) * 300)

    async with served.client() as client, answering(served.queue(), large):
        reply = await (await client.send(served.pbx, "Ping")).reply()
        assert len(reply.encode()) > LARGEST_INLINE
        assert reply.output == ("x" * 100,) * 300


async def test_another_client_follows_and_looks(served: RedisHarness) -> None:
    async with served.client() as client, served.client(name="office") as other:
        assert await other.follow(served.pbx, "a") is None
        assert await other.look(served.pbx, "a") is None
        sent = await client.send(served.pbx, "Ping", id="a", priority="bulk")
        followed = await other.follow(served.pbx, "a")
        assert followed is not None
        assert (followed.action, followed.expires_ms) == ("Ping", sent.expires_ms)
        async with answering(served.queue()):
            assert await followed.reply() == await sent.reply()
        view = await other.look(served.pbx, "a")
        assert view is not None
        assert (view.client, view.state, view.priority, view.reply) == (
            "crm",
            "succeeded",
            "bulk",
            await sent.reply(),
        )
        assert view.command is not None
        assert view.command.action == "Ping"
        # One that is over already is answered at once.
        late = await other.follow(served.pbx, "a")
        assert late is not None
        assert await late.reply(20) == await sent.reply()


async def test_cancelling(served: RedisHarness) -> None:
    async with served.client() as client:
        assert await client.cancel(served.pbx, "a") == "missing"
        await client.send(served.pbx, "Ping", id="a")
        assert await client.cancel(served.pbx, "a") == "asked"
        queue = served.queue()
        await queue.take(Memory())
        claim = await queue.claim(10)
        assert claim.cancelled == ("a",)
        await client.send(served.pbx, "Ping", id="b")
        await queue.claim(10)
        await queue.mark_sending(["b"])
        assert await client.cancel(served.pbx, "b") == "late"
        await queue.finish([final_of("b")])
        assert await client.cancel(served.pbx, "b") == "final"


async def test_what_waits_is_listed(served: RedisHarness) -> None:
    async with served.client() as client:
        assert await client.waiting(served.pbx) == []
        for id, priority in (("b", "bulk"), ("a", "interactive"), ("d", "bulk"), ("c", "interactive")):
            await client.send(served.pbx, "Ping", id=id, priority=priority)
        queue = served.queue()
        await queue.take(Memory())
        await queue.claim(1)
        found = await client.waiting(served.pbx)
        assert [(view.id, view.state) for view in found] == [
            ("a", "claimed"),
            ("c", "queued"),
            ("b", "queued"),
            ("d", "queued"),
        ]
        assert [view.id for view in await client.waiting(served.pbx, 2)] == ["a", "c"]
        await queue.finish([final_of("a")])
        assert [view.id for view in await client.waiting(served.pbx)] == ["c", "b", "d"]


async def test_a_client_without_a_commander_ends_what_is_late(served: RedisHarness) -> None:
    async with served.client(QUICK) as client:
        sent = await client.send(served.pbx, "Ping", id="a")
        await served.write("a", {"expires": b"1"})
        async with asyncio.timeout(20):
            reply = await sent.reply()
        assert (reply.state, reply.reason) == ("expired", "expired")
        assert reply.message == "its time was over, and no collector had taken it"
        assert await served.waiting() == (0, 0)


async def test_what_is_wrong_with_a_command_is_told_before_it_is_sent(plain: RedisHarness) -> None:
    async with plain.client() as client:
        for pbx, action, fields, options in (
            ("Main", "Ping", {}, {}),
            ("a.b", "Ping", {}, {}),
            ("main", "Nonsense", {}, {}),
            ("main", "Ping", {}, {"id": "a b"}),
            ("main", "Ping", {}, {"expires_secs": 0.05}),
            ("main", "Ping", {}, {"priority": "soon"}),
            ("main", "UserEvent", {"A": "x" * 70_000}, {"raw": True}),
        ):
            with pytest.raises(CommandError):
                await client.send(pbx, action, fields, **options)
        for call in (client.look, client.follow, client.cancel):
            with pytest.raises(CommandError):
                await call("Main", "a")
        assert await client.waiting(plain.pbx) == []


async def test_a_full_queue_is_told_as_such(plain: RedisHarness) -> None:
    await plain.queue(max_depth=2).take(Memory())
    async with plain.client() as client:
        for id in ("a", "b"):
            await client.send(plain.pbx, "Ping", id=id)
        with pytest.raises(
            QueueFull, match=r"2 commands wait .* no more are allowed; is its collector running"
        ):
            await client.send(plain.pbx, "Ping", id="c")
        await client.send(plain.pbx, "Ping", id="a")


async def test_a_reply_whose_news_were_missed_is_found_by_looking(plain: RedisHarness) -> None:
    async with plain.client(QUICK) as client, answering(plain.queue()) as answerer:
        answerer.go_on.clear()
        sent = await client.send(plain.pbx, "Ping", id="a")
        with pytest.raises(NoReplyYet, match=r"no reply to Ping a came within 0\.1 s"):
            await sent.reply(0.1)
        # A client that slept while the news went by.
        watcher = client._watchers.pop(plain.pbx)
        watcher.cancel()
        answerer.go_on.set()
        async with asyncio.timeout(20):
            assert (await sent.reply()).state == "succeeded"


async def test_a_reply_can_be_asked_for_again_and_by_several(plain: RedisHarness) -> None:
    async with plain.client(QUICK) as client, answering(plain.queue()) as answerer:
        answerer.go_on.clear()
        sent = await client.send(plain.pbx, "Ping")
        for _ in range(3):
            with pytest.raises(NoReplyYet):
                await sent.reply(0.02)
        asking = [asyncio.create_task(sent.reply()) for _ in range(5)]
        answerer.go_on.set()
        async with asyncio.timeout(20):
            replies = await asyncio.gather(*asking)
        assert {reply.id for reply in replies} == {sent.id}
        assert await sent.reply(0) == replies[0]


async def test_a_command_that_the_queue_forgot_is_unknown(plain: RedisHarness) -> None:
    async with plain.client(QUICK) as client:
        sent = await client.send(plain.pbx, "Ping", id="a")
        await plain.erase("a")
        began = time.monotonic()
        async with asyncio.timeout(20):
            reply = await sent.reply()
        assert (reply.state, reply.reason) == ("unknown", "queue_rolled_back")
        assert time.monotonic() - began >= QUICK.forgotten_secs


async def test_a_reply_that_is_given_again_to_a_queue_that_forgot_is_the_reply(plain: RedisHarness) -> None:
    async with plain.client(dataclasses.replace(QUICK, forgotten_secs=60.0)) as client:
        queue = plain.queue()
        await queue.take(Memory())
        sent = await client.send(plain.pbx, "Ping", id="a")
        (command,) = (await queue.claim(1)).commands
        await plain.erase("a")
        with pytest.raises(NoReplyYet):
            await sent.reply(0.2)
        await queue.finish([final_of("a", succeeds(command).encode())])
        assert (await sent.reply()).state == "succeeded"


@pytest.mark.parametrize("garbage", [b"\xff", b"", b"{}", "another's"], ids=repr)
async def test_news_and_replies_that_cannot_be_read_harm_nobody_else(
    plain: RedisHarness, garbage: bytes | str
) -> None:
    queue = plain.queue()
    await queue.take(Memory())
    async with plain.client(QUICK) as client:
        good, bad = [await client.send(plain.pbx, "Ping", id=id) for id in ("good", "bad")]
        await client.send(plain.pbx, "Ping", id="third")
        commands = {one.id: one for one in (await queue.claim(10)).commands}
        replies = plain.admin, CommandKeys(plain.pbx).replies
        for id in ("bad", "good", "\xff"):
            await replies[0].xadd(replies[1], {"id": id, "state": b"\xff", "step": b"\xfe", "more": b"\xfd"})
            await replies[0].xadd(replies[1], {"id": id, "state": "failed", "step": "final", "more": b"\xfd"})
        await replies[0].xadd(replies[1], {"odd": "one"})
        given = succeeds(commands["third"]).encode() if isinstance(garbage, str) else garbage
        await queue.finish([final_of("bad", given), final_of("good", succeeds(commands["good"]).encode())])
        async with asyncio.timeout(20):
            assert (await good.reply()).field("Uniqueid") == "good"
            reply = await bad.reply()
        assert (reply.id, reply.state, reply.reason) == ("bad", State.UNKNOWN, "no_reply")


async def test_closing_ends_promptly_and_whoever_waits_is_told(plain: RedisHarness) -> None:
    client = plain.client(QUICK)
    sent = [await client.send(plain.pbx, "Ping") for _ in range(3)]
    waiting = [asyncio.create_task(one.reply()) for one in sent]
    await asyncio.sleep(0)
    began = time.monotonic()
    await client.close()
    assert time.monotonic() - began < 2
    async with asyncio.timeout(5):
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {NoReplyYet}
    with pytest.raises(QueueUnreachable, match="this client was closed"):
        await client.send(plain.pbx, "Ping")
    await client.close()


async def test_replies_that_nobody_waits_for_any_more_come_to_nobody_else(plain: RedisHarness) -> None:
    chance = random.Random(5)
    async with plain.client() as client, answering(plain.queue()) as answerer:

        async def ask(number: int) -> tuple[str, Reply]:
            sent = await client.send(plain.pbx, "Ping", id=f"command-{number}")
            return sent.id, await sent.reply()

        tasks = [asyncio.create_task(ask(number)) for number in range(100)]
        for task in chance.sample(tasks, 50):
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.003)))
            task.cancel()
        async with asyncio.timeout(60):
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            replies = [end for end in ends if isinstance(end, tuple)]
            assert {type(end) for end in ends} <= {tuple, asyncio.CancelledError}
            assert len(replies) >= 50
            for id, reply in replies:
                assert (reply.id, reply.field("Uniqueid")) == (id, id)
            # Those that were given up can be asked for again.
            for number in range(100):
                id, reply = await ask(number)
                assert (reply.id, reply.field("Uniqueid")) == (id, id)
        assert set(answerer.sent.values()) == {1}
        assert len(answerer.sent) == 100


async def test_what_nobody_holds_is_forgotten(plain: RedisHarness) -> None:
    async with plain.client() as client, answering(plain.queue()):
        for _ in range(20):
            sent = await client.send(plain.pbx, "Ping")
            await sent.reply()
            del sent
        assert len(client._attended) <= 1


def test_the_name_of_the_embedded_queue_is_no_url_and_says_what_would_be_one() -> None:
    with pytest.raises(ValueError, match=r"reached by its socket: unix:///…/commands\.sock"):
        CommandClient.connect("embedded", client="crm", token="not-a-real-token")


async def test_a_queue_that_nobody_listens_for_has_surely_queued_nothing(tmp_path: Path) -> None:
    for url in ("redis://127.0.0.1:1", f"unix://{tmp_path}/none.sock", "redis://nowhere.invalid"):
        async with CommandClient.connect(url, client="crm", token="t" * 16, patience=QUICK) as client:
            with pytest.raises(QueueUnreachable) as caught:
                await client.send("main", "Ping")
            assert not caught.value.begun
