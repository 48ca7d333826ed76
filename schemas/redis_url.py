"""A Redis's URL, taken apart, and shown without its password.

redis://user:password@host:6379/0                 one server; rediss:// with TLS, unix:///path for a socket
redis+sentinel://user:password@host1,host2/name   the master that these sentinels know under the name
redis+cluster://user:password@host1,host2         a cluster; a few of its nodes are enough
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

FORMS: Final = (
    "redis://user:password@host:port/db, rediss://…, unix:///path, redis+sentinel://host1,host2/name, "
    "redis+cluster://host1,host2"
)
_KINDS: Final = {"redis": "single", "redis+sentinel": "sentinel", "redis+cluster": "cluster", "unix": "unix"}
_DB: Final = re.compile("[0-9]{1,9}")
_PORTS: Final = {"single": 6379, "sentinel": 26379, "cluster": 6379, "unix": 0}


@dataclass(slots=True, frozen=True)
class RedisUrl:
    """`kind` is "single", "unix", "sentinel" or "cluster". Never show `password`."""

    kind: str
    secure: bool
    hosts: tuple[tuple[str, int], ...]
    user: str
    password: str = field(repr=False)
    db: int = 0
    service: str = ""
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> RedisUrl:
        """Raises `ValueError` with a sentence that holds no secret."""
        wrong = ValueError(f"the Redis URL has a form that is not allowed; allowed: {FORMS}")
        try:
            parts = urlsplit(text)
        except ValueError:
            raise wrong from None
        secure = parts.scheme.startswith("rediss")
        kind = _KINDS.get(parts.scheme.replace("rediss", "redis", 1), "")
        login, _, where = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        credentials = (unquote(user), unquote(password))
        if not kind or parts.query or parts.fragment:
            raise wrong
        if kind == "unix":
            if where or not parts.path.startswith("/"):
                raise wrong
            return cls(kind, False, (), *credentials, path=unquote(parts.path))
        hosts = tuple(_host(one, _PORTS[kind]) for one in where.split(","))
        if None in hosts or (kind == "single" and len(hosts) > 1):
            raise wrong
        words = [unquote(word) for word in parts.path.strip("/").split("/") if word]
        service = words.pop(0) if kind == "sentinel" and words else ""
        db = words.pop(0) if words and kind != "cluster" else "0"
        if words or (kind == "sentinel" and not service) or not _DB.fullmatch(db):
            raise wrong
        known = tuple(one for one in hosts if one is not None)
        return cls(kind, secure, known, *credentials, db=int(db), service=service)

    @property
    def shown(self) -> str:
        """Who and where: fit for messages and logs."""
        who = f"{self.user}@" if self.user else ""
        if self.kind == "unix":
            return f"unix://{self.path}"
        scheme = "rediss" if self.secure else "redis"
        scheme += "" if self.kind == "single" else f"+{self.kind}"
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        path = f"/{self.service}" if self.service else ""
        path += f"/{self.db}" if self.db else ""
        return f"{scheme}://{who}{hosts}{path}"

    def __str__(self) -> str:
        return self.shown


def _host(text: str, default_port: int) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port or default_port) if host else None
