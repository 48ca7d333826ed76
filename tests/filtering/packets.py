"""Real packets as events, and events made up."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from publisher.decoding import EventDecoder, PbxNaming
from publisher.records import EVENT, Record
from publisher.simulator import Trace
from schemas import Event, decode
from schemas.routing import routing_keys

ROOT: Final = Path(__file__).parents[2]
CORPUS: Final = tuple(sorted((ROOT / "tests" / "corpus").glob("*events*.ami")))
TRACES: Final = ROOT.parent / "shared" / "traces"
RECEIVED_AT: Final = "2026-11-23T08:54:53.850601Z"


def events_of(path: Path, most: int = 1_000_000) -> list[Event]:
    """A recording's events, decoded as they come off the bus."""
    decoder = EventDecoder(PbxNaming("main"))
    found = []
    for seq, packet in enumerate(Trace.read(path).events[:most], start=1):
        record = Record(seq, 1, seq, 1_790_000_000_000_000, EVENT, 0, "", packet)
        message = decoder.message(record)
        found.append(decode(message.content_type, message.body))
    return found


@cache
def real_events() -> tuple[Event, ...]:
    """The project's own small recordings."""
    return tuple(event for path in CORPUS for event in events_of(path))


def recordings() -> list[Path]:
    """Large ones of Asterisk 11 and 20 where they are there, else the small ones."""
    large = [TRACES / version / "mixed-90s.ami.gz" for version in ("11", "20")]
    return [path for path in large if path.exists()] or [path for path in CORPUS if "events-" in path.name]


def made(
    seq: int = 1,
    event: str = "Dial",
    extensions: tuple[str, ...] = (),
    text: str = "",
    **fields: str | list[str],
) -> Event:
    """An event with these headers; `text` is what its packet's text is, whatever the headers."""
    return Event(
        id=f"main-1-{seq:x}",
        pbx="main",
        epoch=1,
        seq=seq,
        received_at=RECEIVED_AT,
        event=event,
        extensions=extensions,
        fields={"Event": event, **fields},
        text=text,
    )


def control(kind: str = "gap") -> Event:
    return Event(
        id="main-1-9",
        pbx="main",
        epoch=1,
        seq=9,
        received_at=RECEIVED_AT,
        event=f"control.{kind}",
        control={"kind": kind},
    )


def keys_of(event: Event) -> tuple[str, ...]:
    if event.control is not None:
        return (f"main.control.{event.control['kind']}",)
    return routing_keys(event.pbx, event.event, event.extensions)


ALPHABET: Final = "aAbBkKsSiI01_ :-.\r\n\t\x00\x0b\x1cяЯвВёЁıſ\u212a\u0130\ufffd\u2028\u1c80é٣😀{},[]()\\^$|"
made_texts = st.text(ALPHABET, max_size=24)
texts = st.one_of(
    made_texts,
    st.text(max_size=12).filter(lambda text: not any("\ud800" <= one <= "\udfff" for one in text)),
    st.sampled_from(
        [
            "Event: Dial\r\nExten: 200\r\n",
            "CallerIDName: Ёлкина\r\n",
            "aaab",
            "Event: Hangup\r\n",
            "\n",
            "a\n",
        ]
    ),
)
