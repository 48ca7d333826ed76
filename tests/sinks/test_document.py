"""The page on sinks says what the program does."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from consumers.plugin import Retry
from consumers.sinks.amqp import wazo
from consumers.sinks.registry import SinkRegistry
from consumers.sinks.webhook.answers import Meaning, meaning, outcomes_of
from consumers.sinks.webhook.signature import SIGNATURE, TIMESTAMP, signature
from tests.architecture.blocks import table
from tests.sinks.document import PAGE, block, documented, with_tables


def test_every_option_of_every_sink_stands_there_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert documented(page) == set(SinkRegistry().names)
    assert with_tables(page) == page, "run: python -m tests.sinks.document"


def test_every_option_has_a_description() -> None:
    registry = SinkRegistry()
    for name in registry.names:
        for option, field in registry.find(name).type.Options.model_fields.items():
            assert (field.description or "").strip(), f"{name}: {option}"


def test_the_list_of_sinks_is_the_program_s() -> None:
    named = [row[0].partition("`")[2].partition("`")[0] for row in table(PAGE, "sink")]
    assert sorted(named) == SinkRegistry().names


def test_the_table_of_statuses_is_true() -> None:
    wanted = [Meaning.TAKEN, Meaning.LATER, Meaning.UNAVAILABLE, Meaning.REJECTED]
    for row, means in zip(table(PAGE, "status"), wanted, strict=False):
        for word in row[0].partition(";")[0].split(", "):
            status = 302 if word == "any redirect" else int(word.replace("xx", "00"))
            assert meaning(status) is means, word


def test_the_answer_for_each_event_is_understood() -> None:
    found = outcomes_of(block("text", '"results"').encode(), ["main-19f3a2c4d5e-1f", "main-19f3a2c4d5e-20"])
    assert found is not None
    assert found["main-19f3a2c4d5e-1f"] == Retry("busy", 5.0)
    assert len(found) == 2


def test_the_receiver_s_check_accepts_our_signature_and_no_other() -> None:
    names: dict[str, Any] = {"hmac": hmac, "hashlib": hashlib}
    exec(block("python", "def is_ours"), names)
    headers = {TIMESTAMP: "1790000000", SIGNATURE: signature("s", "1790000000", b"{}")}
    assert names["is_ours"]("s", headers, b"{}")
    assert not names["is_ours"]("s", headers, b"[]")
    assert not names["is_ours"]("t", headers, b"{}")
    assert not names["is_ours"]("s", {**headers, TIMESTAMP: "1790000001"}, b"{}")


def test_the_names_of_wazo_bus_stand_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"exchange `{wazo.EXCHANGE}`" in page
