"""What was measured: rows of the table, each with its goal, and the table itself."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.machine import Machine

NARROW = 150


@dataclass(slots=True, frozen=True)
class Row:
    """One line of the table. `share` is how much of its goal a figure reaches: 1 and above is met.

    `figure` is in `unit`; `goal` says in words what is wanted, and is empty for what is only reported.
    `runs` holds the single repetitions behind the figure, `note` what else belongs to it.
    """

    work: str
    figure: float | None
    unit: str
    goal: str = ""
    share: float | None = None
    runs: tuple[float, ...] = ()
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "absent"
        if self.share is None:
            return ""
        return "met" if self.share >= 1 else "missed"


def at_least(work: str, runs: Sequence[float], goal: float, unit: str, note: str = "") -> Row:
    """The median of the runs, wanted to be `goal` or more."""
    figure = statistics.median(runs)
    return Row(work, figure, unit, f"≥ {shown(goal)}", figure / goal, tuple(runs), note)


def at_most(work: str, runs: Sequence[float], goal: float, unit: str, note: str = "") -> Row:
    """The median of the runs, wanted to be `goal` or less."""
    figure = statistics.median(runs)
    return Row(work, figure, unit, f"≤ {shown(goal)}", goal / figure if figure else 1.0, tuple(runs), note)


def reported(work: str, runs: Sequence[float], unit: str, note: str = "") -> Row:
    """The median of the runs, with no goal of its own."""
    return Row(work, statistics.median(runs), unit, runs=tuple(runs), note=note)


def absent(work: str, why: str) -> Row:
    return Row(work, None, "", note=why)


def shown(value: float) -> str:
    """Large numbers with thousands' separators, small ones with two digits after the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")


def spread(runs: Sequence[float]) -> str:
    return f"{shown(min(runs))} to {shown(max(runs))}" if len(runs) > 1 else ""


def print_table(machine: Machine, rows: Sequence[Row]) -> None:
    """The table, and the machine that it was measured on."""
    table = Table(title="ami-bus benchmarks", title_justify="left", show_lines=False)
    for heading in ("work", "figure", "goal", "of goal", "verdict", "single runs", "remarks"):
        justify = "right" if heading in ("figure", "goal", "of goal") else "left"
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(
            row.work,
            "-" if row.figure is None else f"{shown(row.figure)} {row.unit}",
            row.goal,
            "" if row.share is None else f"{row.share:.2f}",
            row.verdict,
            spread(row.runs),
            row.note,
        )
    console = Console()
    # A file or a pipe has no width of its own; the table must not be folded for it.
    wide = Console(width=max(NARROW, console.width)) if not console.is_terminal else console
    wide.print(table)
    wide.print(machine.sentence, highlight=False)


def write_json(path: Path, machine: Machine, rows: Sequence[Row]) -> None:
    """The same as JSON: the machine, and each row with its single runs and verdict."""
    found = {"machine": asdict(machine), "rows": [{**asdict(row), "verdict": row.verdict} for row in rows]}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
