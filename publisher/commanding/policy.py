"""The policy: which client may command what. Whatever it does not allow is refused.

A command comes here with its signature and its form already checked. What is judged is what it touches:
* the action must be listed for the client (raw ones by their own list);
* a phone to ring, a queue member and a channel to act on must belong to an extension that the client may use;
  a channel's extension is read off its name, as the routing keys are;
* a number to connect to must match an allowed pattern and no denied one, in an allowed context;
* channels are made from the operator's templates, never from a client's text;
* variables, queues, events and applications are lists of names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from publisher.channel_names import ChannelNames
from publisher.commanding.headers import ID_VARIABLE
from publisher.commanding.number_patterns import NumberPatterns
from schemas.action_fields import INTERFACE
from schemas.actions import ACTIONS, ActionSpec, Group
from schemas.command import Command
from schemas.errors import CommandError

PLACE: Final = "{extension}"


class NotAllowed(CommandError):
    """The policy does not allow it; `field` says what of it."""


@dataclass(slots=True, frozen=True)
class ChannelTemplate:
    """`PJSIP/{extension}`: how the channel of an extension's phone is called."""

    text: str

    def channel(self, extension: str) -> str:
        return self.text.replace(PLACE, extension)

    def extension(self, channel: str) -> str:
        """The extension whose channel this is; empty if it is not of this form."""
        head, _, tail = self.text.partition(PLACE)
        lowered = channel.lower()
        if not (lowered.startswith(head.lower()) and lowered.endswith(tail.lower())):
            return ""
        extension = channel[len(head) : len(channel) - len(tail)]
        return "" if set("/@&,;") & set(extension) else extension


@dataclass(slots=True, frozen=True)
class NamePatterns:
    """Names, or beginnings of names with a `*` at the end; `*` alone is any."""

    texts: tuple[str, ...] = ()

    def match(self, name: str) -> bool:
        return any(name.startswith(text[:-1]) if text.endswith("*") else name == text for text in self.texts)

    def __bool__(self) -> bool:
        return bool(self.texts)

    def __str__(self) -> str:
        return ", ".join(self.texts)


@dataclass(slots=True, frozen=True, kw_only=True)
class ClientRules:
    """What one client may do; empty means nothing of that kind. `rate`: commands a second, 0 for no limit."""

    name: str
    pbxs: tuple[str, ...] = ()
    actions: frozenset[str] = frozenset()
    raw: frozenset[str] = frozenset()
    extensions: NumberPatterns = field(default_factory=NumberPatterns)
    channels: tuple[ChannelTemplate, ...] = ()
    any_channel: bool = False
    contexts: tuple[str, ...] = ()
    destinations: NumberPatterns = field(default_factory=NumberPatterns)
    destinations_denied: NumberPatterns = field(default_factory=NumberPatterns)
    caller_ids: NumberPatterns = field(default_factory=NumberPatterns)
    variables: NamePatterns = field(default_factory=NamePatterns)
    global_variables: bool = False
    queues: NamePatterns = field(default_factory=NamePatterns)
    user_events: NamePatterns = field(default_factory=NamePatterns)
    applications: tuple[str, ...] = ()
    rate: float = 0.0
    burst: int = 1
    max_waiting: int = 200

    @property
    def actions_shown(self) -> str:
        """The actions, whole groups by their names."""
        shown: list[str] = []
        for group in Group:
            names = [name for name, spec in ACTIONS.items() if spec.group is group]
            allowed = [name for name in names if name in self.actions]
            shown += [group.value] if allowed == names else allowed
        return ", ".join(shown)


class Judge:
    """Judges the commands of one PBX by the rules of its clients."""

    def __init__(self, pbx: str, clients: Iterable[ClientRules], names: ChannelNames) -> None:
        self._pbx = pbx
        self._clients = {rules.name: rules for rules in clients}
        self._names = names

    def rules(self, client: str) -> ClientRules | None:
        return self._clients.get(client)

    def judge(self, command: Command) -> dict[str, Any]:
        """The command's fields as they are to be sent: channels made, contexts filled in.

        Raises `NotAllowed` with what is refused and what is allowed; it never quotes a number.
        """
        rules = self._clients.get(command.client)
        if rules is None:
            raise NotAllowed("client", "is not known to the policy")
        if rules.pbxs and self._pbx not in rules.pbxs:
            raise NotAllowed("pbx", f"{rules.name} may not command {self._pbx}")
        if command.raw:
            if command.action.lower() not in rules.raw:
                allowed = _allowed(", ".join(sorted(rules.raw)))
                raise NotAllowed("action", f"{rules.name} may not send {command.action} raw; {allowed}")
            return command.fields
        spec = command.spec
        assert spec is not None
        if spec.name not in rules.actions:
            raise NotAllowed(
                "action", f"{rules.name} may not send {spec.name}; {_allowed(rules.actions_shown)}"
            )
        return _Case(rules, spec, command.fields, self._names).decide()


class _Case:
    """One typed command before the rules of its client."""

    def __init__(
        self, rules: ClientRules, spec: ActionSpec, fields: Mapping[str, Any], names: ChannelNames
    ) -> None:
        self._rules = rules
        self._spec = spec
        self._fields = dict(fields)
        self._names = names

    def decide(self) -> dict[str, Any]:
        match self._spec.name:
            case "Originate":
                self._originate()
            case "Redirect" | "BlindTransfer" | "AttendedTransfer":
                self._acts_on("Channel", "ExtraChannel")
                self._destination("Exten", "Context")
                if "ExtraChannel" in self._fields:
                    self._fields.setdefault("ExtraExten", self._fields["Exten"])
                    self._destination("ExtraExten", "ExtraContext")
            case "Hangup" | "PlayDTMF" | "SendText" | "MixMonitor" | "StopMixMonitor":
                self._acts_on("Channel")
            case "Park":
                self._acts_on("Channel")
                self._returns_to("TimeoutChannel")
            case "QueueAdd" | "QueueRemove" | "QueuePause" | "QueuePenalty":
                self._queue_member()
            case "Setvar" | "Getvar":
                self._variable()
            case "UserEvent":
                self._named("UserEvent", self._rules.user_events, "send the event")
                self._own_headers("Headers")
            case "ExtensionState":
                self._context("Context", checked=False)
            case _:
                pass
        return self._fields

    # -- what a command touches ---------------------------------------------

    def _originate(self) -> None:
        fields, rules = self._fields, self._rules
        fields["Channel"] = self._device("Phone", "Channel")
        if "Application" in fields:
            allowed = {name.lower() for name in rules.applications}
            if fields["Application"].lower() not in allowed:
                raise self._refusal("Application", "start that application", ", ".join(rules.applications))
        else:
            self._destination("Exten", "Context")
        if "CallerID" in fields:
            number = fields["CallerID"].rpartition("<")[2].rstrip(">")
            if not rules.caller_ids.match(number):
                raise self._refusal("CallerID", "show that number", rules.caller_ids)
        for name in fields.get("Variable", {}):
            self._variable_name(f"Variable.{name}", name)

    def _device(self, phone: str, device: str) -> str:
        """The channel or interface to use, by the extension or as the client wrote it."""
        fields, rules = self._fields, self._rules
        if phone in fields:
            extension = fields.pop(phone)
            self._extension(phone, extension)
            if not rules.channels:
                raise NotAllowed(phone, f"the policy names no channels for {rules.name}")
            return rules.channels[0].channel(extension)
        return self._templated(device)

    def _templated(self, field: str) -> str:
        """A device as the client wrote it: it must be what a template makes of one of its extensions."""
        device = self._is_templated(self._fields[field])
        if not device:
            raise self._refusal(field, "use that channel", self._devices)
        return device

    def _is_templated(self, device: str) -> str:
        """The device as its template writes it; empty if it is none of an extension of the client's."""
        for template in self._rules.channels:
            extension = template.extension(device)
            if extension and self._rules.extensions.match(extension):
                return template.channel(extension)
        return ""

    @property
    def _devices(self) -> str:
        allowed = ", ".join(template.text for template in self._rules.channels)
        return f"{allowed} with {self._rules.extensions}" if allowed else ""

    def _extension(self, field: str, extension: str) -> None:
        if not self._rules.extensions.match(extension):
            raise self._refusal(field, "use that extension", self._rules.extensions)

    def _acts_on(self, *names: str) -> None:
        """Channels that live already: each must be one of an extension of the client's."""
        for name in names:
            channel = self._fields.get(name)
            if channel is None or self._rules.any_channel:
                continue
            parties = self._names.channel(channel)
            if not parties or not all(self._rules.extensions.match(party) for party in parties):
                raise self._refusal(name, "act on that channel", f"those of {self._rules.extensions}")

    def _returns_to(self, field: str) -> None:
        """Where a parked call goes when its time is over: Asterisk dials what stands before the last hyphen
        of this name, whether or not such a channel lives (res/parking). So it is judged as a device to ring,
        also for who may act on any channel."""
        channel = self._fields.get(field, "")
        device = channel.rpartition("-")[0] or channel
        if device and not self._is_templated(device):
            raise self._refusal(field, "have the call return there", self._devices)

    def _own_headers(self, field: str) -> None:
        """The PBX's own headers of every event: a second one would make it another event for some readers."""
        for name in self._fields.get(field, {}):
            if name.lower() in ("event", "privilege"):
                raise NotAllowed(f"{field}.{name}", "is the PBX's own header of every event")

    def _destination(self, exten: str, context: str) -> None:
        number = self._fields[exten]
        rules = self._rules
        denied = rules.destinations_denied
        if denied.match(number) or not rules.destinations.match(number):
            but = f", but not {denied}" if denied and rules.destinations else ""
            raise self._refusal(exten, "connect to that number", f"{rules.destinations}{but}")
        self._context(context)

    def _context(self, field: str, checked: bool = True) -> None:
        rules = self._rules
        if field not in self._fields:
            if not rules.contexts:
                raise NotAllowed(field, f"is missing, and the policy names no contexts for {rules.name}")
            self._fields[field] = rules.contexts[0]
        elif checked and self._fields[field] not in rules.contexts:
            raise self._refusal(field, "use that context", ", ".join(rules.contexts))

    def _queue_member(self) -> None:
        fields = self._fields
        if "Queue" in fields:
            self._named("Queue", self._rules.queues, "use that queue")
        elif not self._rules.queues.match("*"):
            raise NotAllowed("Queue", f"is missing; {self._rules.name} may not do this in all queues")
        fields["Interface"] = INTERFACE.check("Interface", self._device("Phone", "Interface"))
        if "StateInterface" in fields:
            fields["StateInterface"] = self._templated("StateInterface")

    def _variable(self) -> None:
        if "Channel" in self._fields:
            self._acts_on("Channel")
        elif not self._rules.global_variables:
            raise NotAllowed("Channel", f"is missing; {self._rules.name} may not use global variables")
        self._variable_name("Variable", self._fields["Variable"])

    def _variable_name(self, field: str, name: str) -> None:
        # One or two underscores in front only say that the channels dialled from here inherit it.
        if name.lstrip("_") == ID_VARIABLE:
            raise NotAllowed(field, "is the collector's own: it tells a call from others")
        if not self._rules.variables.match(name.lstrip("_")):
            raise self._refusal(field, "use that variable", self._rules.variables)

    def _named(self, field: str, allowed: NamePatterns, what: str) -> None:
        if not allowed.match(self._fields[field]):
            raise self._refusal(field, what, allowed)

    def _refusal(self, field: str, what: str, allowed: object) -> NotAllowed:
        return NotAllowed(field, f"{self._rules.name} may not {what}; {_allowed(allowed)}")


def _allowed(what: object) -> str:
    return f"allowed: {str(what) or 'none'}"
