"""Channel, device and dial-string names: whom do they name?

Asterisk builds a channel's name as `Technology/what-was-dialled-serial`. Forms taken apart here, with the
place in Asterisk's sources or settings they come from:

    SIP/202-0000019c  PJSIP/202-00000001  SCCP/101-00000004    peer, eight hexadecimal digits of a serial
    IAX2/office-4821                                           peer, the call number
    Local/202@from-queue-0000003f;2   Local/FMPR-201@…         the extension; FreePBX prefixes are dropped
    DAHDI/1-1   DAHDI/i1/74951234567-1                         the analog channel; the number on span 1
    Agent/1001                                                 the agent (chan_agent, Asterisk <= 11)
    AsyncGoto/SIP/207-00000022<ZOMBIE>  SIP/207-00000022<MASQ> a channel in the middle of a masquerade
    Bridge/… Parked/… Transfered/… Surrogate/…                 stand-ins for the channel named after them
    Message/ast_msg_queue  CBAnn/610-00000001;1  …             nobody: the PBX talking to itself

    SIP/202   Queue:500   confbridge:610   park:701@parkedcalls   Custom:DND202      devices and hints
    SIP/208&SIP/209   PJSIP/208/sip:208@10.0.0.5   SIP/trunk/89168844748   trunk/89168844748   dial strings

A peer's name is an extension as it stands, digits or not (`alice`, `0004F2`, `200a`), unless it is listed as
a trunk or is a bare address (a guest). What is dialled through a trunk is a number all the same.
Secrets in a dial string (`IAX2/user:secret@host/200`) are never part of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from publisher.numbers import SPECIAL_EXTENSIONS, UNKNOWN_PARTIES, number, plain_number

Parties = tuple[str, ...]

NOBODY: Final[Parties] = ()

# Prefixes under which Asterisk keeps the name of the channel that they stand in for.
_STAND_INS: Final = frozenset({"asyncgoto", "bridge", "parked", "transfered", "surrogate"})

# Technologies whose names are no party: recorders, announcers, media ends, spies.
_NOBODIES: Final = frozenset(
    {"message", "cbann", "cbrec", "confbridgerecorder", "announcer", "recorder", "snoop", "console"}
    | {"unicastrtp", "multicastrtp", "multicast_rtp", "websocket", "audiosocket", "voicemail", "bridge"}
)

# A dial string in an event's DialString header has lost its technology; one of these is not a peer's name.
_TECHNOLOGIES: Final = _NOBODIES | frozenset(
    {"sip", "pjsip", "iax2", "iax", "local", "dahdi", "zap", "sccp", "agent", "skinny", "mgcp", "ustm"}
    | {"unistim", "ooh323", "h323", "motif", "gtalk", "jingle", "phone", "dongle", "quectel"}
    | {"khomp", "mobile", "misdn", "capi", "woomera", "vpb"}
)
_ANALOG: Final = frozenset({"dahdi", "zap"})
_EXACT_SERIAL: Final = frozenset({"sip", "pjsip", "sccp"})

_SERIAL = re.compile(r"-[0-9a-fA-F]{8,16}\Z")
_LOOSE_SERIAL = re.compile(r"-[0-9a-fA-F]+\Z")
_CALL_INDEX = re.compile(r"-[0-9]+\Z")
_MARKS = re.compile(r"(?:<[A-Z]+>)+\Z")
_FREEPBX = re.compile(r"[A-Z][A-Z0-9]*(?:-[0-9]+)*-(\+?[0-9]+)#?")
_TRAILING_DIGITS = re.compile(r"[A-Za-z_]+([0-9]{1,32})(?:\*[0-9]+)?")
_PEER = re.compile(r"[\w.+*#~-]{1,60}")
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_STATE_PROVIDERS: Final = frozenset(
    {"confbridge", "meetme", "park", "mwi", "mailbox", "voicemail", "hint", "vm"}
)
_CUSTOM: Final = frozenset({"custom", "custompresence"})


class ChannelNames:
    """Reads names against one PBX's trunks. Without state besides that: the same name, the same answer.

    `trunks` are peers' names (`mytrunk`) or whole device names (`SIP/mytrunk`), in any case.
    """

    def __init__(self, trunks: Iterable[str] = ()) -> None:
        self._trunks = frozenset(name.strip().casefold() for name in trunks)

    def channel(self, name: str) -> Parties:
        """Whom a channel's name names; nobody where it is not a channel's name (no technology)."""
        name = _MARKS.sub("", name)
        head, slash, rest = name.partition("/")
        while "/" in rest and head.casefold() in _STAND_INS:
            head, slash, rest = rest.partition("/")
        if not slash:
            return NOBODY
        technology = head.casefold()
        half = rest.rfind(";")
        if half > 0 and rest[half + 1 :].isdigit():
            rest = rest[:half]
        if technology in _ANALOG:
            rest = _CALL_INDEX.sub("", rest)
        elif technology in _EXACT_SERIAL:
            rest = _SERIAL.sub("", rest)
        elif technology != "local":
            rest = _LOOSE_SERIAL.sub("", rest)
        return self._dialled(technology, rest)

    def channels(self, names: str) -> Parties:
        """Whom a comma list of channels names (BRIDGEPEER in a bridge of many)."""
        if "," not in names:
            return self.channel(names)
        return tuple(party for name in names.split(",") for party in self.channel(name.strip()))

    def device(self, names: str) -> Parties:
        """Whom a device's or hint's name names: one name, or several joined by `&` and `,`."""
        if "&" not in names and "," not in names:
            return self._one_device(names)
        parts = names.replace(",", "&").split("&")
        return tuple(party for part in parts for party in self._one_device(part.strip()))

    def peer(self, name: str) -> Parties:
        """Whom a peer's or endpoint's name names where a header gives it without its technology."""
        return self._peer("", name)

    def dialled(self, dial_string: str) -> Parties:
        """Whom a dial string rings, without the timeout and options that follow it in Dial's arguments."""
        if "&" not in dial_string:
            return self._one_dialled(dial_string)
        return tuple(party for part in dial_string.split("&") for party in self._one_dialled(part))

    def _one_device(self, name: str) -> Parties:
        head, slash, rest = name.partition("/")
        if ":" not in head:
            return self._dialled(head.casefold(), rest) if slash else NOBODY
        provider, _, value = name.partition(":")
        provider = provider.casefold()
        if provider == "queue":
            return self._queue_device(value)
        if provider in _STATE_PROVIDERS:
            return _parties(number(value))
        if provider == "presence":
            return self._one_device(value)
        if provider in _CUSTOM:
            whole = plain_number(value)
            match = None if whole else _TRAILING_DIGITS.fullmatch(value)
            return _parties(match[1] if match else whole)
        return NOBODY

    def _queue_device(self, value: str) -> Parties:
        """`500`, `500_avail`, `500_pause_SIP/208`: the member first, then the queue where it is a number."""
        queue, paused, member = value.partition("_pause_")
        its_number = _parties(plain_number(queue.removesuffix("_avail")))
        return self._one_device(member) + its_number if paused else its_number

    def _one_dialled(self, part: str) -> Parties:
        head, slash, rest = part.strip().partition("/")
        technology = head.casefold()
        if slash and technology in _TECHNOLOGIES:
            return self._dialled(technology, rest)
        return self._dialled("", part.strip())

    def _dialled(self, technology: str, rest: str) -> Parties:
        """What stands after the technology, the serial gone."""
        if technology in _NOBODIES:
            return NOBODY
        if technology == "local":
            return _local(rest)
        first, slash, dialled = rest.partition("!")[0].partition("/")
        if technology in _ANALOG:
            if slash:
                return _parties(number(dialled.partition("/")[0]))
            return self._peer(technology, first) if first.isdigit() else NOBODY
        user, at, _host = first.partition("@")
        if at:
            # user@host dials the user at that peer; a secret may follow the user's name.
            user = user.partition(":")[0]
            return _parties(number(dialled)) if slash else self._peer(technology, user)
        peer = self._peer(technology, first)
        return peer + _parties(number(dialled)) if slash else peer

    def _peer(self, technology: str, name: str) -> Parties:
        folded = name.casefold()
        if folded in self._trunks or f"{technology}/{folded}" in self._trunks:
            return NOBODY
        if plain_number(name):
            return (name,)
        if folded in UNKNOWN_PARTIES or (not technology and folded in SPECIAL_EXTENSIONS):
            return NOBODY
        return NOBODY if _ADDRESS.fullmatch(name) or not _PEER.fullmatch(name) else (name,)


def _local(rest: str) -> Parties:
    user = rest.partition("@")[0].partition("/")[0]
    match = _FREEPBX.fullmatch(user)
    return _parties(match[1] if match else plain_number(user))


def _parties(one: str) -> Parties:
    return (one,) if one else NOBODY
