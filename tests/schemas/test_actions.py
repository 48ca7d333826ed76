"""The table of typed actions: what each field takes, and that it takes nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.action_fields import (
    CHANNEL,
    INTERFACE,
    MAX_CALLER_ID_BYTES,
    MAX_CALLER_ID_CHARS,
    MAX_VALUE_CHARS,
    CallerId,
    Flag,
    Kind,
    Text,
    TextMap,
    Whole,
    Word,
)
from schemas.actions import ACTIONS, Group, action_named
from schemas.command import Command
from schemas.errors import CommandError
from tests.schemas.action_examples import (
    ALTERNATIVES,
    CONTROLS,
    EVALUATED,
    SURROGATES,
    WRONG_KINDS,
    all_fields,
    example,
    example_with,
    values,
)

FIELDS = all_fields()
KINDS = list(dict.fromkeys(ACTIONS[action].fields[field].kind for action, field in FIELDS))
MARKER = "7495REFUSED1234567"


def refusal(action: str, fields: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        ACTIONS[action].check(fields)
    return caught.value


def kind_of(action: str, field: str) -> Any:
    return ACTIONS[action].fields[field].kind


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_takes_its_example_and_gives_the_fields_in_the_order_of_the_table(action: str) -> None:
    spec = ACTIONS[action]
    for fields in (example(action), *ALTERNATIVES.get(action, [])):
        backwards = dict(reversed(list(fields.items())))
        checked = spec.check(backwards)
        assert set(checked) == set(fields)
        assert list(checked) == [name for name in spec.fields if name in fields]


def test_the_examples_have_every_field_of_the_table() -> None:
    for action, field in FIELDS:
        assert field in example_with(action, field)


@pytest.mark.parametrize("action", ACTIONS)
def test_names_of_actions_and_fields_are_taken_in_any_case(action: str) -> None:
    spec = ACTIONS[action]
    for name in filter(None, (action, spec.ami)):
        assert action_named(name.lower()) is action_named(name.upper()) is spec
    shouted = {name.upper(): value for name, value in example(action).items()}
    assert spec.check(shouted) == spec.check(example(action))


def test_atxfer_is_another_name_of_attended_transfer() -> None:
    assert action_named("Atxfer") is ACTIONS["AttendedTransfer"]
    assert action_named("Command") is None


def test_only_what_asks_changes_nothing() -> None:
    asks = {name for name, spec in ACTIONS.items() if not spec.changes}
    assert asks == {name for name, spec in ACTIONS.items() if spec.group is Group.STATUS} | {"Getvar"}
    assert {"Originate", "Hangup", "Setvar", "UserEvent"}.isdisjoint(asks)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_field_that_is_missing_is_named(action: str) -> None:
    one_of = {name for pair in ACTIONS[action].one_of for name in pair}
    for name, field in ACTIONS[action].fields.items():
        fields = example(action)
        if fields.pop(name, None) is not None and name in one_of:
            error = refusal(action, fields)
            (pair,) = (pair for pair in ACTIONS[action].one_of if name in pair)
            assert error.field == pair[0]
            assert str(error).endswith(f"is missing; {action} needs {pair[0]} or {pair[1]}")
        elif field.required:
            for absent in (fields, fields | {name: None}):
                error = refusal(action, absent)
                assert error.field == name
                assert "is missing" in str(error)
        else:
            assert name not in ACTIONS[action].check(fields | {name: None})


@pytest.mark.parametrize(
    ("action", "first", "second"),
    [(name, *pair) for name, spec in ACTIONS.items() for pair in spec.one_of],
)
def test_of_two_that_mean_the_same_only_one_is_taken(action: str, first: str, second: str) -> None:
    both = {**example_with(action, first), second: example_with(action, second)[second]}
    error = refusal(action, both)
    assert (error.field, str(error)) == (second, f"{second}: stands beside {first}; only one of them can be")


@pytest.mark.parametrize("action", ACTIONS)
def test_an_unknown_field_is_named_with_those_there_are(action: str) -> None:
    error = refusal(action, example(action) | {"Bogus": MARKER})
    assert error.field == "Bogus"
    assert MARKER not in str(error)
    for name in ACTIONS[action].fields:
        assert name in str(error)


@pytest.mark.parametrize(
    "name", ["Extén", "Exten\r\nAction: Originate", "\ud800", "x" * 5000, "", "${SHELL(x)}"]
)
def test_an_odd_name_of_a_field_is_shown_as_short_plain_ascii(name: str) -> None:
    error = refusal("Ping", {name: "1"})
    assert error.field.isascii()
    assert error.field.isprintable()
    assert len(error.field) < 41 * 10
    assert "\n" not in str(error)


@pytest.mark.parametrize("name", [1, None, b"Exten", 1.5, ("Exten",)])
def test_a_field_whose_name_is_no_text_is_refused(name: Any) -> None:
    assert refusal("Hangup", {name: "1"}).field == "a field's name"


def test_a_field_in_two_spellings_is_refused() -> None:
    assert "twice" in str(refusal("Hangup", {"Channel": "SIP/200", "channel": "SIP/201"}))


@pytest.mark.parametrize(("action", "field"), FIELDS)
def test_a_value_of_the_wrong_kind_is_refused_by_the_field_s_name_and_never_shown(
    action: str, field: str
) -> None:
    kind = kind_of(action, field)
    wrong: list[Any] = [*WRONG_KINDS, [], [MARKER], [[MARKER]], {MARKER: {}}, {MARKER: 1.5}]
    if not isinstance(kind, Flag):
        wrong += [True, False]
    if not isinstance(kind, Whole):
        wrong += [1, 10**30, -1]
    if not isinstance(kind, TextMap):
        wrong += [{}, {"A": MARKER}]
    if isinstance(kind, Whole | Flag | TextMap):
        wrong += [MARKER, "", " 1", "1 ", "٣", "1e3", "0x10", "true\n", "1.0"]
    if isinstance(kind, Whole):
        wrong += [kind.least - 1, kind.most + 1, 10**30, -(10**30), str(kind.most + 1), "9" * 19, "9" * 5000]
    for value in wrong:
        error = refusal(action, example_with(action, field) | {field: value})
        assert error.field.split(".")[0] == field, value
        shown = str(error).removeprefix(error.field)
        assert MARKER not in shown


@pytest.mark.parametrize(("action", "field"), FIELDS)
def test_no_field_takes_a_control_character_half_a_character_or_what_the_dialplan_evaluates(
    action: str, field: str
) -> None:
    given_fields = example_with(action, field)
    value = given_fields[field]
    if isinstance(value, dict):
        odd: list[Any] = [value | {"Odd": "x" + sign} for sign in (*CONTROLS, *SURROGATES, *EVALUATED)]
        odd += [value | {"Odd" + sign: "x"} for sign in (*CONTROLS, *SURROGATES, *EVALUATED)]
    else:
        text = "yes" if isinstance(value, bool) else str(value)
        signs = (*CONTROLS, *SURROGATES, *EVALUATED)
        odd = [made for sign in signs for made in (text + sign, sign + text, text[:1] + sign + text[1:])]
    for one in odd:
        assert refusal(action, given_fields | {field: one}).field.split(".")[0] == field


@pytest.mark.parametrize(("action", "field"), FIELDS)
def test_a_value_that_is_too_long_is_refused(action: str, field: str) -> None:
    given_fields = example_with(action, field)
    for length in (2_000, 1_000_000):
        long: Any = "2" * length
        if isinstance(given_fields[field], dict):
            long = {"A": long}
        assert refusal(action, given_fields | {field: long}).field.split(".")[0] == field


@pytest.mark.parametrize("kind", KINDS, ids=range(len(KINDS)))
@given(data=st.data())
@settings(max_examples=50)
def test_what_a_field_gives_it_takes_again_unchanged(kind: Kind, data: st.DataObject) -> None:
    """A client's command is checked where it is made, and once more where it is executed."""
    value = data.draw(values(kind))
    try:
        checked = kind.check("Field", value)
    except CommandError:
        assert isinstance(kind, CallerId)
        return
    assert kind.check("Field", checked) == checked
    assert type(kind.check("Field", checked)) is type(checked)


# The kinds one by one.


@pytest.mark.parametrize(
    ("given_text", "written"),
    [
        ("200", "<200>"),
        ("+74951234567", "<+74951234567>"),
        ("<200>", "<200>"),
        ('"" <200>', "<200>"),
        ('"Анна" <200>', '"Анна" <200>'),
        ("Анна Сидорова <200>", '"Анна Сидорова" <200>'),
        ("O'Neil, (x) [y] <200>", '"O\'Neil, (x) [y]" <200>'),
        ('" Анна  "<*8>', '"Анна" <*8>'),
    ],
)
def test_a_caller_id_is_written_as_a_name_in_quotes_and_a_number(given_text: str, written: str) -> None:
    assert CallerId().check("CallerID", given_text) == written


@pytest.mark.parametrize(
    "text",
    [
        *("", "Anna", '"Anna"', '"Anna" 200', '"Anna" <>', '"Anna" <sip:x@y>', "<200", "200>", "<200><201>"),
        *('"A"B" <200>', '"A\\" <200>', "A\\ <200>", '"A<1>" <200>', '"A" <200> x', "<200>,<201>"),
        *('"A" < 200>', "<" + "2" * 21 + ">", '"A" <200>\n', "<2-00>", "<200;x=y>", "<٢٠٠>"),
    ],
)
def test_what_a_caller_id_parser_could_read_in_another_way_is_refused(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        CallerId().check("CallerID", text)
    assert caught.value.field == "CallerID"


@given(st.text(st.sampled_from("aЯ日😀"), max_size=MAX_CALLER_ID_CHARS))
def test_a_caller_id_never_loses_its_number_in_asterisk_s_buffer(name: str) -> None:
    try:
        written = CallerId().check("CallerID", f'"{name}" <200>')
    except CommandError:
        return
    assert written.encode()[:MAX_CALLER_ID_BYTES].decode().endswith("<200>")


def test_a_caller_id_that_fits_only_without_its_quotes_is_refused() -> None:
    exactly = "x" * (MAX_CALLER_ID_CHARS - len('"" <200>'))
    assert len(CallerId().check("CallerID", f"{exactly} <200>")) == MAX_CALLER_ID_CHARS
    with pytest.raises(CommandError):
        CallerId().check("CallerID", f"{exactly}x <200>")


@pytest.mark.parametrize("word", [CHANNEL, INTERFACE])
def test_a_channel_that_asterisk_would_cut_off_is_refused(word: Word) -> None:
    """Without its end, a Local channel would run in another context."""
    longest = f"Local/{'2' * (word.most - 10)}@ctx"
    assert len(word.check("Channel", longest)) == word.most
    with pytest.raises(CommandError, match=f"at most {word.most}"):
        word.check("Channel", f"{longest}x")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "/SIP/.*/",
            "/.*/",
            "/",
            "",
            "SIP/",
            "SIP//200",
            "SIP/200/",
            "-x",
            "SIP/200&SIP/201",
            "SIP/200,SIP/201",
        ),
        *(
            "SIP/200|x",
            "SIP/200 x",
            "SIP/200(x)",
            "SIP/200'",
            'SIP/200"',
            "SIP/200\\",
            "SIP/200?",
            "SIP/200%00",
        ),
        *("SIP/200$x", "SIP/200{x}", "SIP/200[x]", "SIP/200!x", "SIP/200^x", "SIP/Анна"),
    ],
)
def test_nothing_is_a_channel_that_asterisk_would_take_for_several_or_for_an_expression(name: str) -> None:
    with pytest.raises(CommandError):
        CHANNEL.check("Channel", name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../x.wav",
            "a/b.wav",
            "/etc/x",
            "..",
            "a,b",
            "a.wav,,rm",
            "a;b",
            "a|b",
            "a b",
            "`id`",
            "$(id)",
            "a\\b",
        ),
        *("-a.wav", ".wav", "", "a&b", "a'b", 'a"b', "a@b", "a:b", "a<b", "~a", "x" * 101),
    ],
)
def test_a_recording_s_name_leads_to_no_folder_and_to_no_further_argument(name: str) -> None:
    assert refusal("MixMonitor", example("MixMonitor") | {"File": name}).field == "File"


@pytest.mark.parametrize(
    "options",
    [
        "r(/tmp/x)",
        "t(/tmp/x)",
        "i(VAR)",
        "m(200@default)",
        "S",
        "B(1)",
        "c",
        "n",
        "v",
        "V(5)",
        "W(--1)",
        "a,b",
        "",
    ],
)
def test_recording_options_name_no_file_no_variable_and_no_mailbox(options: str) -> None:
    assert refusal("MixMonitor", example("MixMonitor") | {"Options": options}).field == "Options"


def test_flags_and_numbers_come_as_themselves_or_as_text() -> None:
    for text, value in (
        ("TRUE", True),
        ("Yes", True),
        ("1", True),
        ("oN", True),
        ("off", False),
        ("NO", False),
    ):
        assert Flag().check("Paused", text) is value
    assert Whole(-5, 5).check("Penalty", "-5") == Whole(-5, 5).check("Penalty", -5) == -5
    assert Whole(0, 5).check("Penalty", "005") == 5


def test_a_map_takes_whole_numbers_as_texts_and_lists_where_it_may() -> None:
    assert TextMap(Word("[A-Z]+", "letters")).check("Variable", {"A": 5, "B": "x"}) == {"A": "5", "B": "x"}
    many = TextMap(Word("[A-Z]+", "letters"), most=2, many=True)
    assert many.check("Headers", {"A": ["1", "2"]}) == {"A": ["1", "2"]}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"A": "1", "B": "2", "C": "3"}, "Headers"),
        ({"A": []}, "Headers.A"),
        ({"A": ["1", "2", "3"]}, "Headers.A"),
        ({"A": ["1", None]}, "Headers.A"),
        ({"A": [["1"]]}, "Headers.A"),
        ({"A": {"B": "1"}}, "Headers.A"),
        ({"A": True}, "Headers.A"),
        ({"A": None}, "Headers.A"),
        ({"a": "1"}, "Headers.a"),
        ({"A: B\r\nC": "1"}, "Headers.A: B\\r\\nC"),
        ({"Я": "1"}, "Headers.\\u042f"),
        ({1: "1"}, "Headers.a whole number"),
        ({b"A": "1"}, "Headers.something else"),
    ],
)
def test_an_entry_of_a_map_that_is_wrong_is_named(value: Any, field: str) -> None:
    with pytest.raises(CommandError) as caught:
        TextMap(Word("[A-Z]", "a letter"), most=2, many=True).check("Headers", value)
    assert caught.value.field == field


def test_free_text_is_any_text_of_its_length() -> None:
    odd = "Ёлка 日本 😀 \ufffd \u200b $ {} $x {$} $() `id` ; | & < > \\ ' \" % ^ ~ \xa0"
    assert Text().check("Value", odd) == odd
    assert Text(least=0).check("Value", "") == ""
    assert len(Text().check("Value", "😀" * MAX_VALUE_CHARS)) == MAX_VALUE_CHARS
    with pytest.raises(CommandError, match="is empty"):
        Text().check("Value", "")


@pytest.mark.parametrize("field", ["Priority", "ExtraPriority"])
def test_no_call_leaves_out_an_extensions_first_steps(field: str) -> None:
    with pytest.raises(CommandError, match=f"^{field}: must be 1$"):
        Command.make("Redirect", {"Channel": "SIP/200-1", "Exten": "201", field: 2}, client="crm")
