"""The command journal on SQLite: one file a PBX, beside the event journal, written by a thread of its own.

* A command's row is committed with a sync to the disk before the command goes to the PBX (`note_sent`):
  neither a crash nor a power cut makes it be sent again. How it ended is committed without waiting for the
  disk: a power cut may cost the last of these, never a row that says `sent`.
* The id is the primary key: what has a row cannot be noted, and so cannot be sent, a second time.
* Whoever holds the event journal's lock holds this file too; it needs none of its own.

Bounds: rows that are final go after `keep_secs`, the oldest first beyond `MAX_ROWS`; those that are not final
stay. All statements run in one thread, one after another.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

from publisher.adapters.audit_file import AuditFile
from publisher.adapters.journal.sqlite_file import SqliteFile
from publisher.commanding.entries import FinalReply, JournalledCommand, Memory, SentLine
from publisher.errors import CommandJournalError, JournalError

MAX_ROWS: Final = 1_000_000
_RETENTION_SECS: Final = 60.0
# Rows of commands that were never sent: a tenth of all.
_UNSENT_SHARE: Final = 10
_DELETED_AT_ONCE: Final = 2_000
_CHECKPOINT_ROWS: Final = 2_000
_COLUMNS: Final = "id, body, sent_us, event_pos, ring_ms, state, reply"
_AT_ONCE: Final = 500

T = TypeVar("T")


async def open_command_journal(
    folder: Path,
    pbx: str,
    audit: AuditFile | None = None,
    keep_secs: float = 7 * 86_400,
    max_rows: int = MAX_ROWS,
) -> SqliteCommandJournal:
    """Open or make the journal of a PBX. Raises `CommandJournalError`."""
    journal = SqliteCommandJournal(folder / f"{pbx}.commands", audit, keep_secs, max_rows)
    try:
        await journal.open()
    except CommandJournalError:
        await journal.close()
        raise
    return journal


class SqliteCommandJournal:
    """Implements `publisher.command_ports.CommandJournal`."""

    def __init__(self, path: Path, audit: AuditFile | None, keep_secs: float, max_rows: int) -> None:
        self._path = path
        self._audit = audit
        self._max_rows = max_rows
        self._keep_us = int(keep_secs * 1_000_000)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="command-write")
        self._file: SqliteFile | None = None
        self._closed = False
        self._rows_since_checkpoint = 0
        self._retention_due = 0.0
        self.owner = ""

    async def open(self) -> None:
        await self._run(self._open)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = file = SqliteFile(self._path, writable=True, power=True)
        self._path.chmod(0o600)
        file.run_script(
            files("publisher.adapters").joinpath("command_journal.sql").read_text(encoding="utf-8")
        )
        owner = file.value("SELECT value FROM meta WHERE key = 'owner'")
        if owner is None:
            owner = uuid.uuid4().hex
            file.run("INSERT INTO meta VALUES ('owner', ?)", (owner,))
        self.owner = str(owner)

    # -- tenures ------------------------------------------------------------

    async def memory(self) -> Memory:
        return await self._run(self._memory)

    def _memory(self) -> Memory:
        kept = dict(self._rows("SELECT key, value FROM meta"))
        return Memory(
            int(kept.get("epoch", 0)),
            str(kept.get("identity", "")),
            int(kept.get("writes", 0)),
            int(kept.get("seen_ms", 0)),
        )

    async def remember(self, memory: Memory) -> None:
        def write() -> None:
            rows = {"epoch": memory.epoch, "identity": memory.identity}
            rows |= {"writes": memory.writes, "seen_ms": memory.seen_ms}
            file = self._opened()
            self._set_power(False)
            with file.transaction():
                file.run_each(
                    "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    [(key, str(value)) for key, value in rows.items()],
                )
            self._tidy()

        await self._run(write)

    # -- commands -----------------------------------------------------------

    async def note_sent(
        self, lines: Sequence[SentLine], audit: Sequence[bytes] = ()
    ) -> list[JournalledCommand | None]:
        def write() -> list[JournalledCommand | None]:
            file = self._opened()
            self._set_power(True)
            noted: list[JournalledCommand | None] = []
            # The audit first: a line of it without a row is a command that was not sent, and says no worse.
            self._write_audit(audit)
            try:
                with file.transaction():
                    for line in lines:
                        new = file.run(
                            "INSERT OR IGNORE INTO command (id, body, sent_us, event_pos, ring_ms) "
                            "VALUES (?, ?, ?, ?, ?)",
                            (line.id, line.body, line.sent_us, line.event_pos, line.ring_ms),
                        )
                        noted.append(None if new else self._one(line.id))
            except JournalError:
                if self._audit is not None and audit:
                    # It will be tried again, for as long as the disk refuses.
                    self._audit.take_back()
                raise
            self._rows_since_checkpoint += len(lines)
            return noted

        return await self._run(write)

    async def note_finals(self, finals: Sequence[FinalReply], audit: Sequence[bytes] = ()) -> None:
        def write() -> None:
            file = self._opened()
            self._set_power(False)
            now_us = time.time_ns() // 1000
            with file.transaction():
                file.run_each(
                    "INSERT INTO command (id, body, state, reply, final_us) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (id) DO UPDATE SET state = excluded.state, reply = excluded.reply, "
                    "final_us = excluded.final_us WHERE command.state = ''",
                    [
                        (final.id, final.body, str(final.state), final.kept or final.reply, now_us)
                        for final in finals
                    ],
                )
            self._rows_since_checkpoint += len(finals)
            self._tidy()
            self._write_audit(audit)

        await self._run(write)

    async def known(self, ids: Iterable[str]) -> dict[str, JournalledCommand]:
        def read() -> dict[str, JournalledCommand]:
            wanted = list(ids)
            found: list[JournalledCommand] = []
            for first in range(0, len(wanted), _AT_ONCE):
                some = wanted[first : first + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                found += self._commands(f"WHERE id IN ({marks})", some)
            return {one.id: one for one in found}

        return await self._run(read)

    async def unfinished(self) -> list[JournalledCommand]:
        return await self._run(lambda: self._commands("WHERE state = '' ORDER BY sent_us", ()))

    async def finals_since(self, us: int, most: int) -> list[JournalledCommand]:
        where = "WHERE state <> '' AND final_us > ? ORDER BY final_us DESC LIMIT ?"
        return await self._run(lambda: self._commands(where, (us, most)))

    async def close(self) -> None:
        """Bring everything into the file and close it. Never raises."""

        def end() -> None:
            if self._file is not None:
                # What a checkpoint cannot bring in stays in the log beside the file.
                with contextlib.suppress(JournalError):
                    self._file.checkpoint()
                self._file.close()
                self._file = None
            if self._audit is not None:
                self._audit.close()

        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, end)
            self._thread.shutdown(wait=False)

    # -- in the thread ------------------------------------------------------

    def _opened(self) -> SqliteFile:
        if self._file is None:
            raise CommandJournalError(f"the command journal {self._path} is closed")
        return self._file

    def _set_power(self, power: bool) -> None:
        self._opened().run(f"PRAGMA synchronous = {'FULL' if power else 'NORMAL'}")

    def _write_audit(self, lines: Sequence[bytes]) -> None:
        if self._audit is not None and lines:
            self._audit.write(lines)

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._opened().rows(statement, values)

    def _one(self, id: str) -> JournalledCommand | None:
        found = self._commands("WHERE id = ?", (id,))
        return found[0] if found else None

    def _commands(self, where: str, values: Sequence[Any]) -> list[JournalledCommand]:
        rows = self._rows(f"SELECT {_COLUMNS} FROM command {where}", values)
        return [
            JournalledCommand(
                id=id, body=body, sent_us=sent, event_pos=pos, ring_ms=ring, state=state, reply=reply
            )
            for id, body, sent, pos, ring, state, reply in rows
        ]

    def _tidy(self) -> None:
        """Retention once a minute, a checkpoint every so many rows; both in small pieces."""
        file = self._opened()
        now = time.monotonic()
        if now >= self._retention_due:
            limit_us = time.time_ns() // 1000 - self._keep_us
            old = "SELECT rowid FROM command WHERE state <> '' AND final_us <= ? ORDER BY final_us LIMIT ?"
            deleted = file.run(f"DELETE FROM command WHERE rowid IN ({old})", (limit_us, _DELETED_AT_ONCE))
            unsent = int(file.value("SELECT count(*) FROM command WHERE sent_us = 0 AND state <> ''"))
            if unsent > self._max_rows // _UNSENT_SHARE:
                # What was only refused must not push out what was sent.
                refused = (
                    "SELECT rowid FROM command WHERE sent_us = 0 AND state <> '' ORDER BY final_us LIMIT ?"
                )
                most = min(unsent - self._max_rows // _UNSENT_SHARE, _DELETED_AT_ONCE)
                deleted += file.run(f"DELETE FROM command WHERE rowid IN ({refused})", (most,))
            over = int(file.value("SELECT count(*) FROM command")) - self._max_rows
            if over > 0:
                oldest = "SELECT rowid FROM command WHERE state <> '' ORDER BY final_us LIMIT ?"
                deleted += file.run(
                    f"DELETE FROM command WHERE rowid IN ({oldest})", (min(over, _DELETED_AT_ONCE),)
                )
            if deleted:
                # As a script: a single statement would give back one page.
                file.run_script("PRAGMA incremental_vacuum(1000)")
            # There may be more to delete: soon again then, so that no single piece takes long.
            self._retention_due = now + (1.0 if deleted >= _DELETED_AT_ONCE else _RETENTION_SECS)
        if self._rows_since_checkpoint >= _CHECKPOINT_ROWS:
            self._rows_since_checkpoint = 0
            file.checkpoint()

    async def _run(self, work: Callable[[], T]) -> T:
        """Run in the thread, to the end, whatever becomes of the caller."""
        if self._closed:
            raise CommandJournalError(f"the command journal {self._path} is closed")
        try:
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))
        except JournalError as error:
            raise CommandJournalError(f"the command journal {self._path} takes nothing: {error}") from error
