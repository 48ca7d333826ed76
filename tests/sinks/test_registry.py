"""Sinks are found by name, and what is wrong is said with the key and without the value."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest
from pydantic import Field, SecretStr, field_validator

from consumers.errors import SinkMisconfigured
from consumers.plugin import DONE, Outcome, SinkContext, SinkEvent, SinkOptions
from consumers.sinks.registry import FoundSink, SinkRegistry

HERE = __name__


class Options(SinkOptions):
    name: str = Field(description="A name.")
    count: int = Field(3, ge=1, le=9, description="A number.")
    token: SecretStr | None = Field(None, description="A secret.")
    batch: int = Field(7, ge=1, description="How many at once.")

    @field_validator("token")
    @classmethod
    def _careless(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and "!" in token.get_secret_value():
            raise ValueError(f"the token {token.get_secret_value()} has a mark in it")
        return token


class Collecting:
    """A sink that keeps what it takes."""

    Options: ClassVar[type[SinkOptions]] = Options
    most_events: ClassVar[int] = 5

    def __init__(self, options: Any, context: SinkContext) -> None:
        if options.name == "wrong":
            raise SinkMisconfigured("name: wrong is wrong")

    async def open(self) -> None: ...

    async def take(self, events: Sequence[SinkEvent]) -> Outcome:
        return DONE

    async def close(self) -> None: ...


class NoTake:
    Options = Options
    most_events = 1

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class NoOptions(Collecting):
    Options = dict  # type: ignore[assignment]


class NoMost(Collecting):
    most_events = 0


def entry(name: str, what: str) -> EntryPoint:
    return EntryPoint(name, f"{sys.modules[HERE].__name__}:{what}", "amibus.sinks")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> SinkRegistry:
    broken = EntryPoint("broken", "no_such_package_of_a_test.sink:Sink", "amibus.sinks")
    names = {"good": "Collecting", "no-take": "NoTake", "no-options": "NoOptions", "no-most": "NoMost"}
    return SinkRegistry([broken, *(entry(name, what) for name, what in names.items())])


def test_the_installed_package_has_all_its_sinks() -> None:
    registry = SinkRegistry()
    assert {"stdout", "jsonl"} <= set(registry.names)
    for name in registry.names:
        assert registry.find(name).type.most_events >= 1


def test_an_unknown_name_is_told_with_those_there_are(registry: SinkRegistry) -> None:
    with pytest.raises(
        SinkMisconfigured,
        match=r"no sink 'god'; did you mean good\? known are: broken, good, no-most, no-options, no-take$",
    ):
        registry.find("god")


def test_where_there_is_no_sink_at_all_it_says_so() -> None:
    with pytest.raises(SinkMisconfigured, match="known are: none at all"):
        SinkRegistry([]).find("webhook")


def test_a_package_that_cannot_be_loaded_says_why_and_disturbs_no_other(registry: SinkRegistry) -> None:
    with pytest.raises(SinkMisconfigured, match=r"sink broken .*ModuleNotFoundError: No module named"):
        registry.find("broken")
    assert registry.find("good").type is Collecting


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no-take", "has no method `async def take`"),
        ("no-options", "has no class Options made from SinkOptions"),
        ("no-most", "has no number most_events of at least 1"),
    ],
)
def test_what_is_no_sink_is_refused_with_what_it_lacks(registry: SinkRegistry, name: str, why: str) -> None:
    with pytest.raises(SinkMisconfigured, match=why):
        registry.find(name)


def test_a_name_that_two_packages_claim_is_refused() -> None:
    registry = SinkRegistry([entry("good", "Collecting"), entry("good", "NoTake")])
    with pytest.raises(SinkMisconfigured, match="uninstall all but one"):
        registry.find("good")


def test_wrong_options_are_told_by_key_all_at_once(registry: SinkRegistry) -> None:
    with pytest.raises(SinkMisconfigured) as caught:
        registry.find("good").options({"count": 10, "nmae": "x"})
    assert str(caught.value) == (
        "sink good: name must be given; count: must be less than or equal to 9; "
        "nmae is unknown; did you mean name? known are: name, count, token, batch"
    )


def test_no_value_of_a_secret_is_repeated(registry: SinkRegistry) -> None:
    with pytest.raises(SinkMisconfigured) as caught:
        registry.find("good").options({"name": "x", "token": "hunter2!"})
    assert "token" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_batch_is_the_option_s_within_what_the_sink_bears(registry: SinkRegistry) -> None:
    good = registry.find("good")
    assert good.most_events(good.options({"name": "x"})) == 5
    assert good.most_events(good.options({"name": "x", "batch": 2})) == 2


def test_options_that_contradict_each_other_are_told_with_the_sink(registry: SinkRegistry) -> None:
    found: FoundSink = registry.find("good")
    with pytest.raises(SinkMisconfigured, match=r"^sink good: name: wrong is wrong$"):
        found.make(found.options({"name": "wrong"}), SinkContext("b"))
