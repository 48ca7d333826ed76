"""Every party that an independent look at the raw text finds is among the extensions, and no other is."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from publisher.ami.fields import parse_packet
from publisher.extensions import ExtensionReader
from publisher.party_fields import EXCEPTIONS, FIELDS
from schemas.message import MAX_EXTENSIONS
from tests.domain.independent import LAB, parties
from tests.domain.packets import CORPUS, RECORDINGS, events, name_of, raw_events

_LAB = re.compile(LAB)


_OWN = re.compile(rf"(?:SIP|PJSIP|Local)/({LAB})[-@].*")


@dataclass
class Findings:
    missing: Counter[tuple[str, str]] = field(default_factory=Counter)
    too_many: Counter[tuple[str, str]] = field(default_factory=Counter)
    not_first: Counter[str] = field(default_factory=Counter)
    most: int = 0
    bound_to_208: list[int] = field(default_factory=list)
    naming_208: list[int] = field(default_factory=list)


@cache
def findings(path: Path) -> Findings:
    """One walk through a recording; what each test looks at."""
    reader = ExtensionReader({"trunk"})
    found = Findings()
    for number, raw in enumerate(raw_events(path)):
        parsed = parse_packet(raw)
        extensions = reader.extensions(parsed.name, parsed.fields)
        of_the_lab = {extension for extension in extensions if _LAB.fullmatch(extension)}
        expected = parties(raw)
        found.missing.update((parsed.name, party) for party in expected - of_the_lab)
        found.too_many.update((parsed.name, party) for party in of_the_lab - expected)
        found.most = max(found.most, len(extensions))
        if "208" in extensions:
            found.bound_to_208.append(number)
        if "208" in expected:
            found.naming_208.append(number)
        own = _OWN.fullmatch(str(parsed.fields.get("Channel", "")))
        if own and extensions[0] != own[1]:
            found.not_first[parsed.name] += 1
    return found


@pytest.mark.parametrize("path", [*CORPUS, *RECORDINGS], ids=name_of)
def test_the_extensions_of_each_recorded_event_are_the_parties_that_its_text_names(path: Path) -> None:
    found = findings(path)
    assert not found.missing
    assert not found.too_many
    assert 2 <= found.most <= MAX_EXTENSIONS


@pytest.mark.parametrize("path", [*CORPUS, *RECORDINGS], ids=name_of)
def test_the_events_that_concern_208_are_exactly_those_whose_text_names_it_as_a_party(path: Path) -> None:
    found = findings(path)
    assert found.naming_208
    assert found.bound_to_208 == found.naming_208


@pytest.mark.parametrize("path", [*CORPUS, *RECORDINGS], ids=name_of)
def test_the_own_channels_extension_stands_first(path: Path) -> None:
    assert not findings(path).not_first


@pytest.mark.parametrize("path", [*CORPUS, *RECORDINGS[:1]], ids=name_of)
def test_what_is_kept_never_changes_an_answer(path: Path) -> None:
    kept = ExtensionReader({"trunk"})
    for parsed in events(path)[:1000]:
        fresh = ExtensionReader({"trunk"})
        assert kept.extensions(parsed.name, parsed.fields) == fresh.extensions(parsed.name, parsed.fields)


def fields_document() -> list[tuple[str, str, str]]:
    """(event, field, kind) of extension-fields.md, the kinds that name a party."""
    path = Path(__file__).parents[2] / "../shared/traces/extension-fields.md"
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = line.split(" | ")
        if len(cells) == 2 and cells[0].startswith("| ") and cells[0] != "| event":
            for name, kinds in re.findall(r"\*\*([^*]+)\*\* ([^;]*)", cells[1]):
                for kind in ("exact", "channel", "device", "name <num>"):
                    if f"{kind} x" in kinds:
                        rows.append((cells[0][2:], name, kind))
    return rows


# A name that happens to equal a number, a SIP cause, counters, and what is read by another header's value.
NO_PARTY = re.compile(r".*Name|TechCause|SentPackets|SSRC")


@pytest.mark.skipif(not fields_document(), reason="the recordings do not lie beside the checkout")
def test_each_field_in_which_an_extension_was_seen_is_in_the_table() -> None:
    defaults = {name.lower() for name, _ in FIELDS}
    lacking = {
        (event, field)
        for event, field, _ in fields_document()
        if field.lower() not in defaults
        and (event.lower(), field.lower()) not in EXCEPTIONS
        and not NO_PARTY.fullmatch(field)
    }
    assert not lacking
