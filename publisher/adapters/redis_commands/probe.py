"""Is a Redis fit for the command queue? Its version, what it forgets in a crash, what it throws away."""

from __future__ import annotations

from typing import Final

from publisher.adapters.redis_commands.driver import RedisLink, RedisSettings, client_maker
from publisher.errors import QueueRefused
from schemas.command_queue import CommandKeys

_OLDEST: Final = 7
# A name that no PBX has: nothing of anybody's is touched.
_NOBODY: Final = CommandKeys("-check-")


async def probe_redis(settings: RedisSettings) -> tuple[str, list[str]]:
    """What the server is, in words, and a warning for each thing that should be otherwise.

    Raises `QueueUnreachable`, `QueueRefused`.
    """
    link = RedisLink(settings.url, client_maker(settings), settings.timeout_secs)
    try:
        keys = (_NOBODY.fence, _NOBODY.interactive, _NOBODY.active)
        words = [word.decode("utf-8", "replace") for word in await link.run("probe", keys, ())]
    finally:
        await link.close()
    facts = dict(zip(words[::2], words[1::2], strict=True))
    version = facts.get("redis_version", "")
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < _OLDEST:
        raise QueueRefused(f"{settings.url} is Redis {version}; {_OLDEST} or later is needed")
    return f"{settings.url} is Redis {version or 'of a version that it does not tell'}", _warnings(facts)


def _warnings(facts: dict[str, str]) -> list[str]:
    warnings = []
    if "run_id" not in facts:
        warnings.append("INFO is not allowed: a restart of the server is noticed less surely; grant +info")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and facts.get("maxmemory", "0") != "0":
        warnings.append(f"maxmemory-policy is {policy}: it may throw commands away; set noeviction")
    if facts.get("aof_enabled") == "0":
        warnings.append("it keeps no append-only file: a crash forgets commands; set appendonly yes")
    if facts.get("role") == "slave":
        warnings.append("it is a replica: commands must go to its master")
    return warnings
