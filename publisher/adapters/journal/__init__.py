"""The journal on disk: one SQLite file a PBX. `open_journal` writes, `open_journal_reader` looks on."""

from publisher.adapters.journal.journal import SUFFIX, SqliteJournal, journal_path, open_journal
from publisher.adapters.journal.loss import Loss
from publisher.adapters.journal.reader import JournalReader, open_journal_reader
from publisher.adapters.journal.settings import JournalSettings

__all__ = [
    "SUFFIX",
    "JournalReader",
    "JournalSettings",
    "Loss",
    "SqliteJournal",
    "journal_path",
    "open_journal",
    "open_journal_reader",
]
