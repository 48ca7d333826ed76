"""The broker's URL is shown without its secret, and queues are named alike on both sides."""

from __future__ import annotations

import pytest

from schemas.broker_topology import queue_name
from schemas.broker_url import BrokerUrl


@pytest.mark.parametrize(
    ("text", "shown", "secure", "user", "vhost"),
    [
        ("amqp://bus:s3cret@mq.example", "amqp://bus@mq.example:5672", False, "bus", "/"),
        ("amqps://bus:s3cret@mq.example/", "amqps://bus@mq.example:5671", True, "bus", "/"),
        ("amqp://a%40b:s3cret@[::1]:5673/%2Fpbx", "amqp://a@b@[::1]:5673//pbx", False, "a@b", "/pbx"),
        ("amqp://mq.example/pbx", "amqp://guest@mq.example:5672/pbx", False, "guest", "pbx"),
    ],
)
def test_a_broker_url_is_taken_apart_and_shown_without_its_password(
    text: str, shown: str, secure: bool, user: str, vhost: str
) -> None:
    url = BrokerUrl.parse(text)
    assert (str(url), url.secure, url.user, url.vhost) == (shown, secure, user, vhost)
    assert "s3cret" not in repr(url) + str(url)


@pytest.mark.parametrize("text", ["", "mq.example", "http://bus:s3cret@mq.example", "amqp://", "amqp://h:x"])
def test_a_url_of_another_form_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"amqp(\[s\])?://user:password@host:port/vhost") as caught:
        BrokerUrl.parse(text)
    assert "s3cret" not in str(caught.value)


def test_a_bindings_queue_bears_its_name() -> None:
    assert queue_name("crm") == "amibus.crm"
