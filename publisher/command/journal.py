"""`amibus journal`: what stands in the journals."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.console import Console

from publisher.adapters.journal import SUFFIX, JournalReader, journal_path, open_journal_reader
from publisher.adapters.rabbitmq.bus import RabbitBus
from publisher.app import naming, rabbit_settings
from publisher.command.event_lines import EventPrinter
from publisher.command.output import for_people, print_json, say
from publisher.command.settings_file import ConfigOption, load_settings
from publisher.command.stopping import run_loop
from publisher.configuration.section import EMBEDDED
from publisher.configuration.settings import Settings
from publisher.decoding import EventDecoder, PbxNaming
from publisher.errors import ConfigurationError, PublisherError
from publisher.records import Record
from publisher.services.replayer import replay

journal = typer.Typer(help="List, read and replay the journals.", no_args_is_help=True)

_AGO: Final = re.compile(r"(\d+)([smhd])\Z")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BATCH: Final = 500


@journal.command("ls")
def ls(config: ConfigOption = None) -> None:
    """List the journals: size, records, epochs, and how far each reader is."""
    run_loop(_ls(load_settings(config)))


async def _ls(settings: Settings) -> None:
    folder = settings.journal.dir
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        reader = await open_journal_reader(path)
        try:
            await reader.refresh()
            _print_journal(reader)
        finally:
            await reader.close()


def _print_journal(reader: JournalReader) -> None:
    kept = reader.last_pos - reader.first_pos + 1
    readers = {name: reader.last_pos - pos for name, pos in sorted(reader.cursors.items())}
    if not for_people():
        print_json(
            {
                "pbx": reader.pbx,
                "file": str(reader.path),
                "bytes": reader.bytes_on_disk,
                "first_pos": reader.first_pos,
                "last_pos": reader.last_pos,
                "records": kept,
                "epochs": [{"epoch": start.epoch, "first_pos": start.first_pos} for start in reader.epochs],
                "cursors": reader.cursors,
            }
        )
        return
    say(f"{reader.pbx}: {kept} records, {reader.bytes_on_disk / 1e6:.1f} MB, {len(reader.epochs)} epochs")
    for name, behind in readers.items():
        say(f"  {name}: {behind} behind")


@journal.command("show")
def show(
    pbx: Annotated[str, typer.Argument(help="The PBX's name.")],
    config: ConfigOption = None,
    since: Annotated[
        str, typer.Option(help="From this time on: 2026-05-01T10:00:00Z, or 5m, 2h, 1d ago.")
    ] = "",
    seq: Annotated[
        int | None, typer.Option(help="From this number on, in the latest epoch.", min=1, metavar="N")
    ] = None,
    limit: Annotated[int, typer.Option("-n", help="At most so many.", min=1, metavar="N")] = 100,
    everything: Annotated[bool, typer.Option("--all", help="On a terminal, show every event.")] = False,
) -> None:
    """Print records of a journal; without a start the last ones."""
    run_loop(_show(load_settings(config), pbx, since, seq, limit, everything))


async def _show(
    settings: Settings, pbx: str, since: str, seq: int | None, limit: int, everything: bool
) -> None:
    reader, decoder = await _open(settings, pbx)
    printer = EventPrinter(calls_only=not everything)
    try:
        start = await _start(reader, since, seq)
        after = start - 1 if start else max(reader.first_pos - 1, reader.last_pos - limit)
        while limit > 0 and (records := await reader.read(after, min(limit, _BATCH))):
            printer.print([decoder.message(record) for record in records])
            limit -= len(records)
            after = records[-1].pos + records[-1].span - 1
    finally:
        await reader.close()


@journal.command("replay")
def replay_command(
    pbx: Annotated[str, typer.Argument(help="The PBX's name.")],
    config: ConfigOption = None,
    since: Annotated[
        str, typer.Option(help="From this time on: 2026-05-01T10:00:00Z, or 5m, 2h, 1d ago.")
    ] = "",
    until_: Annotated[str, typer.Option("--until", help="Up to this time.", metavar="TIME")] = "",
    seq: Annotated[
        int | None, typer.Option(help="From this number on, in the latest epoch.", min=1, metavar="N")
    ] = None,
) -> None:
    """Publish records to the configured broker once more, with the ids and numbers that they had.

    \b
    amibus journal replay main --since 2h
    """
    if not since and not seq:
        raise typer.BadParameter("say where to begin: --since TIME or --seq N", param_hint="--since")
    run_loop(_replay(load_settings(config), pbx, since, until_, seq))


async def _replay(settings: Settings, pbx: str, since: str, until_: str, seq: int | None) -> None:
    url = settings.bus.read_url().reveal()
    if url == EMBEDDED:
        raise ConfigurationError(
            "[bus] url is embedded: bindings read the journal itself, there is no broker to replay to"
        )
    reader, decoder = await _open(settings, pbx)
    try:
        start = await _start(reader, since, seq)
        stop = await reader.pos_at(_time_us(until_)) if until_ else reader.last_pos + 1
        total = max(0, stop - start)
        bus = RabbitBus(rabbit_settings(settings.bus, url), f"{pbx} replay")
        with Console(stderr=True, quiet=not for_people()).status("replaying") as status:
            confirmed = await replay(
                _stretch(reader, start, stop),
                bus,
                decoder.message,
                settings.bus.window,
                lambda done: status.update(f"{done} of {total} records"),
            )
    finally:
        await reader.close()
    if for_people():
        say(f"{confirmed} records of {pbx} published again")
    else:
        print_json({"replayed": confirmed, "pbx": pbx})


async def _stretch(reader: JournalReader, start: int, stop: int) -> AsyncIterator[Sequence[Record]]:
    after = start - 1
    while after < stop - 1 and (records := await reader.read(after, min(_BATCH, stop - 1 - after))):
        yield records
        after = records[-1].pos + records[-1].span - 1


async def _open(settings: Settings, pbx: str) -> tuple[JournalReader, EventDecoder]:
    path = journal_path(settings.journal.dir, pbx)
    if not path.exists():
        known = sorted(found.name.removesuffix(SUFFIX) for found in settings.journal.dir.glob(f"*{SUFFIX}"))
        raise PublisherError(
            f"there is no journal of {pbx} in {settings.journal.dir}; there are: {', '.join(known) or 'none'}"
        )
    reader = await open_journal_reader(path)
    await reader.refresh()
    known_pbx = next((entry for entry in settings.pbx if entry.name == pbx), None)
    return reader, EventDecoder(naming(known_pbx, settings.bus) if known_pbx else PbxNaming(reader.pbx))


async def _start(reader: JournalReader, since: str, seq: int | None) -> int:
    """The first wanted position; 0 where none was named."""
    if since:
        return await reader.pos_at(_time_us(since))
    if not seq:
        return 0
    if not reader.epochs:
        raise PublisherError(f"the journal of {reader.pbx} is empty")
    pos = await reader.pos_of(reader.epochs[-1].epoch, seq)
    if not pos:
        raise PublisherError(f"the journal of {reader.pbx} has no record {seq} in its latest epoch")
    return pos


def _time_us(text: str) -> int:
    """Microseconds of a time that a person wrote. Raises a usage error."""
    if ago := _AGO.match(text):
        return int((time.time() - int(ago[1]) * _UNITS[ago[2]]) * 1e6)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time; allowed: 2026-05-01T10:00:00Z, or 30s, 5m, 2h, 1d ago",
            param_hint="--since",
        ) from None
    if moment.tzinfo is None:
        moment = moment.astimezone(UTC)
    return int(moment.timestamp() * 1e6)
