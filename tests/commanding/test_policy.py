"""The policy: whatever it does not allow is refused, and what it allows goes out in the operator's form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.channel_names import ChannelNames
from publisher.commanding.headers import ID_VARIABLE
from publisher.commanding.policy import ChannelTemplate, ClientRules, Judge, NamePatterns, NotAllowed
from schemas.actions import ACTIONS, Group
from schemas.command import Command
from schemas.errors import CommandError
from tests.commanding.generous import GENEROUS, NOTHING, judge, patterns
from tests.schemas.action_examples import ALTERNATIVES, example

NUMBER = "74951234567"
MINE, OTHERS = "PJSIP/200-0000001a", "PJSIP/300-0000001a"
TRUNK_CHANNELS = ["PJSIP/provider-0000001a", "SIP/trunk-out-0000001a", "SIP/provider/74951234567"]
ON_A_CHANNEL = [
    *("Hangup", "Redirect", "BlindTransfer", "AttendedTransfer", "Park", "PlayDTMF", "SendText"),
    *("MixMonitor", "StopMixMonitor", "Setvar", "Getvar"),
]
MEMBERS = ["QueueAdd", "QueueRemove", "QueuePause", "QueuePenalty"]


def allowed(
    action: str, fields: dict[str, Any] | None = None, rules: ClientRules = GENEROUS
) -> dict[str, Any]:
    given_fields = example(action) if fields is None else fields
    return judge(rules).judge(Command.make(action, given_fields, client="crm"))


def refused(action: str, fields: dict[str, Any] | None = None, rules: ClientRules = GENEROUS) -> str:
    """The field that the policy names; no number stands in its sentence."""
    with pytest.raises(NotAllowed) as caught:
        allowed(action, fields, rules)
    assert NUMBER not in str(caught.value)
    return caught.value.field


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


# Nothing by default.


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_is_refused_to_a_client_without_rules_and_to_one_nobody_knows(action: str) -> None:
    assert refused(action, rules=NOTHING) == "action"
    assert refused(action, rules=replace(GENEROUS, name="other")) == "client"
    assert refused(action, rules=replace(GENEROUS, actions=GENEROUS.actions - {action})) == "action"


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_alone_touches_nothing(action: str) -> None:
    """Without lists of extensions, contexts, queues and so on, only what names none of them is allowed."""
    only = replace(NOTHING, actions=frozenset({action}))
    if ACTIONS[action].group is Group.STATUS and action != "ExtensionState":
        assert allowed(action, rules=only) == example(action)
        return
    if action == "ExtensionState":
        assert allowed(action, rules=only) == example(action)
        assert refused(action, {"Exten": "200"}, only) == "Context"
        return
    for fields in (example(action), *ALTERNATIVES.get(action, [])):
        assert refused(action, fields, only) != "action"


@pytest.mark.parametrize("action", ACTIONS)
def test_the_examples_are_allowed_by_a_generous_policy(action: str) -> None:
    for fields in (example(action), *ALTERNATIVES.get(action, [])):
        assert "Phone" not in allowed(action, fields)


def test_a_client_commands_the_pbxs_that_are_named_and_all_where_none_is() -> None:
    assert refused("Ping", rules=replace(GENEROUS, pbxs=("branch",))) == "pbx"
    assert allowed("Ping", rules=replace(GENEROUS, pbxs=("branch", "main"))) == {}
    assert judge().rules("crm") is GENEROUS
    assert judge().rules("other") is None


def test_a_raw_action_is_judged_by_its_own_list_alone() -> None:
    fields = {"Family": "x", "Key": "1"}
    raw = Command.make("DBGET", fields, client="crm", raw=True)
    assert judge().judge(raw) == fields
    for rules in (NOTHING, replace(GENEROUS, raw=frozenset({"dbput"}))):
        with pytest.raises(NotAllowed) as caught:
            judge(rules).judge(raw)
        assert caught.value.field == "action"
    typed = Command.make("Hangup", {"Channel": MINE}, client="crm", raw=True)
    with pytest.raises(NotAllowed):
        judge().judge(typed)


# Phones, members and channels.


@pytest.mark.parametrize("action", ["Originate", *MEMBERS])
def test_a_phone_becomes_the_channel_of_the_first_template(action: str) -> None:
    device = "Channel" if action == "Originate" else "Interface"
    fields = without(example(action), device) | {"Phone": "alice"}
    assert allowed(action, fields)[device] == "PJSIP/alice"
    assert refused(action, fields | {"Phone": "300"}) == "Phone"
    assert refused(action, fields, replace(GENEROUS, channels=())) == "Phone"
    for named, neither_or_both in (
        ("Phone", without(fields, "Phone")),
        (device, fields | {device: "PJSIP/200"}),
    ):
        with pytest.raises(CommandError) as caught:
            allowed(action, neither_or_both)
        assert caught.value.field == named
        assert type(caught.value) is CommandError


@pytest.mark.parametrize("action", ["Originate", *MEMBERS])
def test_a_device_is_what_a_template_makes_of_an_own_extension_and_nothing_else(action: str) -> None:
    device = "Channel" if action == "Originate" else "Interface"
    fields = without(example(action), "Phone")
    assert allowed(action, fields | {device: "pjsip/200"})[device] == "PJSIP/200"
    assert allowed(action, fields | {device: "LOCAL/200@FROM-QUEUE/N"})[device] == "Local/200@from-queue/n"
    for other in (
        *("PJSIP/300", "IAX2/200", "SIP/provider", "PJSIP/200/x", "PJSIP/200@provider", "Local/200@other/n"),
        *(
            "Local/200@x@from-queue/n",
            "Local/@from-queue/n",
            "SIP/trunk-out/200",
            "PJSIP/alice2",
            "PJSIP/Alice",
        ),
    ):
        assert refused(action, fields | {device: other}) == device


def test_the_device_whose_state_counts_is_judged_as_the_member_s() -> None:
    assert refused("QueueAdd", example("QueueAdd") | {"StateInterface": "PJSIP/300"}) == "StateInterface"
    assert (
        allowed("QueueAdd", example("QueueAdd") | {"StateInterface": "sip/201"})["StateInterface"]
        == "SIP/201"
    )


def test_a_member_s_device_that_asterisk_would_cut_off_is_refused() -> None:
    long = ChannelTemplate("Local/{extension}@" + "x" * 60 + "/n")
    rules = replace(GENEROUS, channels=(long,), extensions=patterns("_X."))
    allowed("QueueRemove", {"Queue": "support", "Phone": "200"}, rules)
    with pytest.raises(CommandError) as caught:
        allowed("QueueRemove", {"Queue": "support", "Phone": "2" * 40}, rules)
    assert caught.value.field == "Interface"


@pytest.mark.parametrize("action", ON_A_CHANNEL)
def test_only_channels_of_own_extensions_are_acted_on(action: str) -> None:
    fields = without(example(action), "ExtraChannel", "TimeoutChannel")
    for mine in (MINE, "sip/249-1a2b3c4d", "Local/200@from-queue-0000001a;2", "PJSIP/alice-00000001"):
        assert allowed(action, fields | {"Channel": mine})["Channel"] == mine
    for other in (
        *(
            OTHERS,
            *TRUNK_CHANNELS,
            "DAHDI/i1/74951234567-1",
            "1795424093.10",
            "PJSIP",
            "SIP/10.0.0.5-0000001a",
        ),
        *(
            "Message/ast_msg_queue",
            "Local/300@from-queue-0000001a;1",
            "SIP/200/74951234567",
            "c-1",
            "PJSIP/s",
        ),
    ):
        assert refused(action, fields | {"Channel": other}) == "Channel"
    everybody = replace(GENEROUS, any_channel=True)
    for other in (OTHERS, *TRUNK_CHANNELS):
        assert allowed(action, fields | {"Channel": other}, everybody)["Channel"] == other


def test_every_party_of_a_channel_s_name_must_be_an_own_one() -> None:
    assert refused("Hangup", {"Channel": "PJSIP/200/sip:300@10.0.0.5"}) == "Channel"
    assert allowed("Hangup", {"Channel": "AsyncGoto/PJSIP/200-0000001a<ZOMBIE>"})


def test_a_second_channel_is_judged_as_the_first() -> None:
    redirect = example("Redirect")
    for other in (OTHERS, *TRUNK_CHANNELS):
        assert refused("Redirect", redirect | {"ExtraChannel": other}) == "ExtraChannel"
    assert refused("Redirect", redirect | {"ExtraExten": "810441234"}) == "ExtraExten"
    assert refused("Redirect", redirect | {"ExtraContext": "system"}) == "ExtraContext"
    short = allowed("Redirect", without(redirect, "ExtraExten", "ExtraContext", "Context"))
    assert (short["ExtraExten"], short["ExtraContext"]) == (short["Exten"], "from-internal")


@pytest.mark.parametrize(
    "channel",
    [
        *(OTHERS, *TRUNK_CHANNELS, f"Local/{NUMBER}@from-internal-0000001a;1", "Local/200@system-0000001a;1"),
        *("PJSIP/200/sip:x@10.0.0.5-1", "SIP/200@provider-1", "PJSIP/300", "DAHDI/1-1", "PJSIP/200-1-x/y"),
    ],
)
@pytest.mark.parametrize("any_channel", [False, True])
def test_a_parked_call_returns_to_an_own_device_only_for_asterisk_dials_that(
    channel: str, any_channel: bool
) -> None:
    rules = replace(GENEROUS, any_channel=any_channel)
    assert refused("Park", example("Park") | {"TimeoutChannel": channel}, rules) == "TimeoutChannel"
    for mine in ("PJSIP/200-0000001a", "sip/201-1", "PJSIP/200"):
        assert allowed("Park", example("Park") | {"TimeoutChannel": mine}, rules)["TimeoutChannel"] == mine


# Destinations and contexts.


@pytest.mark.parametrize("action", ["Originate", "Redirect", "BlindTransfer", "AttendedTransfer"])
def test_a_destination_is_allowed_and_not_denied_and_in_a_context_of_the_policy(action: str) -> None:
    fields = without(
        example(action), "Context", "ExtraChannel", "ExtraExten", "ExtraContext", "ExtraPriority"
    )
    assert allowed(action, fields)["Context"] == "from-internal"
    assert allowed(action, fields | {"Context": "other"})["Context"] == "other"
    for context in ("system", "From-internal", "from-internal.x"):
        assert refused(action, fields | {"Context": context}) == "Context"
    assert refused(action, fields, replace(GENEROUS, contexts=())) == "Context"
    for number in ("200", f"8{NUMBER[1:]}", "*8"):
        assert allowed(action, fields | {"Exten": number})["Exten"] == number
    for number in ("810441234567", "+441234567", "*9", "#"):
        assert refused(action, fields | {"Exten": number}) == "Exten"
    assert refused(action, fields, replace(GENEROUS, destinations=patterns())) == "Exten"
    both = replace(GENEROUS, destinations=patterns("201"), destinations_denied=patterns("201"))
    assert refused(action, fields | {"Exten": "201"}, both) == "Exten"


def test_a_call_needs_an_extension_or_an_application_that_the_policy_names() -> None:
    call = {"Phone": "200"}
    assert allowed("Originate", call | {"Application": "PLAYBACK", "Data": "x"})["Data"] == "x"
    for application in ("System", "Play", "PlaybackX", "AGI"):
        assert refused("Originate", call | {"Application": application}) == "Application"
    assert refused("Originate", call | {"Application": "Playback"}, replace(GENEROUS, applications=())) == (
        "Application"
    )


def test_a_refusal_names_what_is_allowed_and_what_is_denied() -> None:
    rules = replace(
        NOTHING,
        actions=frozenset({"Ping", *(name for name, spec in ACTIONS.items() if spec.group is Group.CALLS)}),
        raw=frozenset({"dbput", "dbget"}),
        extensions=patterns("200"),
        channels=GENEROUS.channels,
        contexts=("internal",),
        destinations=patterns("200-249", "_8X."),
        destinations_denied=patterns("_810."),
    )

    def sentence(action: str, fields: dict[str, Any], raw: bool = False) -> str:
        with pytest.raises(NotAllowed) as caught:
            judge(rules).judge(Command.make(action, fields, client="crm", raw=raw))
        return str(caught.value)

    for number in ("810123", "300"):
        assert sentence("Originate", {"Phone": "200", "Exten": number}) == (
            "Exten: crm may not connect to that number; allowed: 200-249, _8X., but not _810."
        )
    assert sentence("QueueStatus", {}) == "action: crm may not send QueueStatus; allowed: calls, Ping"
    assert sentence("Command", {}, raw=True) == "action: crm may not send Command raw; allowed: dbget, dbput"


def test_a_caller_id_is_judged_by_the_number_that_is_shown() -> None:
    call = {"Phone": "200", "Exten": "201"}
    for shown in ("200", '"300" <249>', "Анна <+78005550000>"):
        assert allowed("Originate", call | {"CallerID": shown})["CallerID"].endswith(">")
    for other in ("300", f"<{NUMBER}>", '"200" <300>', f'"{NUMBER}" <+{NUMBER}>', "78005550000"):
        assert refused("Originate", call | {"CallerID": other}) == "CallerID"
    nobody = replace(GENEROUS, caller_ids=patterns())
    assert refused("Originate", call | {"CallerID": "200"}, nobody) == "CallerID"


# Names.


@pytest.mark.parametrize("name", ["CRM_ID", "_CRM_ID", "__CRM_ID", "NOTE", "__NOTE"])
def test_a_variable_is_a_name_of_the_list_with_up_to_two_underscores_before_it(name: str) -> None:
    call = {"Phone": "200", "Exten": "201"}
    assert allowed("Originate", call | {"Variable": {name: "1"}})["Variable"] == {name: "1"}
    assert allowed("Setvar", {"Channel": MINE, "Variable": name, "Value": "1"})
    for other in ("crm_id", "NOTES", "X", "CRM", "_X"):
        assert refused("Originate", call | {"Variable": {name: "1", other: "1"}}) == f"Variable.{other}"
        assert refused("Getvar", {"Channel": MINE, "Variable": other}) == "Variable"


@pytest.mark.parametrize("underscores", ["", "_", "__"])
def test_the_variable_that_tells_a_call_by_is_nobody_s_to_set(underscores: str) -> None:
    """With another command's id in it, a channel would be taken for that command's call on Asterisk 11."""
    rules = replace(GENEROUS, variables=NamePatterns(("*", ID_VARIABLE)))
    name = underscores + ID_VARIABLE
    call = {"Phone": "200", "Exten": "201", "Variable": {name: "other"}}
    assert refused("Originate", call, rules) == f"Variable.{name}"
    assert refused("Setvar", {"Channel": MINE, "Variable": name, "Value": "other"}, rules) == "Variable"


def test_a_global_variable_needs_its_own_permission() -> None:
    assert allowed("Setvar", {"Variable": "CRM_ID", "Value": "1"})
    rules = replace(GENEROUS, global_variables=False)
    for action, fields in (
        ("Setvar", {"Variable": "CRM_ID", "Value": ""}),
        ("Getvar", {"Variable": "CRM_ID"}),
    ):
        assert refused(action, fields, rules) == "Channel"


@pytest.mark.parametrize("action", MEMBERS)
def test_queues_are_those_that_are_named(action: str) -> None:
    rules = replace(GENEROUS, queues=NamePatterns(("support", "sales-*")))
    for queue in ("support", "sales-", "sales-1"):
        assert allowed(action, example(action) | {"Queue": queue}, rules)["Queue"] == queue
    for queue in ("Support", "support2", "sales", "x"):
        assert refused(action, example(action) | {"Queue": queue}, rules) == "Queue"


def test_all_queues_at_once_are_for_who_may_use_any() -> None:
    fields = {"Phone": "200", "Paused": True}
    assert "Queue" not in allowed("QueuePause", fields)
    for queues in (("support",), ("s*",), ()):
        assert refused("QueuePause", fields, replace(GENEROUS, queues=NamePatterns(queues))) == "Queue"


def test_events_of_one_s_own_have_a_name_of_the_list_and_none_of_the_pbx_s_headers() -> None:
    assert allowed("UserEvent", {"UserEvent": "CrmNote"})
    assert refused("UserEvent", {"UserEvent": "Other"}) == "UserEvent"
    for name in ("Event", "EVENT", "privilege"):
        fields = {"UserEvent": "CrmNote", "Headers": {"Card": "1", name: "Hangup"}}
        assert refused("UserEvent", fields) == f"Headers.{name}"


# Templates and names, by themselves.

extensions = st.text(st.sampled_from("0123456789aZ_*#+.-"), min_size=1, max_size=12)
templates = st.sampled_from(["PJSIP/{extension}", "SIP/x{extension}", "Local/{extension}@from-internal/n"])


@given(templates, extensions)
def test_a_template_finds_the_extension_of_the_channel_that_it_makes(text: str, extension: str) -> None:
    template = ChannelTemplate(text)
    channel = template.channel(extension)
    assert template.extension(channel) == extension
    assert template.extension(channel.lower()).lower() == extension.lower()


@given(templates, st.text(st.sampled_from("PJSILocal/20@fromx-internal,;&n"), max_size=40))
def test_whatever_a_template_knows_as_its_own_it_makes_again(text: str, channel: str) -> None:
    template = ChannelTemplate(text)
    extension = template.extension(channel)
    assert not set("/@&,;") & set(extension)
    if extension:
        assert template.channel(extension).lower() == channel.lower()


@given(st.lists(st.from_regex(r"[a-c]{0,3}\*?", fullmatch=True), max_size=4), st.text("abc*", max_size=4))
def test_a_name_pattern_is_a_name_or_its_beginning(texts: list[str], name: str) -> None:
    found = NamePatterns(tuple(texts))
    expected = any(
        text == name or (text[-1:] == "*" and name[: len(text) - 1] == text[:-1]) for text in texts
    )
    assert found.match(name) is expected
    assert bool(found) is bool(texts)


def test_the_judge_does_not_change_the_command() -> None:
    command = Command.make("Originate", {"Phone": "200", "Exten": "201"}, client="crm")
    Judge("main", [GENEROUS], ChannelNames()).judge(command)
    assert command.fields == {"Phone": "200", "Exten": "201"}
