"""Takes messages off a queue by AMQP 0-9-1 itself: a few frames by hand on a blocking socket.

It shares nothing with the product or its driver, and takes tens of thousands of messages a second, so that a
test may look at every one. What is taken is acknowledged before the connection closes; the rest stays.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.services.choice import RabbitmqServer

_PREFETCH = 2000
_TIMEOUT_SECS = 30
# Properties in the order of their flags, from bit 15 down; the letter is the type.
_PROPERTIES = (
    *(("content_type", "s"), ("content_encoding", "s"), ("headers", "F"), ("delivery_mode", "b")),
    *(("priority", "b"), ("correlation_id", "s"), ("reply_to", "s"), ("expiration", "s")),
    *(("message_id", "s"), ("timestamp", "T"), ("type", "s"), ("user_id", "s"), ("app_id", "s")),
)


@dataclass(slots=True, frozen=True)
class Taken:
    """A message with its properties by name."""

    routing_key: str
    redelivered: bool
    properties: dict[str, Any]
    body: bytes


def take_all(server: RabbitmqServer, vhost: str, queue: str) -> list[Taken]:
    """Take what stands on the queue now, in order."""
    taken: list[Taken] = []
    left = 1
    while left > 0:
        waiting, some = _take_some(server, vhost, queue, left if taken else _PREFETCH)
        left = left - len(some) if taken else waiting - len(some)
        taken += some
        if not some:
            break
    return taken


def _take_some(server: RabbitmqServer, vhost: str, queue: str, most: int) -> tuple[int, list[Taken]]:
    """How many stood there, and the first of them. Nothing more is delivered than is taken."""
    with socket.create_connection((server.host, server.port), _TIMEOUT_SECS) as sock:
        line = _Line(sock)
        line.log_in(server.user, server.password, vhost or "/")
        answer = line.ask(1, 50, 10, struct.pack(">H", 0) + _short(queue) + b"\x01" + _long(b""))
        waiting = struct.unpack_from(">I", answer, 1 + answer[0])[0]
        count = min(waiting, most, _PREFETCH)
        taken: list[Taken] = []
        if count:
            line.ask(1, 60, 10, struct.pack(">IHB", 0, count, 0))
            consume = struct.pack(">H", 0) + _short(queue) + _short("t") + b"\x00" + _long(b"")
            line.ask(1, 60, 20, consume)
            while len(taken) < count:
                tag, message = line.delivery()
                taken.append(message)
            line.say(1, 60, 80, struct.pack(">QB", tag, 1))
        line.close()
        return waiting, taken


class _Line:
    """One connection with one channel."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._frames = self._read()

    def log_in(self, user: str, password: str, vhost: str) -> None:
        self._sock.sendall(b"AMQP\x00\x00\x09\x01")
        self._method(10, 10)
        proof = f"\0{user}\0{password}".encode()
        self.say(0, 10, 11, _long(b"") + _short("PLAIN") + _long(proof) + _short("en_US"))
        channels, frame_max, _ = struct.unpack(">HIH", self._method(10, 30))
        self.say(0, 10, 31, struct.pack(">HIH", channels, frame_max, 0))
        self.ask(0, 10, 40, _short(vhost) + _short("") + b"\x00")
        self.ask(1, 20, 10, _short(""))

    def say(self, channel: int, kind: int, method: int, arguments: bytes) -> None:
        payload = struct.pack(">HH", kind, method) + arguments
        self._sock.sendall(struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce")

    def ask(self, channel: int, kind: int, method: int, arguments: bytes) -> bytes:
        """Say something and wait for its answer, whose number is the next one."""
        self.say(channel, kind, method, arguments)
        return self._method(kind, method + 1)

    def delivery(self) -> tuple[int, Taken]:
        arguments = self._method(60, 60)
        place = 1 + arguments[0]
        tag, redelivered = struct.unpack_from(">QB", arguments, place)
        place += 9 + 1 + arguments[place + 9]
        key = arguments[place + 1 : place + 1 + arguments[place]].decode()
        _, header = next(self._frames)
        size, flags = struct.unpack_from(">QH", header, 4)
        pieces = []
        while size:
            _, piece = next(self._frames)
            pieces.append(piece)
            size -= len(piece)
        return tag, Taken(key, bool(redelivered), _properties(header, flags), b"".join(pieces))

    def close(self) -> None:
        # The channel first: its answer says that the acknowledgements were heard.
        self.say(1, 20, 40, struct.pack(">H", 200) + _short("") + struct.pack(">HH", 0, 0))
        while (frame := next(self._frames)) and frame[1][:4] != struct.pack(">HH", 20, 41):
            pass

    def _method(self, kind: int, method: int) -> bytes:
        sort, payload = next(self._frames)
        assert sort == 1, sort
        assert struct.unpack_from(">HH", payload) == (kind, method), payload
        return payload[4:]

    def _read(self) -> Iterator[tuple[int, bytes]]:
        buffer = b""
        while True:
            place = 0
            while len(buffer) - place >= 7:
                sort, _, size = struct.unpack_from(">BHI", buffer, place)
                if len(buffer) - place < size + 8:
                    break
                assert buffer[place + 7 + size] == 0xCE
                if sort != 8:
                    yield sort, buffer[place + 7 : place + 7 + size]
                place += size + 8
            data = self._sock.recv(1 << 18)
            if not data:
                raise ConnectionResetError("the broker closed the connection")
            buffer = buffer[place:] + data


def _short(text: str) -> bytes:
    return bytes([len(text.encode())]) + text.encode()


def _long(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _properties(header: bytes, flags: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    place = 14
    for bit, (name, kind) in enumerate(_PROPERTIES):
        if flags & 1 << (15 - bit):
            found[name], place = _value(header, place, kind)
    return found


def _value(data: bytes, place: int, kind: str) -> tuple[Any, int]:
    if kind == "s":
        end = place + 1 + data[place]
        return data[place + 1 : end].decode(), end
    if kind == "b":
        return data[place], place + 1
    if kind in "TlI":
        code = {"T": ">Q", "l": ">q", "I": ">i"}[kind]
        return struct.unpack_from(code, data, place)[0], place + struct.calcsize(code)
    end = place + 4 + struct.unpack_from(">I", data, place)[0]
    place += 4
    if kind == "S":
        return data[place:end].decode(), end
    table: dict[str, Any] = {}
    items: list[Any] = []
    while place < end:
        name = ""
        if kind == "F":
            name, place = _value(data, place, "s")
        item, place = _value(data, place + 1, chr(data[place]))
        table[name] = item
        items.append(item)
    return (table if kind == "F" else items), end
