"""The command queue's names in Redis, and the scripts that clients run."""

from __future__ import annotations

import re

import pytest

from schemas.command import Priority
from schemas.command_queue import CLIENT_SCRIPTS, CommandKeys, client_script, prelude
from schemas.reply import FINAL

KEYS = CommandKeys("main")


def test_every_key_of_a_pbx_is_in_one_slot_of_a_cluster() -> None:
    names = [
        KEYS.interactive,
        KEYS.bulk,
        KEYS.active,
        KEYS.cancels,
        KEYS.replies,
        KEYS.fence,
        KEYS.command("x"),
    ]
    assert len(set(names)) == 7
    for name in names:
        assert name.startswith(KEYS.prefix)
        # A cluster hashes what stands between the first { and the first } after it.
        assert name[name.index("{") + 1 : name.index("}")] == "main"
    assert set(names).isdisjoint({name.replace("main", "main2") for name in names})


def test_the_stream_of_a_priority_comes_first_and_the_other_one_after_it() -> None:
    assert KEYS.streams(Priority.INTERACTIVE) == (KEYS.interactive, KEYS.bulk)
    assert KEYS.streams(Priority.BULK) == (KEYS.bulk, KEYS.interactive)


@pytest.mark.parametrize("name", CLIENT_SCRIPTS)
def test_a_script_is_the_prelude_and_its_own_text_and_uses_what_its_head_says(name: str) -> None:
    script = client_script(name)
    assert script.startswith(prelude())
    head = re.search(r"^-- KEYS: (.*(?:\n-- .*)*)\n-- ARGV: ", script.removeprefix(prelude()), re.MULTILINE)
    assert head is not None
    used = [int(number) for number in re.findall(r"KEYS\[(\d+)\]", script)]
    assert sorted(set(used)) == list(range(1, len(head[1].split(", ")) + 1))


def test_the_scripts_call_the_same_states_final_as_the_contract() -> None:
    found = re.search(r"FINAL = \{(.*)\}", prelude())
    assert found is not None
    assert set(re.findall(r"(\w+) = true", found[1])) == set(map(str, FINAL))
