"""The watch over calls: what the recorded servers' events tell of a call, and what others cannot tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.ami.fields import ParsedPacket, parse_packet
from publisher.ami.framing import EVENT, PacketReader
from publisher.commanding.call_watch import RESPONSE, WATCHED, WATCHED_BY_VARIABLE, CallFacts, CallWatch
from publisher.commanding.headers import ID_VARIABLE
from publisher.commanding.outcomes import Outcome, found_out, of_call
from schemas.envelope import Fields
from schemas.reply import Reason, State, Step

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / "tests/corpus/dialogues", ROOT.parent / "shared/traces"]
ENDS = {
    "originate_async_ok": (State.SUCCEEDED, "", [Step.DIALLING, Step.RINGING, Step.ANSWERED]),
    "originate_async_busy": (State.FAILED, Reason.BUSY, [Step.DIALLING, Step.RINGING]),
    "originate_async_noanswer": (State.FAILED, Reason.NO_ANSWER, [Step.DIALLING, Step.RINGING]),
    "originate_nochannel": (State.FAILED, Reason.UNREACHABLE, []),
}
RECORDED = [path for folder in FOLDERS for name in ENDS for path in sorted(folder.glob(f"*/**/{name}.ami"))]


def shown(path: Path) -> str:
    return "-".join(path.parts[-3:])


def age_of(path: Path) -> str:
    return next(part for part in path.parts if part in ("11", "20", "22"))


def events(path: Path, id: str) -> list[ParsedPacket]:
    """The events of a dialogue as a server would have sent them to who gave ChannelId, or the variable."""
    data = path.read_bytes()
    found = re.search(rb"Event: Newchannel\r\n(?:.+\r\n)*?Uniqueid: (\S+)\r\n", data)
    if found and age_of(path) != "11":
        data = data.replace(b"niqueid: " + found[1] + b"\r\n", f"niqueid: {id}\r\n".encode())
    elif found:
        head, whole, rest = data.partition(found[0])
        mark = b"Variable: %s\r\nValue: %s\r\nUniqueid: %s\r\n\r\n" % (
            ID_VARIABLE.encode(),
            id.encode(),
            found[1],
        )
        body, end, rest = rest.partition(b"\r\n\r\n")
        data = head + whole + body + end + b"Event: VarSet\r\nPrivilege: dialplan,all\r\n" + mark + rest
    packets = PacketReader().receive_data(data)
    return [parse_packet(packet.raw) for packet in packets if packet.kind == EVENT]


def asked(path: Path) -> str:
    """The ActionID of the first asynchronous Originate."""
    for text in path.with_suffix(".req").read_text(encoding="utf-8", errors="replace").split("\n\n"):
        found = re.search(r"^ActionID: (\S+)", text.replace("\r", ""), re.MULTILINE)
        if "Async: true" in text and found:
            return found[1]
    raise AssertionError(path)


def watched(path: Path, names: frozenset[str] | None = None) -> tuple[CallFacts, list[Step]]:
    id = asked(path)
    watch = CallWatch()
    facts = watch.watch(id)
    steps = []
    for event in events(path, id):
        if names is not None and event.name not in names:
            continue
        noted = watch.note(event.name, event.fields)
        if noted is not None:
            assert noted[0] is facts
            steps += [noted[1]] if noted[1] else []
    return facts, steps


def test_there_is_a_recording_of_every_end_on_every_age_that_has_one() -> None:
    assert {(age_of(path), path.stem) for path in RECORDED} >= {
        *((age, f"originate_async_{end}") for age in ("11", "20", "22") for end in ("ok", "busy")),
        *((age, name) for age in ("11", "20") for name in ENDS),
    }


@pytest.mark.parametrize("path", RECORDED, ids=shown)
def test_a_recorded_call_ends_as_it_did_and_its_steps_are_told(path: Path) -> None:
    state, reason, steps = ENDS[path.stem]
    names = WATCHED_BY_VARIABLE if age_of(path) == "11" else WATCHED
    facts, told = watched(path, names)
    outcome = of_call(facts)
    assert outcome is not None
    assert (outcome.state, outcome.reason, told) == (state, reason, steps)
    assert outcome.fields["ActionID"] == facts.id
    assert bool(outcome.message) is (state is State.FAILED)
    assert facts.channel.partition("/")[0] in (("SIP", "PJSIP") if steps else ("",))


@pytest.mark.parametrize("path", RECORDED, ids=shown)
def test_what_is_not_watched_would_tell_nothing_more(path: Path) -> None:
    names = WATCHED_BY_VARIABLE if age_of(path) == "11" else WATCHED
    assert watched(path) == watched(path, names)


@pytest.mark.parametrize("path", RECORDED, ids=shown)
def test_without_its_response_a_call_s_end_is_found_out_from_its_channel(path: Path) -> None:
    state, reason, steps = ENDS[path.stem]
    facts, _ = watched(path, WATCHED_BY_VARIABLE - {RESPONSE})
    assert of_call(facts) is None
    outcome = found_out(facts)
    if not steps:
        assert outcome is None
        return
    assert outcome is not None
    assert (outcome.state, outcome.reason) == (state, reason)
    facts.blind = True
    assert found_out(facts) == (outcome if state is State.SUCCEEDED else None)


@pytest.mark.parametrize("path", RECORDED, ids=shown)
def test_the_events_of_one_call_tell_nothing_of_another(path: Path) -> None:
    watch = CallWatch()
    other = watch.watch("somebody-elses")
    for event in events(path, asked(path)):
        assert watch.note(event.name, event.fields) is None
    assert other == CallFacts("somebody-elses")


@pytest.mark.parametrize("path", RECORDED, ids=shown)
def test_packets_without_a_privilege_line_tell_nothing(path: Path) -> None:
    watch = CallWatch()
    facts = watch.watch(asked(path))
    for event in events(path, facts.id):
        forged = {name: value for name, value in event.fields.items() if name != "Privilege"}
        assert watch.note(event.name, forged) is None
    assert facts == CallFacts(facts.id)


# One event at a time.


def note(watch: CallWatch, name: str, **fields: str | list[str]) -> tuple[CallFacts, Step | None] | None:
    return watch.note(name, {"Event": name, "Privilege": "call,all", **fields})


def test_the_first_response_counts_and_a_repeated_header_gives_its_first_value() -> None:
    watch = CallWatch()
    facts = watch.watch("a")
    note(watch, RESPONSE, ActionID=["a", "b"], Response="Failure", Reason=["5", "0"])
    note(watch, RESPONSE, ActionID="a", Response="Success")
    outcome = of_call(facts)
    assert outcome is not None
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.BUSY)


def test_on_asterisk_11_the_first_channel_that_bears_the_id_is_the_call() -> None:
    watch = CallWatch()
    facts = watch.watch("a")
    assert note(watch, "VarSet", Variable="OTHER", Value="a", Uniqueid="1.1") is None
    assert note(watch, "VarSet", Variable=ID_VARIABLE, Value="b", Uniqueid="1.1") is None
    for nobody in ("", "<unknown>", "<null>", "(null)"):
        assert note(watch, "VarSet", Variable=ID_VARIABLE, Value="a", Uniqueid=nobody) is None
    first = note(watch, "VarSet", Variable=ID_VARIABLE, Value="a", Uniqueid="1.1", Channel="SIP/200-1")
    assert first == (facts, Step.DIALLING)
    assert note(watch, "VarSet", Variable=ID_VARIABLE, Value="a", Uniqueid="1.2", Channel="SIP/300-1") is None
    assert note(watch, "Newstate", Uniqueid="1.2", ChannelState="6") is None
    assert note(watch, "Newstate", Uniqueid="1.1", ChannelState="6") == (facts, Step.ANSWERED)
    assert facts.channel == "SIP/200-1"


def test_a_channel_that_is_one_call_s_is_never_another_s() -> None:
    watch = CallWatch()
    mine, other = watch.watch("a"), watch.watch("b")
    note(watch, "VarSet", Variable=ID_VARIABLE, Value="a", Uniqueid="1.1")
    for uniqueid in ("1.1", "a", "b"):
        assert note(watch, "VarSet", Variable=ID_VARIABLE, Value="b", Uniqueid=uniqueid) is None
    note(watch, "Newstate", Uniqueid="1.1", ChannelState="6")
    assert (mine.answered, other.answered) == (True, False)


def test_a_step_is_told_once_and_ringing_not_after_the_answer() -> None:
    watch = CallWatch()
    facts = watch.watch("a")
    steps = [
        noted[1]
        for name, state in (
            *(
                ("Newchannel", "0"),
                ("Newchannel", "0"),
                ("Newstate", "5"),
                ("Newstate", "4"),
                ("Newstate", "6"),
            ),
            *(("Newstate", "6"), ("Newstate", "5"), ("Hangup", "6")),
        )
        if (noted := note(watch, name, Uniqueid="a", ChannelState=state, Channel="SIP/200-1")) is not None
    ]
    assert steps == [Step.DIALLING, None, Step.RINGING, None, Step.ANSWERED, None, None, None]
    assert (facts.answered, facts.ended) == (True, True)


def test_a_dial_that_ended_with_an_answer_was_answered() -> None:
    watch = CallWatch()
    facts = watch.watch("a")
    assert note(watch, "DialEnd", Uniqueid="a", DestUniqueid="b", DialStatus="ANSWER") is None
    assert note(watch, "DialEnd", Uniqueid="b", DestUniqueid="a", DialStatus="ANSWER") == (
        facts,
        Step.ANSWERED,
    )
    note(watch, "Hangup", Uniqueid="a", Cause="16")
    outcome = found_out(facts)
    assert outcome is not None
    assert outcome.state is State.SUCCEEDED


def test_a_channel_keeps_its_call_when_it_is_renamed() -> None:
    watch = CallWatch()
    facts = watch.watch("a")
    note(watch, "Newchannel", Uniqueid="a", Channel="SIP/200-1")
    assert note(watch, "Rename", Uniqueid="a", Channel="SIP/200-1", Newname="SIP/200-1<MASQ>") == (
        facts,
        None,
    )
    assert facts.channel == "SIP/200-1<MASQ>"
    note(watch, "Rename", Uniqueid="a")
    note(watch, "Newstate", Uniqueid="a", ChannelState="0")
    assert facts.channel == "SIP/200-1<MASQ>"


def test_a_call_that_is_forgotten_is_told_nothing_more() -> None:
    watch = CallWatch()
    facts = watch.watch("a")
    assert watch.watch("a") is facts
    note(watch, "VarSet", Variable=ID_VARIABLE, Value="a", Uniqueid="1.1")
    assert (len(watch), watch.facts("a")) == (1, facts)
    watch.forget("a")
    watch.forget("a")
    assert (len(watch), watch.facts("a")) == (0, None)
    for uniqueid in ("a", "1.1"):
        assert note(watch, "Newstate", Uniqueid=uniqueid, ChannelState="6") is None
    assert note(watch, RESPONSE, ActionID="a", Response="Success") is None
    assert not facts.answered
    assert (watch._by_uniqueid, watch._calls) == ({}, {})


def test_the_list_of_channels_says_what_lives() -> None:
    watch = CallWatch()
    facts, other = watch.watch("a"), watch.watch("b")
    watch.go_blind()
    assert facts.blind
    assert other.blind
    watch.note_living("a", "SIP/200-1", "5")
    assert (facts.uniqueid, facts.channel, facts.answered) == ("a", "SIP/200-1", False)
    watch.note_living("a", "", "6")
    watch.note_living("unknown", "SIP/300-1", "6")
    assert (facts.channel, facts.answered, other.answered) == ("SIP/200-1", True, False)


names = st.sampled_from([*sorted(WATCHED_BY_VARIABLE), "Other"])
values = st.sampled_from(["a", "b", "1.1", "", "5", "6", "17", "BUSY", "ANSWER", ID_VARIABLE, "<unknown>"])
headers = st.dictionaries(
    st.sampled_from(
        ["Uniqueid", "DestUniqueid", "ActionID", "ChannelState", "Cause", "DialStatus", "Variable", "Value"]
    ),
    values | st.lists(values, min_size=1, max_size=2),
)


@given(st.lists(st.tuples(names, headers), max_size=30))
def test_whatever_comes_nothing_fails_and_an_answer_is_never_taken_back(
    heard: list[tuple[str, Fields]],
) -> None:
    watch = CallWatch()
    all_facts = [watch.watch("a"), watch.watch("b")]
    answered: set[str] = set()
    for name, fields in heard:
        watch.note(name, fields | {"Privilege": "call,all"})
        assert answered <= {facts.id for facts in all_facts if facts.answered}
        answered = {facts.id for facts in all_facts if facts.answered}
        for facts in all_facts:
            ended: Outcome | None = found_out(facts)
            assert ended is None or ended.state.final
    for facts in all_facts:
        watch.forget(facts.id)
    assert (watch._by_uniqueid, watch._calls) == ({}, {})
