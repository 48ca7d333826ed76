import pytest

from schemas.broker_url import BrokerUrl


def test_a_url_is_taken_apart_and_shown_without_its_password() -> None:
    url = BrokerUrl.parse("amqps://bus:s%2Fecret@rabbit.example:5999/pbx%2Fone?cafile=ca.pem")
    assert (url.host, url.port, url.user, url.vhost, url.secure) == (
        "rabbit.example",
        5999,
        "bus",
        "pbx/one",
        True,
    )
    assert url.shown == "amqps://bus@rabbit.example:5999/pbx/one"
    assert "ecret" not in repr(url) + str(url) + url.shown


@pytest.mark.parametrize(
    ("text", "port"), [("amqp://host", 5672), ("amqps://host/", 5671), ("amqp://[::1]:7/", 7)]
)
def test_ports_follow_the_scheme(text: str, port: int) -> None:
    url = BrokerUrl.parse(text)
    assert (url.port, url.user, url.vhost) == (port, "guest", "/")


@pytest.mark.parametrize(
    "text", ["http://user:secret@host/", "amqp://", "host:5672", "amqp://user:secret@host:notaport/"]
)
def test_what_is_no_broker_url_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(ValueError, match="amqp") as refused:
        BrokerUrl.parse(text)
    assert "secret" not in str(refused.value).replace("user:password", "")
