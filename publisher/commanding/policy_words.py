"""A client's rules in words, for the operator who wrote them. Pure."""

from __future__ import annotations

from publisher.commanding.policy import PLACE, ClientRules
from schemas.actions import ACTIONS, Group

_DOES: dict[Group, str] = {
    Group.CALLS: "act on calls",
    Group.QUEUES: "change queues",
    Group.VARIABLES: "use variables",
    Group.RECORDING: "record calls",
    Group.MESSAGES: "send texts and events",
    Group.STATUS: "ask for the PBX's state",
}


def policy_words(rules: ClientRules) -> list[str]:
    """What a client may do, a sentence each; what has no effect as it stands is said too."""
    if not rules.actions and not rules.raw:
        return ["may do nothing: commands and raw are empty"]
    where = f"on {', '.join(rules.pbxs)}" if rules.pbxs else "on every PBX"
    words = [f"may send {where}:"]
    for group in Group:
        names = [name for name, spec in ACTIONS.items() if spec.group is group]
        allowed = [name for name in names if name in rules.actions]
        if allowed:
            which = "all of these" if allowed == names and len(names) > 4 else ", ".join(allowed)
            words.append(f"  {_DOES[group]}: {which}")
    words += _calls(rules)
    if _any(rules, "QueueAdd", "QueueRemove", "QueuePause", "QueuePenalty"):
        words.append(f"queues: {rules.queues or 'none, so it can change no queue'}")
    if _any(rules, "Setvar", "Getvar", "Originate"):
        also = ", as global variables too" if rules.global_variables else ""
        words.append(f"variables: {rules.variables or 'none'}{also}")
    if "UserEvent" in rules.actions:
        words.append(f"events of its own: {rules.user_events or 'none'}")
    if rules.applications:
        words.append(f"it may start the applications {', '.join(rules.applications)}: near to a shell")
    if rules.raw:
        words.append(f"it may send raw, unseen: {', '.join(sorted(rules.raw))}")
    pace = f"{rules.rate:g} commands a second, {rules.burst} at once" if rules.rate else "any number a second"
    words.append(f"pace: {pace}; at most {rules.max_waiting} may wait")
    return words


def _calls(rules: ClientRules) -> list[str]:
    words = []
    if "Originate" in rules.actions:
        if not rules.extensions or not rules.channels:
            lacks = "extensions" if not rules.extensions else "channels"
            words.append(f"it can ring no phone: {lacks} is empty")
        else:
            channels = ", ".join(template.text for template in rules.channels)
            words.append(
                f"phones that it may ring: {rules.extensions} as {channels} ({PLACE} is the phone's)"
            )
    if _any(rules, "Originate", "Redirect", "BlindTransfer", "AttendedTransfer"):
        if not rules.destinations or not rules.contexts:
            lacks = "destinations" if not rules.destinations else "contexts"
            words.append(f"it can connect and transfer to no number: {lacks} is empty")
        else:
            never = f", never to {rules.destinations_denied}" if rules.destinations_denied else ""
            contexts = ", ".join(rules.contexts)
            words.append(f"it may connect and transfer to {rules.destinations}{never}, in {contexts}")
    if _any(rules, "Hangup", "Redirect", "Park", "BlindTransfer", "AttendedTransfer", "MixMonitor"):
        whose = (
            "any channel, also of trunks"
            if rules.any_channel
            else f"channels of {rules.extensions or 'nobody'}"
        )
        words.append(f"it may act on {whose}")
    if rules.caller_ids:
        words.append(f"it may show the caller IDs {rules.caller_ids}")
    return words


def _any(rules: ClientRules, *actions: str) -> bool:
    return any(action in rules.actions for action in actions)
