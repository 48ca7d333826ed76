"""RabbitMQ as the bus: each session is a connection of its own, with the topology declared anew.

One connection a PBX: a refusal, a block or a stall of one PBX's messages never holds up another's. Fifty
PBXs are fifty connections, which RabbitMQ carries easily (some 100 kB each on its side).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from publisher.adapters.rabbitmq.driver import open_link
from publisher.adapters.rabbitmq.frames import MessageEncoder
from publisher.adapters.rabbitmq.session import RabbitSession
from schemas.broker_url import BrokerUrl
from schemas.message import EVENTS_EXCHANGE


@dataclass(slots=True, frozen=True)
class RabbitSettings:
    """How to reach the broker. `tls` is used with amqps URLs; None means the system's authorities."""

    url: BrokerUrl
    heartbeat_secs: int = 5
    connect_timeout_secs: float = 10.0
    confirm_timeout_secs: float = 30.0
    tls: ssl.SSLContext | None = None


def app_id() -> str:
    """`ami-bus/<version>`, the app_id of every message."""
    try:
        return f"ami-bus/{version('ami-bus')}"
    except PackageNotFoundError:
        return "ami-bus/0"


class RabbitBus:
    """Implements `publisher.ports.Bus`; `pbx` names the connections on the broker's side."""

    def __init__(self, settings: RabbitSettings, pbx: str) -> None:
        self._settings = settings
        self._name = f"ami-bus {pbx}"

    async def open(self) -> RabbitSession:
        """Connect and declare. Raises `BusUnreachable` or `BusRefused`, at the latest after the timeout."""
        settings = self._settings
        link = await open_link(
            settings.url, self._name, settings.heartbeat_secs, settings.connect_timeout_secs, settings.tls
        )
        encoder = MessageEncoder(EVENTS_EXCHANGE, app_id(), link.channel_number, link.frame_max)
        return RabbitSession(settings.url, link, encoder, settings.confirm_timeout_secs)
