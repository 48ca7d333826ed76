"""`amibus filter`: try a filter before it is put to use."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from consumers.errors import FilterInvalid
from publisher.adapters.journal import SUFFIX, JournalReader, open_journal_reader
from publisher.app import naming
from publisher.command.event_lines import line_of, print_summary
from publisher.command.output import for_people, json_line, print_lines, warn
from publisher.command.settings_file import ConfigOption, load_settings
from publisher.command.stopping import run_loop
from publisher.configuration.settings import Settings
from publisher.decoding import EventDecoder, PbxNaming
from publisher.errors import PublisherError
from publisher.records import EVENT, Record
from publisher.simulator import Trace
from schemas import Event, Message, TopicMatcher, decode, packet_text

# The engine behind filters takes a while to load, and the other verbs share this process's start.
if TYPE_CHECKING:
    from consumers.filtering.trial import Trial

filters = typer.Typer(help="Try filters.", no_args_is_help=True)

Delivered = Callable[[Message], bool]
"""Whether a message comes to the binding at all."""

_BATCH: Final = 500
_OF_RECORDING_US: Final = 0
# A packet's text is anybody's: it may not move the cursor or colour the terminal.
_UNSEEN: Final = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if code != 10}
_CARRIAGE_RETURN: Final = {13: " "}
_OPTION: Final = {"events": "--event", "extensions": "--extension"}


@filters.command("test")
def try_on_packets(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A recording, plain or .gz [default: the journals].", metavar="FILE", show_default=False
        ),
    ] = None,
    pattern: Annotated[
        str,
        typer.Option("--regex", help="Found in the packet's text (DOTALL).", metavar="R", show_default=False),
    ] = "",
    contains: Annotated[
        str, typer.Option(help="Stands in the packet's text as it is.", metavar="TEXT", show_default=False)
    ] = "",
    where: Annotated[
        list[str] | None, typer.Option(help="Found in that header's value; repeatable.", metavar="FIELD=R")
    ] = None,
    event: Annotated[
        list[str] | None, typer.Option(help="The event's name; repeatable, any of them.", metavar="NAME")
    ] = None,
    extension: Annotated[
        list[str] | None, typer.Option(help="An extension; repeatable, any of them.", metavar="NUMBER")
    ] = None,
    binding: Annotated[
        str,
        typer.Option(
            help="A binding of the configuration: its keys and its filter.",
            metavar="NAME",
            show_default=False,
        ),
    ] = "",
    config: ConfigOption = None,
    pbx: Annotated[
        str, typer.Option(help="Only this PBX's journal.", metavar="NAME", show_default=False)
    ] = "",
    last: Annotated[
        int, typer.Option(help="So many of each journal's last events.", min=1, metavar="N")
    ] = 1000,
    encoding: Annotated[
        str, typer.Option(help="What is not UTF-8 in the recording is this encoding.", metavar="NAME")
    ] = "utf-8",
) -> None:
    """Show which packets of a recording, or of the journals' last events, a filter takes, and what it costs.

    \b
    amibus filter test --regex 'Dial.{1,}?200|Hangup.{1,}?200' calls.ami.gz
    amibus filter test --where 'CallerIDNum=^8916' --event Newchannel --last 5000
    amibus filter test --binding crm calls.ami.gz
    """
    given = (contains, pattern, _where(where or []), tuple(event or ()), tuple(extension or ()))
    if any(given) == bool(binding):
        raise typer.BadParameter(
            "give a filter: --regex, --contains, --where, --event or --extension, or a --binding alone",
            param_hint="--regex",
        )
    if binding:
        trial, delivered = _of_binding(load_settings(config), binding)
    else:
        trial, delivered = _trial(*given), _always
    if file is not None:
        try_filter(trial, _recorded(file, encoding, delivered))
    else:
        run_loop(_try_on_journals(trial, load_settings(config), pbx, last, delivered))


def _always(message: Message) -> bool:
    return True


def _of_binding(settings: Settings, name: str) -> tuple[Trial, Delivered]:
    """What a binding of the configuration takes: its filter, and whether its keys let a message through."""
    from consumers.filtering.trial import Trial
    from publisher.command.bindings import definitions_of

    known = {one.name: one for one in definitions_of(settings) if one.on == "events"}
    if name not in known:
        named = ", ".join(known) or "none"
        raise typer.BadParameter(
            f"{name!r} is no binding on events; there is: {named}", param_hint="--binding"
        )
    matcher: TopicMatcher[str] = TopicMatcher()
    for key in known[name].keys:
        matcher.bind(key, key)
    return Trial(known[name].filter), lambda message: bool(
        matcher.targets_of((message.routing_key, *message.headers.cc))
    )


def _where(parts: list[str]) -> dict[str, str]:
    where: dict[str, str] = {}
    for part in parts:
        name, equals, source = part.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{part!r} is not FIELD=REGEX", param_hint="--where")
        if name in where:
            raise typer.BadParameter(f"{name} is given twice; join the two with |", param_hint="--where")
        where[name] = source
    return where


def _trial(
    contains: str, regex: str, where: dict[str, str], events: tuple[str, ...], extensions: tuple[str, ...]
) -> Trial:
    from consumers.filtering import EventFilter
    from consumers.filtering.trial import Trial

    try:
        return Trial(EventFilter(contains, regex, where, events, extensions))
    except FilterInvalid as error:
        part = error.part.partition(".")[0]
        raise typer.BadParameter(str(error), param_hint=_OPTION.get(part, f"--{part}")) from None


# -- where events come from ------------------------------------------------------


def _recorded(file: Path, encoding: str, delivered: Delivered) -> Iterator[Event]:
    try:
        "".encode(encoding)
    except LookupError:
        raise typer.BadParameter(f"{encoding!r} is no text encoding", param_hint="--encoding") from None
    decoder = EventDecoder(PbxNaming("main", encoding))
    for seq, packet in enumerate(Trace.read(file).events, start=1):
        message = decoder.message(Record(seq, 1, seq, _OF_RECORDING_US, EVENT, 0, "", packet))
        if delivered(message):
            yield decode(message.content_type, message.body)


async def _try_on_journals(
    trial: Trial, settings: Settings, pbx: str, last: int, delivered: Delivered
) -> None:
    """A filter on the last events of the journals of a configuration."""
    events = [event async for event in _journalled(settings, pbx, last, delivered)]
    try_filter(trial, events)


async def _journalled(settings: Settings, pbx: str, last: int, delivered: Delivered) -> AsyncIterator[Event]:
    folder = settings.journal.dir
    paths = sorted(path for path in folder.glob(f"*{SUFFIX}") if pbx in ("", path.name.removesuffix(SUFFIX)))
    if not paths:
        whose = f" of {pbx}" if pbx else ""
        raise PublisherError(f"there is no journal{whose} in {folder}; name a recording instead")
    known = {entry.name: naming(entry, settings.bus) for entry in settings.pbx}
    for path in paths:
        reader = await open_journal_reader(path)
        try:
            await reader.refresh()
            decoder = EventDecoder(known.get(reader.pbx, PbxNaming(reader.pbx)))
            async for record in _last_records(reader, last):
                message = decoder.message(record)
                if delivered(message):
                    yield decode(message.content_type, message.body)
        finally:
            await reader.close()


async def _last_records(reader: JournalReader, last: int) -> AsyncIterator[Record]:
    after = max(reader.first_pos - 1, reader.last_pos - last)
    end = reader.last_pos
    while after < end and (records := await reader.read(after, min(_BATCH, end - after))):
        for record in records:
            yield record
        after = records[-1].pos + records[-1].span - 1


# -- what is shown -----------------------------------------------------------------


def try_filter(trial: Trial, events: Iterable[Event]) -> None:
    """Show the events that the filter takes, then how many there were, what it cost and what is dangerous."""
    costs_us: list[float] = []
    taken = undecided = 0
    console = Console(highlight=False, soft_wrap=True) if for_people() else None
    for event in events:
        tried = trial.judge(event)
        costs_us.append(tried.cost_secs * 1e6)
        if tried.taken is None:
            undecided += 1
        if tried.taken:
            taken += 1
            if console is not None:
                console.print(_packet(trial, event))
            else:
                print_lines([json_line({**event.to_map(), "cost_us": round(costs_us[-1], 1)})])
    facts: dict[str, Any] = {"events": len(costs_us), "taken": taken}
    if costs_us:
        facts["median_us"] = round(statistics.median(costs_us), 1)
        facts["worst_us"] = round(max(costs_us), 1)
    if undecided:
        facts["undecided"] = undecided
        warn(f"undecided: {undecided} of {len(costs_us)} events, on which a pattern took too long")
    for sentence in trial.dangers():
        warn(f"this can take very long: {sentence}")
    print_summary(facts)


def _packet(trial: Trial, event: Event) -> Text:
    """A packet under its line, with what was found in it marked."""
    body = Text(packet_text(event).translate(_CARRIAGE_RETURN).translate(_UNSEEN))
    for start, end in trial.spans(event):
        body.stylize("reverse", start, end)
    return Text.assemble((f"{line_of(event)}\n", "bold"), body)
