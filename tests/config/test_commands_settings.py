"""`[commands]`: what is taken, and every wrong value in one sentence that names file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher.configuration.commands import CommandsSettings
from publisher.configuration.loading import load, parse
from publisher.errors import ConfigurationError
from tests.config.test_loading import HERE, TOP, errors_of, reveals

HEAD = "# one\n[commands]\n"


def commands(text: str = "", environ: dict[str, str] | None = None) -> CommandsSettings:
    return parse(HEAD + text, HERE, environ or {}).commands


def test_without_the_table_the_queue_is_the_embedded_one() -> None:
    settings = parse("", HERE).commands
    assert settings == commands()
    assert settings.read_url().reveal() == "embedded"
    assert (settings.max_depth, settings.lease_secs, settings.keep_days) == (10_000, 15.0, 7.0)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "embedded",
            "redis://h",
            f"redis://u:{TOP}@h:6380/1",
            f"rediss://:{TOP}@h",
            "unix:///run/redis.sock",
        ),
        *(f"redis+sentinel://:{TOP}@a,b/main", f"redis+cluster://:{TOP}@a,b:7000"),
    ],
)
def test_every_kind_of_queue_is_taken_and_shown_without_its_password(url: str) -> None:
    settings = parse(f'{HEAD}url = "{url}"\n', HERE)
    assert settings.commands.read_url().reveal() == url
    assert not reveals(settings)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('url = "http://h"', "is no command queue; allowed: embedded, redis://"),
        ('url = ""', "is no command queue"),
        ('url = "redis://"', "is no command queue"),
        (f'url = "redis://:{TOP}@h/x"', "is no command queue"),
        (f'url = "amqp://:{TOP}@h"', "is no command queue"),
        (f'url = "redis://:{TOP}@h?db=1"', "is no command queue"),
        ("url = 5", "must be text in quotes"),
        (f'urls = "redis://:{TOP}@h"', 'unknown key; did you mean "url"? allowed: url, url_file'),
        ('url_file = "nowhere"', "cannot be read: No such file"),
        ('url_env = "NOWHERE"', "the environment variable NOWHERE is not set"),
        ("timeout_secs = 0", "0.1 or more"),
        ("timeout_secs = nan", "allowed: 300 or less"),
        ("timeout_secs = inf", "allowed: 300 or less"),
        ("timeout_secs = true", "true or false"),
        ('timeout_secs = "soon"', "must be a number"),
        ("max_depth = 0", "1 or more"),
        ("max_depth = 1.5", "must be a whole number"),
        ("lease_secs = 0.5", "1 or more"),
        ("lease_secs = 601", "600 or less"),
        ("keep_replies_hours = 0", "0.01 or more"),
        ("keep_days = 2", "3 or more"),
        ("max_calls = 0", "1 or more"),
        ("max_calls = 501", "500 or less"),
        ("max_in_flight = -1", "1 or more"),
        ("rate = -1", "0 or more"),
        ("burst = 0", "1 or more"),
        ("answer_timeout_secs = 601", "600 or less"),
        ("tls = true", "must be a table"),
        ('tls = { ca_file = "nowhere.pem" }', "no such file"),
        ("tls = { verifi = true }", 'did you mean "verify"?'),
    ],
)
def test_a_wrong_value_is_one_sentence_with_file_line_and_key(line: str, part: str) -> None:
    (error,) = errors_of(f"{HEAD}{line}\n")
    key = line.partition(" =")[0]
    assert error.startswith(f"amibus.toml line 3: commands.{key}")
    assert part in error
    assert TOP not in error


def test_only_one_place_of_the_url_is_allowed() -> None:
    text = f'{HEAD}url = "redis://:{TOP}@h"\nurl_env = "U"\n'
    (error,) = errors_of(text, {"U": f"redis://:{TOP}@other"})
    assert error == "amibus.toml line 2: commands: needs one of url, url_file, url_env; found url and url_env"


def test_the_url_comes_from_a_file_beside_the_configuration_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "redis.url").write_text(f"redis://:{TOP}@h\n")
    (tmp_path / "redis.url").chmod(0o600)
    from_file = parse('[commands]\nurl_file = "redis.url"\n', tmp_path / "amibus.toml").commands
    assert from_file.read_url().reveal() == f"redis://:{TOP}@h"
    (tmp_path / "redis.url").write_text(f"http://:{TOP}@h\n")
    with pytest.raises(ConfigurationError, match=r"redis\.url: is no command queue; allowed: ") as raised:
        from_file.read_url()
    assert TOP not in str(raised.value)
    from_env = commands('url_env = "U"\n', {"U": f"redis://:{TOP}@h"})
    assert from_env.read_url({"U": "redis://other"}).reveal() == "redis://other"
    with pytest.raises(ConfigurationError, match="U is not set"):
        from_env.read_url({})


@pytest.mark.parametrize("mode", [0o644, 0o604])
def test_a_file_that_every_user_reads_holds_no_url_with_a_password(tmp_path: Path, mode: int) -> None:
    file, url = tmp_path / "amibus.toml", tmp_path / "redis.url"
    file.write_text(f'{HEAD}url = "redis://u:{TOP}@h"\n')
    file.chmod(mode)
    with pytest.raises(ConfigurationError) as raised:
        load(file, {})
    assert str(raised.value).startswith(f"{file} line 3: commands.url: is a secret in a file that every user")
    assert TOP not in str(raised.value)
    file.write_text(f'{HEAD}url = "redis://h"\n')
    assert load(file, {}).commands.read_url().reveal() == "redis://h"
    file.write_text(f'{HEAD}url_file = "redis.url"\n')
    url.write_text(f"redis://:{TOP}@h")
    url.chmod(mode)
    with pytest.raises(
        ConfigurationError, match=r"commands\.url_file: .* can be read by every user; run: chmod"
    ):
        load(file, {})


def test_the_environment_overrides_and_a_wrong_value_names_the_variable() -> None:
    environ = {"AMIBUS__COMMANDS__URL": f"redis://:{TOP}@h", "AMIBUS__COMMANDS__RATE": "5"}
    settings = parse("", HERE, environ, world_readable=True).commands
    assert (settings.rate, settings.read_url().reveal()) == (5.0, f"redis://:{TOP}@h")
    (error,) = errors_of("", {"AMIBUS__COMMANDS__URL": f"http://:{TOP}@h"})
    assert error.startswith("environment variable AMIBUS__COMMANDS__URL: commands.url: is no command queue")
    assert TOP not in error
