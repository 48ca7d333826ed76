"""What the contract suite needs from a command journal: one that is opened, closed, and opened again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from publisher.adapters.audit_file import AuditFile
from publisher.adapters.command_journal import MAX_ROWS, SqliteCommandJournal, open_command_journal
from publisher.command_ports import CommandJournal
from publisher.commanding.entries import SentLine
from tests.fakes.command_journal import FakeCommandJournal

AUDIT = "main.audit.jsonl"


class JournalHarness(Protocol):
    """One PBX's journal, open."""

    @property
    def journal(self) -> CommandJournal: ...

    async def reopen(self) -> None:
        """Close it, and open it as another process does."""
        ...

    def audit(self) -> list[bytes]:
        """All lines of the audit."""
        ...

    async def refuse_audit(self) -> None:
        """From now on the audit takes nothing."""
        ...

    async def allow_audit(self) -> None: ...

    async def close(self) -> None: ...


class FakeJournalHarness:
    def __init__(self) -> None:
        self.journal = FakeCommandJournal()

    async def reopen(self) -> None:
        await self.journal.close()
        self.journal.reopen()

    def audit(self) -> list[bytes]:
        return list(self.journal.audit)

    async def refuse_audit(self) -> None:
        self.journal.audit_refusal = "the audit takes nothing"

    async def allow_audit(self) -> None:
        self.journal.audit_refusal = ""

    async def close(self) -> None:
        await self.journal.close()


class SqliteJournalHarness:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._journal: SqliteCommandJournal | None = None

    @property
    def journal(self) -> SqliteCommandJournal:
        assert self._journal is not None
        return self._journal

    @property
    def path(self) -> Path:
        return self.folder / "main.commands"

    async def open(self, keep_secs: float = 86_400.0, max_rows: int = MAX_ROWS) -> None:
        self._journal = None
        audit = AuditFile(self.folder / "audits" / AUDIT, 1 << 20, 3)
        self._journal = await open_command_journal(self.folder, "main", audit, keep_secs, max_rows)

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    def audit(self) -> list[bytes]:
        path = self.folder / "audits" / AUDIT
        return path.read_bytes().splitlines() if path.exists() else []

    async def refuse_audit(self) -> None:
        """Where its folder should be there is a file."""
        assert not self.audit()
        (self.folder / "audits").write_text("in the way")

    async def allow_audit(self) -> None:
        (self.folder / "audits").unlink()

    async def close(self) -> None:
        await self.journal.close()


def lines(ids: Iterable[str], sent_us: int = 1_000, body: bytes = b"body") -> list[SentLine]:
    return [SentLine(id=id, body=body, sent_us=sent_us, event_pos=7, ring_ms=30_000) for id in ids]
