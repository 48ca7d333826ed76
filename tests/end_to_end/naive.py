"""A decoder that shares nothing with the product: split on empty lines, partition on the first colon.

It is only right where nothing is odd; `Naive.ordinary` says so, and `text` is the packet itself, always.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from pathlib import Path

_LONE = re.compile("[\ud800-\udfff]")
_ROOT = Path(__file__).parents[2]
_RECORDED = [_ROOT / "../shared/traces" / name for name in ("20/mixed-90s", "11/mixed-90s", "22/mixed-30s")]
_OWN = [_ROOT / "tests/corpus" / f"events-{version}.ami" for version in ("20", "11", "22")]


def traces() -> list[Path]:
    """The large recordings where they lie beside the checkout, else the project's own small ones."""
    recorded = [path.with_name(path.name + ".ami.gz") for path in _RECORDED]
    return [path for path in recorded if path.exists()] or _OWN


@dataclass(slots=True, frozen=True)
class Naive:
    """One packet of a recording: `fields` in order, of a repeated header a list."""

    raw: bytes
    text: str
    fields: dict[str, str | list[str]]

    @property
    def is_event(self) -> bool:
        return self.raw.startswith(b"Event: ")

    @property
    def name(self) -> str:
        return str(self.fields.get("Event", ""))

    @property
    def ordinary(self) -> bool:
        """Whether the fields alone give the text back."""
        lines = [
            f"{name}: {value}\r\n"
            for name, values in self.fields.items()
            for value in (values if isinstance(values, list) else [values])
        ]
        return "".join(lines) == self.text and "\n" not in self.text.replace("\r\n", "")


def packets(path: Path) -> list[Naive]:
    """What the PBX said of itself in a recording: everything but the greeting and the answers."""
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    if data.startswith(b"Asterisk Call Manager"):
        data = data.split(b"\r\n", 1)[1]
    pieces = data.split(b"\r\n\r\n")[:-1]
    assert not any(piece.startswith(b"Response: Follows") for piece in pieces), "cannot be read so simply"
    return [_decoded(piece + b"\r\n") for piece in pieces if not piece.startswith(b"Response: ")]


def _decoded(raw: bytes) -> Naive:
    text = _LONE.sub("\ufffd", raw.decode("utf-8", "surrogateescape"))
    fields: dict[str, str | list[str]] = {}
    for line in text.removesuffix("\r\n").split("\r\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        known = fields.get(name)
        if known is None:
            fields[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            fields[name] = [known, value]
    return Naive(raw, text, fields)


def text_of(body: dict[str, object]) -> str:
    """The packet's text from a message's body, by the contract's words alone."""
    if "text" in body:
        return str(body["text"])
    fields = body["fields"]
    assert isinstance(fields, dict)
    return "".join(
        f"{name}: {value}\r\n"
        for name, values in fields.items()
        for value in (values if isinstance(values, list) else [values])
    )
