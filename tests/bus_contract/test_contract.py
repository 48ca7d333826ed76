"""What consumers may rely on, whichever bus they are on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from consumers.ports import Binding
from schemas.message import Delivery, Message
from tests.bus_contract.harness import Harness, Numbers, drain, nothing_waits, take


def bodies(found: Sequence[Delivery | Message]) -> list[bytes]:
    return [item.message.body if isinstance(item, Delivery) else item.body for item in found]


async def test_a_message_arrives_as_it_was_published(bus: Harness, numbers: Numbers) -> None:
    await bus.source.bind(Binding("all", ("#",)))
    subscription = await bus.source.subscribe("all")
    sent = numbers.make("main.dialbegin.200", "main.dialbegin.202", "main.dialbegin.+74950000000")
    await bus.publish([sent])
    (delivery,) = await take(subscription, 1)
    got = delivery.message
    assert (got.routing_key, got.message_id, got.type, got.timestamp, got.body, got.content_type) == (
        sent.routing_key,
        sent.message_id,
        sent.type,
        sent.timestamp,
        sent.body,
        sent.content_type,
    )
    assert (got.headers.pbx, got.headers.epoch, got.headers.seq, got.headers.call) == (
        "main",
        1_700_000_000_000,
        1,
        "call-1",
    )
    assert not delivery.redelivered
    await subscription.close()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("#",), [1, 2, 3, 4, 5]),
        (("*.*.208",), [1, 3, 4]),
        (("main.hangup.*",), [3]),
        (("main.*",), []),
        (("main.#",), [1, 2, 3, 4, 5]),
        (("*.dial.208", "#.208", "main.dial.*", "#"), [1, 2, 3, 4, 5]),
        (("main.newstate.-", "main.hangup.209"), [3, 5]),
    ],
)
async def test_a_binding_gets_what_any_of_its_keys_takes_once_and_in_order(
    bus: Harness, numbers: Numbers, keys: tuple[str, ...], expected: list[int]
) -> None:
    await bus.source.bind(Binding("b", keys))
    await bus.publish(
        [
            numbers.make("main.dial.208"),
            numbers.make("main.dial.2080"),
            numbers.make("main.hangup.208", "main.hangup.209"),
            numbers.make("main.dial.1", "main.dial.2", "main.dial.208", "main.dial.3"),
            numbers.make("main.newstate.-"),
        ]
    )
    subscription = await bus.source.subscribe("b")
    found = await drain(subscription, len(expected))
    assert bodies(found) == [b"%d" % number for number in expected]
    await bus.source.bind(Binding("b", (*keys, "main.marker.-")))
    await nothing_waits(bus, subscription, "main.marker.-", numbers)
    await subscription.close()


async def test_each_pbx_keeps_its_order(bus: Harness, numbers: Numbers) -> None:
    await bus.source.bind(Binding("all", ("#",)))
    subscription = await bus.source.subscribe("all", prefetch=50)
    for _ in range(20):
        await bus.publish([numbers.make("main.a.-"), numbers.make("branch.a.-"), numbers.make("main.b.-")])
    found = await drain(subscription, 60)
    for pbx, count in (("main", 40), ("branch", 20)):
        mine = [int(message.body) for message in found if message.headers.pbx == pbx]
        assert mine == list(range(1, count + 1))
    await subscription.close()


async def test_a_new_binding_begins_now_and_each_binding_gets_its_own_copy(
    bus: Harness, numbers: Numbers
) -> None:
    await bus.publish([numbers.make("main.before.-")])
    await bus.source.bind(Binding("one", ("#",)))
    await bus.publish([numbers.make("main.between.-")])
    await bus.source.bind(Binding("two", ("main.#",)))
    await bus.publish([numbers.make("main.after.-")])
    one, two = await bus.source.subscribe("one"), await bus.source.subscribe("two")
    assert bodies(await drain(one, 2)) == [b"2", b"3"]
    assert bodies(await drain(two, 1)) == [b"3"]
    await nothing_waits(bus, two, "main.x.-", numbers)
    await one.close()
    await two.close()


async def test_messages_wait_for_a_binding_without_subscribers_across_a_restart(
    bus: Harness, numbers: Numbers
) -> None:
    await bus.source.bind(Binding("patient", ("#.200",)))
    await bus.publish([numbers.make("main.x.200") for _ in range(100)])
    await bus.reopen()
    await bus.source.bind(Binding("patient", ("#.200",)))
    await bus.publish([numbers.make("main.x.200") for _ in range(5)])
    subscription = await bus.source.subscribe("patient")
    assert bodies(await drain(subscription, 105)) == [b"%d" % number for number in range(1, 106)]
    await nothing_waits(bus, subscription, "main.x.200", numbers)
    await subscription.close()


async def test_settled_messages_do_not_come_again_and_unsettled_ones_do_marked(
    bus: Harness, numbers: Numbers
) -> None:
    await bus.source.bind(Binding("b", ("#",)))
    await bus.publish([numbers.make("main.x.-") for _ in range(6)])
    subscription = await bus.source.subscribe("b")
    deliveries = await take(subscription, 4)
    for delivery in deliveries[:2]:
        subscription.settle(delivery.tag)
    await bus.reopen()
    subscription = await bus.source.subscribe("b")
    again = await take(subscription, 4)
    assert bodies(again) == [b"3", b"4", b"5", b"6"]
    # Whether the last two had reached this side before is the bus's own affair.
    assert [delivery.redelivered for delivery in again[:2]] == [True, True]
    await subscription.close()


async def test_settling_out_of_order_loses_nothing_that_is_unsettled(bus: Harness, numbers: Numbers) -> None:
    await bus.source.bind(Binding("b", ("#",)))
    await bus.publish([numbers.make("main.x.-") for _ in range(5)])
    subscription = await bus.source.subscribe("b")
    deliveries = await take(subscription, 5)
    for index in (4, 2, 0):
        subscription.settle(deliveries[index].tag)
    await bus.reopen()
    subscription = await bus.source.subscribe("b")
    found = {int(body) for body in bodies(await take(subscription, 2))}
    # A bus may give settled ones above an unsettled one again after a restart, never withhold one.
    assert found <= {2, 3, 4, 5}
    assert 2 in found
    await subscription.close()


async def test_a_retried_message_comes_again_marked_and_the_others_go_on(
    bus: Harness, numbers: Numbers
) -> None:
    await bus.source.bind(Binding("b", ("#",)))
    await bus.publish([numbers.make("main.x.-") for _ in range(3)])
    subscription = await bus.source.subscribe("b")
    first, second, third = await take(subscription, 3)
    subscription.retry(first.tag)
    subscription.settle(second.tag)
    (again,) = await take(subscription, 1)
    assert (again.message.body, again.redelivered) == (b"1", True)
    subscription.settle(again.tag)
    subscription.settle(third.tag)
    await nothing_waits(bus, subscription, "main.x.-", numbers)
    await subscription.close()


async def test_no_more_than_the_prefetch_is_unsettled(bus: Harness, numbers: Numbers) -> None:
    await bus.source.bind(Binding("b", ("#",)))
    await bus.publish([numbers.make("main.x.-") for _ in range(10)])
    subscription = await bus.source.subscribe("b", prefetch=3)
    deliveries = await take(subscription, 3)
    waiting = asyncio.create_task(take(subscription, 1))
    await bus.publish([numbers.make("main.x.-")])
    assert not waiting.done()
    subscription.settle(deliveries[1].tag)
    assert bodies(await waiting) == [b"4"]
    await subscription.close()


async def test_two_subscribers_of_one_binding_share_its_messages_and_inherit_from_each_other(
    bus: Harness, numbers: Numbers
) -> None:
    await bus.source.bind(Binding("b", ("#",)))
    one = await bus.source.subscribe("b", prefetch=2)
    two = await bus.source.subscribe("b", prefetch=2)
    await bus.publish([numbers.make("main.x.-") for _ in range(4)])
    of_one, of_two = await take(one, 2), await take(two, 2)
    assert sorted(bodies(of_one) + bodies(of_two)) == [b"1", b"2", b"3", b"4"]
    await one.close()
    for delivery in of_two:
        two.settle(delivery.tag)
    inherited = await take(two, 2)
    assert sorted(bodies(inherited)) == sorted(bodies(of_one))
    assert all(delivery.redelivered for delivery in inherited)
    await two.close()


async def test_new_keys_hold_for_new_messages_and_what_waits_stays(bus: Harness, numbers: Numbers) -> None:
    await bus.source.bind(Binding("b", ("#.200",)))
    await bus.publish([numbers.make("main.x.200"), numbers.make("main.x.201")])
    await bus.source.bind(Binding("b", ("#.201",)))
    await bus.publish([numbers.make("main.x.200"), numbers.make("main.x.201")])
    await bus.reopen()
    await bus.source.bind(Binding("b", ("#.201", "#.202")))
    await bus.publish([numbers.make("main.x.200"), numbers.make("main.x.202")])
    subscription = await bus.source.subscribe("b")
    assert bodies(await drain(subscription, 3)) == [b"1", b"4", b"6"]
    await nothing_waits(bus, subscription, "main.x.202", numbers)
    await subscription.close()


async def test_unbinding_removes_what_waits_and_ends_the_subscription(bus: Harness, numbers: Numbers) -> None:
    await bus.source.bind(Binding("b", ("#",)))
    subscription = await bus.source.subscribe("b")
    receiving = asyncio.create_task(subscription.receive())
    await asyncio.sleep(0)
    await bus.source.unbind("b")
    with pytest.raises(bus.lost):
        await asyncio.wait_for(receiving, 20)
    await bus.publish([numbers.make("main.x.-")])
    await bus.source.unbind("b")
    await bus.source.bind(Binding("b", ("#",)))
    subscription = await bus.source.subscribe("b")
    await nothing_waits(bus, subscription, "main.x.-", numbers)
    await subscription.close()


async def test_a_waiting_receive_ends_when_its_subscription_is_closed(bus: Harness, numbers: Numbers) -> None:
    await bus.source.bind(Binding("b", ("#",)))
    subscription = await bus.source.subscribe("b")
    receiving = asyncio.create_task(subscription.receive())
    await asyncio.sleep(0)
    await subscription.close()
    with pytest.raises(bus.lost):
        await asyncio.wait_for(receiving, 20)
    other = await bus.source.subscribe("b")
    await nothing_waits(bus, other, "main.x.-", numbers)
    await other.close()


async def test_a_binding_far_behind_gets_everything_and_holds_nobody_up(
    bus: Harness, numbers: Numbers
) -> None:
    await bus.source.bind(Binding("slow", ("#",)))
    await bus.source.bind(Binding("quick", ("#.1",)))
    quick = await bus.source.subscribe("quick")
    sent = [numbers.make(f"main.x.{index % 2}") for index in range(2000)]
    await bus.publish(sent[:1000])
    await bus.publish(sent[1000:])
    assert bodies(await drain(quick, 1000)) == [message.body for message in sent[1::2]]
    slow = await bus.source.subscribe("slow")
    assert bodies(await drain(slow, 2000)) == [message.body for message in sent]
    await slow.close()
    await quick.close()
