"""The settings: every section of `amibus.toml`, each key with its default and its meaning.

The descriptions here are the reference documentation and the commented example: both are generated.
Unknown keys are errors. Nothing here opens a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from publisher.configuration.binding import BindingSettings
from publisher.configuration.bus import BusSettings
from publisher.configuration.commands import CommandsSettings
from publisher.configuration.pbx import PbxSettings
from publisher.configuration.policy import PolicySettings
from publisher.configuration.quantities import ByteSize, Seconds
from publisher.configuration.secrets import resolve
from publisher.configuration.section import Section, form


class JournalSettings(Section):
    """Where events stand until the bus has them, and for how long they are kept after that."""

    dir: Path = Field(
        default=Path("data"),
        validate_default=True,
        description="Folder of the journals, one SQLite file a PBX.",
    )
    durability: Literal["process", "power"] = Field(
        default="process",
        description="What a journalled event survives: a crash of the process, or a power cut too (fsync).",
    )
    keep_days: Seconds = Field(
        default=7.0,
        ge=0,
        le=3650,
        description="Days to keep events; what is unpublished by then goes too, with an announced gap.",
    )
    keep_bytes: ByteSize = Field(
        default=10 << 30,
        ge=1 << 20,
        description="Size at which the oldest go first; unpublished ones then with an announced gap.",
    )
    memory_limit: ByteSize = Field(
        default=64 << 20,
        ge=1 << 20,
        description="Events held in memory while the disk refuses; beyond it a gap is announced.",
    )

    @field_validator("dir")
    @classmethod
    def _resolved(cls, path: Path, info: ValidationInfo) -> Path:
        return resolve(path, info)


class GatewaySettings(Section):
    """The HTTP gateway."""


BindingName = Annotated[
    str, form(r"[a-z0-9][a-z0-9_.-]*", "a-z, 0-9, _ . and -, a letter or digit first", 60)
]


class LogSettings(Section):
    """The log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is logged."
    )
    format: Literal["console", "json"] = Field(
        default="console", description="For people, or one JSON object a line."
    )
    mask_numbers: bool = Field(default=True, description="Show only the last four digits of phone numbers.")


class Settings(Section):
    """The whole file."""

    pbx: list[PbxSettings] = Field(default=[], max_length=1000, description="The PBXs to listen to.")
    bus: BusSettings = Field(default=BusSettings(), description=BusSettings.__doc__)
    journal: JournalSettings = Field(default=JournalSettings(), description=JournalSettings.__doc__)
    commands: CommandsSettings = Field(default=CommandsSettings(), description=CommandsSettings.__doc__)
    policy: PolicySettings = Field(default=PolicySettings(), description=PolicySettings.__doc__)
    gateway: GatewaySettings = Field(default=GatewaySettings(), description=GatewaySettings.__doc__)
    binding: list[BindingSettings] = Field(
        default=[], max_length=10_000, description="The consumers' bindings."
    )
    log: LogSettings = Field(default=LogSettings(), description=LogSettings.__doc__)

    # In a list, because a function among a model's attributes would be taken for a method.
    _places: list[Callable[[tuple[str | int, ...]], str]] = PrivateAttr(default_factory=list)
    _folder: Path = PrivateAttr(default_factory=Path)

    def place(self, path: tuple[str | int, ...]) -> str:
        """Where a key stands, for errors found later: file and line, or the variable that sets it."""
        return self._places[0](path) if self._places else "the configuration"

    @property
    def folder(self) -> Path:
        """The folder of the file."""
        return self._folder

    def came_from(self, folder: Path, place: Callable[[tuple[str | int, ...]], str]) -> None:
        """Remember where the settings were read."""
        self._folder, self._places = folder, [place]
