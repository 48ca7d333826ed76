"""The sink itself: a take is one transaction; an event whose id is in the table already is left as it is.

Where the database refuses a row (not the connection, not the table), the take is halved until that row is
found: it alone is rejected, and the others get in. Bounds: `batch` events a transaction; n events make 2n - 1
transactions at most.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any, ClassVar

from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import DONE, Outcome, Reject, Retry, SinkContext, SinkEvent, SinkOptions
from consumers.sinks.secrets import url_source
from consumers.sinks.sql.database_url import DatabaseUrl
from consumers.sinks.sql.driver import ColumnsMissing, Database, DatabaseFailed, Place
from consumers.sinks.sql.failures import Failure, Kind, failure
from consumers.sinks.sql.options import SqlOptions
from consumers.sinks.sql.rows import row_of
from consumers.sinks.tls import tls_context
from consumers.sinks.verdicts import Verdicts


class SqlSink:
    """See the module."""

    Options: ClassVar[type[SinkOptions]] = SqlOptions
    most_events: ClassVar[int] = 500

    def __init__(self, options: SqlOptions, context: SinkContext) -> None:
        self._options = options
        self._folder = context.folder
        self._source = url_source(options, context)
        try:
            self._url = DatabaseUrl.parse(self._source.read(), self._folder)
        except ValueError as error:
            raise SinkMisconfigured(f"{self._source.key}: {error}") from error
        if self._url.kind == "sqlite" and options.db_schema:
            raise SinkMisconfigured("schema: SQLite has none")
        self._tls: ssl.SSLContext | str = "disable" if options.tls == "off" else options.tls
        if options.tls == "require":
            self._tls = tls_context(options.verify, options.ca_file, context)
        elif options.ca_file:
            raise SinkMisconfigured('ca_file is for tls = "require"')
        self._database: Database | None = None

    async def open(self) -> None:
        options = self._options
        try:
            self._url = DatabaseUrl.parse(self._source.read(), self._folder)
        except ValueError as error:
            raise SinkUnavailable(f"{self._source.key}: {error}") from error
        folder = self._url.path.parent
        if self._url.kind == "sqlite" and not folder.is_dir():
            raise SinkUnavailable(f"the folder {folder} does not exist: make it, or correct the URL")
        place = Place(
            self._url, options.table, options.db_schema, options.connections, options.timeout_secs, self._tls
        )
        self._database = Database(place)
        try:
            await self._database.prepare(options.create)
        except ColumnsMissing as error:
            raise SinkUnavailable(f"{self._url.shown} {error}") from error
        except DatabaseFailed as error:
            raise SinkUnavailable(self._failure(error).sentence) from error

    async def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    async def take(self, events: Sequence[SinkEvent]) -> Sequence[Outcome]:
        verdicts = Verdicts(events)
        rows = [row_of(event.event) for event in events]
        try:
            await self._put(rows, verdicts, list(range(len(events))))
        except SinkUnavailable as error:
            return verdicts.unavailable(error)
        return verdicts.all()

    async def _put(self, rows: list[dict[str, Any]], verdicts: Verdicts, places: list[int]) -> None:
        places = verdicts.those_that_may_go(places)
        if not places:
            return
        if self._database is None:
            raise SinkUnavailable(f"{self._url.shown}: the sink is not open")
        try:
            await self._database.put([rows[place] for place in places])
        except DatabaseFailed as error:
            cause, found = error, self._failure(error)
        else:
            verdicts.put(places, DONE)
            return
        match found.kind:
            case Kind.NOTHING:
                raise SinkUnavailable(found.sentence) from cause
            case Kind.LATER:
                verdicts.put(places, Retry(found.sentence))
            case Kind.ROW if len(places) > 1:
                middle = len(places) // 2
                await self._put(rows, verdicts, places[:middle])
                await self._put(rows, verdicts, places[middle:])
            case _:
                verdicts.put(places, Reject(found.sentence))

    def _failure(self, error: DatabaseFailed) -> Failure:
        assert error.__cause__ is not None
        return failure(self._url.shown, error.__cause__, self._options.timeout_secs)
