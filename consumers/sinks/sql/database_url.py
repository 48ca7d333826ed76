"""A database's URL, taken apart, and shown without its password.

postgresql://user:password@host:port/name     also postgres:// and postgresql+asyncpg://
postgresql://user@/name?host=/run/postgresql  by the server's socket
sqlite:///relative/path, sqlite:////absolute  also sqlite+aiosqlite:///
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

_FORMS: Final = "postgresql://user@host:port/name or sqlite:///path"
_POSTGRESQL: Final = {"postgresql", "postgres", "postgresql+asyncpg"}
_SQLITE: Final = {"sqlite", "sqlite+aiosqlite"}


@dataclass(slots=True, frozen=True)
class DatabaseUrl:
    """`path` is SQLite's file; `host` a name, an address, or a socket's folder. Never show `password`."""

    kind: Literal["postgresql", "sqlite"]
    path: Path = Path()
    host: str = ""
    port: int = 5432
    user: str = ""
    password: str = field(default="", repr=False)
    name: str = ""

    @classmethod
    def parse(cls, text: str, folder: Path) -> DatabaseUrl:
        """A relative path starts at `folder`. Raises `ValueError` with a sentence that holds no secret."""
        wrong = ValueError(f"the URL has a form that is not allowed; allowed: {_FORMS}")
        try:
            parts = urlsplit(text)
            port = parts.port
            asked = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise wrong from None
        if parts.fragment:
            raise wrong
        if parts.scheme in _SQLITE:
            path = unquote(parts.path.removeprefix("/"))
            if parts.netloc or asked or not path or path == ":memory:":
                raise wrong
            return cls("sqlite", path=folder / Path(path).expanduser())
        if parts.scheme not in _POSTGRESQL or asked.keys() - {"host"}:
            raise wrong
        host = unquote(parts.hostname or "") or asked.get("host", [""])[0]
        name = unquote(parts.path.strip("/"))
        if not name or not host or (parts.hostname and asked):
            raise wrong
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls("postgresql", host=host, port=port or 5432, user=user, password=password, name=name)

    @property
    def shown(self) -> str:
        """Where and who: fit for messages and logs."""
        if self.kind == "sqlite":
            return f"sqlite:///{self.path}"
        who = f"{self.user}@" if self.user else ""
        if self.host.startswith("/"):
            return f"postgresql://{who}/{self.name}?host={self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{who}{host}:{self.port}/{self.name}"

    def __str__(self) -> str:
        return self.shown
