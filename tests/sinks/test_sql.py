"""Rows in a real PostgreSQL and a real SQLite: each event once, the poison alone outside, whatever breaks."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import DONE, Done, Reject, Retry
from consumers.sinks.sql.database_url import DatabaseUrl
from consumers.sinks.sql.rows import row_of
from consumers.sinks.sql.sink import SqlSink
from consumers.testing import SinkRunner, sink_event, sink_events
from tests.journal.small_disk import small_disk
from tests.services.choice import PostgresqlServer
from tests.services.server_process import wait_until
from tests.sinks.places import SECRET, PostgresqlPlace, SqlitePlace

COLUMNS = ["id", "pbx", "epoch", "seq", "received_at", "event", "call", "linkedid", "extensions", "fields"]
COLUMNS += ["control", "snapshot", "synthetic", "replaced"]
POISON = "main-19e34a9be00-3"


@pytest.fixture
async def pg(tmp_path: Path, postgresql: PostgresqlServer) -> AsyncIterator[PostgresqlPlace]:
    made = PostgresqlPlace(tmp_path, postgresql)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def lite(tmp_path: Path) -> SqlitePlace:
    return SqlitePlace(tmp_path)


async def sql(place: PostgresqlPlace, statement: str) -> str:
    return await asyncio.to_thread(place.server.psql, statement)


# Rows.


async def test_an_event_is_a_row_in_postgresql(pg: PostgresqlPlace) -> None:
    packet = {"Event": "Hangup", "CallerIDName": "Анна", "Variable": ["a=1", "b=2"]}
    event = sink_event(packet, extensions=["200", "202"], call="c", linkedid="l")
    async with pg.runner() as sink:
        assert await sink.take(event) == [DONE]
    named = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{pg.table}'"
    columns = await sql(pg, f"{named} ORDER BY ordinal_position")
    assert columns.splitlines() == COLUMNS
    row = json.loads(await sql(pg, f"SELECT row_to_json(t) FROM {pg.table} t"))
    assert row["fields"] == packet
    assert row["extensions"] == ["200", "202"]
    assert row["control"] is None
    assert (row["event"], row["call"], row["linkedid"], row["seq"]) == ("Hangup", "c", "l", 1)
    when = await sql(pg, f"SELECT received_at AT TIME ZONE 'UTC' FROM {pg.table}")
    assert when == "2026-05-17 06:40:00.001"
    found = await sql(
        pg, f"SELECT count(*) FROM {pg.table} WHERE fields->>'CallerIDName' = 'Анна' AND extensions ? '202'"
    )
    assert found == "1"


async def test_an_event_is_a_row_in_sqlite(lite: SqlitePlace) -> None:
    event = sink_event({"Event": "Hangup", "Name": "Анна"}, extensions=["200"])
    async with lite.runner() as sink:
        assert await sink.take(event) == [DONE]
    ((fields, extensions, control, when),) = lite.rows(
        "SELECT fields, extensions, control, received_at FROM amibus_events"
    )
    assert json.loads(fields) == {"Event": "Hangup", "Name": "Анна"}
    assert json.loads(extensions) == ["200"]
    assert control is None
    assert when == "2026-05-17 06:40:00.001000"
    assert lite.rows("SELECT fields->>'$.Name' FROM amibus_events") == [("Анна",)]


async def test_a_control_event_s_map_stands_in_its_own_column(pg: PostgresqlPlace) -> None:
    async with pg.runner() as sink:
        await sink.take(sink_event(control={"kind": "up", "version": "20"}))
    assert await sql(pg, f"SELECT event, control->>'version', fields FROM {pg.table}") == "control.up|20|{}"


NULS = {"Event": "Odd\0", "A": ["x\0y", "\udcff"], "B\0": "1", "B\ufffd": "2"}


async def test_what_postgresql_cannot_hold_is_replaced_and_the_row_says_so(pg: PostgresqlPlace) -> None:
    async with pg.runner() as sink:
        assert await sink.take(sink_event(NULS, call="c\0", linkedid="\0"), sink_event(seq=2)) == [DONE] * 2
    rows = await sql(pg, f"SELECT row_to_json(t) FROM {pg.table} t ORDER BY seq")
    odd, plain = map(json.loads, rows.splitlines())
    assert odd["replaced"] is True
    assert odd["fields"] == {
        "Event": "Odd\ufffd",
        "A": ["x\ufffdy", "\ufffd"],
        "B\ufffd": "1",
        "B\ufffd\ufffd": "2",
    }
    assert (odd["event"], odd["call"], odd["linkedid"]) == ("Odd\ufffd", "c\ufffd", "\ufffd")
    assert plain["replaced"] is False


async def test_sqlite_gets_the_same(lite: SqlitePlace) -> None:
    async with lite.runner() as sink:
        assert await sink.take(sink_event(NULS)) == [DONE]
    assert lite.rows("SELECT event, replaced FROM amibus_events") == [("Odd\ufffd", 1)]


def test_an_ordinary_row_shares_the_event_s_own_values() -> None:
    event = sink_event()
    assert row_of(event.event)["fields"] is event.event.fields


# The table.


async def test_a_table_that_is_there_is_used(pg: PostgresqlPlace) -> None:
    for first in (1, 11):
        async with pg.runner() as sink:
            await sink.take(*sink_events(10, first=first))
    assert len(await pg.ids()) == 20


async def test_several_consumers_may_make_it_at_once(pg: PostgresqlPlace) -> None:
    sinks = [pg.runner() for _ in range(4)]
    await asyncio.gather(*(sink.open() for sink in sinks))
    await asyncio.gather(*(sink.take(*sink_events(50)) for sink in sinks))
    await asyncio.gather(*(sink.close() for sink in sinks))
    assert len(await pg.ids()) == 50


async def test_it_is_not_made_when_that_is_not_wanted(pg: PostgresqlPlace, lite: SqlitePlace) -> None:
    sinks = [(pg.runner(create=False), pg.table), (lite.runner(create=False), "amibus_events")]
    for sink, table in sinks:
        with pytest.raises(SinkUnavailable, match=f"has no table '{table}'"):
            await sink.open()
        await sink.close()


async def test_a_table_without_the_columns_is_told_with_those_it_lacks(pg: PostgresqlPlace) -> None:
    await sql(pg, f"CREATE TABLE {pg.table} (id text PRIMARY KEY, pbx text, epoch bigint, seq bigint)")
    sink = pg.runner()
    with pytest.raises(SinkUnavailable, match="without the columns received_at, event, call, linkedid, ext"):
        await sink.open()
    await sink.close()


async def test_a_schema_may_be_named(pg: PostgresqlPlace) -> None:
    schema = f"s_{uuid.uuid4().hex[:8]}"
    sink = pg.runner(schema=schema)
    with pytest.raises(SinkUnavailable, match="has no schema of that name"):
        await sink.open()
    await sink.close()
    await sql(pg, f"CREATE SCHEMA {schema}")
    async with pg.runner(schema=schema) as again:
        await again.take(*sink_events(3))
    assert await sql(pg, f"SELECT count(*) FROM {schema}.{pg.table}") == "3"


async def test_a_table_that_is_dropped_is_told_and_made_again(pg: PostgresqlPlace) -> None:
    sink = pg.runner()
    await sink.open()
    await sink.take(*sink_events(3))
    await sql(pg, f"DROP TABLE {pg.table}")
    with pytest.raises(SinkUnavailable, match="has no such table"):
        await sink.take(*sink_events(3, first=4))
    await sink.close()
    await sink.open()
    await sink.take(*sink_events(3, first=4))
    await sink.close()
    assert len(await pg.ids()) == 3


async def test_a_user_without_rights_is_told(pg: PostgresqlPlace) -> None:
    await sql(pg, f"CREATE ROLE {pg.table} LOGIN PASSWORD '{SECRET}'")
    url = f"postgresql://{pg.table}:{SECRET}@127.0.0.1:{pg.server.port}/{pg.server.database}"
    sink = pg.runner(url_file=pg.write_secret("few", url))
    with pytest.raises(SinkUnavailable, match="does not allow it: grant INSERT on the table"):
        await sink.open()
    await sink.close()
    async with pg.runner():
        await sql(pg, f"GRANT SELECT, INSERT ON {pg.table} TO {pg.table}")
    async with sink:
        assert await sink.take(*sink_events(2)) == [DONE] * 2


# Poison.


@pytest.mark.parametrize("count", [1, 2, 9, 64])
async def test_of_a_take_the_row_that_postgresql_refuses_is_rejected_alone(
    pg: PostgresqlPlace, count: int
) -> None:
    async with pg.runner() as sink:
        await sql(pg, f"ALTER TABLE {pg.table} ADD CONSTRAINT no_poison CHECK (id <> '{POISON}')")
        outcomes = await sink.take(*sink_events(count, first=3, calls=2))
    assert outcomes[0] == Reject(
        f"postgresql://amibus@127.0.0.1:{pg.proxy.port}/amibus refuses it:"
        " SQLSTATE 23514, check violation (no_poison)"
    )
    assert outcomes[1:] == [DONE] * (count - 1)
    assert len(await pg.ids()) == count - 1


async def test_of_a_take_the_row_that_sqlite_refuses_is_rejected_alone(lite: SqlitePlace) -> None:
    async with lite.runner() as sink:
        with closing(sqlite3.connect(lite.file)) as database:
            database.execute(
                "CREATE TRIGGER poison BEFORE INSERT ON amibus_events WHEN NEW.seq IN (3, 7)"
                " BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        outcomes = await sink.take(*sink_events(20))
    assert [at + 1 for at, outcome in enumerate(outcomes) if isinstance(outcome, Reject)] == [3, 7]
    assert len(await lite.ids()) == 18


async def test_a_value_that_is_too_long_for_its_index_is_rejected_alone(pg: PostgresqlPlace) -> None:
    # Random, so that it cannot be made small.
    long = "".join(uuid.uuid4().hex for _ in range(400))
    async with pg.runner() as sink:
        outcomes = await sink.take(sink_event(seq=1, call=long), sink_event(seq=2, call="c"))
    assert [type(outcome) for outcome in outcomes] == [Reject, Done]
    assert long[:50] not in str(outcomes)


async def test_a_value_that_no_column_holds_is_rejected_alone(pg: PostgresqlPlace, lite: SqlitePlace) -> None:
    huge = sink_event(seq=4)
    huge.event = dataclasses.replace(huge.event, seq=2**70)
    for place in (pg, lite):
        async with place.runner() as sink:
            outcomes = await sink.take(*sink_events(3), huge)
        assert [type(outcome) for outcome in outcomes] == [Done] * 3 + [Reject]
        assert len(await place.ids()) == 3


# What passes.


async def test_a_lock_on_the_table_is_waited_for_no_longer_than_the_timeout(pg: PostgresqlPlace) -> None:
    async with pg.runner(timeout_secs=0.4) as sink:
        blocked = asyncio.create_task(
            sql(pg, f"BEGIN; LOCK TABLE {pg.table} IN EXCLUSIVE MODE; SELECT pg_sleep(1.5); COMMIT")
        )
        held = (
            "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
            f" WHERE c.relname = '{pg.table}' AND l.mode = 'ExclusiveLock'"
        )
        await asyncio.to_thread(wait_until, lambda: pg.server.psql(held) == "1", 10, "the lock")
        with pytest.raises(SinkUnavailable, match=r"gave no answer within 0.4 s"):
            await sink.take(*sink_events(3))
        await blocked
        assert await sink.take(*sink_events(3)) == [DONE] * 3


async def test_a_locked_sqlite_is_tried_again(lite: SqlitePlace) -> None:
    async with lite.runner(timeout_secs=0.2) as sink:
        with closing(sqlite3.connect(lite.file)) as database:
            database.execute("BEGIN IMMEDIATE")
            (outcome,) = await sink.take(sink_event())
            assert isinstance(outcome, Retry)
            assert outcome.reason.endswith("database is locked")
        assert await sink.take(sink_event()) == [DONE]


async def test_a_deadlock_or_a_cancelled_statement_is_tried_again(pg: PostgresqlPlace) -> None:
    async with pg.runner() as sink:
        await sql(
            pg,
            f"CREATE FUNCTION f_{pg.table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'secret value' USING ERRCODE = NEW.call; END $$;"
            f"CREATE TRIGGER t BEFORE INSERT ON {pg.table} FOR EACH ROW EXECUTE FUNCTION f_{pg.table}()",
        )
        for state in ("40001", "40P01", "55P03", "57014"):
            (outcome,) = await sink.take(sink_event(call=state))
            assert isinstance(outcome, Retry), state
        for state in ("22001", "22P05", "23502", "54000"):
            (outcome,) = await sink.take(sink_event(call=state))
            assert isinstance(outcome, Reject), state
            assert "secret value" not in outcome.reason
        for state in ("53100", "25006", "P0001", "XX000", "08006"):
            with pytest.raises(SinkUnavailable) as caught:
                await sink.take(sink_event(call=state))
            assert "secret value" not in str(caught.value)


async def test_a_wrong_password_and_a_wrong_database_are_told(pg: PostgresqlPlace) -> None:
    wrong = [
        (SECRET, "amibus", "refuses the login: check user"),
        (pg.server.password, "no", "has no database"),
    ]
    for password, name, why in wrong:
        url = f"postgresql://amibus:{password}@127.0.0.1:{pg.server.port}/{name}"
        sink = pg.runner(url_file=pg.write_secret("wrong", url))
        with pytest.raises(SinkUnavailable, match=why):
            await sink.open()
        await sink.close()


async def test_tls_is_asked_for_when_required(pg: PostgresqlPlace) -> None:
    sink = pg.runner(tls="require")
    with pytest.raises(SinkUnavailable, match="has no TLS: set it up there, or tls to another value"):
        await sink.open()
    await sink.close()
    async with pg.runner(tls="off") as plain:
        assert await plain.take(sink_event()) == [DONE]


# What breaks.


@pytest.mark.faults
async def test_a_postgresql_that_is_killed_and_comes_back_lost_nothing(pg: PostgresqlPlace) -> None:
    sink = pg.runner()
    await sink.open()
    assert await sink.take(*sink_events(20)) == [DONE] * 20
    await asyncio.to_thread(pg.server.kill9)
    with pytest.raises(SinkUnavailable):
        await sink.take(*sink_events(20, first=11))
    await sink.close()
    with pytest.raises(SinkUnavailable):
        await sink.open()
    await sink.close()
    await asyncio.to_thread(pg.server.start)
    await sink.open()
    assert await sink.take(*sink_events(20, first=11)) == [DONE] * 20
    await sink.close()
    assert await asyncio.to_thread(pg.server.psql, f"SELECT count(*) FROM {pg.table}") == "30"


@pytest.mark.faults
async def test_an_orderly_restart_is_told_and_borne(pg: PostgresqlPlace) -> None:
    sink = pg.runner()
    await sink.open()
    await sink.take(*sink_events(2))
    await asyncio.to_thread(pg.server.stop)
    await asyncio.to_thread(pg.server.start)
    with pytest.raises(SinkUnavailable, match=r"the connection is gone|is shutting down"):
        await sink.take(*sink_events(2, first=3))
    await sink.close()
    await sink.open()
    assert await sink.take(*sink_events(2, first=3)) == [DONE] * 2
    await sink.close()
    assert len(await pg.ids()) == 4


@pytest.mark.faults
async def test_a_frozen_postgresql_holds_up_neither_a_take_nor_the_end(pg: PostgresqlPlace) -> None:
    sink = pg.runner(timeout_secs=0.5)
    await sink.open()
    await sink.take(*sink_events(2))
    await asyncio.to_thread(pg.server.sigstop)
    try:
        with pytest.raises(SinkUnavailable, match=r"gave no answer within 0.5 s"):
            await sink.take(*sink_events(2, first=3))
        async with asyncio.timeout(8):
            await sink.close()
        with pytest.raises(SinkUnavailable, match=r"gave no answer within 0.5 s"):
            await sink.open()
        await sink.close()
    finally:
        await asyncio.to_thread(pg.server.sigcont)
    await sink.open()
    assert await sink.take(*sink_events(2, first=3)) == [DONE] * 2
    await sink.close()


async def test_a_cut_in_the_middle_loses_nothing_and_doubles_nothing(pg: PostgresqlPlace) -> None:
    sink = pg.runner()
    await sink.open()
    left = sink_events(600, calls=50)
    wanted = [event.id for event in left]
    cuts = 0
    while left:
        if cuts < 5:
            cuts += 1
            asyncio.get_running_loop().call_later(0.003 * cuts, pg.proxy.cut)
        try:
            outcomes = await sink.take(*left[:100])
        except SinkUnavailable:
            await sink.close()
            await sink.open()
            continue
        left = [e for e, outcome in zip(left, outcomes, strict=False) if outcome != DONE] + left[100:]
    await sink.close()
    assert await pg.ids() == wanted


async def test_what_is_no_database_is_left_as_it_is(lite: SqlitePlace) -> None:
    lite.file.write_bytes(b"not a database, but somebody's notes" * 100)
    sink = lite.runner()
    with pytest.raises(SinkUnavailable, match="file is not a database"):
        await sink.open()
    await sink.close()
    assert lite.file.read_bytes().startswith(b"not a database")


@pytest.mark.faults
async def test_a_full_disk_makes_sqlite_s_events_wait(tmp_path: Path) -> None:
    with small_disk(tmp_path, 4 * 2**20) as disk:
        sink = SinkRunner(SqlSink, {"url": "sqlite:///events.db"}, folder=disk.folder)
        await sink.open()
        taken = 100
        await sink.take(*sink_events(taken))
        disk.fill()

        async def until_it_is_full() -> None:
            nonlocal taken
            for _ in range(50):
                await sink.take(*sink_events(100, first=taken + 1))
                taken += 100

        with pytest.raises(SinkUnavailable, match=r"disk is full|disk I/O error"):
            await until_it_is_full()
        await sink.close()
        disk.free()
        await sink.open()
        assert set(await sink.take(*sink_events(100, first=taken + 1))) == {DONE}
        await sink.close()
        with closing(sqlite3.connect(disk.folder / "events.db")) as database:
            assert database.execute("SELECT count(*) FROM amibus_events").fetchall() == [(taken + 100,)]


# Where it is.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@h:6000/n", "postgresql://u@h:6000/n"),
        ("postgres://h/n", "postgresql://h:5432/n"),
        ("postgresql+asyncpg://u%40x:p%2F@[::1]/n", "postgresql://u@x@[::1]:5432/n"),
        ("postgresql://u:p@/n?host=/run/postgresql", "postgresql://u@/n?host=/run/postgresql"),
        ("sqlite:///a/b.db", "sqlite:////etc/a/b.db"),
        ("sqlite+aiosqlite:////var/b.db", "sqlite:////var/b.db"),
    ],
)
def test_a_url_is_understood_and_shown_without_its_password(text: str, shown: str) -> None:
    parsed = DatabaseUrl.parse(text, Path("/etc"))
    assert parsed.shown == str(parsed) == shown
    assert parsed.password not in repr(parsed) or not parsed.password or parsed.password == "p"


async def test_a_server_may_be_reached_by_its_socket(pg: PostgresqlPlace) -> None:
    folder = getattr(pg.server, "folder", None)
    if folder is None:
        pytest.skip("the server is in a container")
    url = f"postgresql://amibus:{pg.server.password}@/amibus?host={folder}"
    if pg.server.port != 5432:
        url = url.replace("@/", f"@:{pg.server.port}/")
    async with pg.runner(url_file=pg.write_secret("socket", url)) as sink:
        assert await sink.take(sink_event()) == [DONE]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "exactly one of url, url_file, url_env must be given; found none"),
        ({"url": "mysql://h/n"}, "url: the URL has a form that is not allowed; allowed: postgresql://"),
        ({"url": "sqlite://"}, "form that is not allowed"),
        ({"url": "sqlite:///:memory:"}, "form that is not allowed"),
        ({"url": "postgresql://h"}, "form that is not allowed"),
        ({"url": "postgresql://h/n?sslmode=require"}, "form that is not allowed"),
        ({"url": f"postgresql://u:{SECRET}@h/n"}, "url holds a password"),
        ({"url": "sqlite:///x", "schema": "s"}, "schema: SQLite has none"),
        ({"url": "sqlite:///x", "table": "a; drop"}, "table: String should match pattern"),
        ({"url": "sqlite:///x", "db_schema": "s"}, "db_schema is unknown; did you mean schema"),
        ({"url": "postgresql://h/n", "ca_file": "x"}, 'ca_file is for tls = "require"'),
    ],
)
def test_it_is_said_what_is_wrong(options: dict[str, Any], why: str) -> None:
    with pytest.raises(SinkMisconfigured, match=why) as caught:
        SinkRunner(SqlSink, options)
    assert SECRET not in str(caught.value)
