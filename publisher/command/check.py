"""`amibus check`: is the configuration right, and does everything that it names answer?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import typer

from publisher.adapters.rabbitmq.bus import RabbitBus
from publisher.ami.framing import Packet
from publisher.ami.session import Reply
from publisher.app import rabbit_settings
from publisher.command.check_bindings import show_bindings
from publisher.command.check_commands import ask_rights, check_queue, show_policy, write_classes
from publisher.command.dialogue import Dialogue
from publisher.command.manager_conf import ami_major, manager_conf
from publisher.command.output import for_people, print_json, say
from publisher.command.settings_file import ConfigOption, PbxOption, load_settings, one_pbx
from publisher.configuration.bus import EMBEDDED, BusSettings
from publisher.configuration.example import example_text
from publisher.configuration.pbx import PbxSettings
from publisher.configuration.settings import Settings
from publisher.errors import PublisherError

FAILED: Final = 1
# The lists that are read after each reconnect, and the first interface version that knows them.
_LISTS: Final = {"CoreStatus": 1, "CoreShowChannels": 1, "QueueStatus": 1, "DeviceStateList": 2}
_MAX_EVENTS_SEEN: Final = 1000

BusProbe = Callable[[BusSettings], Awaitable[str]]


@dataclass(slots=True)
class PbxFindings:
    """What one PBX answered. `problem` is why it cannot be served; `warnings` what it lacks."""

    pbx: PbxSettings
    problem: str = ""
    greeting: str = ""
    ami_version: str = ""
    asterisk_version: str = ""
    warnings: list[str] = field(default_factory=list)
    write: frozenset[str] = frozenset()
    events_seen: int = 0
    timestamps: bool | None = None

    def as_map(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"check": "pbx", "name": self.pbx.name, "address": self.pbx.address}
        entry |= {"ok": not self.problem, "problem": self.problem, "warnings": self.warnings}
        entry |= {"asterisk": self.asterisk_version, "ami": self.ami_version}
        entry |= {"timestampevents": self.timestamps, "events_seen": self.events_seen}
        return entry | {"manager_conf": manager_conf(self.pbx, self.ami_version, self.write)}


def check(
    config: ConfigOption = None,
    pbx: PbxOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Look at the configuration only.")] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print a commented configuration, and stop.")
    ] = False,
    listen: Annotated[
        float,
        typer.Option(help="Seconds to listen for events of each PBX.", min=0.0, max=60.0, metavar="SECS"),
    ] = 2.0,
) -> None:
    """Show the configuration as it is understood, and try what it names.

    Each PBX is connected to and logged in to; its version, missing rights and settings are reported, with
    what belongs into its manager.conf. The broker and the queue of commands are connected to. The policy is
    told in words. No secret is shown.

    \b
    amibus check
    amibus check --pbx ami://amibus@10.0.0.5
    amibus check --example > amibus.toml
    """
    if example:
        print(example_text(), end="")
        return
    if pbx is not None:
        settings = None
        pbxs = [one_pbx(config, pbx)]
    else:
        settings = load_settings(config)
        pbxs = settings.pbx
        _show_settings(settings)
        show_policy(settings)
        show_bindings(settings)
    if offline:
        if not pbxs:
            # A machine that only sends commands needs none.
            _tell("no PBX is configured", {"check": "pbx", "ok": True, "warnings": ["no PBX is configured"]})
        return
    if not asyncio.run(_probe(pbxs, settings, listen)):
        raise typer.Exit(FAILED)


def _show_settings(settings: Settings) -> None:
    resolved = settings.model_dump(mode="json", exclude_none=True)
    if not for_people():
        print_json({"check": "configuration", "ok": True, "settings": resolved})
        return
    for section, values in resolved.items():
        for table in values if isinstance(values, list) else [values]:
            say(f"[[{section}]]" if isinstance(values, list) else f"[{section}]")
            for key, value in table.items():
                # The clients are told in words.
                if (section, key) != ("policy", "client"):
                    say(f"  {key} = {value}")


async def _probe(pbxs: list[PbxSettings], settings: Settings | None, listen_secs: float) -> bool:
    """Try everything at once, tell in the configuration's order; whether all is well."""
    write = write_classes(settings) if settings is not None else frozenset[str]()
    probes = [asyncio.ensure_future(_probe_pbx(pbx, listen_secs, write)) for pbx in pbxs]
    well = True
    try:
        if not pbxs:
            _tell("no PBX is configured", {"check": "pbx", "ok": False, "problem": "no PBX is configured"})
            well = False
        for probe in probes:
            findings = await probe
            well = well and not findings.problem
            _show_pbx(findings)
    finally:
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
    if settings is not None:
        well = await _check_bus(settings.bus, probe_bus) and well
        well = await check_queue(settings) and well
    return well


async def _probe_pbx(pbx: PbxSettings, listen_secs: float, write: frozenset[str]) -> PbxFindings:
    findings = PbxFindings(pbx, write=write)
    seen: list[Packet] = []

    def heard(packet: Packet) -> None:
        if len(seen) < _MAX_EVENTS_SEEN:
            seen.append(packet)

    try:
        async with Dialogue(pbx, on_event=heard) as dialogue:
            findings.greeting, findings.ami_version = dialogue.greeting, dialogue.ami_version
            await _ask_version(dialogue, findings)
            await _ask_lists(dialogue, findings)
            findings.warnings += await ask_rights(dialogue, write)
            findings.warnings += [f"a filter was refused: {text}" for text in dialogue.filters_refused]
            await _listen(dialogue, findings, listen_secs)
    except PublisherError as error:
        findings.problem = str(error)
    findings.events_seen = len(seen)
    if seen:
        findings.timestamps = any(b"\r\nTimestamp: " in packet.raw for packet in seen)
        if not findings.timestamps:
            findings.warnings.append("events carry no Timestamp; set timestampevents = yes in manager.conf")
    return findings


async def _ask_version(dialogue: Dialogue, findings: PbxFindings) -> None:
    reply = await dialogue.ask("CoreSettings")
    version = reply.response.fields.get("AsteriskVersion", "") if reply.response else ""
    findings.asterisk_version = version if isinstance(version, str) else version[0]


async def _ask_lists(dialogue: Dialogue, findings: PbxFindings) -> None:
    """The live state is read after each reconnect: can this user read it?"""
    major = ami_major(findings.ami_version)
    for action, since in _LISTS.items():
        if 0 < major < since:
            continue
        reply = await dialogue.ask(action)
        if not reply.success:
            lacking = "; add write = reporting for this user" if "ermission" in _message(reply) else ""
            findings.warnings.append(f"{action} is refused: {_message(reply)}{lacking}")


async def _listen(dialogue: Dialogue, findings: PbxFindings, secs: float) -> None:
    reply = await dialogue.turn_on_events()
    if not reply.success:
        findings.warnings.append(f"the event classes {findings.pbx.events} are refused: {_message(reply)}")
        return
    try:
        async with asyncio.timeout(secs):
            await dialogue.closed.wait()
        findings.problem = f"{findings.pbx.address}: {dialogue.close_reason}"
    except TimeoutError:
        pass


def _message(reply: Reply) -> str:
    text = reply.response.fields.get("Message", "") if reply.response else ""
    return reply.reason or (text if isinstance(text, str) else text[0])


def _show_pbx(findings: PbxFindings) -> None:
    if not for_people():
        print_json(findings.as_map())
        return
    pbx = findings.pbx
    if findings.problem:
        say(f"PBX {pbx.name}: FAILED: {findings.problem}")
    else:
        stamps = {
            None: "no event came to tell whether they carry a Timestamp",
            True: "events carry a Timestamp",
        }
        say(
            f"PBX {pbx.name}: ok: {pbx.address} is Asterisk {findings.asterisk_version} ({findings.greeting})"
        )
        if findings.timestamps is not False:
            say(f"  {findings.events_seen} events heard; {stamps[findings.timestamps]}")
    for warning in findings.warnings:
        say(f"  warning: {warning}")
    if findings.problem or findings.warnings:
        say("  its manager.conf should have:")
        for line in manager_conf(pbx, findings.ami_version, findings.write).splitlines():
            say(f"    {line}".rstrip())


async def probe_bus(bus: BusSettings) -> str:
    """Connect to the configured bus and declare what it needs; in words. Raises `PublisherError`."""
    url = bus.read_url()
    if url.reveal() == EMBEDDED:
        return "embedded: the journals themselves"
    session = await RabbitBus(rabbit_settings(bus, url.reveal()), "check").open()
    await session.close()
    return f"{url} answers, and the topology is there"


async def _check_bus(bus: BusSettings, probe: BusProbe) -> bool:
    try:
        words = await probe(bus)
    except PublisherError as error:
        _tell(f"bus: FAILED: {error}", {"check": "bus", "ok": False, "problem": str(error)})
        return False
    _tell(f"bus: ok: {words}", {"check": "bus", "ok": True, "bus": words})
    return True


def _tell(words: str, entry: dict[str, Any]) -> None:
    if for_people():
        say(words)
    else:
        print_json(entry)
