"""The recorded bytes: the project's own small ones, and the large ones beside the checkout where they are."""

from __future__ import annotations

import gzip
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_RECORDED = _ROOT.parent / "shared" / "traces"
_OWN = _ROOT / "tests" / "corpus"


def dialogues() -> list[Path]:
    """One server's side of one dialogue each."""
    own = sorted(_OWN.glob("ami_*.ami")) + sorted(_OWN.glob("dialogues/*/*.ami"))
    return own + sorted(_RECORDED.glob("*/actions/*.ami"))


def streams() -> list[Path]:
    """Long recordings of ordinary traffic."""
    return sorted(_RECORDED.glob("*/mixed-*.ami.gz"))


def corpus() -> list[Path]:
    """The project's own small files."""
    return sorted(_OWN.glob("ami_*.ami"))


def read(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def short_name(path: Path) -> str:
    """A test's id."""
    return f"{path.parent.name}-{path.name}" if "shared" in path.parts else path.name
