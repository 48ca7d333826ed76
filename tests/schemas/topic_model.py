"""RabbitMQ's topic rule, written down as naively as it can be: the model that the matchers are held to."""

from __future__ import annotations


def takes(pattern: str, key: str) -> bool:
    return takes_words(words(pattern), words(key))


def words(text: str) -> list[str]:
    return text.split(".") if text else []


def takes_words(pattern: list[str], key: list[str]) -> bool:
    if not pattern:
        return not key
    if pattern[0] == "#":
        return any(takes_words(pattern[1:], key[skipped:]) for skipped in range(len(key) + 1))
    return bool(key) and pattern[0] in ("*", key[0]) and takes_words(pattern[1:], key[1:])
