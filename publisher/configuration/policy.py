"""`[policy]` and its clients: who may command what. Nothing is allowed by default."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator

from publisher.commanding.number_patterns import NumberPattern, NumberPatterns
from publisher.commanding.policy import PLACE, ChannelTemplate, ClientRules, NamePatterns
from publisher.configuration.quantities import ByteSize, Seconds, Whole
from publisher.configuration.secret_holder import SecretHolder
from publisher.configuration.secrets import SecretText, refused, resolve
from publisher.configuration.section import PbxName, Section, form
from publisher.errors import ConfigurationError
from schemas.action_fields import ACTION, APPLICATION, CONTEXT, INTERFACE
from schemas.actions import ACTIONS, Group
from schemas.command import CLIENT_ALLOWED, CLIENT_FORM, SESSION_ACTIONS

MIN_TOKEN_CHARS: Final = 16
_GROUPS: Final = {
    group.value: [name for name, spec in ACTIONS.items() if spec.group is group] for group in Group
}


def _number_pattern(text: str) -> str:
    try:
        NumberPattern.parse(text)
    except ValueError as error:
        raise refused(str(error)) from None
    return text


def _template(text: str) -> str:
    sample = text.replace(PLACE, "200")
    if text.count(PLACE) != 1 or not re.fullmatch(INTERFACE.pattern, sample):
        raise refused(
            f'is no channel template; allowed: such as "PJSIP/{PLACE}" or "Local/{PLACE}@from-internal"'
        )
    return text


def _command(text: str) -> str:
    if text in _GROUPS or text in ACTIONS:
        return text
    known = [*_GROUPS, *ACTIONS]
    close = difflib.get_close_matches(text, known, n=1, cutoff=0.6)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    raise refused(f"is no typed action and no group of them; {hint}groups: {', '.join(_GROUPS)}")


def _raw_action(text: str) -> str:
    if text.lower() in SESSION_ACTIONS:
        raise refused("concerns the session that all commands share, and cannot be sent")
    return text


Pattern = Annotated[str, StringConstraints(min_length=1, max_length=60), AfterValidator(_number_pattern)]
Template = Annotated[str, StringConstraints(min_length=1, max_length=80), AfterValidator(_template)]
CommandName = Annotated[str, StringConstraints(max_length=40), AfterValidator(_command)]
RawName = Annotated[
    str,
    form(ACTION.pattern, "an action's name: letters, digits, _ and -, a letter first"),
    AfterValidator(_raw_action),
]
NamePattern = Annotated[
    str,
    form(
        r"[A-Za-z0-9_.-]+\*?|\*", "letters, digits and _ . -, a * at the end for any ending, or * alone", 80
    ),
]
# The underscores in front of a variable's name only say who inherits it, and may be there in any case.
VariablePattern = Annotated[
    str,
    form(
        r"[A-Za-z][A-Za-z0-9_]*\*?|\*",
        "letters, digits and _, a letter first, a * at the end for any ending, or * alone",
        80,
    ),
]
ContextName = Annotated[str, form(CONTEXT.pattern, CONTEXT.allowed)]
ApplicationName = Annotated[str, form(APPLICATION.pattern, f"{APPLICATION.allowed}: letters, digits and _")]
ClientName = Annotated[str, form(CLIENT_FORM, CLIENT_ALLOWED)]


class ClientSettings(SecretHolder):
    """One client that may send commands, and what it may do; nothing is allowed that is not named."""

    name: ClientName = Field(
        examples=["crm"],
        description="The client's name, unique; it stands in each of its commands and in the audit.",
    )
    secret_file: Path | None = Field(
        default=None,
        examples=["crm.token"],
        description="File that holds the client's token; must not be readable by every user.",
    )
    secret_env: str | None = Field(
        default=None, examples=["CRM_TOKEN"], description="Environment variable that holds the token."
    )
    secret: SecretText | None = Field(
        default=None,
        examples=["…"],
        description="The token itself, 16 characters or more; refused where every user can read this file.",
    )
    pbx: list[PbxName] = Field(
        default=[], max_length=1000, description="The PBXs that it may command; none named means all."
    )
    commands: list[CommandName] = Field(
        default=[],
        max_length=100,
        description="Typed actions, or groups: calls, queues, variables, recording, messages, status.",
    )
    extensions: list[Pattern] = Field(
        default=[],
        max_length=1000,
        description="Extensions whose phones it may ring, whose channels it may act on, and that it may put "
        "into queues: 200, 200-249, or a dialplan pattern such as _2XX.",
    )
    channels: list[Template] = Field(
        default=[],
        max_length=20,
        description="How an extension's phone is called: PJSIP/{extension}; the first is used for Phone, the "
        "others may be written as Channel or Interface.",
    )
    any_channel: bool = Field(
        default=False, description="Whether it may act on channels of others and of trunks, too."
    )
    contexts: list[ContextName] = Field(
        default=[], max_length=100, description="Dialplan contexts; the first is used where none is given."
    )
    destinations: list[Pattern] = Field(
        default=[],
        max_length=1000,
        description="Numbers that it may connect and transfer to, as for extensions.",
    )
    destinations_denied: list[Pattern] = Field(
        default=[],
        max_length=1000,
        description="Numbers that it may not, although destinations allows them: _810. for calls abroad.",
    )
    caller_ids: list[Pattern] = Field(
        default=[], max_length=100, description="Numbers that it may show as caller ID."
    )
    variables: list[VariablePattern] = Field(
        default=[],
        max_length=1000,
        description="Channel variables: names without the underscores in front, or beginnings with a * at "
        "the end.",
    )
    global_variables: bool = Field(
        default=False, description="Whether it may read and set these as global variables, too."
    )
    queues: list[NamePattern] = Field(
        default=[],
        max_length=1000,
        description="Queues: names, or beginnings with a * at the end; * is any, and all at once.",
    )
    user_events: list[NamePattern] = Field(
        default=[], max_length=100, description="Names of UserEvents, or beginnings with a * at the end."
    )
    applications: list[ApplicationName] = Field(
        default=[],
        max_length=100,
        description="Dialplan applications that an Originate may start; near to a shell, so none by default.",
    )
    raw: list[RawName] = Field(
        default=[],
        max_length=200,
        description="Actions that may be sent raw, with any headers and without a further look.",
    )
    rate: Seconds = Field(
        default=10.0,
        ge=0,
        le=10_000,
        description="Commands a second in the long run; more are rejected; 0: any.",
    )
    burst: Whole = Field(default=50, ge=1, le=100_000, description="Commands at once beyond that.")
    max_waiting: Whole = Field(
        default=200, ge=1, le=10_000, description="Commands that may wait at a time; more are rejected."
    )

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretText | None) -> SecretText | None:
        if secret is not None and len(secret.reveal()) < MIN_TOKEN_CHARS:
            raise refused(f"is too short for a token; allowed: {MIN_TOKEN_CHARS} characters or more")
        return secret

    @property
    def rules(self) -> ClientRules:
        """The rules that the policy judges by."""
        names = [one for text in self.commands for one in _GROUPS.get(text, [text])]
        return ClientRules(
            name=self.name,
            pbxs=tuple(self.pbx),
            actions=frozenset(names),
            raw=frozenset(name.lower() for name in self.raw),
            extensions=NumberPatterns.parse(self.extensions),
            channels=tuple(ChannelTemplate(text) for text in self.channels),
            any_channel=self.any_channel,
            contexts=tuple(self.contexts),
            destinations=NumberPatterns.parse(self.destinations),
            destinations_denied=NumberPatterns.parse(self.destinations_denied),
            caller_ids=NumberPatterns.parse(self.caller_ids),
            variables=NamePatterns(tuple(self.variables)),
            global_variables=self.global_variables,
            queues=NamePatterns(tuple(self.queues)),
            user_events=NamePatterns(tuple(self.user_events)),
            applications=tuple(self.applications),
            rate=self.rate,
            burst=self.burst,
            max_waiting=self.max_waiting,
        )


class PolicySettings(Section):
    """Who may command what; nothing is allowed by default. And the audit of all commands."""

    audit_dir: Path | None = Field(
        default=None,
        examples=["/var/log/amibus"],
        description="Folder of the audits: <pbx>.audit.jsonl, a JSON line for each command sent and ended; "
        "by default that of the journals.",
    )
    audit_bytes: ByteSize = Field(
        default=64 << 20, ge=1 << 16, description="Size at which the audit begins a new file."
    )
    audit_kept: Whole = Field(default=10, ge=1, le=1000, description="Old files of the audit to keep.")
    audit_mask_numbers: bool = Field(
        default=True, description="Write only the last four digits of phone numbers into the audit."
    )
    client: list[ClientSettings] = Field(
        default=[], max_length=1000, description="The clients, a table [[policy.client]] each."
    )

    @field_validator("audit_dir")
    @classmethod
    def _resolved(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return None if path is None else resolve(path, info)

    def tokens(self) -> dict[str, str]:
        """Each client's token, as it is now. Raises `ConfigurationError`."""
        tokens = {client.name: client.read_secret() for client in self.client}
        for name, token in tokens.items():
            if len(token) < MIN_TOKEN_CHARS:
                allowed = f"allowed: {MIN_TOKEN_CHARS} characters or more"
                raise ConfigurationError(f"the token of the client {name} is too short; {allowed}")
        return tokens


def group_names() -> dict[str, Any]:
    """Each group of actions with the actions in it, for documents."""
    return dict(_GROUPS)
