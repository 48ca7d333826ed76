"""`amibus tail`: watch the bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final

import typer

from consumers.calls import CallFold, call_message
from consumers.ports import BusSource
from publisher.adapters.journal import SUFFIX, JournalReader, open_journal_reader
from publisher.app import naming
from publisher.command.event_lines import EventPrinter
from publisher.command.run import broker_source, broker_source_of_calls
from publisher.command.settings_file import ConfigOption, load_settings
from publisher.command.stopping import run_loop, stop_on_signals, until
from publisher.command.watching import watch
from publisher.configuration.section import EMBEDDED
from publisher.configuration.settings import Settings
from publisher.decoding import EventDecoder, PbxNaming
from publisher.errors import PublisherError
from schemas import Message, PatternError, TopicMatcher, check_pattern, decode, packet_text

_REGEX_SECS: Final = 0.25

Filter = Callable[[Message], bool]


def tail(
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Topic patterns, such as *.*.200 or main.hangup.#", metavar="[KEY]…"),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option("--regex", help="Only packets in whose text this is found (DOTALL).", metavar="R"),
    ] = None,
    config: ConfigOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="On a terminal, show every event, variables and dialplan steps too.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("-n", help="End after so many events.", min=1, metavar="N")
    ] = None,
    calls: Annotated[
        bool,
        typer.Option("--calls", help="Show call events (with a broker, while some binding is on calls)."),
    ] = False,
) -> None:
    """Show events as they pass over the bus, from now on, until Ctrl-C; nobody else is disturbed.

    \b
    amibus tail '*.*.200'
    amibus tail --calls '*.missed.#'
    amibus tail --regex 'Dial.{1,}?200|Bridge.{1,}?200|Hangup.{1,}?200'
    """
    patterns = tuple(keys or ("#",))
    for key in patterns:
        try:
            check_pattern(key)
        except PatternError as error:
            raise typer.BadParameter(str(error), param_hint="KEY") from None
    if calls and pattern is not None:
        raise typer.BadParameter("call events have no packet's text; use keys", param_hint="--regex")
    settings = load_settings(config)
    wanted = _regex_filter(pattern) if pattern else None
    printer = EventPrinter(calls_only=not everything and pattern is None and not keys)
    run_loop(_tail(settings, patterns, wanted, printer, limit or 0, calls))


def _regex_filter(pattern: str) -> Filter:
    # Only here: the module is large, and the other verbs share this process's start.
    import regex  # type: ignore[import-untyped]

    try:
        compiled = regex.compile(pattern, regex.DOTALL)
    except regex.error as error:
        where = f" at position {error.pos}" if error.pos is not None else ""
        raise typer.BadParameter(f"{error.msg}{where}", param_hint="--regex") from None

    def found(message: Message) -> bool:
        text = packet_text(decode(message.content_type, message.body))
        try:
            return compiled.search(text, timeout=_REGEX_SECS) is not None
        except TimeoutError:
            raise PublisherError(
                f"--regex took more than {_REGEX_SECS} s on one packet; write it without nested repeats"
            ) from None

    return found


async def _tail(
    settings: Settings,
    keys: tuple[str, ...],
    wanted: Filter | None,
    printer: EventPrinter,
    limit: int,
    calls: bool,
) -> None:
    stop = stop_on_signals()

    def show(messages: list[Message]) -> None:
        if wanted is not None:
            messages = [message for message in messages if wanted(message)]
        if limit:
            messages = messages[: limit - printer.seen]
        printer.print(messages)
        if limit and printer.seen >= limit:
            stop.set()

    if settings.bus.read_url().reveal() == EMBEDDED:
        readers = await _open_readers(settings)
        trunks = {pbx.name: pbx.trunks for pbx in settings.pbx} if calls else None
        await until(stop, *(_follow(reader, decoder, keys, show, trunks) for reader, decoder in readers))
    else:
        source = broker_source_of_calls(settings) if calls else broker_source(settings)
        await until(stop, _follow_broker(source, keys, show))


async def _open_readers(settings: Settings) -> list[tuple[JournalReader, EventDecoder]]:
    folder = settings.journal.dir
    known = {pbx.name: naming(pbx, settings.bus) for pbx in settings.pbx}
    readers = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        reader = await open_journal_reader(path)
        await reader.refresh()
        readers.append((reader, EventDecoder(known.get(reader.pbx, PbxNaming(reader.pbx)))))
    if not readers:
        raise PublisherError(
            f"there is no journal in {folder}: is `amibus run` serving a PBX with this configuration?"
        )
    return readers


async def _follow(
    reader: JournalReader,
    decoder: EventDecoder,
    keys: tuple[str, ...],
    show: Callable[[list[Message]], None],
    trunks: Mapping[str, Sequence[str]] | None,
) -> None:
    """Show what the journal gets from now on; with `trunks`, the call events that are made of it here."""
    fold = None if trunks is None else CallFold(trunks)
    matcher: TopicMatcher[str] = TopicMatcher()
    for key in keys:
        matcher.bind(key, key)
    pos = reader.last_pos
    try:
        while True:
            await reader.wait_beyond(pos)
            records = await reader.read(pos)
            pos = records[-1].pos + records[-1].span - 1
            messages = [decoder.message(record) for record in records]
            if fold is not None:
                raw = (decode(message.content_type, message.body) for message in messages)
                messages = [call_message(one) for event in raw for one in fold.feed(event)]
            show(
                [
                    message
                    for message in messages
                    if matcher.targets_of((message.routing_key, *message.headers.cc))
                ]
            )
    finally:
        await reader.close()


async def _follow_broker(
    source: BusSource, keys: tuple[str, ...], show: Callable[[list[Message]], None]
) -> None:
    try:
        await watch(source, keys, "tail", show)
    finally:
        await source.close()
