"""`amibus.toml`: what is taken, and how what is wrong is said."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from publisher.configuration.loading import load, load_environment, parse
from publisher.configuration.settings import Settings
from publisher.errors import ConfigurationError

HERE = Path("amibus.toml")
PBX = '[[pbx]]\nsecret = "s"\n'


def errors_of(text: str, environ: dict[str, str] | None = None, world_readable: bool = False) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, HERE, environ or {}, world_readable)
    return str(raised.value).splitlines()


def test_an_empty_file_gives_every_default() -> None:
    settings = parse("", HERE)
    assert settings.pbx == []
    assert settings.bus.url.reveal() == "embedded"
    assert settings.bus.window == 2000
    assert settings.journal.durability == "process"
    assert settings.journal.dir == Path("data")


def test_a_pbx_needs_only_its_secret() -> None:
    (pbx,) = parse(PBX, HERE).pbx
    assert (pbx.name, pbx.host, pbx.port, pbx.auth, pbx.encoding) == (
        "main",
        "127.0.0.1",
        5038,
        "md5",
        "utf-8",
    )
    assert pbx.tls_settings is None
    assert pbx.read_secret() == "s"


@pytest.mark.parametrize("tls", ["true", "{ verify = false }"])
def test_tls_moves_the_default_port(tls: str) -> None:
    (pbx,) = parse(f"{PBX}tls = {tls}\n", HERE).pbx
    assert pbx.port == 5039
    assert pbx.tls_settings is not None
    assert pbx.tls_settings.verify is (tls == "true")


def test_a_port_that_is_given_stays_with_tls() -> None:
    (pbx,) = parse(f"{PBX}tls = true\nport = 5038\n", HERE).pbx
    assert pbx.port == 5038


def test_an_unknown_key_names_file_line_key_and_what_is_allowed() -> None:
    (error,) = errors_of(f'# one\n{PBX}hots = "x"\n')
    assert error.startswith('amibus.toml line 4: pbx[0].hots: unknown key; did you mean "host"? allowed: ')
    assert "username" in error


@pytest.mark.parametrize("section", ["bus", "commands"])
def test_the_name_in_a_servers_certificate_is_its_host_and_no_other_can_be_given(section: str) -> None:
    (error,) = errors_of(f'[{section}]\ntls = {{ server_name = "other.example.org" }}\n')
    assert f"{section}.tls.server_name: unknown key; allowed: verify, ca_file" in error


def test_an_unknown_section_is_named() -> None:
    (error,) = errors_of("[journals]\n")
    assert error.startswith('amibus.toml line 1: journals: unknown key; did you mean "journal"?')


def test_a_duplicate_key_names_its_second_line() -> None:
    (error,) = errors_of("[bus]\nwindow = 1\nwindow = 2\n")
    assert error.startswith("amibus.toml line 3: window: is there twice")


def test_a_duplicate_table_is_named() -> None:
    (error,) = errors_of("[bus]\n[log]\n[bus]\n")
    assert error.startswith("amibus.toml line 3: [bus]: is there twice")


def test_two_pbxs_of_one_name_are_refused() -> None:
    (error,) = errors_of(PBX + PBX + 'name = "main"\n')
    assert error == (
        "amibus.toml line 5: pbx[1].name: is the same name as in amibus.toml line 1; names must differ"
    )


def test_all_errors_of_a_file_come_together_in_its_order() -> None:
    errors = errors_of(
        '[[pbx]]\nsecret = "s"\nport = 70000\nauth = "x"\n[log]\nlevel = "loud"\n'
        '[journal]\nkeep_bytes = "10 Gx"\n'
    )
    assert [error.split(": ")[0] for error in errors] == [f"amibus.toml line {n}" for n in (3, 4, 6, 8)]
    assert "allowed: 65535 or less" in errors[0]
    assert "allowed: 'md5', 'plain'" in errors[1]


@pytest.mark.parametrize(
    ("text", "line"),
    [("[bus\n", 1), ('[bus]\nurl = "x\n', 2), ("[bus]\n\n = 3\n", 3), ("a = 1\nb = [1,\n2", 3)],
)
def test_broken_toml_names_its_line(text: str, line: int) -> None:
    (error,) = errors_of(text)
    assert error.startswith(f"amibus.toml line {line}: ")
    assert "is no TOML" in error


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('name = "Main PBX"', "form"),
        ('name = "main.pbx"', "form"),
        ('name = "' + "x" * 41 + '"', "too long"),
        ('host = "bus@host"', "form"),
        ("host = 5", "text in quotes"),
        ("port = true", "true or false"),
        ("port = 0", "1 or more"),
        ('encoding = "utf-16"', "ASCII"),
        ('encoding = "klingon"', "no text encoding"),
        ('encoding = "hex"', "no text encoding"),
        ("ping_interval_secs = nan", "allowed: 300 or less"),
        ('leave_out = ["Var Set"]', "form"),
        ('leave_out = "VarSet"', "must be a list"),
        ('tls = "perhaps"', "true or false"),
        ('tls = { ca_file = "nowhere.pem" }', "no such file"),
        ('username = "a\\r\\nAction: x"', "form"),
    ],
)
def test_a_wrong_value_of_a_pbx_is_refused_with_its_line(line: str, part: str) -> None:
    (error,) = errors_of(f"{PBX}{line}\n")
    assert error.startswith("amibus.toml line 3: pbx[0].")
    assert part in error


@pytest.mark.parametrize("url", ["http://x", "amqp:/x", "amqp://", "sqlite:///x", ""])
def test_a_bus_that_we_do_not_know_is_refused(url: str) -> None:
    (error,) = errors_of(f'[bus]\nurl = "{url}"\n')
    assert "allowed: embedded, amqp://" in error


def test_sections_of_the_wrong_shape_say_how_they_are_written() -> None:
    assert errors_of("[pbx]\n") == ["amibus.toml line 1: pbx: must be written [[…]], with two brackets"]
    assert errors_of("[[bus]]\n") == ["amibus.toml line 1: bus: must be a table"]


# Secrets.

TOP = "t0p-s3cret"


def reveals(settings: Settings) -> bool:
    shown = (repr(settings), str(settings), repr(settings.model_dump()), settings.model_dump_json())
    return any(TOP in text for text in shown)


def test_no_secret_is_shown_by_anything() -> None:
    settings = parse(
        f'[[pbx]]\nsecret = "{TOP}"\n[bus]\nurl = "amqp://u:{TOP}@h/v"\n[commands]\nurl = "redis://:{TOP}@h"\n',
        HERE,
    )
    assert not reveals(settings)
    assert settings.pbx[0].read_secret() == TOP
    assert settings.bus.read_url().reveal() == f"amqp://u:{TOP}@h/v"
    assert str(settings.bus.url) == "amqp://u:***@h/v"
    assert str(settings.commands.url) == "redis://:***@h"


@pytest.mark.parametrize(
    "text",
    [
        f'[[pbx]]\nsecret = "{TOP}\\u0007"\n',
        f'[[pbx]]\nsecret = "{TOP}"\nsecret = "{TOP}"\n',
        f'[[pbx]]\nsecret = "{TOP}"\nsecret_env = "X"\n',
        f'[[pbx]]\nsecret = "{TOP}\n',
        f'[[pbx]]\nsecret = ["{TOP}"]\n',
        f'[bus]\nurl = "ftp://u:{TOP}@h"\n',
        f'[bus]\nurls = "amqp://u:{TOP}@h"\n',
        f'[bus]\nurl = "amqp://u:{TOP}@h"\nurl_env = "Y"\n',
    ],
)
def test_no_error_shows_a_secret(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, HERE, {"X": TOP, "Y": f"amqp://{TOP}"})
    chain: BaseException | None = raised.value
    while chain is not None:
        assert TOP not in f"{chain!r} {chain}"
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)


def test_exactly_one_source_of_the_secret_is_allowed() -> None:
    (none,) = errors_of("[[pbx]]\n")
    assert none.endswith("needs exactly one of secret_file, secret_env, secret; found none")
    (two,) = errors_of(PBX + 'secret_env = "X"\n', {"X": "y"})
    assert "found secret_env and secret" in two


def test_a_secret_in_a_file_that_everyone_reads_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "amibus.toml"
    file.write_text(PBX)
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match=re.escape(f"chmod o-rwx {file}")):
        load(file, {})
    file.chmod(0o640)
    assert load(file, {}).pbx[0].read_secret() == "s"


def test_a_bus_password_in_a_file_that_everyone_reads_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "amibus.toml"
    file.write_text('[bus]\nurl = "amqp://u:p@h/"\n')
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"bus\.url: is a secret in a file"):
        load(file, {})
    file.write_text('[bus]\nurl = "amqp://h/"\n')
    assert load(file, {}).bus.url.reveal() == "amqp://h/"


def test_a_secret_file_is_found_beside_the_configuration_and_read_anew(tmp_path: Path) -> None:
    file, secret = tmp_path / "amibus.toml", tmp_path / "pbx.secret"
    file.write_text('[[pbx]]\nsecret_file = "pbx.secret"\n')
    secret.write_text("first\n")
    secret.chmod(0o600)
    (pbx,) = load(file, {}).pbx
    assert pbx.read_secret() == "first"
    secret.write_text("second\r\n")
    assert pbx.read_secret() == "second"
    secret.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        pbx.read_secret()


@pytest.mark.parametrize(
    ("content", "mode", "part"),
    [
        (b"x\n", 0o644, "chmod o-rwx"),
        (b"\n", 0o600, "is empty"),
        (b"a\nb\n", 0o600, "single line"),
        (b"\xff\xfe", 0o600, "not UTF-8"),
        (b"x" * 5000, 0o600, "too large"),
    ],
)
def test_a_secret_file_that_cannot_be_one_is_refused(
    tmp_path: Path, content: bytes, mode: int, part: str
) -> None:
    file, secret = tmp_path / "amibus.toml", tmp_path / "pbx.secret"
    file.write_text('[[pbx]]\nsecret_file = "pbx.secret"\n')
    secret.write_bytes(content)
    secret.chmod(mode)
    with pytest.raises(ConfigurationError, match=part):
        load(file, {})


def test_a_secret_from_the_environment_must_be_set() -> None:
    (error,) = errors_of('[[pbx]]\nsecret_env = "PBX_SECRET"\n')
    assert error.endswith("pbx[0].secret_env: the environment variable PBX_SECRET is not set")
    (pbx,) = parse('[[pbx]]\nsecret_env = "PBX_SECRET"\n', HERE, {"PBX_SECRET": TOP}).pbx
    assert pbx.read_secret({"PBX_SECRET": TOP}) == TOP


def test_the_bus_url_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"amqp://u:{TOP}@h/\n")
    (tmp_path / "url").chmod(0o600)
    from_file = parse('[bus]\nurl_file = "url"\n', tmp_path / "amibus.toml")
    assert from_file.bus.read_url().reveal() == f"amqp://u:{TOP}@h/"
    from_env = parse('[bus]\nurl_env = "U"\n', HERE, {"U": "http://nothing"})
    with pytest.raises(ConfigurationError, match="U: is no bus; allowed: embedded"):
        from_env.bus.read_url({"U": "http://nothing"})


# The environment.


def test_the_environment_overrides_and_adds() -> None:
    environ = {
        "AMIBUS__PBX__0__HOST": "10.0.0.5",
        "AMIBUS__PBX__0__TRUNKS": '["one", "two"]',
        "AMIBUS__PBX__1__NAME": "second",
        "AMIBUS__PBX__1__SECRET": "12345",
        "AMIBUS__PBX__1__TLS": "true",
        "AMIBUS__BUS__WINDOW": "500",
        "AMIBUS__JOURNAL__KEEP_BYTES": "2 GiB",
        "AMIBUS_HOME": "not ours",
        "HOME": "/root",
    }
    settings = parse(PBX + 'host = "a"\n', HERE, environ)
    first, second = settings.pbx
    assert (first.host, first.trunks) == ("10.0.0.5", ["one", "two"])
    assert (second.name, second.read_secret(), second.port) == ("second", "12345", 5039)
    assert settings.bus.window == 500
    assert settings.journal.keep_bytes == 2 << 30


def test_list_elements_from_the_environment_come_in_number_order() -> None:
    environ = {f"AMIBUS__PBX__0__TRUNKS__{index}": f"t{index}" for index in range(12)}
    (pbx,) = parse(PBX, HERE, environ).pbx
    assert pbx.trunks == [f"t{index}" for index in range(12)]


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("AMIBUS__BUS__WINDO", "1", 'bus.windo: unknown key; did you mean "window"?'),
        ("AMIBUS__BUS__WINDOW", "x", "bus.window: must be a whole number"),
        ("AMIBUS__PBX__5__HOST", "x", "pbx has 1 elements; the next index is 1"),
        ("AMIBUS__PBX__0__TRUNKS", "[oops", "is none; allowed:"),
        ("AMIBUS__BUS", "x", "bus: must be a table"),
        ("AMIBUS__BUS__0", "x", "bus is no list"),
        ("AMIBUS__PBX__HOST", "x", "pbx holds no keys"),
    ],
)
def test_an_error_from_the_environment_names_the_variable(name: str, value: str, part: str) -> None:
    (error,) = errors_of(PBX + "[bus]\nwindow = 3\n", {name: value})
    assert error.startswith(f"environment variable {name}: ")
    assert part in error


def test_without_a_file_the_environment_alone_configures() -> None:
    settings = load_environment({"AMIBUS__PBX__0__SECRET": "s", "AMIBUS__LOG__LEVEL": "debug"})
    assert (settings.pbx[0].name, settings.log.level) == ("main", "debug")


# Files.


@pytest.mark.parametrize(
    ("content", "part"),
    [(b"[bus]\n\n# \xff\n", "line 3: is not UTF-8"), (None, "cannot be read: No such file")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, part: str) -> None:
    file = tmp_path / "amibus.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as raised:
        load(file, {})
    assert str(raised.value).startswith(str(file))
    assert part in str(raised.value)


def test_windows_line_ends_and_a_byte_order_mark_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "amibus.toml"
    file.write_bytes(b"\xef\xbb\xbf[bus]\r\nwindow = 7\r\n")
    assert load(file, os.environ).bus.window == 7


def test_a_secret_from_the_environment_does_not_mind_who_reads_the_file() -> None:
    environ = {"AMIBUS__BUS__URL": "amqp://u:p@h/", "AMIBUS__PBX__0__SECRET": "s"}
    settings = parse("[bus]\nwindow = 3\n", HERE, environ, world_readable=True)
    assert settings.bus.url.reveal() == "amqp://u:p@h/"
    assert settings.pbx[0].read_secret() == "s"


def test_no_regular_expression_is_shown_to_people() -> None:
    assert "'pattern':" not in str(Settings.model_json_schema())


def test_a_large_bound_is_a_plain_number() -> None:
    (error,) = errors_of("[commands]\nmax_depth = 20000000\n")
    assert error.endswith("is too large; allowed: 10000000 or less")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("AMIBUS__POLICY__CLIENTT__0__RATE", "policy.clientt: unknown key"),
        ("AMIBUS__PBXX__0__HOST", "pbxx: unknown key"),
        ("AMIBUS__BUS__TLZ__VERIFY", "bus.tlz: unknown key"),
        ("AMIBUS__BINDING__0__KEYS", "binding[0].name: is missing"),
        ("AMIBUS__PBX__0__TRUNKS", "pbx[0].trunks: must be a list"),
    ],
)
def test_a_wrong_variable_is_named_by_its_own_name(name: str, key: str) -> None:
    text = f"{PBX}[policy]\naudit_kept = 3\n[bus]\nwindow = 3\n"
    errors = errors_of(text, {name: "['#']" if name.endswith("KEYS") else "1"})
    assert errors[0].startswith(f"environment variable {name}: {key}"), errors


def test_a_fault_of_the_file_is_the_file_s_although_a_variable_stands_beside_it() -> None:
    (error,) = errors_of('[bus]\nurll = "x"\n', {"AMIBUS__BUS__WINDOW": "3"})
    assert error.startswith("amibus.toml line 2: bus.urll: unknown key")
    (error,) = errors_of("[[pbx]]\n", {"AMIBUS__PBX__0__HOST": "h"})
    assert error.startswith("amibus.toml line 1: pbx[0]: needs exactly one of")
