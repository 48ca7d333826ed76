"""Secrets come from files that not everybody reads, or from variables; nothing shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from consumers.errors import SinkMisconfigured, SinkUnavailable
from consumers.plugin import SinkContext, SinkOptions
from consumers.sinks.secrets import MAX_SECRET_BYTES, secret_source, url_source


class Options(SinkOptions):
    url: str = Field("", description="x")
    url_file: Path | None = Field(None, description="x")
    url_env: str | None = Field(None, description="x")
    secret_file: Path | None = Field(None, description="x")
    secret_env: str | None = Field(None, description="x")


def write(path: Path, data: bytes, mode: int = 0o600) -> None:
    path.write_bytes(data)
    path.chmod(mode)


def source(folder: Path, **options: Any) -> Any:
    return secret_source(Options.model_validate(options), "secret", SinkContext("b", folder))


def test_a_file_s_line_end_is_no_part_of_the_secret(tmp_path: Path) -> None:
    write(tmp_path / "s", "пароль\r\n".encode())
    assert source(tmp_path, secret_file="s").read() == "пароль"


def test_it_is_read_again_each_time(tmp_path: Path) -> None:
    write(tmp_path / "s", b"old")
    found = source(tmp_path, secret_file="s")
    write(tmp_path / "s", b"new")
    assert found.read() == "new"
    (tmp_path / "s").unlink()
    with pytest.raises(SinkUnavailable, match=r"secret_file: .*/s cannot be read: No such file"):
        found.read()


def test_none_is_none(tmp_path: Path) -> None:
    assert source(tmp_path) is None


@pytest.mark.parametrize(
    ("data", "mode", "why"),
    [
        (b"hunter2", 0o644, "can be read by every user; run: chmod o-rwx"),
        (b"", 0o600, "is empty"),
        (b"\n", 0o600, "is empty"),
        (b"hunter2\nhunter3", 0o600, "must be one line"),
        (b"hunter2\0", 0o600, "must be one line"),
        (b"hunter2\xff", 0o600, "is not UTF-8 text"),
        (b"x" * (MAX_SECRET_BYTES + 1), 0o600, "has more than 4096 bytes"),
    ],
)
def test_what_cannot_be_a_secret_is_refused_without_showing_it(
    tmp_path: Path, data: bytes, mode: int, why: str
) -> None:
    write(tmp_path / "s", data, mode)
    with pytest.raises(SinkMisconfigured, match=why) as caught:
        source(tmp_path, secret_file="s")
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter" not in repr(error)
        error = error.__cause__


@pytest.mark.parametrize("value", ["", "a\nb", "\udcff"])
def test_a_variable_that_cannot_be_a_secret_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("A_SECRET", value)
    with pytest.raises(SinkMisconfigured, match="secret_env: the environment variable A_SECRET"):
        source(tmp_path, secret_env="A_SECRET")


@pytest.mark.parametrize(
    "url", ["amqp://u:hunter2@h", "redis://:hunter2@h", "https://a:@h", "x://u:hunter2@[h"]
)
def test_a_url_with_a_password_has_no_place_in_the_options(tmp_path: Path, url: str) -> None:
    with pytest.raises(SinkMisconfigured, match="url holds a password") as caught:
        url_source(Options(url=url), SinkContext("b", tmp_path))
    assert "hunter2" not in str(caught.value)


def test_a_url_with_a_user_alone_has(tmp_path: Path) -> None:
    assert url_source(Options(url="amqp://u@h"), SinkContext("b", tmp_path)).read() == "amqp://u@h"
