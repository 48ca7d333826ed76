"""`amibus simulate`: a PBX to try things on."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import os
import re
import secrets
import signal
import ssl
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.status import Status

from publisher.command.output import for_people, print_json, say
from publisher.command.settings_file import SECRET_VARIABLE
from publisher.errors import ConfigurationError
from publisher.simulator import (
    STYLES,
    Fault,
    FaultError,
    FaultKind,
    Faults,
    Pace,
    Replay,
    SimulatedPbx,
    SimulatorOptions,
    Trace,
    Traffic,
    User,
)
from publisher.simulator.actions import NAMES
from publisher.simulator.options import default_extensions

_NEWS_SECS: Final = 0.2
_OUTSIDE_DIGITS: Final = 5
_MAX_RATE: Final = 10_000_000
# So many ActionIDs that were dialled again are named; the others are counted.
_MAX_SHOWN: Final = 10


def simulate(
    trace: Annotated[
        Path | None, typer.Option(help="Replay this recording (.ami, .gz) to each client.", metavar="FILE")
    ] = None,
    rate: Annotated[
        str,
        typer.Option(help="Events a second of a replay, or max: as fast as clients read.", metavar="N|max"),
    ] = "max",
    loop: Annotated[bool, typer.Option("--loop", help="Start the trace again at its end.")] = False,
    shared: Annotated[
        bool, typer.Option("--shared", help="One running stream for all clients, as a real PBX has.")
    ] = False,
    calls_per_second: Annotated[
        float, typer.Option(help="Without a trace: calls begun a second.", min=0.0, max=1000.0, metavar="N")
    ] = 1.0,
    version: Annotated[
        str | None,
        typer.Option(help="Speak like Asterisk 11, 20 or 22 [default: the trace's, or 20].", metavar="N"),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 5038,
    user: Annotated[str, typer.Option(help="The manager user.")] = "bus",
    secret: Annotated[
        str | None,
        typer.Option(
            help="The user's secret; without it one is made and printed.",
            envvar=SECRET_VARIABLE,
            show_envvar=True,
            metavar="TEXT",
        ),
    ] = None,
    timestamps: Annotated[bool, typer.Option(help="Stamp events of its own (timestampevents).")] = True,
    write_timeout: Annotated[
        float,
        typer.Option(help="Seconds until a client that reads nothing is cut off.", min=0.01, metavar="SECS"),
    ] = 10.0,
    multiple_logins: Annotated[bool, typer.Option(help="Allow several logins of the user.")] = True,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM certificate: serve TLS.", metavar="FILE")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM key of the certificate.", metavar="FILE")] = None,
    seed: Annotated[int | None, typer.Option(help="Make the calls and the faults repeatable.")] = None,
    busy: Annotated[
        list[str] | None, typer.Option(help="This phone is busy; repeatable.", metavar="NUMBER")
    ] = None,
    no_answer: Annotated[
        list[str] | None, typer.Option(help="This phone is not answered; repeatable.", metavar="NUMBER")
    ] = None,
    ring_secs: Annotated[
        float, typer.Option(help="How long phones ring.", min=0.0, max=3600.0, metavar="SECS")
    ] = 2.0,
    talk_secs: Annotated[
        float, typer.Option(help="How long calls last.", min=0.0, max=86400.0, metavar="SECS")
    ] = 8.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What goes wrong with actions; repeatable. Kinds: {', '.join(FaultKind)}.",
            metavar="KIND[:ACTION[:PROBABILITY]]",
        ),
    ] = None,
) -> None:
    """Play a PBX: a manager port that replays a trace or makes calls, and does what clients ask.

    \b
    amibus simulate --trace calls.ami.gz --rate 1000
    amibus simulate --calls-per-second 5 --version 22
    amibus simulate --busy 207 --fault drop_after:originate:0.1
    """
    if "\n" in (secret or "") or "\r" in (secret or ""):
        raise typer.BadParameter("a secret is one line", param_hint="--secret")
    if version is not None and version not in STYLES:
        raise typer.BadParameter(f"allowed: {', '.join(STYLES)}", param_hint="--version")
    pace = _rate(rate)
    recording = Trace.read(trace) if trace is not None else None
    spoken = version or (_version_of(recording) if recording else None) or "20"
    options = SimulatorOptions(
        host=host,
        port=port,
        version=spoken,
        users={user: User(secret or secrets.token_urlsafe(12))},
        timestamps=timestamps,
        allow_multiple_login=multiple_logins,
        write_timeout_secs=write_timeout,
        refusal_delay_secs=1.0,
        tls=_tls(tls_cert, tls_key),
        busy=_phones(busy, "--busy"),
        no_answer=_phones(no_answer, "--no-answer"),
        ring_secs=ring_secs,
        pace=Pace(ring_secs, talk_secs),
    )
    faults = Faults(*map(_fault, fault or ()), seed=seed)
    # A secret that the caller gave is known to the caller: it is not printed again.
    shown = None if secret else options.users[user].secret
    asyncio.run(_play(options, faults, user, shown, recording, pace, loop, shared, calls_per_second, seed))


async def _play(
    options: SimulatorOptions,
    faults: Faults,
    user: str,
    shown_secret: str | None,
    trace: Trace | None,
    rate: float,
    loop: bool,
    shared: bool,
    calls_per_second: float,
    seed: int | None,
) -> None:
    pbx = SimulatedPbx(options)
    pbx.faults = faults
    replay = Replay(pbx, trace, rate=rate, loop=loop, shared=shared) if trace else None
    own_calls = calls_per_second if not trace else 0.0
    traffic = Traffic(pbx, own_calls, pace=options.pace, seed=seed) if own_calls else None
    async with pbx:
        _introduce(pbx, user, shown_secret, trace)
        if traffic:
            traffic.start()
        stop = asyncio.Event()
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        try:
            await _report(pbx, replay, traffic, stop)
        finally:
            if replay:
                await replay.stop()
            if traffic:
                await traffic.stop()
            _sum_up(pbx)


def _introduce(pbx: SimulatedPbx, user: str, secret: str | None, trace: Trace | None) -> None:
    version = pbx.options.style.asterisk_version
    facts: dict[str, Any] = {"listening": True, "host": pbx.host, "port": pbx.port, "version": version}
    facts |= {"user": user, "tls": pbx.options.tls is not None}
    if secret:
        facts["secret"] = secret
    if trace:
        facts["events"] = len(trace.events)
    if not for_people():
        print_json(facts)
        return
    say(f"Asterisk {version} (simulated) listens on {pbx.host}:{pbx.port}; user {user}")
    say(f"secret {secret}" if secret else f"the secret is the one given by --secret or {SECRET_VARIABLE}")
    say(
        f"{len(trace.events)} events to replay"
        if trace
        else "calls between " + ", ".join(pbx.state.extensions)
    )
    say("Ctrl-C ends it")


def _sum_up(pbx: SimulatedPbx) -> None:
    """What was asked for by Originate was dialled so often; and whether any of it twice."""
    again = pbx.dialled.repeated()
    injected = {kind.value: count for kind, count in pbx.faults.injected.items()}
    if not for_people():
        facts: dict[str, Any] = {"dialled": pbx.dialled.total(), "dialled_again": len(again)}
        if again:
            facts["action_ids"] = again[:_MAX_SHOWN]
        if pbx.dialled.uncounted:
            facts["uncounted"] = pbx.dialled.uncounted
        print_json({**facts, **({"faults": injected} if injected else {})})
        return
    if not pbx.executed and not injected:
        return
    named = f": {', '.join(again[:_MAX_SHOWN])}{', …' if len(again) > _MAX_SHOWN else ''}" if again else ""
    say(f"{pbx.dialled.total()} dialled for Originate; ActionIDs dialled more than once: {len(again)}{named}")
    if pbx.dialled.uncounted:
        say(f"{pbx.dialled.uncounted} more were dialled whose ActionIDs were too many to count")
    for kind, count in injected.items():
        say(f"fault {kind}: {count} times")


async def _report(
    pbx: SimulatedPbx, replay: Replay | None, traffic: Traffic | None, stop: asyncio.Event
) -> None:
    """Until it is stopped: a status line for people, a JSON line at each end of the trace for programs."""
    done = 0
    with contextlib.ExitStack() as stack:
        status: Status | None = None
        if for_people():
            status = stack.enter_context(Console(stderr=True).status("no client"))
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_NEWS_SECS):
                    await stop.wait()
            logged_in = sum(bool(session.user) for session in pbx.sessions)
            if status is not None:
                calls = f", {traffic.calls} calls" if traffic else ""
                status.update(f"{logged_in} clients, {pbx.events_sent} events sent{calls}")
            if replay is not None and replay.done != done:
                done = replay.done
                if status is None:
                    print_json({"trace": "finished", "times": done, "events_sent": pbx.events_sent})


def _phones(given: list[str] | None, option: str) -> frozenset[str]:
    """Extensions of the office, and numbers outside of it, which are longer."""
    extensions = list(default_extensions())
    for number in given or ():
        if number not in extensions and not re.fullmatch(rf"\+?[0-9]{{{_OUTSIDE_DIGITS},20}}", number):
            raise typer.BadParameter(
                f"{number!r} is no phone; there are {', '.join(extensions)}, and outside numbers of "
                f"{_OUTSIDE_DIGITS} digits or more",
                param_hint=option,
            )
    return frozenset(given or ())


def _fault(text: str) -> Fault:
    try:
        rule = Fault.parse(text)
    except FaultError as error:
        raise typer.BadParameter(str(error), param_hint="--fault") from error
    if rule.action != "*" and rule.action not in NAMES:
        close = difflib.get_close_matches(rule.action, sorted(NAMES), n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise typer.BadParameter(
            f"{rule.action!r} is no action that the simulator knows; {hint}there are: "
            f"{', '.join(sorted(NAMES))}",
            param_hint="--fault",
        )
    return rule


def _rate(text: str) -> float:
    """Events a second; 0 for max."""
    if text == "max":
        return 0.0
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= _MAX_RATE:
        raise typer.BadParameter(
            f"{text!r} is no rate; allowed: a number above 0, or max", param_hint="--rate"
        )
    return rate


def _version_of(trace: Trace) -> str | None:
    return next((version for version, style in STYLES.items() if style is trace.style), None)


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise typer.BadParameter("needs --tls-cert", param_hint="--tls-key")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise ConfigurationError(f"{certificate} and its key do not fit or are no PEM files") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "no such file"
        raise ConfigurationError(f"the certificate or key cannot be read: {reason}") from error
    return context
