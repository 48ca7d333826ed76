"""The bindings of the embedded bus, kept in one small JSON file beside the journals.

A binding's keys may change while messages wait in it. As on RabbitMQ, what was routed before stays routed
by the keys of its time; so the file keeps generations: keys, and for each PBX the position after which
they count. Generations that every record has passed are dropped; at most 16 are kept, then the oldest two
become one with the keys of both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from publisher.errors import JournalDamaged, JournalError

MAX_GENERATIONS: Final = 16


@dataclass(slots=True)
class Generation:
    """`keys` count for the records of a PBX after `since[pbx]` (0 where it is not named)."""

    keys: tuple[str, ...]
    since: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class BindingRecord:
    """A binding as the bus keeps it; the last generation is the current one."""

    name: str
    durable: bool
    generations: list[Generation]

    def change_keys(self, keys: tuple[str, ...], ends: Mapping[str, int], done: Mapping[str, int]) -> bool:
        """Let `keys` count after `ends`; `done` tells how far the binding's cursors are. True if changed."""
        if self.generations[-1].keys == keys:
            return False
        self.generations.append(Generation(keys, dict(ends)))
        while len(self.generations) > 1 and all(
            done.get(pbx, 0) >= self.generations[1].since.get(pbx, 0) for pbx in ends
        ):
            del self.generations[0]
        if len(self.generations) > MAX_GENERATIONS:
            first, second = self.generations[:2]
            both = tuple(dict.fromkeys(first.keys + second.keys))
            self.generations[:2] = [Generation(both, first.since)]
        return True


class BindingsFile:
    """Reads and writes the file. Without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> dict[str, BindingRecord]:
        """Raises `JournalDamaged` when the file makes no sense, `JournalError` when it cannot be read."""
        if self._path is None:
            return {}
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise JournalError(f"the bindings file {self._path} cannot be read: {error}") from error
        try:
            return {
                str(name): BindingRecord(
                    str(name),
                    True,
                    [
                        Generation(
                            tuple(map(str, item["keys"])), {k: int(v) for k, v in item["since"].items()}
                        )
                        for item in generations
                    ],
                )
                for name, generations in json.loads(text)["bindings"].items()
                if generations
            }
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise JournalDamaged(
                f"the bindings file {self._path} is damaged; move it away and bind again"
            ) from error

    def save(self, bindings: Mapping[str, BindingRecord]) -> None:
        """Write the durable ones; the file is whole at any moment. Raises `JournalError`."""
        if self._path is None:
            return
        kept = {
            record.name: [{"keys": part.keys, "since": part.since} for part in record.generations]
            for record in bindings.values()
            if record.durable
        }
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump({"bindings": kept}, file, ensure_ascii=False, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise JournalError(
                f"the bindings file {self._path} cannot be written: {error.strerror}"
            ) from error
