"""Random contract material for the property tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from schemas.envelope import MAX_NUMBER, Event
from schemas.timestamps import timestamp_text

EARLIEST_US = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
LATEST_US = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) * 1_000_000

# Few words, so that patterns and keys meet; wild cards and empty words are also ordinary words of keys.
topic_words = st.sampled_from(["a", "b", "main", "200", "*", "#", "", "*8", "a#"])
topics = st.lists(topic_words, max_size=6).map(".".join)

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
numbers = st.integers(0, MAX_NUMBER)
times = st.integers(EARLIEST_US, LATEST_US).map(timestamp_text)
field_maps = st.dictionaries(texts, texts | st.lists(texts, min_size=1, max_size=4), max_size=8)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**54) | texts | st.just(1.5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def control_maps(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["gap", "up", "down", "later"]))
    control: dict[str, Any] = {"kind": kind}
    if kind == "gap":
        control |= {"from": draw(times), "to": draw(times), "cause": draw(names)}
        control["count"] = draw(st.none() | numbers)
        control |= draw(st.fixed_dictionaries({}, optional={"from_seq": numbers, "to_seq": numbers}))
    elif kind == "up":
        control |= draw(
            st.fixed_dictionaries({}, optional={"version": texts, "boot": texts, "boot_us": numbers})
        )
    elif kind == "down":
        control |= draw(st.fixed_dictionaries({}, optional={"cause": texts, "reason": texts}))
    return control


@st.composite
def events(draw: st.DrawFn) -> Event:
    control = draw(st.none() | control_maps())
    return Event(
        id=draw(names),
        pbx=draw(names),
        epoch=draw(numbers),
        seq=draw(numbers),
        received_at=draw(times),
        event=draw(names) if control is None else f"control.{control['kind']}",
        extensions=tuple(draw(st.lists(texts, max_size=8))),
        fields=draw(field_maps),
        privilege=draw(texts),
        snapshot=draw(st.booleans()),
        synthetic=draw(st.booleans()),
        suspect=draw(st.booleans()),
        undecodable=draw(st.booleans()),
        text=draw(texts),
        linkedid=draw(texts),
        call=draw(texts),
        control=control,
    )
