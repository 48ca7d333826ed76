"""Topic matching, equal to RabbitMQ's: which keys a pattern takes.

A key and a pattern are words separated by `.`. In a pattern the word `*` takes exactly one word and `#`
zero or more; any other word, also one that holds `*` or `#` beside other characters, takes itself. Empty
words count (`a..b` has three words, `.` two), but the empty key has no word at all.
(RabbitMQ: rabbit_exchange_type_topic / rabbit_db_topic_exchange, `split_topic_key`.)

Strategy: both matchers run all alternatives at once, as an automaton does, a word at a time. So a match
costs at most words of the key x words of the patterns, also for `#.*.#.*.#`, on which backtracking
explodes. `##` runs (`#.#`) are folded into one `#`, which means the same; hence from any state one
step over a `#` is enough to know all states that no word leads to.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Final, Generic, TypeVar

from schemas.errors import PatternError, RoutingError
from schemas.tokens import escape_token, unescape_token

ONE_WORD: Final = "*"
ANY_WORDS: Final = "#"
MAX_KEY_BYTES: Final = 255
KEY_WORDS: Final = 3

# An event named "control" would else share its keys with control events (see routing.py).
RESERVED_EVENT: Final = "control"
ESCAPED_RESERVED_EVENT: Final = "%63ontrol"

Target = TypeVar("Target", bound=Hashable)


def split_words(key: str) -> list[str]:
    """The words of a key or pattern as RabbitMQ counts them: none in the empty one."""
    return key.split(".") if key else []


def _pattern_words(pattern: str) -> list[str]:
    """The words of a pattern, runs of `#` folded. Raises `PatternError` over 255 bytes."""
    size = len(pattern.encode("utf-8", "surrogatepass"))
    if size > MAX_KEY_BYTES:
        raise PatternError(f"a key pattern has {size} bytes, at most {MAX_KEY_BYTES} are allowed")
    words: list[str] = []
    for word in split_words(pattern):
        if word != ANY_WORDS or not words or words[-1] != ANY_WORDS:
            words.append(word)
    return words


def check_pattern(pattern: str) -> str:
    """Return the pattern if it can match a key of this contract; else raise `PatternError`.

    Stricter than RabbitMQ, which takes any text: this refuses what would silently never match, such as
    upper case, too few words, or a `*` meant as a part of a word. It is for patterns that people write.
    """
    words = _pattern_words(pattern)
    if not words:
        raise PatternError("a key pattern is empty; # takes every event")
    for word in words:
        if word not in (ONE_WORD, ANY_WORDS, ESCAPED_RESERVED_EVENT):
            _check_word(pattern, word)
    fixed = sum(word != ANY_WORDS for word in words)
    if fixed > KEY_WORDS or (fixed < KEY_WORDS and ANY_WORDS not in words):
        raise PatternError(
            f"key pattern {pattern!r} can match no key: a key has three words, <pbx>.<event>.<extension>; "
            "* takes one word, # any number of them"
        )
    return pattern


def _check_word(pattern: str, word: str) -> None:
    if not word:
        raise PatternError(
            f"key pattern {pattern!r} has an empty word, which no key has; write * to take any word"
        )
    if ("*" in word or "#" in word) and any(map(str.isalpha, word)):
        raise PatternError(
            f"key pattern {pattern!r}: {word!r} is no wild card; * and # stand for whole words, "
            "as in *.hangup.200 or main.#"
        )
    try:
        written = escape_token(unescape_token(word))
    except RoutingError as error:
        raise PatternError(f"key pattern {pattern!r}: {error}") from None
    if written != word:
        raise PatternError(
            f"key pattern {pattern!r}: no key holds the word {word!r}; it is written {written!r} "
            "(lower case, white space and % as %XX, at most 60 bytes)"
        )


class TopicPattern:
    """One pattern. Immutable.

    Bit i of a state says: the first i words of the pattern are used up by the words read so far.
    """

    __slots__ = ("_accept", "_one", "_start", "_stay", "_words", "pattern")

    def __init__(self, pattern: str) -> None:
        """Raises `PatternError` over 255 bytes; RabbitMQ takes everything else, and so does this."""
        self.pattern = pattern
        self._one = 0
        self._stay = 0
        self._words: dict[str, int] = {}
        words = _pattern_words(pattern)
        for position, word in enumerate(words):
            bit = 1 << position
            if word == ANY_WORDS:
                self._stay |= bit
            elif word == ONE_WORD:
                self._one |= bit
            else:
                self._words[word] = self._words.get(word, 0) | bit
        self._accept = 1 << len(words)
        self._start = 1 | (self._stay & 1) << 1

    def matches(self, key: str) -> bool:
        """Whether a topic exchange would route the key to a queue bound with this pattern."""
        one, stay, words, state = self._one, self._stay, self._words, self._start
        for word in split_words(key):
            state = (state & (one | words.get(word, 0))) << 1 | state & stay
            state |= (state & stay) << 1
            if not state:
                return False
        return state & self._accept != 0

    def __repr__(self) -> str:
        return f"TopicPattern({self.pattern!r})"


@lru_cache(maxsize=1024)
def topic_pattern(pattern: str) -> TopicPattern:
    """The compiled pattern; the 1,024 most recent ones are kept."""
    return TopicPattern(pattern)


class _Node(Generic[Target]):
    """A place in the trie of patterns. `stays`: it was reached by `#`, and any word leads back to it."""

    __slots__ = ("after_any", "after_one", "after_word", "stays", "targets")

    def __init__(self, stays: bool = False) -> None:
        self.after_word: dict[str, _Node[Target]] = {}
        self.after_one: _Node[Target] | None = None
        self.after_any: _Node[Target] | None = None
        self.targets: set[Target] = set()
        self.stays = stays

    def step(self, word: str) -> _Node[Target] | None:
        if word == ONE_WORD:
            return self.after_one
        if word == ANY_WORDS:
            return self.after_any
        return self.after_word.get(word)

    def grow(self, word: str) -> _Node[Target]:
        node = self.step(word)
        if node is None:
            node = _Node(stays=word == ANY_WORDS)
            if word == ONE_WORD:
                self.after_one = node
            elif word == ANY_WORDS:
                self.after_any = node
            else:
                self.after_word[word] = node
        return node

    def prune(self, word: str) -> None:
        if word == ONE_WORD:
            self.after_one = None
        elif word == ANY_WORDS:
            self.after_any = None
        else:
            del self.after_word[word]

    @property
    def bare(self) -> bool:
        return not (self.targets or self.after_word or self.after_one or self.after_any)


class TopicMatcher(Generic[Target]):
    """Many patterns at once: which targets (queues, bindings, sessions) a key goes to.

    Answers are cached for up to `cache_size` keys of at most 255 characters. A full cache is emptied and
    fills again with the keys of the day; so is it when a binding comes or goes. Equal answers share one
    set. Not for use by two threads at once.
    """

    __slots__ = ("_answers", "_bindings", "_cache", "_cache_size", "_root")

    def __init__(self, cache_size: int = 4096) -> None:
        self._root: _Node[Target] = _Node()
        self._bindings = 0
        self._cache: dict[str, frozenset[Target]] = {}
        self._answers: dict[frozenset[Target], frozenset[Target]] = {}
        self._cache_size = cache_size

    def __len__(self) -> int:
        """How many (pattern, target) pairs are bound."""
        return self._bindings

    def bind(self, pattern: str, target: Target) -> None:
        """Add a binding; the same pair twice is the same as once. Raises `PatternError` over 255 bytes."""
        node = self._root
        for word in _pattern_words(pattern):
            node = node.grow(word)
        if target not in node.targets:
            node.targets.add(target)
            self._bindings += 1
            self._forget()

    def unbind(self, pattern: str, target: Target) -> None:
        """Remove a binding; nothing happens if it is not there."""
        path: list[tuple[_Node[Target], str]] = []
        node = self._root
        for word in _pattern_words(pattern):
            following = node.step(word)
            if following is None:
                return
            path.append((node, word))
            node = following
        if target not in node.targets:
            return
        node.targets.remove(target)
        self._bindings -= 1
        self._forget()
        for parent, word in reversed(path):
            if not node.bare:
                break
            parent.prune(word)
            node = parent

    def targets(self, key: str) -> frozenset[Target]:
        """All targets with a pattern that takes the key, each once."""
        answer = self._cache.get(key)
        return self._find(key) if answer is None else answer

    def targets_of(self, keys: Iterable[str]) -> frozenset[Target]:
        """All targets that take one of an event's keys (routing key and CC), each once, as on RabbitMQ."""
        found: frozenset[Target] = frozenset()
        for key in keys:
            answer = self.targets(key)
            found = found | answer if found else answer
        return found

    def _find(self, key: str) -> frozenset[Target]:
        active = {self._root}
        if self._root.after_any is not None:
            active.add(self._root.after_any)
        for word in split_words(key):
            reached: set[_Node[Target]] = set()
            for node in active:
                if node.stays:
                    reached.add(node)
                for following in (node.after_word.get(word), node.after_one):
                    if following is not None:
                        reached.add(following)
                        if following.after_any is not None:
                            reached.add(following.after_any)
            active = reached
        answer = frozenset[Target]().union(*[node.targets for node in active])
        if len(key) <= MAX_KEY_BYTES:
            if len(self._cache) >= self._cache_size:
                self._forget()
            answer = self._answers.setdefault(answer, answer)
            self._cache[key] = answer
        return answer

    def _forget(self) -> None:
        self._cache.clear()
        self._answers.clear()
