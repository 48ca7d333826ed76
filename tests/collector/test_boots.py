"""Telling a PBX restart from a blip of the link."""

from __future__ import annotations

import pytest

from publisher.boots import Boot, boot_of_core_status, boot_of_fully_booted

NOW_US = 1_795_424_000_000_000


def test_equal_startup_texts_are_the_same_run_whatever_the_clocks_say() -> None:
    earlier = Boot("2026-11-23 08:54:46", NOW_US)
    assert not Boot("2026-11-23 08:54:46", NOW_US + 60_000_000).is_restart_after(earlier)


def test_another_startup_text_is_a_restart() -> None:
    assert Boot("2026-11-23 09:00:01").is_restart_after(Boot("2026-11-23 08:54:46"))


def test_uptime_is_only_known_to_the_second_so_a_few_seconds_are_no_restart() -> None:
    first = boot_of_fully_booted({"Uptime": "444"}, NOW_US)
    blip = boot_of_fully_booted({"Uptime": "504"}, NOW_US + 61_900_000)
    restart = boot_of_fully_booted({"Uptime": "2"}, NOW_US + 61_900_000)
    assert not blip.is_restart_after(first)
    assert restart.is_restart_after(first)


def test_without_a_common_witness_nothing_is_claimed() -> None:
    assert not Boot("2026-11-23 08:54:46").is_restart_after(Boot("", NOW_US))
    assert not Boot().is_restart_after(Boot("2026-11-23 08:54:46", NOW_US))


def test_an_answer_without_the_fields_names_no_run() -> None:
    assert boot_of_core_status({"Response": "Error", "Message": "Permission denied"}) == Boot()
    assert boot_of_fully_booted({"Status": "Fully Booted"}, NOW_US) == Boot()


def test_the_core_status_of_every_version_names_the_run() -> None:
    fields: dict[str, str | list[str]] = {"CoreStartupDate": "2026-11-23", "CoreStartupTime": "08:54:49"}
    assert boot_of_core_status(fields) == Boot("2026-11-23 08:54:49")


@pytest.mark.parametrize("uptime", ["²", "-5", "", "12345678901", "9" * 5000], ids=lambda text: text[:12])
def test_an_uptime_that_is_none_names_no_run(uptime: str) -> None:
    assert boot_of_fully_booted({"Uptime": uptime}, NOW_US) == Boot()
