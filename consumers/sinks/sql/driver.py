"""The one door to SQLAlchemy: the table, and putting rows into it.

A transaction that has begun is finished, or fails by itself, even if its caller is cancelled: so no
connection goes back half-used, and putting the same rows in again harms nothing. `close` waits for those,
then ends them.

Bounds: `connections` at once (SQLite: one); whoever comes beyond waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import (
    JSON,
    URL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    MetaData,
    Table,
    Text,
    inspect,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from consumers.errors import ConsumerError
from consumers.sinks.sql.database_url import DatabaseUrl

T = TypeVar("T")
_CLOSE_SECS: Final = 2.0
_IDENTIFIER_CHARS: Final = 63


@dataclass(slots=True, frozen=True)
class Place:
    """A table of a database. `tls` is for PostgreSQL: a context, or one of its words."""

    url: DatabaseUrl
    table: str
    schema: str | None
    connections: int
    timeout_secs: float
    tls: ssl.SSLContext | str = "prefer"


class DatabaseFailed(ConsumerError):
    """The driver raised something; its `__cause__` is that."""


class ColumnsMissing(ConsumerError):
    """The table is there without some columns: the message names them."""


class Database:
    """One table. Methods raise `DatabaseFailed`."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._table = _table(place.table, place.schema)
        is_sqlite = place.url.kind == "sqlite"
        dialect: Any = sqlite if is_sqlite else postgresql
        self._insert = dialect.insert(self._table).on_conflict_do_nothing(index_elements=["id"])
        self._turns = asyncio.Semaphore(1 if is_sqlite else place.connections)
        self._engine = _engine(place)
        self._under_way: set[asyncio.Task[Any]] = set()

    async def prepare(self, create: bool) -> None:
        """Connect, make the table if asked, and look at it. Raises `ColumnsMissing` too."""
        if create:
            try:
                await self._whole(self._create)
            except DatabaseFailed:
                # Another process may have made it at the same time: then the second try finds it.
                await self._whole(self._create)
        missing = await self._whole(self._missing)
        if missing is None:
            raise ColumnsMissing(f"has no table {self._place.table!r}")
        if missing:
            names = ", ".join(missing)
            raise ColumnsMissing(f"has the table {self._place.table!r} without the columns {names}")

    async def put(self, rows: Sequence[dict[str, Any]]) -> None:
        """Put rows in, in one transaction; those whose id is there already are left as they are."""

        async def insert(connection: AsyncConnection) -> None:
            await connection.execute(self._insert, list(rows))

        await self._whole(insert)

    async def close(self) -> None:
        """Never raises."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=_CLOSE_SECS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_CLOSE_SECS)
        with contextlib.suppress(SQLAlchemyError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECS):
                await self._engine.dispose()

    async def _whole(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        task = asyncio.create_task(self._in_turn(work))
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def _in_turn(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self._turns:
            try:
                async with self._engine.begin() as connection:
                    return await work(connection)
            except Exception as error:  # Its drivers let errors of their own and of the system through.
                raise DatabaseFailed(type(error).__name__) from error

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Looked at: what nobody waits for any more is no news.
            task.exception()

    async def _create(self, connection: AsyncConnection) -> None:
        await connection.run_sync(self._table.metadata.create_all)

    async def _missing(self, connection: AsyncConnection) -> list[str] | None:
        """The columns that the table lacks; None when there is no table."""

        def look(synchronous: Any) -> list[str] | None:
            inspector = inspect(synchronous)
            if not inspector.has_table(self._place.table, schema=self._place.schema):
                return None
            there = {column["name"] for column in inspector.get_columns(self._table.name, self._table.schema)}
            return [column.name for column in self._table.columns if column.name not in there]

        return await connection.run_sync(look)


def _table(name: str, schema: str | None) -> Table:
    json_type = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    return Table(
        name,
        MetaData(schema=schema),
        Column("id", Text, primary_key=True),
        Column("pbx", Text, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("received_at", DateTime(timezone=True), nullable=False),
        Column("event", Text, nullable=False),
        Column("call", Text, nullable=False),
        Column("linkedid", Text, nullable=False),
        Column("extensions", json_type, nullable=False),
        Column("fields", json_type, nullable=False),
        Column("control", json_type),
        Column("snapshot", Boolean, nullable=False),
        Column("synthetic", Boolean, nullable=False),
        Column("replaced", Boolean, nullable=False),
        Index(_index_name(name, "received_at"), "received_at"),
        Index(_index_name(name, "call"), "call"),
    )


def _index_name(table: str, column: str) -> str:
    return f"{table[: _IDENTIFIER_CHARS - len(column) - 1]}_{column}"


def _engine(place: Place) -> AsyncEngine:
    url, arguments = place.url, {"timeout": place.timeout_secs}
    shared: dict[str, Any] = {"json_serializer": _json.encode, "hide_parameters": True, "max_overflow": 0}
    if url.kind == "sqlite":
        made = URL.create("sqlite+aiosqlite", database=str(url.path))
        return create_async_engine(made, connect_args=arguments, pool_size=1, **shared)
    made = URL.create("postgresql+asyncpg", username=url.user or None, password=url.password or None)
    made = made.set(host=url.host, port=url.port, database=url.name)
    settings = {"application_name": "ami-bus"}
    connect: dict[str, Any] = arguments | {"command_timeout": place.timeout_secs, "ssl": place.tls}
    connect["server_settings"] = settings
    return create_async_engine(made, connect_args=connect, pool_size=place.connections, **shared)


_json: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
