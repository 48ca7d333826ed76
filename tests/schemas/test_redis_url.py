"""A Redis's URL is taken apart, and shown without its password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.redis_url import FORMS, RedisUrl

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("text", "shown", "kind", "secure", "hosts", "db", "service"),
    [
        ("redis://h", "redis://h:6379", "single", False, [("h", 6379)], 0, ""),
        ("redis://bus:s3cret@h:6380/2", "redis://bus@h:6380/2", "single", False, [("h", 6380)], 2, ""),
        ("redis://:s3cret@h/", "redis://h:6379", "single", False, [("h", 6379)], 0, ""),
        (
            "rediss://:s3cret@H.example",
            "rediss://h.example:6379",
            "single",
            True,
            [("h.example", 6379)],
            0,
            "",
        ),
        ("redis://[::1]:6380", "redis://[::1]:6380", "single", False, [("::1", 6380)], 0, ""),
        (
            "redis+sentinel://bus:s3cret@a,b:26380/mymaster/3",
            "redis+sentinel://bus@a:26379,b:26380/mymaster/3",
            "sentinel",
            False,
            [("a", 26379), ("b", 26380)],
            3,
            "mymaster",
        ),
        (
            "rediss+cluster://:s3cret@a,[fe80::1]:7000",
            "rediss+cluster://a:6379,[fe80::1]:7000",
            "cluster",
            True,
            [("a", 6379), ("fe80::1", 7000)],
            0,
            "",
        ),
    ],
)
def test_a_url_is_taken_apart_and_shown_without_its_password(
    text: str, shown: str, kind: str, secure: bool, hosts: list[tuple[str, int]], db: int, service: str
) -> None:
    url = RedisUrl.parse(text)
    assert (str(url), url.kind, url.secure) == (shown, kind, secure)
    assert (list(url.hosts), url.db, url.service) == (hosts, db, service)
    assert url.password == (SECRET if SECRET in text else "")
    assert SECRET not in repr(url) + str(url) + f"{url}"


def test_a_socket_is_named_by_its_path() -> None:
    url = RedisUrl.parse("unix://bus:s3cret@/run/redis%20one.sock")
    assert (url.kind, url.path, url.user, url.password) == ("unix", "/run/redis one.sock", "bus", SECRET)
    assert str(url) == "unix:///run/redis one.sock"


def test_user_and_password_are_unquoted_and_a_password_may_hold_an_at_sign() -> None:
    assert RedisUrl.parse("redis://a%40b:p%2Fq%3A@h").password == "p/q:"
    assert RedisUrl.parse("redis://u:p@q@h").password == "p@q"
    assert RedisUrl.parse("redis://a%40b:x@h").user == "a@b"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "h",
            "h:6379",
            "http://:s3cret@h",
            "amqp://:s3cret@h",
            "redis",
            "redis:",
            "redis://",
            "redis:///0",
        ),
        *("redis://:s3cret@", "redis://:s3cret@h:x", "redis://:s3cret@h:99999", "redis://:s3cret@h:-1"),
        *("redis://:s3cret@h/x", "redis://:s3cret@h/-1", "redis://:s3cret@h/1/2", "redis://:s3cret@h/٣"),
        *("redis://:s3cret@a,b", "redis://:s3cret@h?db=1", "redis://:s3cret@h#x", "redis://:s3cret@h,"),
        *("redis://:s3cret/x@h", "redis://:s3cret@[::1", "redis://:s3cret@h/" + "9" * 5000),
        *(
            "redis+sentinel://:s3cret@a,b",
            "redis+sentinel://:s3cret@a/m/x",
            "redis+sentinel://:s3cret@a/m/1/2",
        ),
        *(
            "redis+cluster://:s3cret@a,b/1",
            "redis+cluster://:s3cret@,",
            "redis+unix:///s3cret",
            "rediss+unix:///x",
        ),
        *("unix://:s3cret@h/x", "unix://", "unix:s3cret", "unixs:///x", "REDIS+rediss://:s3cret@h", "rediss"),
        "redis://:s3cret\u2100@h",
    ],
)
def test_a_url_of_another_form_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="has a form that is not allowed") as caught:
        RedisUrl.parse(text)
    assert FORMS in str(caught.value)
    chain: BaseException | None = caught.value
    while chain is not None:
        assert SECRET not in f"{chain!r} {chain}"
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_a_value_error(text: str) -> None:
    for prefix in ("", "redis://", "redis+sentinel://", "unix://", "redis://u:p@"):
        try:
            RedisUrl.parse(prefix + text)
        except ValueError as error:
            said = str(error)
        else:
            continue
        assert said.startswith("the Redis URL has a form")


@given(st.text(st.characters(categories=["L", "N"], include_characters=":@+!$"), min_size=6))
def test_no_password_is_ever_shown(password: str) -> None:
    try:
        url = RedisUrl.parse(f"redis://user:{password}@host:1/2")
    except ValueError as error:
        assert "NFKC" not in str(error)  # noqa: PT017
        return
    assert (url.password, str(url)) == (password, "redis://user@host:1/2")
    assert repr(url) == repr(RedisUrl.parse("redis://user:x@host:1/2"))
