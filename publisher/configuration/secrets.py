"""Secrets: where they come from, and how they stay unseen.

A secret stands in a file of its own (`*_file`), in an environment variable (`*_env`), or in the
configuration file itself if nobody else can read that. What the models hold is masked in `repr`, `str`,
`model_dump` and in every error; `reveal()` is the only way to the text.

Files are read again at each use, so that a rotated secret takes effect at the next login.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Secret, ValidationInfo
from pydantic_core import PydanticCustomError

from publisher.errors import ConfigurationError

MAX_SECRET_BYTES: Final = 4096
_USERINFO: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^:/?#@]*):(?P<password>.*)@")


def mask_url(url: str) -> str:
    """The URL with its password replaced by `***`; what follows the last `@` is never a password."""
    return _USERINFO.sub(r"\g<scheme>\g<user>:***@", url)


class SecretText(Secret[str]):
    """A secret in the configuration."""

    def _display(self) -> str:
        return "***"

    def reveal(self) -> str:
        return self.get_secret_value()


class SecretUrl(Secret[str]):
    """A URL that may carry a password; what is shown of it has none."""

    def _display(self) -> str:
        return mask_url(self.get_secret_value())

    def reveal(self) -> str:
        return self.get_secret_value()

    @property
    def holds_password(self) -> bool:
        return _USERINFO.search(self.get_secret_value()) is not None


def is_world_readable(path: Path) -> bool:
    """Whether every user of the machine may read the file. Windows keeps no such bit: never there."""
    return os.name == "posix" and bool(path.stat().st_mode & stat.S_IROTH)


def read_secret_file(path: Path) -> str:
    """The secret in a file, without the line end after it.

    Raises `ConfigurationError`: no such file, readable by everyone, empty, too large, several lines.
    """
    try:
        if is_world_readable(path):
            raise ConfigurationError(f"{path} can be read by every user; run: chmod o-rwx {path}")
        with path.open("rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
        text = data.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not chained: the codec's error holds the bytes.
        raise ConfigurationError(f"{path} is not UTF-8 text") from None
    if len(data) > MAX_SECRET_BYTES:
        raise ConfigurationError(f"{path} is too large for a secret (at most {MAX_SECRET_BYTES} bytes)")
    return check_secret(text, str(path))


def check_secret(text: str, origin: str) -> str:
    """The secret if it can be one: not empty, one line. `origin` is named in the error."""
    if not text:
        raise ConfigurationError(f"{origin} is empty")
    if any(ord(character) < 0x20 for character in text):
        raise ConfigurationError(f"{origin} must be a single line without control characters")
    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        # The system gives bytes of a variable that are no UTF-8 as halves of characters.
        raise ConfigurationError(f"{origin} is not UTF-8 text")
    return text


def read_secret_env(name: str, environ: Mapping[str, str]) -> str:
    """The secret in an environment variable. Raises `ConfigurationError` when it is not set."""
    if name not in environ:
        raise ConfigurationError(f"the environment variable {name} is not set")
    return check_secret(environ[name], f"the environment variable {name}")


def context_of(info: ValidationInfo) -> dict[str, Any]:
    return info.context if isinstance(info.context, dict) else {}


def checked_file(path: Path | None, info: ValidationInfo) -> Path | None:
    """Resolve a secret's file against the configuration's folder, and check that it can be used."""
    if path is None:
        return None
    resolved = resolve(path, info)
    try:
        read_secret_file(resolved)
    except ConfigurationError as error:
        raise refused(str(error)) from None
    return resolved


def checked_env(name: str | None, info: ValidationInfo) -> str | None:
    if name is None:
        return None
    try:
        read_secret_env(name, context_of(info).get("environ", os.environ))
    except ConfigurationError as error:
        raise refused(str(error)) from None
    return name


def resolve(path: Path, info: ValidationInfo) -> Path:
    """A path of the configuration: relative ones start at the configuration file's folder."""
    folder = context_of(info).get("folder")
    return (Path(folder) / path.expanduser()) if folder else path.expanduser()


def refused(text: str) -> PydanticCustomError:
    # The text goes in as data: a brace in a path would be read as a template.
    return PydanticCustomError("refused", "{text}", {"text": text})
