"""`amibus`: the command line.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 130 interrupted. Nobody ever sees a traceback who did
not ask for it with `--debug`.

A verb is a file beside this one, an import and a registration line here.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from consumers.errors import ConsumerError
from publisher.command import (
    check,
    commands,
    decode,
    demo,
    filter,
    journal,
    parked,
    record,
    schema,
    send,
    simulate,
    tail,
    topology,
)
from publisher.command import run as run_verb
from publisher.command.output import warn
from publisher.configuration.quantities import plain_number
from publisher.errors import ConfigurationError, PublisherError
from schemas.errors import CommandError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
DEBUG: Final = "--debug"

# The parser's own words for a number that is too small or too large.
_OUT_OF_RANGE: Final = re.compile(
    r"(?P<side>greater|less) than or equal to (?P<bound>[\d.]+\d|\d)|is not in the range (?P<range>\S+)\."
)
# The parser's own classes: typer exports the first of them alone, whichever click it stands on.
_UsageError = cast("type[Any]", typer.BadParameter.__mro__[1])
_ParserError = cast("type[Any]", typer.BadParameter.__mro__[2])

app = typer.Typer(
    name="amibus",
    help="Every event of an Asterisk PBX on a message bus; commands back.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage or configuration, 130 interrupted.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

app.command("run")(run_verb.run)
app.command("demo")(demo.demo)
app.command("check")(check.check)
app.command("tail")(tail.tail)
app.command("send")(send.send)
app.add_typer(commands.commands, name="commands")
app.command("simulate")(simulate.simulate)
app.command("record")(record.record)
app.command("decode")(decode.decode)
app.add_typer(journal.journal, name="journal")
app.add_typer(filter.filters, name="filter")
app.add_typer(parked.parked, name="parked")
app.add_typer(topology.topology, name="topology")
app.command("schema")(schema.schema)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"amibus {installed_version()}")
        raise typer.Exit


def installed_version() -> str:
    try:
        return version("ami-bus")
    except PackageNotFoundError:
        return "(not installed)"


@app.callback()
def amibus(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool, typer.Option(DEBUG, help="Show where an unexpected error came from; may stand anywhere.")
    ] = False,
) -> None:
    # The decorator keeps the help text of the app; `--debug` is taken out before the parser sees it.
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(USAGE)


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code. Never raises."""
    debug = DEBUG in arguments
    arguments = [argument for argument in arguments if argument != DEBUG]
    try:
        result = typer.main.get_command(app).main(arguments, prog_name="amibus", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else DONE
    except typer.Exit as error:
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    except BrokenPipeError:
        return _end_quietly()
    except SystemExit as error:
        # The parser turns a broken pipe into an exit of its own.
        if isinstance(error.__context__, BrokenPipeError):
            return _end_quietly()
        return error.code if isinstance(error.code, int) else FAILED
    except _ParserError as error:
        return _explain_usage(error)
    except ConfigurationError as error:
        warn(str(error))
        return USAGE
    except (PublisherError, ConsumerError, CommandError) as error:
        warn(str(error))
        return FAILED
    except Exception as error:
        return _explain_unexpected(error, debug)


def _end_quietly() -> int:
    """Whoever read our output has had enough. Nothing may be flushed into the closed pipe at exit."""
    sys.stdout = sys.__stdout__ or sys.stdout
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


def _explain_usage(error: Any) -> int:
    context = getattr(error, "ctx", None)
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        try:
            print(context.get_help(), flush=True)
        except BrokenPipeError:
            return _end_quietly()
        return USAGE
    path = context.command_path if context is not None else "amibus"
    message = " ".join(str(error.format_message()).split())
    message = _range(error, message) or message
    warn(f"{message} (see {path} --help)")
    return USAGE if isinstance(error, _UsageError) else FAILED


def _range(error: Any, message: str) -> str:
    """What a number's option allows, where the parser refused it for its size; empty for another error."""
    found = _OUT_OF_RANGE.search(message)
    names = getattr(getattr(error, "param", None), "opts", None)
    if found is None or not names:
        return ""
    if found["bound"]:
        small = found["side"] == "greater"
        side, end = ("small", "more") if small else ("large", "less")
        return f"{names[0]}: is too {side}; allowed: {plain_number(float(found['bound']))} or {end}"
    return f"{names[0]}: is out of range; allowed: {found['range']}"


def _explain_unexpected(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
        return FAILED
    # The text of an unknown error may hold anything, a secret too: its kind and place do not.
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name} line {place.lineno}"
    warn(f"unexpected {type(error).__name__} in {where}; run the same command with {DEBUG} for the details")
    return FAILED


def main() -> None:
    """The entry point of the `amibus` command."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
