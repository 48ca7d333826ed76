"""Secrets of sinks: in a file of their own, or in an environment variable; never in the options themselves.

They are read when the sink is made, so that a missing one is told by `amibus check`, and again whenever it is
opened, so that a new one is taken after the old one was refused.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import SinkContext, SinkOptions

MAX_SECRET_BYTES: Final = 4096


@dataclass(slots=True, frozen=True)
class Source:
    """Where a text comes from; `key` is the option that says so."""

    key: str
    file: Path | None = None
    env: str = ""
    text: str = ""

    def read(self) -> str:
        """The text as it is now. Raises `SinkUnavailable` with a sentence that names the option."""
        if self.file is not None:
            return _checked(_read_file(self.key, self.file), f"{self.key}: {self.file}")
        if self.env:
            if self.env not in os.environ:
                raise SinkUnavailable(f"{self.key}: the environment variable {self.env} is not set")
            return _checked(os.environ[self.env], f"{self.key}: the environment variable {self.env}")
        return self.text


def secret_source(options: SinkOptions, name: str, context: SinkContext) -> Source | None:
    """Where the options `<name>_file` and `<name>_env` say that the secret is; None where neither is given.

    Raises `SinkMisconfigured` when both are given or it cannot be read.
    """
    sources = _sources(options, (f"{name}_file", f"{name}_env"), context)
    if len(sources) > 1:
        raise SinkMisconfigured(f"{name}_file and {name}_env are both given: one is enough")
    return _tried(sources[0]) if sources else None


def url_source(options: SinkOptions, context: SinkContext) -> Source:
    """Where `url`, `url_file` or `url_env` say that the URL is, exactly one of them.

    Raises `SinkMisconfigured` when that is not so, it cannot be read, or a password stands in `url`.
    """
    sources = _sources(options, ("url", "url_file", "url_env"), context)
    if len(sources) != 1:
        found = " and ".join(source.key for source in sources) or "none"
        raise SinkMisconfigured(f"exactly one of url, url_file, url_env must be given; found {found}")
    if (plain := sources[0].text) and _holds_password(plain):
        raise SinkMisconfigured(
            "url holds a password: put the URL into a file (url_file) or a variable (url_env)"
        )
    return _tried(sources[0])


def _sources(options: SinkOptions, keys: tuple[str, ...], context: SinkContext) -> list[Source]:
    found = []
    for key in keys:
        value: Any = getattr(options, key)
        if value is None or value == "":
            continue
        if key.endswith("_file"):
            found.append(Source(key, file=context.folder / Path(value).expanduser()))
        elif key.endswith("_env"):
            found.append(Source(key, env=str(value)))
        else:
            found.append(Source(key, text=str(value)))
    return found


def _tried(source: Source) -> Source:
    try:
        source.read()
    except SinkUnavailable as error:
        raise SinkMisconfigured(str(error)) from error
    return source


def _holds_password(url: str) -> bool:
    try:
        return ":" in urlsplit(url).netloc.rpartition("@")[0]
    except ValueError:
        return "@" in url


def _read_file(key: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                raise SinkUnavailable(f"{key}: {path} can be read by every user; run: chmod o-rwx {path}")
            data = file.read(MAX_SECRET_BYTES + 1)
        if len(data) > MAX_SECRET_BYTES:
            raise SinkUnavailable(f"{key}: {path} has more than {MAX_SECRET_BYTES} bytes")
        return data.decode().rstrip("\r\n")
    except OSError as error:
        raise SinkUnavailable(f"{key}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not chained: the codec's error holds the bytes.
        raise SinkUnavailable(f"{key}: {path} is not UTF-8 text") from None


def _checked(text: str, origin: str) -> str:
    if not text:
        raise SinkUnavailable(f"{origin} is empty")
    if any(ord(character) < 0x20 or 0xD800 <= ord(character) < 0xE000 for character in text):
        raise SinkUnavailable(f"{origin} must be one line of UTF-8 text")
    return text
