"""Decoding: a record of the journal becomes the message that stands on the bus.

What a message says depends on its record alone (and the PBX's naming), so that a record sent twice gives the
same bytes and the same id. Nothing is dropped: a packet that is neither an event nor a response goes out as
`control.malformed` with its text, a damaged control record as a gap.

This stands on the path of every event. Routing keys are kept by (event, extensions), the time's text
for all events of one read; the header map of the parse goes into the body as it is.

Bounds: 8,192 kept keys (least recently used out), names of at most 128 characters kept. What goes into AMQP's
own properties is bounded whatever a packet holds: `type` by 60 characters, `linkedid` and `call` by 149.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from publisher import control
from publisher.ami.fields import ParsedPacket, packet_text, parse_packet
from publisher.call_ties import OTHER_LINKEDIDS
from publisher.calls import MAX_UNIQUEID_LENGTH
from publisher.extensions import ExtensionReader
from publisher.records import CONTROL, SNAPSHOT, SUSPECT, SYNTHETIC, Record
from schemas.codecs import body_writer
from schemas.envelope import VERSION, event_id
from schemas.errors import EncodeError
from schemas.message import MSGPACK, Headers, Message
from schemas.routing import control_key, routing_keys
from schemas.timestamps import timestamp_text

MALFORMED: Final = "malformed"
_MALFORMED_CAUSE: Final = "a packet that is neither an event nor a response"
_TOO_LARGE_CAUSE: Final = "an event too large for a message"
_LONGEST_TEXT: Final = 1 << 20
_LONGEST_TYPE: Final = 60
_LONGEST_KEPT: Final = 128
_MICROSECONDS: Final = 1_000_000


@dataclass(slots=True, frozen=True)
class PbxNaming:
    """How one PBX's events are named and written: from its configuration."""

    pbx: str
    encoding: str = "utf-8"
    trunks: frozenset[str] = frozenset()
    content_type: str = MSGPACK


class EventDecoder:
    """Makes messages of one PBX's records. Not shared between threads."""

    def __init__(self, naming: PbxNaming) -> None:
        self._pbx = naming.pbx
        self._encoding = naming.encoding
        self._content_type = naming.content_type
        self._write = body_writer(naming.content_type)
        self._extensions = ExtensionReader(naming.trunks).extensions
        self._kept_routes = lru_cache(maxsize=8192)(self._make_route)
        self._epoch = -1
        self._id_prefix = ""
        self._received_us = -1
        self._received_at = ""
        self._second = -1
        self._second_text = ""

    def message(self, record: Record) -> Message:
        """The record as a message. Uses `record.parsed` where it is there, and keeps nothing on the record.

        An event whose body would exceed `schemas.codecs.MAX_BODY_BYTES` goes out as `control.malformed` with
        the beginning of its text: one monstrous packet must not stop the rest. The journal has it whole.
        """
        if record.kind == CONTROL:
            return self._control_message(record)
        parsed = record.parsed
        if parsed is None:
            parsed = parse_packet(record.raw, self._encoding)
        name = parsed.name
        if not name:
            return self._malformed_message(record, parsed)
        fields = parsed.fields
        pbx = self._pbx
        epoch = record.epoch
        seq = record.seq
        call = record.call
        extensions = self._extensions(name, fields)
        if len(name) <= _LONGEST_KEPT:
            routing_key, cc, type_ = self._kept_routes(name, extensions)
        else:
            routing_key, cc, type_ = self._make_route(name, extensions)
        received_us = record.received_us
        if received_us != self._received_us:
            self._receive_at(received_us)
        if epoch != self._epoch:
            self._epoch = epoch
            self._id_prefix = event_id(pbx, epoch, 0)[:-1]
        message_id = f"{self._id_prefix}{seq:x}"
        linkedid: Any = fields.get("Linkedid", "")
        privilege = fields.get("Privilege")
        if linkedid and privilege and not (record.flags or parsed.undecodable or parsed.text):
            # Nearly every event of Asterisk >= 12: one literal is made in one go.
            body: dict[str, Any] = {
                "v": VERSION,
                "id": message_id,
                "pbx": pbx,
                "epoch": epoch,
                "seq": seq,
                "received_at": self._received_at,
                "event": name,
                "extensions": extensions,
                "fields": fields,
                "privilege": privilege,
                "linkedid": linkedid,
                "call": call,
            }
        else:
            body = {
                "v": VERSION,
                "id": message_id,
                "pbx": pbx,
                "epoch": epoch,
                "seq": seq,
                "received_at": self._received_at,
                "event": name,
                "extensions": extensions,
                "fields": fields,
            }
            if privilege is not None:
                body["privilege"] = privilege
            if record.flags or parsed.undecodable or parsed.text:
                _mark(body, record.flags, parsed)
            if not linkedid and name in OTHER_LINKEDIDS:
                linkedid = fields.get(OTHER_LINKEDIDS[name], "")
            if linkedid:
                body["linkedid"] = linkedid
            body["call"] = call
        if linkedid.__class__ is not str or privilege.__class__ is list:
            linkedid = _single(body)
        if parsed.undecodable or len(linkedid) > MAX_UNIQUEID_LENGTH:
            linkedid = _for_a_header(linkedid)
            call = _for_a_header(call)
        try:
            written = self._write(body)
        except EncodeError:
            return self._malformed_message(record, parsed, _TOO_LARGE_CAUSE)
        return Message(
            routing_key,
            Headers(pbx, epoch, seq, call, linkedid, cc),
            message_id,
            type_,
            self._second,
            written,
            self._content_type,
        )

    def _receive_at(self, received_us: int) -> None:
        second, fraction = divmod(received_us, _MICROSECONDS)
        if second != self._second:
            self._second = second
            self._second_text = timestamp_text(second * _MICROSECONDS)[:-7]
        self._received_us = received_us
        self._received_at = f"{self._second_text}{fraction:06d}Z"

    def _make_route(self, name: str, extensions: tuple[str, ...]) -> tuple[str, tuple[str, ...], str]:
        keys = routing_keys(self._pbx, name, extensions)
        type_ = name if len(name) <= _LONGEST_TYPE else name[:_LONGEST_TYPE]
        return keys[0], keys[1:], type_.encode("utf-8", "replace").decode()

    def _malformed_message(
        self, record: Record, parsed: ParsedPacket, cause: str = _MALFORMED_CAUSE
    ) -> Message:
        more: dict[str, Any] = {"suspect": True}
        if parsed.undecodable:
            more["undecodable"] = True
        text = parsed.text or packet_text(parsed)
        if text:
            more["text"] = text[:_LONGEST_TEXT]
        return self._own_message(record, {"kind": MALFORMED, "cause": cause}, more)

    def _control_message(self, record: Record) -> Message:
        payload = control.body_map(record.raw, record.received_us, record.seq, record.span)
        return self._own_message(record, payload, {})

    def _own_message(self, record: Record, payload: dict[str, Any], more: dict[str, Any]) -> Message:
        """An event of ami-bus itself, `control.<kind>`."""
        name = f"control.{payload['kind']}"
        message_id = event_id(self._pbx, record.epoch, record.seq)
        body: dict[str, Any] = {
            "v": VERSION,
            "id": message_id,
            "pbx": self._pbx,
            "epoch": record.epoch,
            "seq": record.seq,
            "received_at": timestamp_text(record.received_us),
            "event": name,
            "extensions": (),
            "fields": {},
            **more,
            "call": record.call,
            "control": payload,
        }
        return Message(
            control_key(self._pbx, payload["kind"]),
            Headers(self._pbx, record.epoch, record.seq, record.call),
            message_id,
            name,
            record.received_us // _MICROSECONDS,
            self._write(body),
            self._content_type,
        )


def _mark(body: dict[str, Any], flags: int, parsed: ParsedPacket) -> None:
    """The keys that only some bodies have, between `privilege` and `linkedid`."""
    if flags & SNAPSHOT:
        body["snapshot"] = True
    if flags & SYNTHETIC:
        body["synthetic"] = True
    if flags & SUSPECT:
        body["suspect"] = True
    if parsed.undecodable:
        body["undecodable"] = True
    if parsed.text:
        body["text"] = parsed.text


def _single(body: dict[str, Any]) -> str:
    """The first value counts where a made-up packet repeats Privilege or Linkedid; returns the Linkedid."""
    for key in ("privilege", "linkedid"):
        if isinstance(body.get(key), list):
            body[key] = body[key][0]
    linkedid: str = body.get("linkedid", "")
    return linkedid


def _for_a_header(text: str) -> str:
    return text[:MAX_UNIQUEID_LENGTH].encode("utf-8", "replace").decode()
