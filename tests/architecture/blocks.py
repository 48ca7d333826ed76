"""The documents' code blocks and tables."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md")])
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@dataclass(slots=True, frozen=True)
class Block:
    """One fenced block: `kind` is the word after the fence."""

    page: Path
    kind: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.text.splitlines()[0][:50] if self.text else ''}"


def blocks(*kinds: str) -> list[Block]:
    """All blocks of these kinds."""
    return [
        Block(page, kind, text)
        for page in PAGES
        for kind, text in _FENCE.findall(page.read_text(encoding="utf-8"))
        if kind in kinds
    ]


def command_lines(*kinds: str) -> list[tuple[Block, list[str]]]:
    """Every `amibus …` command line in blocks of these kinds, as words."""
    found = []
    for block in blocks(*kinds):
        for line in block.text.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["amibus"]:
                end = min((words.index(mark) for mark in (">", "|") if mark in words), default=len(words))
                found.append((block, words[1:end]))
    return found


def links(page: Path) -> list[str]:
    """Where the page's relative links lead."""
    return [to for to in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in to]


def table(page: Path, head: str) -> list[list[str]]:
    """The rows of the table whose first column is headed so, as cells without backquotes around them."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows
