"""Commands of the queue as people and programs see them, whatever stands in their hashes."""

from __future__ import annotations

import uuid
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import typer

from consumers.commands import CommandClient, Reply, State
from consumers.commands.view import view_of
from publisher.adapters.redis_commands.driver import RedisSettings, client_maker
from publisher.command import commands
from publisher.command.commands import as_map, line_of, show_view
from schemas.command_queue import CommandKeys
from schemas.redis_url import RedisUrl
from tests.command.amibus import amibus, objects
from tests.command.test_output import ODD, Terminal, steers
from tests.services.choice import RedisServer

NOW_MS = 1_795_424_093_850
NO_TIMES = [b"9" * 18, b"9" * 5000, b"253402300800000", "²".encode(), b"-1", b"soon", b"", b"\xff", b"1 "]


@pytest.mark.parametrize("text", NO_TIMES, ids=lambda text: ascii(text[:9]))
def test_what_is_no_time_is_shown_as_an_empty_one(text: bytes) -> None:
    view = view_of("main", "x", {"state": b"claimed", "queued": text, "expires": text})
    assert (as_map(view)["queued_at"], as_map(view)["expires_at"]) == ("", "")
    assert line_of(view, NOW_MS).split() == ["x", "claimed"]
    with redirect_stdout(Terminal()) as terminal:
        show_view(view)
    assert "queued (no time), to be begun by (no time)" in terminal.getvalue()


def test_the_last_time_that_can_be_written_is_shown() -> None:
    view = view_of("main", "x", {"queued": b"1795424093850", "expires": b"253402300799999"})
    assert as_map(view)["queued_at"] == "2026-11-23T08:54:53.850000Z"
    assert as_map(view)["expires_at"] == "9999-12-31T23:59:59.999000Z"
    assert "0.0 s old" in line_of(view, NOW_MS)
    assert "s left" in line_of(view, NOW_MS)


@pytest.mark.parametrize("odd", [*ODD[:-1], "\n"], ids=ascii)
def test_what_stands_in_the_queue_does_not_steer_the_terminal(odd: str) -> None:
    names = ("state", "client", "action", "priority")
    view = view_of("main", f"x{odd}", dict.fromkeys(names, odd.encode()))
    with redirect_stdout(Terminal()) as terminal:
        show_view(view)
    assert not steers(terminal.getvalue())
    assert terminal.getvalue().count("\n") == 2
    assert "\n" not in line_of(view, NOW_MS)


async def test_one_bad_hash_does_not_lose_the_list(redis_server: RedisServer, tmp_path: Path) -> None:
    pbx = f"pbx-{uuid.uuid4().hex[:12]}"
    keys = CommandKeys(pbx)
    (tmp_path / "amibus.toml").write_text(
        f'[commands]\nurl = "{redis_server.url}"\n[[pbx]]\nname = "{pbx}"\nusername = "bus"\nsecret = "s"\n'
    )
    (tmp_path / "amibus.toml").chmod(0o600)
    client = client_maker(RedisSettings(RedisUrl.parse(redis_server.url)))(10.0)
    for id, queued in (("large", b"9" * 18), ("long", b"9" * 5000), ("good", b"1795424093850")):
        await client.hset(keys.command(id), mapping={"state": "claimed", "queued": queued})
    await client.set(keys.command("text"), b"no hash")
    await client.zadd(keys.active, {"large": 1, "text": 2, b"\xff": 3, "long": 4, "good": 5})
    try:
        listed = amibus("commands", "ls", cwd=tmp_path)
        assert listed.returncode == 0, listed.stderr.decode()
        assert {one["id"]: one["queued_at"] for one in objects(listed.stdout)} == {
            "large": "",
            "long": "",
            "good": "2026-11-23T08:54:53.850000Z",
        }
        shown = amibus("commands", "show", "long", cwd=tmp_path)
        assert objects(shown.stdout)[0]["queued_at"] == ""
        assert amibus("commands", "show", "text", cwd=tmp_path).returncode == 1
    finally:
        await client.delete(keys.active, *map(keys.command, ("large", "long", "good", "text")))
        await client.aclose()


async def test_a_command_that_was_over_already_is_told_with_its_state_and_when(
    redis_server: RedisServer,
) -> None:
    pbx = f"pbx-{uuid.uuid4().hex[:12]}"
    over = Reply(id="c-1", pbx=pbx, action="Ping", state=State.SUCCEEDED, at="2026-11-23T08:54:53.850000Z")
    redis = client_maker(RedisSettings(RedisUrl.parse(redis_server.url)))(10.0)
    key = CommandKeys(pbx).command("c-1")
    await redis.hset(key, mapping={"state": "succeeded", "reply": over.encode()})
    try:
        async with CommandClient.connect(redis_server.url, client="crm", token=pbx) as queue:
            with redirect_stdout(Terminal()) as terminal, pytest.raises(typer.Exit) as ended:
                await commands._cancel(queue, pbx, "c-1")
    finally:
        await redis.delete(key)
        await redis.aclose()
    assert ended.value.exit_code == 1
    assert terminal.getvalue() == "c-1 was over already, since 2026-11-23T08:54:53.850000Z:\nsucceeded\n"
